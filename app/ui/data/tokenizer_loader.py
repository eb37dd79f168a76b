"""Loads the base model's tokenizer in the data processes."""

from PySide6.QtCore import QObject, Signal, Slot

from app.core.base_model import ModelLimits
from app.core.errors import Failure
from app.ui.state.app_state import AppState
from app.ui.state.latest_request import LatestRequest
from app.workers.background_job import JobEnded
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import LoadTokenizer, ModelTokenizer

_DELAY_MS = 50


class TokenizerLoader(QObject):
    """Requests the tokenizer when a model is chosen. This process never loads it."""

    changed = Signal()

    def __init__(self, state: AppState, process: DataProcess) -> None:
        super().__init__(state)
        self._state = state
        self._wanted: ModelTokenizer | None = None
        self.tokenizer: ModelTokenizer | None = None
        """None until it can be used."""
        self.failure: Failure | None = None
        self.is_bound = False
        """Whether only a run can use this tokenizer."""
        self._request = LatestRequest(
            process, _DELAY_MS, self,
            key=lambda: self._wanted, job=LoadTokenizer, take=self._take, end=self._end,
        )  # fmt: skip
        state.config_changed.connect(self.refresh)

    @Slot()
    def refresh(self) -> None:
        """Request the tokenizer soon if the model has changed."""
        if self._wanted is None or self._wanted.model != self._state.config.model:
            self.ask_again()

    @Slot()
    def ask_again(self) -> None:
        """Discard the result and request again soon, because the model's folder may have
        changed.
        """
        before, model = self._wanted, self._state.config.model
        self._wanted = ModelTokenizer(model, before.asked + 1 if before else 0)
        self._set(None, None, is_bound=False)
        if before is not None and before.model != model:
            self._state.set_model_limits(ModelLimits())
        self._request.refresh()

    def _is_latest(self) -> bool:
        """Whether the request is for the current model."""
        return self._request.asked == self._wanted

    def _take(self, found: object) -> None:
        if not self._is_latest():
            return
        if isinstance(found, ModelLimits):
            self._state.set_model_limits(found)
        else:
            self._set(self._wanted if found else None, None, is_bound=not found)

    def _end(self, ended: JobEnded) -> None:
        if self._is_latest() and ended.ending == "failed":
            self._set(None, ended.failure, is_bound=False)

    def _set(
        self, tokenizer: ModelTokenizer | None, failure: Failure | None, *, is_bound: bool
    ) -> None:
        self.tokenizer, self.failure, self.is_bound = tokenizer, failure, is_bound
        self.changed.emit()
