"""Exports files of a run: settings, measurements, plots (PNG at double size, or SVG), and a
checkpoint's adapter, which is copied in the background.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, Signal
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QGraphicsView, QWidget

from app.core.config.training_config import TrainingConfig
from app.core.errors import Failure
from app.core.text.translation import tr, trn
from app.core.wording.display_names import dataset_title
from app.ui.widgets.notice_bar import Notice
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails
    from app.library.reading.study_results import ReadStudy
    from app.workers.tasks.library import Exported


LAYERS_KEPT = tr("Layer changes are accurate to ±5 %; all other values are exact.")
PICTURES = ["PNG (*.png)", "SVG (*.svg)"]


class RunExport(QObject):
    """The `ask_…` methods show a file dialog; the `save_…` methods write the file."""

    def __init__(self, background: BackgroundThread, notice: Notice, window: QWidget) -> None:
        super().__init__(window)
        self._background, self._notice, self._window = background, notice, window

    def ask_settings(self, details: "RunDetails") -> None:
        self._ask(f"{details.summary.name}.toml", [tr("Settings (*.toml)")],
                  lambda path: self.save_settings(details, path))  # fmt: skip

    def ask_plan(self, config: TrainingConfig) -> None:
        """Ask where to save the settings of the planned run."""
        name = config.name or dataset_title(config.data) or "Settings"

        def save(path: Path) -> None:
            self._run(partial(library.save_plan, config, path), path)

        self._ask(f"{name}.toml", [tr("Settings (*.toml)")], save)

    def ask_data(self, run_dirs: Sequence[Path]) -> None:
        """Ask where to save one table per run; the names of several tables are numbered."""
        name = run_dirs[0].name if len(run_dirs) == 1 else "runs"
        self._ask(f"{name}.csv", [tr("Table (*.csv)")], lambda path: self.save_data(run_dirs, path))

    def ask_study(self, study: "ReadStudy") -> None:
        def save(path: Path) -> None:
            self._run(partial(library.save_study_report, study, path), path)

        self._ask(f"{study.path.stem}.md", [tr("Report (*.md)")], save)

    def ask_picture(self, widget: QWidget, name: str) -> None:
        self._ask(f"{name}.png", PICTURES, lambda path: self.save_picture(widget, name, path))

    def save_settings(self, details: "RunDetails", path: Path) -> None:
        self._run(partial(library.save_settings, details, path), path)

    def save_data(self, run_dirs: Sequence[Path], path: Path) -> None:
        """Save to `path`. Several tables get numbered names and never replace existing files."""
        if len(run_dirs) == 1:
            self._run(partial(library.save_csv, run_dirs[0], path), path, LAYERS_KEPT)
            return

        def tell(tables: int) -> None:
            done = trn(
                "Exported {n} table to {folder}.",
                "Exported {n} tables to {folder}.",
                tables,
                folder=path.parent,
            )
            self._notice.tell(f"{done} {LAYERS_KEPT}")

        work = partial(library.save_numbered_csvs, run_dirs, path)
        self._background.run_in_steps(work, tell, self._notice.tell_failure, lambda _: None)

    def save_picture(self, widget: QWidget, name: str, path: Path) -> None:
        """Save the widget's current appearance, as SVG if the path has that suffix, else as PNG."""
        is_svg = path.suffix.lower() == ".svg"
        content = as_svg(widget, name) if is_svg else as_png(widget)
        self._run(partial(library.save_file, path, content), path)

    def _ask(self, name: str, kinds: list[str], save: Callable[[Path], None]) -> None:
        stem, _, suffix = name.rpartition(".")
        dialog = QFileDialog(self._window, tr("Export"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(kinds)
        dialog.setDefaultSuffix(suffix)
        dialog.filterSelected.connect(lambda kind: dialog.setDefaultSuffix(kind[-4:-1]))
        dialog.selectFile(f"{shortened(stem).replace('/', '-')}.{suffix}")
        dialog.fileSelected.connect(lambda chosen: save(Path(chosen)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _run(self, work: Callable[[], object], path: Path, note: str = "") -> None:
        done = tr("Exported to {path}.", path=path)
        text = f"{done} {note}".rstrip()
        self._background.run(work, lambda _: self._notice.tell(text), self._notice.tell_failure)


SCALE = 2.0


def as_png(widget: QWidget) -> bytes:
    pixmap = QPixmap(widget.size() * SCALE)
    pixmap.setDevicePixelRatio(SCALE)
    pixmap.fill(widget.palette().window().color())
    widget.render(pixmap)
    return _written(lambda buffer: pixmap.save(buffer, "PNG"))


def as_svg(widget: QWidget, title: str) -> bytes:
    return _written(lambda buffer: _paint_svg(widget, title, buffer))


def _paint_svg(widget: QWidget, title: str, buffer: QBuffer) -> None:
    made = QSvgGenerator()
    made.setOutputDevice(buffer)
    made.setSize(widget.size())
    made.setViewBox(widget.rect())
    made.setTitle(title)
    painter = QPainter(made)
    painter.fillRect(widget.rect(), widget.palette().window())
    with _dots_as_shapes(widget):
        widget.render(painter, widget.rect().topLeft())
    painter.end()


@contextmanager
def _dots_as_shapes(widget: QWidget) -> Iterator[None]:
    """Inside, plotted dots are drawn as vector shapes. By default they are copied from a pixmap,
    which an SVG shows in the wrong place.
    """
    views = widget.findChildren(QGraphicsView)
    items = [item for view in views for item in view.scene().items()]
    plotted = [item for item in items if hasattr(item, "setExportMode")]
    for item in plotted:
        item.setExportMode(True, {"antialias": True})
    try:
        yield
    finally:
        for item in plotted:
            item.setExportMode(False)


def _written(write: object) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    write(buffer)  # type: ignore[operator]
    buffer.close()
    return bytes(content.data())


LONGEST_NAME, LONGEST_NAME_BYTES = 80, 200
"""File names have at most 255 bytes on most file systems. The rest is left for a number."""


class AdapterExport(QObject):
    exported = Signal(object)
    """Argument: Exported."""
    progressed = Signal(object, float, object)
    """Arguments: the target folder, the completed fraction, and an object that cancels the export.
    """
    cancelled = Signal()
    failed = Signal(object)
    """Argument: Failure."""

    def __init__(self, background: BackgroundThread, parent: QObject) -> None:
        super().__init__(parent)
        self._background = background

    def ask(self, adapter_dir: Path, name: str, window: QWidget) -> None:
        """Ask for a folder, then export into a new subfolder of it."""
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
        """Copy into a new subfolder of `folder`; if the name is taken, a number is added."""
        hyphenated = "-".join(shortened(name).split())  # no spaces, so that commands need no quotes
        work = partial(library.export_adapter, adapter_dir, folder, hyphenated)

        def show_progress(share: float) -> None:
            self.progressed.emit(folder, share, cancel)

        cancel = self._background.run_in_steps(work, self._done, self._fail, show_progress)

    def _done(self, exported: "Exported | None") -> None:
        if exported is None:
            self.cancelled.emit()
        else:
            self.exported.emit(exported)

    def _fail(self, failure: Failure) -> None:
        self.failed.emit(failure)


def shortened(name: str) -> str:
    """At most 80 characters, and few enough bytes for a file name."""
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1].rstrip()}…"
    while len(name.encode()) > LONGEST_NAME_BYTES:
        name = f"{name[:-2].rstrip()}…"
    return name
