"""A Qt model of the base models. Reads no files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from app.core.text.translation import tr
from app.models.model_formatting import (
    UNKNOWN,
    context_text,
    parameters_text,
    problem_text,
    state_text,
)
from app.ui.look import formatting
from app.ui.tables.table_model import Column, TableModel

if TYPE_CHECKING:
    from app.models.model_description import ModelDescription

SHOWN = {"": tr("All models"), "usable": tr("Can be used"), "recent": tr("Recently used")}
"""The choices of the filter."""
_TONES = {"fits": "success", "tight": "warning", "won't fit": "danger"}
_ORDER = ("fits", "tight", "won't fit", "")


@dataclass(frozen=True)
class ModelsFilter:
    """Each search word must occur in the model's name, architecture, weights, license or source."""

    words: tuple[str, ...] = ()
    shown: str = ""

    @classmethod
    def of(cls, search: str, shown: str) -> "ModelsFilter":
        return cls(tuple(search.casefold().split()), shown)

    def lets_through(self, model: "ModelDescription") -> bool:
        if self.shown == "usable" and model.problem:
            return False
        if self.shown == "recent" and model.used is None:
            return False
        facts = (model.name, model.architecture, model.quantization, model.license, model.source)
        searched = "\n".join(facts).casefold()
        return all(word in searched for word in self.words)


class ModelsModel(TableModel["ModelDescription"]):
    """The rows are replaced all at once with `show_models`; their order is kept unless the user
    sorts.
    """

    def __init__(self) -> None:
        self._available_bytes = 0
        super().__init__(self._made_columns(), problem_text)
        self._all: tuple[ModelDescription, ...] = ()
        self._filter = ModelsFilter()
        self._column, self._order = -1, Qt.SortOrder.AscendingOrder

    @property
    def all_models(self) -> "Sequence[ModelDescription]":
        """All models, including those that the filter hides."""
        return self._all

    def show_models(self, models: "Sequence[ModelDescription]", available_bytes: int) -> bool:
        """Returns False if nothing has changed."""
        if tuple(models) == self._all and available_bytes == self._available_bytes:
            return False
        self._all, self._available_bytes = tuple(models), available_bytes
        self._arrange()
        return True

    def show_only(self, wanted: ModelsFilter) -> None:
        if wanted != self._filter:
            self._filter = wanted
            self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._column, self._order = column, order
        self._arrange()

    def row_of(self, folder: Path | None) -> int:
        """The row of a model; -1 if it is not shown."""
        rows = (row for row, model in enumerate(self._rows) if model.folder == folder)
        return next(rows, -1)

    def state(self, model: "ModelDescription") -> str:
        return state_text(model, self._available_bytes)

    def tone(self, model: "ModelDescription") -> str:
        return _TONES.get(self._verdict(model), "secondary_text")

    def _verdict(self, model: "ModelDescription") -> str:
        return model.verdict(self._available_bytes) if model.is_read else ""

    def _rank(self, model: "ModelDescription") -> tuple[bool, bool, int]:
        """The sort key of a model's state: usable models, then unread ones, then those with
        problems.
        """
        is_bad = model.is_read and bool(model.problem)
        return is_bad, not model.is_read, _ORDER.index(self._verdict(model))

    def _arrange(self) -> None:
        seen = [model for model in self._all if self._filter.lets_through(model)]
        if self._column >= 0:
            column = self.columns[self._column]
            is_falling = self._order is Qt.SortOrder.DescendingOrder
            seen.sort(key=column.sorted_by or column.shown, reverse=is_falling)
        self.show_rows(seen)

    def _made_columns(self) -> "tuple[Column[ModelDescription], ...]":
        return (
            Column(
                tr("Name"), lambda model: model.short_name,
                sorted_by=lambda model: model.short_name.casefold(),
            ),
            Column(
                tr("Parameters"), lambda model: parameters_text(model.parameters), True,
                sorted_by=lambda model: model.parameters or 0,
            ),
            Column(tr("Weights"), lambda model: model.quantization or UNKNOWN),
            Column(
                tr("Size"), _size, True,
                sorted_by=lambda model: model.size_bytes,
            ),
            Column(
                tr("Context"), lambda model: context_text(model.context_tokens), True,
                sorted_by=lambda model: model.context_tokens or 0,
            ),
            Column(tr("License"), lambda model: model.license or UNKNOWN),
            Column(tr("Source"), lambda model: tr(model.source)),
            Column(
                tr("Trains here"), self.state, tone=self.tone,
                sorted_by=self._rank,
            ),
        )  # fmt: skip


def _size(model: "ModelDescription") -> str:
    return formatting.size(model.size_bytes) if model.size_bytes else UNKNOWN


NAME_COLUMN, PARAMETERS_COLUMN, WEIGHTS_COLUMN, SIZE_COLUMN = range(4)
CONTEXT_COLUMN, LICENSE_COLUMN, SOURCE_COLUMN, STATE_COLUMN = range(4, 8)
