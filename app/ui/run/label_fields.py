"""Tracks unsaved edits of a run's name and notes in the fields of its page.

Writes nothing itself: the page saves the label.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPlainTextEdit

from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.widgets.name_field import MAX_NAME, NameField

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary

MAX_NOTES = 20_000
_TOO_LONG = tr("Only the beginning of these notes is shown. All of them are in label.json.")


class LabelFields:
    def __init__(self, name: NameField, notes: QPlainTextEdit) -> None:
        self._name, self._notes = name, notes
        self._shown = self._read = ("", "")

    @property
    def is_edited(self) -> bool:
        return self._written() != self._shown

    def show_read(self, summary: "RunSummary", *, keeps_edits: bool) -> None:
        """Show a label as read from disk. `keeps_edits`: the fields already show this run, and
        unsaved edits are not overwritten.
        """
        if not (keeps_edits and self.is_edited):
            self._show(summary)
        self._read = (summary.name, summary.notes)

    def show_name(self, name: str) -> None:
        """Show the name of a run without a folder; such a run has no notes."""
        self._name.show_name(single_line(name, MAX_NAME))
        self._shown = self._written()

    def edited(self, summary: "RunSummary") -> "RunSummary":
        """The run with the label from the fields, which then no longer count as edited."""
        (name, notes), (old_name, old_notes) = self._written(), self._shown
        # An unchanged part keeps its value from disk, because the field may show only its
        # beginning.
        summary = replace(
            summary,
            name=summary.name if name in ("", old_name) else name,
            notes=summary.notes if notes == old_notes else notes,
        )
        self._show(summary)
        return summary

    def refused(self, summary: "RunSummary") -> "RunSummary":
        """The run with the label that is still on disk; the fields count as edited again."""
        name, notes = self._read
        self._shown = single_line(name, MAX_NAME), notes[:MAX_NOTES]
        return replace(summary, name=name, notes=notes)

    def _show(self, summary: "RunSummary") -> None:
        notes = summary.notes[:MAX_NOTES]
        if self._notes.toPlainText() != notes:
            self._notes.setPlainText(notes)
        # Notes that are cut off can't be edited: saving them would lose the rest.
        is_cut = len(summary.notes) > MAX_NOTES
        self._notes.setReadOnly(is_cut)
        set_tip(self._notes, _TOO_LONG if is_cut else "")
        self.show_name(summary.name)

    def _written(self) -> tuple[str, str]:
        return self._name.text().strip(), self._notes.toPlainText()[:MAX_NOTES]
