"""The run's datasets side by side, each with its share; the one that is shown is marked."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QPushButton, QWidget

from app.ui import phrases
from app.ui.app_state import AppState
from app.ui.data.datasets import Datasets
from app.ui.run_dataset import RunDataset
from app.ui.widgets.building import GRID_PX, button, enable, restyle

A_ROW = 4
_NAME_PX = 130


class DatasetChooser(QWidget):
    """There where several are mixed; one alone needs no choice, and can be added to."""

    further_requested = Signal()

    def __init__(self, state: AppState, datasets: Datasets) -> None:
        super().__init__()
        self._state, self._datasets = state, datasets
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(datasets.show)
        self.choices: list[QPushButton] = []
        self.remove = button("Take Out", datasets.remove, "link")
        self.remove.setToolTip("Mix it in no longer; the file stays where it is.")
        self.add = button("Add Dataset…", self.further_requested.emit, "link")
        self.add.setToolTip("Mix in another dataset: examples learned before stay in practice so.")
        self._grid = QGridLayout()
        self._grid.setSpacing(4)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(GRID_PX)
        whole.addLayout(self._grid)
        whole.addStretch(1)
        for part in (self.remove, self.add):
            whole.addWidget(part, 0, Qt.AlignmentFlag.AlignTop)
        datasets.changed.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        found, index = self._datasets.all, self._datasets.index
        count = len(found) if len(found) > 1 else 0
        self._have(count)
        shares = [mixed.share for mixed in self._state.config.mix]
        for choice, one, share in zip(
            self.choices, found, (1 - sum(shares), *shares), strict=False
        ):
            self._show(choice, one, share)
        if count:
            self.choices[index].setChecked(True)
        self.remove.setVisible(index > 0)
        for part in (self.remove, self.add):
            enable(part, bool(found) and not self._state.phase.is_active)

    def _have(self, count: int) -> None:
        while len(self.choices) > count:
            gone = self.choices.pop()
            self._group.removeButton(gone)
            self._grid.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.choices) < count:
            made = QPushButton()
            made.setObjectName("tab")
            made.setCheckable(True)
            made.setAutoDefault(False)
            number = len(self.choices)
            self._group.addButton(made, number)
            self._grid.addWidget(made, number // A_ROW, number % A_ROW)
            self.choices.append(made)

    def _show(self, choice: QPushButton, one: RunDataset, share: float) -> None:
        name = choice.fontMetrics().elidedText(one.name, Qt.TextElideMode.ElideMiddle, _NAME_PX)
        told = _state_words(one)
        text = f"{name}  {share * 100:.3g} %"
        text = f"{text} · {told}" if told else text
        if choice.text() != text:
            choice.setText(text)
            choice.setAccessibleName(f"{one.name}, {share * 100:.3g} % of the rows")
            choice.setToolTip(str(one.path))
        is_wrong = one.failure is not None or one.has_bad_rows
        restyle(choice, "tone", "danger" if is_wrong else "")


def _state_words(one: RunDataset) -> str:
    if one.is_being_read:
        return "reading"
    if one.failure is not None:
        return "can't be read"
    if one.facts is not None and one.facts.problem_count:
        return f"{phrases.plural(one.facts.problem_count, 'problem')}"
    return ""
