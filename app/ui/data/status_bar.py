"""A line with the progress of reading or tokenizing the datasets, and a button to cancel it."""

from PySide6.QtWidgets import QProgressBar, QWidget

from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.ui.data.dataset_list import DatasetList
from app.ui.data.tokenization import Tokenization
from app.ui.look import formatting
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.ui.widgets.basic_widgets import button, label, message, say
from app.ui.widgets.layouts import GRID_PX, lay_out, row
from app.workers.jobs.datasets import TokenizedDatasets

_SHOWN_SECONDS = 10
"""A shorter remaining time is not shown."""


class StatusStrip(QWidget):
    def __init__(self, state: AppState, tokenization: Tokenization, datasets: DatasetList) -> None:
        super().__init__()
        self._state, self._tokenization, self._datasets = state, tokenization, datasets
        self.text = label("", "secondary")
        self.problem = message("problem")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(200)
        self.bar.setAccessibleName(tr("Progress"))
        self.stop = button(tr("Cancel"), self._stop)
        self.go_on = button(tr("Resume"), tokenization.go_on)
        line = row(self.bar, self.text, self.stop, self.go_on, None, spacing=2 * GRID_PX)
        lay_out(self, line, self.problem, spacing=4)
        datasets.changed.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        tokenization.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        work, reading = self._tokenization, self._being_read()
        is_reading = reading is not None
        is_working = is_reading or work.share is not None
        self.bar.setVisible(is_working)
        self.bar.setRange(0, 1000)
        share = work.share if reading is None else reading.share_read
        self.bar.setValue(round(1000 * (share or 0.0)))
        self.stop.setVisible(is_working)
        self.go_on.setVisible((work.is_stopped or work.failure is not None) and not is_working)
        self.go_on.setText(tr("Resume") if work.is_stopped else tr("Try Again"))
        self.text.setText(self._status_text())
        self.text.setVisible(bool(self.text.text()))
        failure = None if is_reading else work.refusal or work.failure
        problem = localized(str(failure)) if failure else ""
        is_idle = work.done is not None and not is_working
        say(self.problem, problem or (self._state.rows_problem if is_idle else ""))

    def _being_read(self) -> RunDataset | None:
        """The dataset that is being read: the one with the most progress, since they are read one
        by one.
        """
        reading = [one for one in self._datasets.all if one.is_being_read]
        return max(reading, key=lambda one: one.share_read or 0.0, default=None)

    def _status_text(self) -> str:
        work = self._tokenization
        if (reading := self._being_read()) is not None:
            share = formatting.percent(reading.share_read or 0.0)
            if len(self._datasets.all) == 1:
                return tr("Reading and checking every row: {share}", share=share)
            return tr(
                "Reading and checking every row of {dataset}: {share}",
                dataset=reading.name,
                share=share,
            )
        if work.share is not None and work.stage:
            return f"{work.stage} …"
        if work.share is not None:
            share, left = formatting.percent(work.share), work.seconds_left
            if left and left > _SHOWN_SECONDS:
                duration = formatting.duration(left)
                return tr("Tokenizing: {share}, about {left} left", share=share, left=duration)
            return tr("Tokenizing: {share}", share=share)
        if work.is_stopped:
            share = formatting.percent(work.stopped_at)
            return tr("Stopped at {share}. The finished part is kept.", share=share)
        if work.refusal is not None or work.failure is not None:
            return ""  # `problem` below gives the reason
        if work.done is not None:
            return self._tokenized_text(work.done)
        if why_not := work.why_not():
            return why_not
        return tr("Tokenized when the current run ends.") if self._state.phase.is_active else ""

    def _tokenized_text(self, done: TokenizedDatasets) -> str:
        if not all(stored.rows[0] for stored in done.sets) or self._state.rows_problem:
            return ""  # `problem` below gives the reason
        if refused := sum(self._tokenization.refused):
            return trn(
                "Tokenized. The model refuses {n:,} row, which is left out; see Problems.",
                "Tokenized. The model refuses {n:,} rows, which are left out; see Problems.",
                refused,
            )
        return tr("Tokenized. Ready to train.")

    def _stop(self) -> None:
        if self._being_read() is not None:
            self._datasets.cancel_reading()
        else:
            self._tokenization.stop()
