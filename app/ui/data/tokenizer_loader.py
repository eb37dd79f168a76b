"""Whether the base model's tokenizer is at hand in the processes that read datasets."""

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core.errors import Failure
from app.core.model_limits import ModelLimits
from app.ui.state.app_state import AppState
from app.workers.data_process import DataProcess
from app.workers.job import JobEnded
from app.workers.jobs.datasets import LoadTokenizer, ModelTokenizer

_DELAY_MS = 50


class TokenizerSource(QObject):
    """Has it loaded when a model was chosen; nothing of it comes into this process."""

    changed = Signal()

    def __init__(self, state: AppState, process: DataProcess) -> None:
        super().__init__(state)
        self._state, self._process = state, process
        self._asked: ModelTokenizer | None = None
        self._job: int | None = None
        self.tokenizer: ModelTokenizer | None = None
        """None until it can be used."""
        self.failure: Failure | None = None
        self.is_bound = False
        """Only a run can use it."""
        self._timer = QTimer(self, interval=_DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self._ask)
        state.config_changed.connect(self.refresh)

    @Slot()
    def refresh(self) -> None:
        """Ask soon if the model is another."""
        if self._asked is None or self._asked.model != self._state.config.model:
            self.ask_again()

    @Slot()
    def ask_again(self) -> None:
        """Ask soon, whatever was answered before: the model's folder may be another by now."""
        before, model = self._asked, self._state.config.model
        self._asked = ModelTokenizer(model, before.asked + 1 if before else 0)
        self._set(None, None, is_bound=False)
        if before is not None and before.model != model:
            self._state.set_model_limits(ModelLimits())
        self._timer.start()

    @Slot()
    def _ask(self) -> None:
        asked = self._asked
        assert asked is not None
        if self._job is not None:
            self._process.cancel(self._job)

        def take(found: object) -> None:
            if self._asked != asked:
                return
            if isinstance(found, ModelLimits):
                self._state.set_model_limits(found)
            else:
                self._set(asked if found else None, None, is_bound=not found)

        def end(ended: JobEnded) -> None:
            if self._asked == asked and ended.ending == "failed":
                self._set(None, ended.failure, is_bound=False)

        self._job = self._process.run(LoadTokenizer(asked), take, end)

    def _set(
        self, tokenizer: ModelTokenizer | None, failure: Failure | None, *, is_bound: bool
    ) -> None:
        self.tokenizer, self.failure, self.is_bound = tokenizer, failure, is_bound
        self.changed.emit()
