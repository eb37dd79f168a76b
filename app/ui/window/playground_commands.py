"""The commands of the Playground: lists runs, reads their checkpoints, opens them from
other pages.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog

from app.core.errors import Failure
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.playground.playground_page import PlaygroundPage
from app.ui.state.window_pages import Place
from app.ui.window.main_window import MainWindow
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts
    from app.library.reading.run_summary import RunSummary
    from app.workers.tasks.library import RunChoices


class PlaygroundCommands(QObject):
    def __init__(
        self,
        window: MainWindow,
        page: PlaygroundPage,
        background: BackgroundThread,
        runs_dir: Path,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._background, self._runs_dir = background, runs_dir
        self._page = page
        self._wanted: tuple[Path, Path | None] | None = None
        """The run and checkpoint to show once they have been read."""
        self._page.refresh_requested.connect(self.refresh)
        self._page.chooser.run_chosen.connect(self._choose_run)
        self._page.model_choice_requested.connect(self.choose_model)

    # -- opened from other pages --------------------------------------------------------------
    @Slot(object)
    def try_run(self, run: "RunSummary") -> None:
        """Open the run's best checkpoint, or its last."""
        self._open(run.run_dir, None)

    @Slot(object, str)
    def try_question(self, run: "RunSummary", question: str) -> None:
        """Open the run with this question in the prompt field."""
        self._page.composer.field.replace_text(question)
        self.try_run(run)

    @Slot(object)
    def try_checkpoint(self, facts: "CheckpointFacts") -> None:
        self.open_checkpoint(facts.folder.parent.parent, facts.folder)

    def open_checkpoint(self, run_dir: Path, folder: Path) -> None:
        """Open a checkpoint of a run in any folder."""
        self._open(run_dir, folder)

    def _open(self, run_dir: Path, folder: Path | None) -> None:
        self._wanted = (run_dir, folder)
        if self._page.isVisible():
            self.refresh()
        else:
            self._window.show_place(Place.PLAYGROUND)  # showing the page refreshes it

    # -- content of the page ------------------------------------------------------------------
    @Slot()
    def refresh(self) -> None:
        """Read the list of runs and the checkpoints of the chosen one again."""
        self._background.run(
            partial(library.list_runs, self._runs_dir), self._take_runs, self._fail
        )

    def _take_runs(self, runs: "list[RunSummary]") -> None:
        there = [run for run in runs if run.adapter_dir is not None]
        chooser, chosen = self._page.chooser, self._page.chooser.run_dir
        if self._wanted is None and chosen is not None and chosen.is_dir():
            self._wanted = (chosen, chooser.folder)
        if self._wanted is None and there:
            self._wanted = (there[0].run_dir, None)
        self._page.show_runs(there)
        if self._wanted is not None:
            chooser.choose_run(self._wanted[0])
            self._read(self._wanted[0])
        else:
            self._page.trial.choose(None)

    def _choose_run(self, run_dir: Path) -> None:
        self._wanted = (run_dir, None)
        self._read(run_dir)

    def _read(self, run_dir: Path) -> None:
        self._background.run(partial(library.read_run_choices, run_dir), self._take_run, self._fail)

    def _take_run(self, run: "RunChoices") -> None:
        """Show the run's checkpoints, unless another run was chosen in the meantime."""
        if self._wanted is None or self._wanted[0] != run.choices.run_dir:
            return
        folder = self._wanted[1]
        self._wanted = None
        self._page.chooser.show_choices(run.choices, folder)
        self._show_model(run)
        self._page.show_starters(run.starters)
        self._page.show_questions(run.questions)

    def _show_model(self, run: "RunChoices") -> None:
        choices = run.choices
        if run.is_model_there or self._page.chooser.knows_model(choices.run_dir):
            self._page.show_problem("")
        else:
            sentence = tr(
                "The base model of “{name}” is no longer at {path}.",
                name=choices.name, path=choices.model,
            )  # fmt: skip
            self._page.show_problem(sentence, is_model_missing=True)

    @Slot()
    def choose_model(self) -> None:
        dialog = QFileDialog(self._window, tr("Choose the folder of the run's base model"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda chosen: self.use_model(Path(chosen)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def use_model(self, folder: Path) -> None:
        """Use the base model in `folder` for the chosen run. Whether it fits is checked when it is
        loaded.
        """
        self._page.chooser.use_model(folder)
        self._page.show_problem("")

    def _fail(self, failure: Failure) -> None:
        self._wanted = None
        self._page.show_problem(localized(str(failure)))
