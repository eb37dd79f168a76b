"""Commands of menus and pages that need a dialog, the desktop or the library."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog

from app.core.config.training_config import config_field
from app.core.events import LogMessage
from app.core.files.data_formats import FORMATS
from app.core.system.version import LICENSES_FILE, bundled, version_line
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.data.file_opener import FileOpener, is_dataset
from app.ui.look import formatting
from app.ui.look.plain_text import dialog
from app.ui.plan.setting_field import SEVERAL, FilesField
from app.ui.run.run_export import AdapterExport
from app.ui.runs.runs_page import RunsPage
from app.ui.state.app_state import AppState
from app.ui.state.window_pages import Place
from app.ui.system import file_manager
from app.ui.window.main_window import MainWindow
from app.ui.window.menus import Handler

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts
    from app.library.reading.run_summary import RunSummary
    from app.workers.tasks.library import Exported

ABOUT = tr(
    "Fine-tunes language models on your own computer, in tiers that update at their own pace. "
    "Nothing leaves this machine."
)

ADAPTER_ONLY = tr("This adapter works only with its base model.")
FUSE = tr("LM Studio and Ollama need a single fused model. Copy the command that creates it.")
COPIED = tr(
    "Copied. Run the command in a terminal where mlx-lm is installed. LM Studio loads the fused "
    "folder; for Ollama, see “Trying and exporting” in the guide."
)

_PATTERNS = " ".join(f"*{ending} *{ending}.gz" for ending in FORMATS)
_DATASETS = tr("Datasets ({patterns})", patterns=_PATTERNS)
_ALL_FILES = tr("All files (*)")


class Commands(QObject):
    def __init__(
        self,
        state: AppState,
        window: MainWindow,
        file_opener: FileOpener,
        datasets: DatasetList,
        export: AdapterExport,
        runs: RunsPage,
        fields: Mapping[str, FilesField],
    ) -> None:
        super().__init__(window)
        self._fields = fields
        self._state, self._window, self._file_opener = state, window, file_opener
        self._datasets, self._export, self._runs = datasets, export, runs

    def handlers(self) -> dict[str, Handler]:
        """The handler of each menu item, by its key."""
        window = self._window
        return {
            "open": self.choose_dataset,
            "open_model": self.choose_model,
            "sample": self.use_sample,
            "reveal": self.reveal_shown,
            "export": self.export_shown,
            "about": self.show_about,
            "licenses": self.show_licenses,
            "add": self.add_dataset,
            "new_run": lambda: window.show_place(Place.NEW_RUN),
            "full_screen": lambda: window.setWindowState(
                window.windowState() ^ Qt.WindowState.WindowFullScreen
            ),
            "minimize": window.showMinimized,
            "zoom": lambda: window.showNormal() if window.isMaximized() else window.showMaximized(),
        }

    @Slot()
    def choose_dataset(self) -> None:
        kinds = (_DATASETS, tr("Settings (*.toml)"), _ALL_FILES)
        self.ask_dataset(tr("Open a dataset"), self.open_path, kinds)

    def ask_dataset(
        self,
        title: str,
        take: Callable[[Path], None],
        kinds: Sequence[str] = (_DATASETS, _ALL_FILES),
    ) -> None:
        """Ask for a dataset; `take` is not called if the user cancels."""
        dialog = QFileDialog(self._window, title)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(kinds)
        self._open_with(dialog, take)

    @Slot()
    def add_dataset(self) -> None:
        dialog = QFileDialog(self._window, tr("Mix in datasets"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters([_DATASETS, _ALL_FILES])
        dialog.filesSelected.connect(lambda chosen: self._datasets.mix_in(list(map(Path, chosen))))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def choose_setting_files(self, name: str) -> None:
        """Ask for the files of a setting of the plan."""
        field = self._fields[name]
        dialog = QFileDialog(self._window, tr(config_field(name).metadata["label"]))
        kinds = QFileDialog.FileMode
        dialog.setFileMode(kinds.ExistingFiles if name in SEVERAL else kinds.ExistingFile)
        dialog.setNameFilters([_DATASETS, _ALL_FILES])
        dialog.filesSelected.connect(lambda chosen: field.take(tuple(map(Path, chosen))))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def choose_model(self) -> None:
        dialog = QFileDialog(self._window, tr("Choose a Model Folder"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        self._open_with(dialog, self.open_path)

    def _open_with(self, dialog: QFileDialog, take: Callable[[Path], None]) -> None:
        dialog.fileSelected.connect(lambda chosen: take(Path(chosen)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(object)
    def open_paths(self, paths: tuple[Path, ...]) -> None:
        if len(paths) == 1:
            self.open_path(paths[0])
        else:
            self._show_place_of(paths)
            self._file_opener.open_paths(paths)

    @Slot(object)
    def open_path(self, path: Path) -> None:
        self._show_place_of((path,))
        self._file_opener.open_path(path)

    def _show_place_of(self, paths: tuple[Path, ...]) -> None:
        if any(map(is_dataset, paths)):
            self._window.show_intake()
        else:
            self._window.show_place(Place.NEW_RUN)

    @Slot()
    def use_sample(self) -> None:
        self._window.show_intake()
        self._datasets.use_sample()

    @Slot(object)
    def reveal(self, path: Path) -> None:
        if not file_manager.reveal(path):
            problem = tr("This desktop can't show the folder {path}.", path=path)
            self._window.notice.tell_problem(problem)

    @Slot(object)
    def open_text(self, path: Path) -> None:
        if not file_manager.open_text(path):
            problem = tr("No app on this computer opens {path}.", path=path)
            self._window.notice.tell_problem(problem)

    @Slot()
    def reveal_shown(self) -> None:
        """Reveal the selected run if the Runs page is shown, else the run trained last."""
        if why_not := self.why_not_reveal():
            self._window.notice.tell_problem(why_not)
        elif run := self._run_in_hand():
            self.reveal(run.run_dir)
        elif finished := self._state.finished:
            self.reveal(finished.adapter_dir or finished.run_dir)

    def why_not_reveal(self) -> str:
        """Why no run can be revealed; empty if one can."""
        if self._window.place is Place.RUNS:
            return "" if self._run_in_hand() else tr("Select one run.")
        is_there = self._state.finished is not None and self._state.started is not None
        return "" if is_there else tr("Select a run on the Runs page.")

    def why_not_export(self) -> str:
        """Why no checkpoint can be exported; empty if one can."""
        if why_not := self.why_not_reveal():
            return why_not
        run, finished = self._run_in_hand(), self._state.finished
        adapter_dir = run.adapter_dir if run else finished.adapter_dir if finished else None
        return "" if adapter_dir is not None else tr("This run has no checkpoint.")

    def _run_in_hand(self) -> "RunSummary | None":
        return self._runs.run_in_hand if self._window.place is Place.RUNS else None

    @Slot(object)
    def export_run(self, run: "RunSummary") -> None:
        if run.adapter_dir is not None:
            self._export.ask(run.adapter_dir, run.name, self._window)

    @Slot(object)
    def export_checkpoint(self, facts: "CheckpointFacts") -> None:
        """Export a checkpoint of the opened run."""
        if (run := self._runs.opened.run) is not None:
            name = f"{run.details.summary.name} {facts.folder.name}"
            self._export.ask(facts.folder, name, self._window)

    @Slot()
    def export_shown(self) -> None:
        """Export the last checkpoint of the run that `reveal_shown` reveals."""
        finished = self._state.finished
        if why_not := self.why_not_export():
            self._window.notice.tell_problem(why_not)
        elif run := self._run_in_hand():
            self.export_run(run)
        elif finished is not None and finished.adapter_dir is not None:
            name = self._state.started.name if self._state.started else finished.run_dir.name
            self._export.ask(finished.adapter_dir, name, self._window)

    @Slot(object)
    def tell_exported(self, exported: "Exported") -> None:
        """Show a notice, with the command that fuses the adapter with its base model."""
        command, notice = exported.fuse_command, self._window.notice
        done = tr("Exported to {path}.", path=exported.folder)
        reveal = (file_manager.REVEAL_LABEL, lambda: self.reveal(exported.folder))

        def copy() -> None:
            QGuiApplication.clipboard().setText(command)
            notice.tell(COPIED, *reveal, is_lasting=True)

        sentences = (done, ADAPTER_ONLY, FUSE if command else "", exported.note)
        further = (tr("Copy Command"), copy) if command else None
        notice.tell(" ".join(filter(None, sentences)), *reveal, further=further, is_lasting=True)

    @Slot(object, float, object)
    def tell_exporting(self, folder: Path, share: float, cancel: Callable[[], None]) -> None:
        done = formatting.percent(share)
        text = tr("Exporting into {folder}: {share}", folder=folder, share=done)
        self._window.notice.tell(text, tr("Cancel"), cancel)

    @Slot()
    def tell_not_exported(self) -> None:
        self._window.notice.tell(tr("Export canceled."))

    @Slot(object)
    def tell_queued(self, _run: object) -> None:
        text = tr("Added to the queue.")
        if self._starts_next():
            text += " " + tr("It starts after “{name}”.", name=self._state.run_name)
        self._window.notice.tell(text, *self._show_runs_action())

    @Slot()
    def tell_queue_updated(self) -> None:
        self._window.notice.tell(tr("Updated in the queue."), *self._show_runs_action())

    @Slot()
    def tell_sample_left(self) -> None:
        self._window.notice.tell(
            tr("Restored the settings you had before the sample data."), is_lasting=True
        )

    def _starts_next(self) -> bool:
        queue = self._runs.list.queue
        return queue.is_going and len(queue.runs) == 1 and self._state.phase.is_active

    def _show_runs_action(self) -> tuple[str, Callable[[], None] | None]:
        """The label and callback of a notice's button that shows the Runs page; empty if it is
        shown.
        """
        if self._window.place is Place.RUNS:
            return "", None
        return tr("Show Runs"), lambda: self._window.show_place(Place.RUNS)

    @Slot(str)
    def tell_changed(self, name: str) -> None:
        self._window.notice.tell(tr("Reloaded {name}: it changed on disk.", name=name))

    @Slot()
    def tell_queue_went_on(self) -> None:
        self._window.notice.tell(
            tr("The queue resumed where it left off."), *self._show_runs_action(), is_lasting=True
        )

    @Slot(object)
    def tell_warning(self, event: object) -> None:
        """Show a run's warning as a notice."""
        if isinstance(event, LogMessage) and event.is_warning:
            self._window.notice.tell_problem(localized(event.text), is_lasting=True)

    @Slot()
    def show_licenses(self) -> None:
        path = bundled(LICENSES_FILE)
        if path is not None and not file_manager.open_text(path):
            text = tr("No app here opens text files. The texts are in {path}.", path=path)
            self._window.notice.tell(text)

    @Slot()
    def show_about(self) -> None:
        version = tr("Version {version}.", version=version_line())
        box = dialog(self._window, "Nestling", f"{ABOUT}\n\n{version}")
        box.setIconPixmap(self._window.windowIcon().pixmap(64, 64))
        box.finished.connect(box.deleteLater)
        box.open()
