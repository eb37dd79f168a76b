"""Buttons for the run's datasets with their shares; the shown dataset is checked."""

from collections.abc import Callable
from functools import partial

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QWidget

from app.core.text.translation import decimal, tr, trn
from app.ui.data.dataset_list import DatasetList
from app.ui.data.dataset_text import SHORT_NAME
from app.ui.look import formatting
from app.ui.look.plain_text import set_caption, set_tip
from app.ui.look.radio_segment import RadioSegment
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.ui.system.file_manager import REVEAL_LABEL
from app.ui.tables.row_table import Verb, offer_verbs
from app.ui.widgets.basic_widgets import restyle

A_ROW = 3
_MIN_PX = 80
"""Long names must not widen the window; the tool tip has the full path."""


class DatasetChooser(QWidget):
    """Hidden unless several datasets are mixed."""

    def __init__(self, state: AppState, datasets: DatasetList) -> None:
        super().__init__()
        self._state, self._datasets = state, datasets
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(datasets.show)
        self.choices: list[RadioSegment] = []
        self._grid = QGridLayout()
        self._grid.setSpacing(6)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addLayout(self._grid)
        whole.addStretch(1)
        datasets.changed.connect(self.refresh)
        self.refresh()

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions for the shown dataset."""
        index = self._datasets.index
        return {"delete": lambda: self._datasets.remove(index)} if index else {}

    def refresh(self) -> None:
        found = self._datasets.all
        count = len(found) if len(found) > 1 else 0
        self._set_count(count)
        mixed = [one.share for one in self._state.config.mix]
        shares = (1 - sum(mixed), *mixed)
        for choice, one, share in zip(self.choices, found, shares, strict=False):
            self._show(choice, one, share)
        if count:
            self.choices[self._datasets.index].setChecked(True)
        self.setVisible(count > 0)

    def _set_count(self, count: int) -> None:
        while len(self.choices) > count:
            gone = self.choices.pop()
            self._group.removeButton(gone)
            self._grid.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.choices) < count:
            made = RadioSegment()
            made.setObjectName("dataset")
            made.setMinimumWidth(_MIN_PX)
            number = len(self.choices)
            offer_verbs(made, partial(dataset_verbs, self._datasets, number))
            self._group.addButton(made, number)
            self._grid.addWidget(made, number // A_ROW, number % A_ROW)
            self.choices.append(made)

    def _show(self, choice: RadioSegment, one: RunDataset, share: float) -> None:
        name = formatting.shortened(one.name, SHORT_NAME)
        words = _state_words(one)
        percent = decimal(f"{share * 100:.3g} %")
        text = f"{name}  {percent}"
        text = f"{text} · {words}" if words else text
        if choice.text().replace("&&", "&") != text:
            set_caption(choice, text)
            choice.setAccessibleName(
                tr("{dataset}, {percent} of the rows", dataset=one.name, percent=percent)
            )
            set_tip(choice, str(one.path))
        is_wrong = one.failure is not None or one.has_bad_rows
        restyle(choice, "tone", "danger" if is_wrong else "")


def dataset_verbs(datasets: DatasetList, index: int) -> tuple[tuple[Verb, ...], ...]:
    """The context menu of a dataset; empty if there is no such dataset yet."""
    if index >= len(datasets.all):
        return ()
    path = datasets.all[index].path
    shown = (
        Verb(REVEAL_LABEL, lambda: datasets.reveal_requested.emit(path)),
        Verb(tr("Copy Path"), lambda: QGuiApplication.clipboard().setText(str(path))),
    )
    remove = Verb(tr("Remove from Mix"), lambda: datasets.remove(index))
    return (shown, (remove,)) if index else (shown,)


def _state_words(one: RunDataset) -> str:
    if one.is_being_read:
        return tr("reading")
    if one.failure is not None:
        return tr("can't be read")
    if one.facts is not None and one.facts.problem_count:
        return trn("{n:,} bad row", "{n:,} bad rows", one.facts.problem_count)
    return ""
