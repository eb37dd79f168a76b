"""The selection in the runs' table, which is restored in the next session."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.ui.runs.compared_losses import MAX_COMPARED
from app.ui.system.stored_preferences import Preferences
from app.ui.tables.row_table import RowTable
from app.ui.tables.run_rows import WaitingRun
from app.ui.tables.runs_model import RunsModel

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary
    from app.ui.tables.run_rows import Row

_SELECTED, _OPENED = "library/selected", "library/opened"


class RunsSelection:
    def __init__(self, table: RowTable, model: RunsModel, settings: Preferences) -> None:
        self._table = table
        self._chosen, self._model, self._settings = table.selectionModel(), model, settings
        self.changed = self._chosen.selectionChanged

    def select(self, *run_dirs: Path) -> None:
        """Select the rows of these runs, or the first row if the table has none of them."""
        rows = range(self._model.rowCount())
        there = [row for row in rows if self._model.at(row).run_dir in run_dirs]
        self._table.select_rows(there or rows[:1])

    def rows(self) -> "tuple[Row, ...]":
        """The selected rows in table order."""
        chosen = sorted(self._chosen.selectedRows(), key=lambda index: index.row())
        return tuple(self._model.at(index.row()) for index in chosen)

    def folders(self) -> list[Path]:
        return [run.run_dir for run in self.rows()]

    def runs(self) -> "tuple[RunSummary, ...]":
        """The selected runs that are not queued, in table order."""
        return tuple(run for run in self.rows() if not isinstance(run, WaitingRun))

    def run(self) -> "RunSummary | None":
        """The selected run; None unless exactly one row is selected and it is not queued."""
        chosen = self.rows()
        only = chosen[0] if len(chosen) == 1 else None
        return None if isinstance(only, WaitingRun) else only

    def waiting(self) -> tuple[WaitingRun, ...]:
        return tuple(run for run in self.rows() if isinstance(run, WaitingRun))

    def remember(self, opened: Path | None) -> None:
        """Save the selected runs and the opened run for the next session."""
        chosen = [run.run_dir.name for run in self.runs()[:MAX_COMPARED]]
        self._settings.set(_SELECTED, "/".join(chosen))
        self._settings.set(_OPENED, opened.name if opened is not None else "")

    def remembered(self) -> list[Path]:
        names = self._settings.text(_SELECTED).split("/")
        return [run.run_dir for run in self._model.all_runs if run.run_dir.name in names]

    def remembered_opened(self) -> Path | None:
        """The run that was opened when the window closed, if it still exists."""
        name = self._settings.text(_OPENED)
        return next((run.run_dir for run in self._model.all_runs if run.run_dir.name == name), None)
