"""The dataset card in the left column: a summary of the dataset, or its problems."""

from functools import partial

from PySide6.QtCore import Signal

from app.core.config.setting import percent
from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.core.wording.display_names import dataset_title
from app.ui.data.dataset_chooser import dataset_verbs
from app.ui.data.dataset_list import DatasetList
from app.ui.data.dataset_text import location_text
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel, set_tip
from app.ui.look.theme import Theme
from app.ui.new_run.mixed_datasets import MixedDatasets
from app.ui.state.app_state import AppState
from app.ui.tables.row_table import offer_verbs
from app.ui.widgets.basic_widgets import CardFrame, button, label, message, restyle, say
from app.ui.widgets.layouts import fill, row

SHOWN_PROBLEMS = 4


class DataCard(CardFrame):
    choose_requested = Signal()
    look_closer_requested = Signal()

    def __init__(self, state: AppState, datasets: DatasetList) -> None:
        super().__init__()
        self._state = state
        self.choose = button(tr("Choose…"), self.choose_requested.emit, "link")
        self.choose.setAccessibleName(tr("Choose a dataset"))
        self.look_closer = button(tr("Inspect"), self.look_closer_requested.emit, "link")
        self.look_closer.setAccessibleDescription(tr("Show the Data page"))
        self.name = ElidedLabel("", "strong")
        offer_verbs(self.name, partial(dataset_verbs, datasets, 0))
        self.summary = label("", "secondary", wraps=True)
        self.problem = message("problem")
        self.rows = message("details")
        self.mixed = MixedDatasets(state, datasets)
        head = row(label(tr("Dataset"), "heading"), None, self.look_closer, self.choose)
        fill(self.inside, head, self.name, self.summary, self.problem, self.rows, self.mixed)
        state.dataset_changed.connect(self.refresh)
        state.config_changed.connect(self.refresh)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        self.mixed.set_theme(theme)

    def highlight(self, is_on: bool) -> None:
        """Highlight the card while the user drags files over the window."""
        restyle(self, "drop", "true" if is_on else "false")

    def refresh(self) -> None:
        state = self._state
        data = state.config.data
        self.name.setText(dataset_title(data) or tr("None yet"))
        if data is not None:
            set_tip(self.name, str(data))
        self.look_closer.setVisible(state.dataset is not None or state.is_inspecting)
        say(self.summary, self._summary_text())
        say(self.problem, self._problem_text())
        say(self.rows, self._rows_text())
        self.mixed.setVisible(state.dataset is not None or bool(state.config.mix))

    def _summary_text(self) -> str:
        state = self._state
        if state.is_inspecting:
            return tr("Reading…")
        if (facts := state.dataset) is None:
            return "" if state.dataset_failure else tr("Drop a file or a folder on the window.")
        parts = [formatting.examples(facts)]
        if facts.valid_examples:
            parts.append(tr("{n:,} for validation", n=facts.valid_examples))
        elif facts.examples and not formatting.file_problems(facts):
            share = state.config.validation_split
            parts += [tr("{share} for validation", share=percent(share))] if share else []
        parts.append(formatting.size(facts.size_bytes))
        return " · ".join(parts)

    def _problem_text(self) -> str:
        state = self._state
        if failure := state.dataset_failure:
            return localized(str(failure))
        if (facts := state.dataset) is None or not facts.problem_count:
            return state.rows_problem
        if state.is_unmapped:
            return ""  # the plan's header says it, beside the button that maps columns
        wrong = formatting.file_problems(facts)
        rows = facts.problem_count - len(wrong)
        if not rows:
            return " ".join([*wrong, tr("Fix or remove it, then drop the dataset again.")])
        counted = trn("{n:,} row can't be used:", "{n:,} rows can't be used:", rows)
        return " ".join([*wrong, counted])

    def _rows_text(self) -> str:
        facts = self._state.dataset
        if (
            facts is None
            or self._state.is_unmapped
            or not (bad := [p for p in facts.problems if not p.place.is_whole_file])
        ):
            return ""
        shown = bad[:SHOWN_PROBLEMS]
        lines = []
        for problem in shown:
            where = location_text(problem.place)
            where = where[:1].upper() + where[1:]
            if problem.path != facts.path:
                where = f"{problem.path.name}, {location_text(problem.place)}"
            lines.append(f"{where}: {localized(problem.reason)}.")
        if more := facts.problem_count - (len(facts.problems) - len(bad)) - len(shown):
            lines.append(trn("… and {n:,} more.", "… and {n:,} more.", more))
        advice = trn(
            "Fix this row, or skip it on the Data page.",
            "Fix these rows, or skip them on the Data page.",
            facts.problem_count,
        )
        return "\n".join([*lines, advice])
