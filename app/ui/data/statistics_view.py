"""The statistics of the shown dataset: lengths and limit, tokens, the figures of a run, the
split.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QScrollArea, QStackedWidget, QWidget

from app.core.config.training_config import TrainingConfig
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.data.dataset_text import figures as counted_figures
from app.ui.data.dataset_text import length_sentence, run_figures
from app.ui.data.split_card import SplitCard
from app.ui.data.statistic_list import FigureList
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.data.tokenization import Tokenization
from app.ui.look.theme import LIGHT, Theme
from app.ui.plan.setting_field import SettingField
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import CardFrame, label
from app.ui.widgets.layouts import GRID_PX, column, fill, grows, keep_bar, row, scroll_down

if TYPE_CHECKING:
    from app.data.training_set.statistics import DataStatistics
    from app.ui.data.length_plot import LengthPlot


class StatisticsView(QScrollArea):
    def __init__(
        self,
        state: AppState,
        statistics: StatisticsLoader,
        tokenization: Tokenization,
        datasets: DatasetList,
    ) -> None:
        super().__init__()
        self.setObjectName("column")
        scroll_down(self)
        keep_bar(self)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._state, self._statistics, self._tokenization = state, statistics, tokenization
        self._datasets = datasets
        self._theme = LIGHT
        self._drawn: object = None
        self._dragged: int | None = None
        self.plot: LengthPlot | None = None
        self.limit = SettingField("max_seq_length", state)
        self.effect = label("", "secondary", wraps=True)
        self.counted, self.run = FigureList(), FigureList()
        self.split = SplitCard(state, statistics, datasets)
        self.setWidget(self._lay_out())
        self._writing = QTimer(self, interval=0, singleShot=True)
        self._writing.timeout.connect(self._write)
        datasets.changed.connect(self.refresh)
        state.preview_changed.connect(self._show_run)
        statistics.changed.connect(self.refresh)
        tokenization.changed.connect(self._show_waiting)
        self.refresh()

    def _lay_out(self) -> QWidget:
        inside = QWidget()
        inside.setObjectName("column")
        whole = column(grows(self._lengths()), spacing=12)
        inside.setLayout(whole)
        self._cards = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._cards.setSpacing(12)
        for title, shown in ((tr("Dataset"), self.counted), (tr("Run"), self.run)):
            card = CardFrame(title)
            fill(card.inside, shown, None)
            self._cards.addWidget(card, 1)
        self._cards.addWidget(self.split, 1)
        whole.addLayout(self._cards)
        return inside

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def eventFilter(self, inside: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.LayoutRequest:  # a card's minimum width may have changed
            self._arrange()
        return super().eventFilter(inside, event)

    def _arrange(self) -> None:
        """Arrange the cards in a row, or in a column if they don't fit."""
        items = (self._cards.itemAt(at) for at in range(self._cards.count()))
        widths = [item.minimumSize().width() for item in items if item is not None]
        least = sum(widths) + self._cards.spacing() * (len(widths) - 1) + GRID_PX
        direction = QBoxLayout.Direction
        fits = least <= self.viewport().width()
        self._cards.setDirection(direction.LeftToRight if fits else direction.TopToBottom)

    def _lengths(self) -> QWidget:
        card = CardFrame()
        self._place = QStackedWidget()
        self._waiting = label("", "secondary", wraps=True)
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._place.addWidget(self._waiting)
        self._place.setMinimumHeight(200)
        title = row(label(tr("Lengths"), "heading"), None, self.limit)
        fill(card.inside, title, grows(self._place), self.effect)
        return card

    def load(self) -> None:
        """Create the plot, which imports the plotting library."""
        from app.ui.data.length_plot import LengthPlot

        if self.plot is not None:
            return
        self.plot = LengthPlot()
        for part in (self.plot, *self.plot.findChildren(QWidget)):
            part.setAcceptDrops(False)
        self.plot.set_theme(self._theme)
        self.plot.limit_dragged.connect(self._drag)
        self._place.addWidget(self.plot)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.plot is not None:
            self.plot.set_theme(theme)

    # -- content ------------------------------------------------------------------------------
    def refresh(self) -> None:
        statistics, config = self._statistics.statistics, self._state.config_as_cut
        is_known = statistics is not None and statistics.has_rows and self.plot is not None
        self._place.setCurrentIndex(1 if is_known else 0)
        if statistics is not None and statistics.has_rows and self.plot is not None:
            if statistics is not self._drawn:
                self._drawn = statistics
                self.plot.show_lengths((statistics.train, statistics.valid), config.max_seq_length)
            self.plot.show_limit(config.max_seq_length)
            self.plot.show_context(self._state.model_limits.context_tokens)
        self._show_figures()
        self._show_waiting()

    def _show_figures(self) -> None:
        shown, statistics, config = (
            self._datasets.shown,
            self._statistics.statistics,
            self._config(),
        )
        facts = shown.facts if shown else None
        self.counted.show_figures(
            [] if facts is None else counted_figures(facts, statistics, config)
        )
        self.effect.setText(
            "" if statistics is None else self._length_sentences(statistics, config.max_seq_length)
        )
        self._show_run()

    def _length_sentences(self, statistics: "DataStatistics", limit: int) -> str:
        """The effect of the limit, the rows beyond the model's context, and the date that the
        template writes.
        """
        limits = self._state.model_limits
        asked = self._state.config.max_seq_length if self._dragged is None else self._dragged
        sentences = (
            length_sentence(statistics, limit),
            limits.beyond_sentence(statistics.longer_than(limits.context_tokens, limit), tr),
            limits.cap_sentence(asked, tr),
            self._tokenization.done.template_note if self._tokenization.done else "",
        )
        return " ".join(filter(None, sentences))

    def _show_run(self) -> None:
        names = [dataset.name for dataset in self._datasets.all]
        named = list(zip(names, self._statistics.all, strict=False))
        speed, state = self._statistics.speed, self._state
        why_not = state.why_not_train_on_rows() if self._dragged is None else ""
        figures = run_figures(named, self._config(), speed, state.memory_text, why_not)
        self.run.show_figures(figures)

    def _show_waiting(self) -> None:
        if (statistics := self._statistics.statistics) is None:
            why_not = self._tokenization.why_not()
            self._waiting.setText(why_not or tr("Available once the rows are tokenized."))
        elif not statistics.has_rows:
            self._waiting.setText(tr("No row could be tokenized."))

    # -- the limit ----------------------------------------------------------------------------
    def _config(self) -> TrainingConfig:
        config, limits = self._state.config_as_cut, self._state.model_limits
        if self._dragged is None:
            return config
        return replace(config, max_seq_length=limits.row_limit(self._dragged))

    def _drag(self, limit: int) -> None:
        self._dragged = limit
        self._show_figures()
        self._writing.start()

    def _write(self) -> None:
        limit, self._dragged = self._dragged, None
        if limit is not None:
            self._state.change_config(max_seq_length=limit)
