"""The settings in which runs differ, as a Qt table: a row a setting, a column a run."""

from collections.abc import Sequence

from app.core.text.translation import tr
from app.ui.tables.table_model import Column, TableModel

Difference = tuple[str, Sequence[str]]
"""A setting's label, and each run's value."""


class DifferencesModel(TableModel[Difference]):
    def __init__(self) -> None:
        super().__init__((), lambda _: "")

    def show_differences(self, names: Sequence[str], rows: Sequence[Difference]) -> None:
        """`names` are the runs'."""
        labels: Column[Difference] = Column(tr("Differs in"), lambda row: row[0])
        self.beginResetModel()
        self.columns = (labels, *(_column(name, at) for at, name in enumerate(names)))
        self._rows = list(rows)
        self.endResetModel()


def _column(name: str, at: int) -> Column[Difference]:
    return Column(name, lambda row: row[1][at])
