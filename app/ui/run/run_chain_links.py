"""Links to the runs that a run continues, oldest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QStyle, QStyleOptionButton, QStylePainter, QWidget

from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.look.plain_text import set_caption, set_tip
from app.ui.widgets.basic_widgets import PushButton, label
from app.ui.widgets.layouts import clear, row

if TYPE_CHECKING:
    from app.library.reading.starting_adapter import EarlierRun

_MAX_LINKS, _MIN_LINK_PX = 3, 96
GONE = tr("This run is no longer here.")


class RunChainLinks(QWidget):
    """Hidden unless the run started from an adapter."""

    run_requested = Signal(object)
    """Argument: the path of an earlier run's folder."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = row(spacing=2)
        self.setLayout(self._layout)
        self.parts: list[RunLink] = []
        self._shown: tuple[EarlierRun, ...] = ()
        self.hide()

    def show_runs(self, runs: "Sequence[EarlierRun]") -> None:
        if tuple(runs) != self._shown:
            self._shown = tuple(runs)
            clear(self._layout)
            self.parts = []
            self._fill()
        self.setVisible(bool(runs))

    def _fill(self) -> None:
        self._layout.addWidget(label(tr("Continues from"), "secondary"))
        left_out = self._shown[:-_MAX_LINKS]
        if left_out:
            dots = label("…", "secondary")
            set_tip(dots, " › ".join(_run_text(run.name, run.step) for run in left_out))
            self._layout.addWidget(dots)
        for number, run in enumerate(self._shown[-_MAX_LINKS:]):
            if number or left_out:
                self._layout.addWidget(label("›", "secondary"))
            self.parts.append(self._part(run))
            self._layout.addWidget(self.parts[-1])
        self._layout.addStretch(1)

    def _part(self, run: "EarlierRun") -> "RunLink":
        text = _run_text(single_line(run.name), run.step)
        link = RunLink(text)
        link.clicked.connect(lambda: self.run_requested.emit(run.run_dir))
        link.setAccessibleName(tr("Open {run}", run=text) if run.run_dir else text)
        gone = f"{text}\n{GONE}" if run.step is not None else text
        set_tip(link, tr("Open {run}", run=text) if run.run_dir else gone)
        link.setEnabled(run.run_dir is not None)
        return link


class RunLink(PushButton):
    """A link that elides the middle of its text if it is too long."""

    def __init__(self, text: str) -> None:
        super().__init__()
        set_caption(self, text)
        self.setObjectName("link")
        self.setAutoDefault(False)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        whole = self.sizeHint()
        return QSize(min(whole.width(), _MIN_LINK_PX), whole.height())

    def shown_text(self) -> str:
        """The text, elided to the width of the button."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        room = self.style().subElementRect(QStyle.SubElement.SE_PushButtonContents, option, self)
        middle, keys = Qt.TextElideMode.ElideMiddle, Qt.TextFlag.TextShowMnemonic.value
        return self.fontMetrics().elidedText(option.text, middle, room.width(), keys)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002
        painter, option = QStylePainter(self), QStyleOptionButton()
        self.initStyleOption(option)
        option.text = self.shown_text()
        painter.drawControl(QStyle.ControlElement.CE_PushButton, option)


def _run_text(name: str, step: int | None) -> str:
    return name if step is None else tr("{name}, step {step:,}", name=name, step=step)
