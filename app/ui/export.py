"""Exporting a checkpoint: asks where to, has it copied beside the GUI thread, tells the result."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from app.workers.background import BackgroundTasks, Failure
from app.workers.library_tasks import exporting


class CheckpointExport(QObject):
    exported = Signal(object)
    """Path of the new folder."""
    failed = Signal(object)
    """Failure"""

    def __init__(self, background: BackgroundTasks, parent: QObject) -> None:
        super().__init__(parent)
        self._background = background

    def ask(self, adapter_dir: Path, name: str, window: QWidget) -> None:
        """Ask where to, then export into a new folder there."""
        dialog = QFileDialog(window, f"Export {name} into")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setLabelText(QFileDialog.DialogLabel.Accept, "Export")
        dialog.fileSelected.connect(
            lambda folder: self.export_into(Path(folder), adapter_dir, name)
        )
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def export_into(self, folder: Path, adapter_dir: Path, name: str) -> None:
        destination = free_name(folder, f"{name} adapter")
        self._background.run(exporting(adapter_dir, destination), self._done, self._fail)

    def _done(self, destination: Path) -> None:
        self.exported.emit(destination)

    def _fail(self, failure: Failure) -> None:
        self.failed.emit(failure)


def free_name(folder: Path, name: str) -> Path:
    """`name` in `folder`, with a number behind it if there is something of that name already."""
    tidy = name.replace("/", "-").replace(":", "-")
    path, number = folder / tidy, 2
    while path.exists():
        path, number = folder / f"{tidy} {number}", number + 1
    return path
