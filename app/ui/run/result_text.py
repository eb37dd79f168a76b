"""The result of a run in words, from what its folder recorded. Knows no Qt."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.results import learned_and_kept, score_sentence
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.ui.state.run_loading import ReadRun


@dataclass(frozen=True)
class Score:
    """A question set's right answers; `before` is None where that was not measured."""

    name: str
    before: int | None
    after: int
    total: int

    def __str__(self) -> str:
        return score_sentence(self.name, self.before, self.after, self.total)


def result_text(run: "ReadRun") -> str:
    """What was measured, before and after; empty where nothing was."""
    details = run.details
    measured = learned_and_kept(details.evaluations, details.retention)
    return " ".join(filter(None, (measured, *map(str, scores(details.facts)))))


def effort_text(run: "ReadRun") -> str:
    """How it ended, and what it took: steps, time, size."""
    summary, message = run.details.summary, localized(run.details.message).removesuffix(".")
    planned = summary.planned_steps
    steps = tr("{steps:,} of {planned:,} steps", steps=summary.steps, planned=planned)
    is_failed = summary.outcome == "failed"  # the head shows it
    parts = [message if message and not is_failed else steps if planned else ""]
    if run.training_seconds:
        parts.append(tr("{time} of training", time=formatting.duration(run.training_seconds)))
    if summary.best_val_loss is not None:
        best = formatting.loss(summary.best_val_loss)
        parts.append(tr("best validation loss {loss}", loss=best))
    parts.append(formatting.size(summary.size_bytes))
    return " · ".join(filter(None, parts))


def scores(facts: dict[str, Any]) -> list[Score]:
    """Of the sets that were asked after training; entries that can't be read are left out."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    listed = facts.get("scores", [])
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict):
            continue
        name, when = entry.get("name"), entry.get("when")
        numbers = (entry.get("correct"), entry.get("total"))
        if isinstance(name, str) and isinstance(when, str) and _are_counts(*numbers):
            found.setdefault(name, {})[when] = numbers  # type: ignore[assignment]
    return [
        Score(name, whens["before"][0] if "before" in whens else None, *whens["after"])
        for name, whens in found.items()
        if "after" in whens
    ]


def _are_counts(*numbers: object) -> bool:
    return all(type(number) is int and 0 <= number < 10**9 for number in numbers)
