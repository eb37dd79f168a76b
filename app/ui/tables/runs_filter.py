"""Which runs of the table are seen, and in which order: search words and a state."""

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel

from app.ui.tables.runs_model import SORT_ROLE, RunsModel

STATES = {
    "": "All runs",
    "finished": "Finished",
    "open": "Not finished",
    "broken": "With a problem",
}
"""What can be chosen to be seen."""
_DONE = ("finished", "unreadable")


class RunsFilter(QSortFilterProxyModel):
    """Every word must be found somewhere in a run's name, base, dataset or notes."""

    def __init__(self, runs: RunsModel, parent: QObject) -> None:
        super().__init__(parent)
        self._runs = runs
        self._words: list[str] = []
        self._state = ""
        self.setSourceModel(runs)
        self.setSortRole(SORT_ROLE)

    def search(self, text: str) -> None:
        self.beginFilterChange()
        self._words = text.casefold().split()
        self.endFilterChange(self.Direction.Rows)

    def show_state(self, state: str) -> None:
        """One of `STATES`."""
        self.beginFilterChange()
        self._state = state
        self.endFilterChange(self.Direction.Rows)

    def filterAcceptsRow(
        self, source_row: int, _parent: QModelIndex | QPersistentModelIndex
    ) -> bool:
        if not self._is_in_state(source_row):
            return False
        text = self._runs.searched_text(source_row) if self._words else ""
        return all(word in text for word in self._words)

    def _is_in_state(self, source_row: int) -> bool:
        run = self._runs.run_at(source_row)
        match self._state:
            case "finished":
                return run.outcome == "finished"
            case "open":
                return run.outcome not in _DONE
            case "broken":
                return bool(run.problem)
        return True
