"""Exporting a checkpoint: asks where to, has it copied beside the GUI thread, tells the result."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from app.core.errors import Failure
from app.core.text.translation import tr
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.workers.tasks.library import Exported

LONGEST_NAME, LONGEST_NAME_BYTES = 80, 200
"""Files' names end at 255 bytes almost everywhere, and a number may come behind them."""


class AdapterExport(QObject):
    exported = Signal(object)
    """Exported"""
    progressed = Signal(object, float, object)
    """The folder it goes into, the share done, and what cancels it."""
    cancelled = Signal()
    failed = Signal(object)
    """Failure"""

    def __init__(self, background: BackgroundThread, parent: QObject) -> None:
        super().__init__(parent)
        self._background = background

    def ask(self, adapter_dir: Path, name: str, window: QWidget) -> None:
        """Ask where to, then export into a new folder there."""
        dialog = QFileDialog(window, tr("Export {name} into", name=shortened(name)))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setLabelText(QFileDialog.DialogLabel.Accept, tr("Export"))
        dialog.fileSelected.connect(
            lambda folder: self.export_into(Path(folder), adapter_dir, name)
        )
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def export_into(self, folder: Path, adapter_dir: Path, name: str) -> None:
        """Copy into a new folder there; if there is one of that name, beside it."""
        work = partial(library.export_adapter, adapter_dir, folder, f"{shortened(name)} adapter")

        def tell_share(share: float) -> None:
            self.progressed.emit(folder, share, cancel)

        cancel = self._background.run_in_steps(work, self._done, self._fail, tell_share)

    def _done(self, exported: "Exported | None") -> None:
        if exported is None:
            self.cancelled.emit()
        else:
            self.exported.emit(exported)

    def _fail(self, failure: Failure) -> None:
        self.failed.emit(failure)


def shortened(name: str) -> str:
    """At most 80 characters, and never more bytes than a file's name may have."""
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1].rstrip()}…"
    while len(name.encode()) > LONGEST_NAME_BYTES:
        name = f"{name[:-2].rstrip()}…"
    return name
