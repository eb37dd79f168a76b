"""Saves what a run holds to a file the user chooses: settings, numbers, plots."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from app.core.config.training_config import TrainingConfig
from app.core.errors import Failure
from app.core.text.translation import tr, trn
from app.core.wording.display_names import dataset_title
from app.ui.run.adapter_export import shortened
from app.ui.run.widget_export import as_png, as_svg
from app.ui.widgets.notice_bar import Notice
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails

LAYERS_KEPT = tr("Changes per layer are kept to within 5 %, all else as it was measured.")
PICTURES = ["PNG (*.png)", "SVG (*.svg)"]


class RunExport(QObject):
    """`ask_…` shows a dialog; the others do it."""

    def __init__(
        self, background: BackgroundThread, notice: Notice,
        tell_failure: Callable[[Failure], None], window: QWidget,
    ) -> None:  # fmt: skip
        super().__init__(window)
        self._background, self._notice, self._window = background, notice, window
        self._tell_failure = tell_failure

    def ask_settings(self, details: "RunDetails") -> None:
        self._ask(f"{details.summary.name}.toml", [tr("Settings (*.toml)")],
                  lambda path: self.save_settings(details, path))  # fmt: skip

    def ask_plan(self, config: TrainingConfig) -> None:
        """The settings of a run that has not begun."""
        name = config.name or dataset_title(config.data) or "Settings"

        def save(path: Path) -> None:
            self._run(partial(library.save_plan, config, path), path)

        self._ask(f"{name}.toml", [tr("Settings (*.toml)")], save)

    def ask_data(self, run_dirs: Sequence[Path]) -> None:
        """A table for each run, numbered if they are several."""
        name = run_dirs[0].name if len(run_dirs) == 1 else "runs"
        self._ask(f"{name}.csv", [tr("Table (*.csv)")], lambda path: self.save_data(run_dirs, path))

    def ask_picture(self, widget: QWidget, name: str) -> None:
        self._ask(f"{name}.png", PICTURES, lambda path: self.save_picture(widget, name, path))

    def save_settings(self, details: "RunDetails", path: Path) -> None:
        self._run(partial(library.save_settings, details, path), path)

    def save_data(self, run_dirs: Sequence[Path], path: Path) -> None:
        """The user chose `path`: several tables are numbered, and replace no file of that name."""
        if len(run_dirs) == 1:
            self._run(partial(library.save_csv, run_dirs[0], path), path, LAYERS_KEPT)
            return
        for number, run_dir in enumerate(run_dirs, 1):
            self._run_and_notify(
                partial(library.save_numbered_csv, run_dir, path, number),
                len(run_dirs),
                path.parent,
            )

    def save_picture(self, widget: QWidget, name: str, path: Path) -> None:
        """What the widget shows now; as SVG if the path says so."""
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

    def _run_and_notify(self, work: Callable[[], object], tables: int, folder: Path) -> None:
        done = trn(
            "Exported {n} table to {folder}.",
            "Exported {n} tables to {folder}.",
            tables,
            folder=folder,
        )
        text = f"{done} {LAYERS_KEPT}"
        self._background.run(work, lambda _: self._notice.tell(text), self._tell_failure)

    def _run(self, work: Callable[[], object], path: Path, note: str = "") -> None:
        done = tr("Exported to {path}.", path=path)
        text = f"{done} {note}".rstrip()
        self._background.run(work, lambda _: self._notice.tell(text), self._tell_failure)
