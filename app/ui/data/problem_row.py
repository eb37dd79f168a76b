"""A dialog with the original line of a problem, which can open the file in a text editor."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QPlainTextEdit, QWidget

from app.core.text.sanitize import visible_line
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.widgets.basic_widgets import button, label
from app.ui.widgets.layouts import GRID_PX, grows, lay_out, row

if TYPE_CHECKING:
    from app.data.row_values import RowIssue
    from app.workers.background_job import JobEnded

_SIZE_PX = (640, 360)
_MAX_CHARACTERS = 100_000


class ProblemRow(QDialog):
    open_requested = Signal(object)
    """Argument: the path of the file."""

    def __init__(self, window: QWidget, issue: "RowIssue", reason: str) -> None:
        super().__init__(window)
        self._path: Path = issue.path
        self._line = ""
        """The line as in the file, without its line break."""
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        title = tr("{file}, line {line:,}", file=visible_line(issue.path.name),
                   line=issue.place.line)  # fmt: skip
        self.setWindowTitle(title)
        self.text = QPlainTextEdit()
        self.text.setObjectName("log")
        self.text.setReadOnly(True)
        self.text.setAccessibleName(tr("Original line"))
        self.text.setTabChangesFocus(True)
        self.open_file = button(tr("Open File"), lambda: self.open_requested.emit(self._path))
        set_tip(self.open_file, tr("In your text editor. Go to line {line:,}.",
                                   line=issue.place.line))  # fmt: skip
        self.copy = button(tr("Copy Line"), self._copy)
        close = button(tr("Close"), self.accept, "primary")
        close.setDefault(True)
        words = (label(title, "heading"), label(reason, wraps=True))
        buttons = row(self.open_file, self.copy, None, close)
        margins_px = (2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        lay_out(self, *words, grows(self.text), buttons, margins_px=margins_px)
        self.resize(*_SIZE_PX)

    def _copy(self) -> None:
        """Copy the whole line, to search for it in an editor: macOS can't open a file at a line."""
        QGuiApplication.clipboard().setText(self._line)

    def show_end(self, ended: "JobEnded") -> None:
        """Show why the line couldn't be read, if so."""
        if ended.failure is not None:
            self.text.setPlaceholderText(localized(str(ended.failure)))

    def show_line(self, text: str) -> None:
        """Show the line, cut if it is very long."""
        self._line = text
        is_cut = len(text) > _MAX_CHARACTERS
        self.text.setPlainText(f"{text[:_MAX_CHARACTERS]}…" if is_cut else text)
