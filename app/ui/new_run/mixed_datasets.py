"""The datasets mixed into the run's dataset, each with its share, in the dataset card."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QToolButton, QWidget

from app.core.config.training_config import MixedDataset
from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.core.wording.display_names import dataset_title
from app.ui.data.dataset_chooser import dataset_verbs
from app.ui.data.dataset_list import DatasetList
from app.ui.look import formatting, icons
from app.ui.look.plain_text import ElidedLabel, set_tip
from app.ui.look.theme import LIGHT, Theme
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.ui.tables.row_table import offer_verbs
from app.ui.widgets.basic_widgets import button, label, message, say
from app.ui.widgets.calm_inputs import CalmSpinBox
from app.ui.widgets.layouts import column, grows, lay_out, row

SHARE_WIDTH_PX = 76


class MixedDatasets(QWidget):
    """Shows the state's `mix`. The user's changes go to the DatasetList."""

    add_requested = Signal()

    def __init__(self, state: AppState, datasets: DatasetList) -> None:
        super().__init__()
        self._state, self._datasets, self._theme = state, datasets, LIGHT
        self.rows: list[MixedRow] = []
        self.own = label("", "secondary", wraps=True)
        self.problem = message("problem")
        self.add = button(tr("Mix In Dataset…"), self.add_requested.emit, "link")
        set_tip(self.add, tr("Mix in earlier data to reduce forgetting."))
        self._places = column()
        # A wrapping label needs all available width.
        head = row(grows(self.own, 100), None, self.add)
        lay_out(self, head, self._places, self.problem)
        state.config_changed.connect(self.refresh)
        datasets.changed.connect(self.refresh)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for shown in self.rows:
            shown.set_theme(theme)

    def refresh(self) -> None:
        config = self._state.config
        self._set_row_count(len(config.mix))
        for shown, mixed in zip(self.rows, config.mix, strict=True):
            shown.show_dataset(mixed, self._datasets.known(mixed))
        left = 1 - sum(mixed.share for mixed in config.mix)
        words = tr("{percent} % of rows. Mixed with:", percent=round(left * 100))
        say(self.own, words if config.mix else "")
        problems = [p.message for p in config.problems() if p.setting == "mix"]
        say(self.problem, problems[0] if problems else "")
        self.own.setVisible(bool(config.mix and not problems))

    def _set_row_count(self, count: int) -> None:
        while len(self.rows) > count:
            gone = self.rows.pop()
            self._places.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.rows) < count:
            made = MixedRow(1 + len(self.rows), self._datasets)
            made.set_theme(self._theme)
            self.rows.append(made)
            self._places.addWidget(made)


class MixedRow(QWidget):
    def __init__(self, index: int, datasets: DatasetList) -> None:
        super().__init__()
        self.name = ElidedLabel("", "strong")
        self.share = CalmSpinBox(1, 99)
        self.share.setSuffix(" %")
        self.share.setFixedWidth(SHARE_WIDTH_PX)
        self.share.setKeyboardTracking(False)
        set_tip(self.share, tr("Share of the training rows"))
        self.remove = QToolButton()
        self.remove.setFixedSize(24, 24)
        set_tip(self.remove, tr("Remove from mix (keeps the file)"))
        self.facts = ElidedLabel("", "caption")
        self.problem = message("problem")
        head = row(self.name, self.share, self.remove, spacing=6)
        lay_out(self, head, self.facts, self.problem, spacing=2)
        self.share.valueChanged.connect(lambda value: datasets.set_share(index, value / 100))
        self.remove.clicked.connect(lambda: datasets.remove(index))
        offer_verbs(self, partial(dataset_verbs, datasets, index))

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions."""
        return {"delete": self.remove.click}

    def set_theme(self, theme: Theme) -> None:
        self.remove.setIcon(icons.icon("less", theme.secondary_text, 14))

    def show_dataset(self, mixed: MixedDataset, known: RunDataset) -> None:
        name = dataset_title(mixed.data)
        self.name.setText(name)
        set_tip(self.name, str(mixed.data))
        self.share.setAccessibleName(tr("Share of {dataset}", dataset=name))
        self.remove.setAccessibleName(tr("Remove {dataset}", dataset=name))
        if round(mixed.share * 100) != self.share.value():
            with QSignalBlocker(self.share):
                self.share.setValue(round(mixed.share * 100))
        self.facts.setText(_facts_text(known))
        self.facts.setVisible(known.failure is None)
        say(self.problem, _problem_text(known))


def _facts_text(known: RunDataset) -> str:
    if (facts := known.facts) is None:
        return tr("Reading…")
    parts = [trn("{n:,} example", "{n:,} examples", facts.examples)]
    if facts.valid_examples:
        parts.append(tr("{n:,} for validation", n=facts.valid_examples))
    return " · ".join([*parts, formatting.size(facts.size_bytes)])


def _problem_text(known: RunDataset) -> str:
    if failure := known.failure:
        return localized(str(failure))
    if known.facts is None or not known.facts.problem_count:
        return ""
    return trn(
        "{n:,} row can't be used. The first: {problem}.",
        "{n:,} rows can't be used. The first: {problem}.",
        known.facts.problem_count,
        problem=localized(str(known.facts.problems[0])),
    )
