"""Reads one run as a row of the library, with its state or the problem of its folder."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from app.core.config.learning_methods import learning_method
from app.core.config.serialization import config_from_manifest, current_names
from app.core.errors import AppError, InputError
from app.core.events import KNOWN_QUESTIONS
from app.core.files.paths import shipped
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.core.wording.display_names import question_set_name
from app.library.run.label import has_damaged_label, read_label
from app.library.run.layout import CHECKPOINTS, MANIFEST_FILE, STEPS_FILE, checkpoint_name, link_to
from app.library.run.lenient_fields import LenientReader
from app.library.run.manifest import MAX_QUESTIONS, WAS_CHANGED, read_manifest, settings_match
from app.library.run.metrics import count_steps
from app.library.run.resumability import IN_PROGRESS, NO_CHECKPOINT, completed_reason
from app.library.run.run_lock import is_locked

RETENTION = "retention"
"""Question sets with this word in their name measure earlier knowledge."""
OUTCOMES = ("finished", "stopped", "failed", "running")
_RESUMABLE_OUTCOMES = ("stopped", "interrupted", "failed")
MAX_PERIOD, MAX_TIERS = 1_000_000, 8
MAX_PROBLEM = 400
CHANGED = (
    f"{MANIFEST_FILE} was edited: its steps, losses and scores may differ from the measured ones."
)
_DAMAGES = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""Exceptions of a manifest with invalid values."""
T = TypeVar("T")


@dataclass(frozen=True)
class Retention:
    """Right answers to questions about general knowledge."""

    before: int
    after: int
    total: int


@dataclass(frozen=True)
class RunSummary:
    """One row of the library."""

    run_dir: Path
    name: str
    model: str
    data: str
    created: datetime | None
    steps: int
    outcome: str
    """finished, stopped, failed, running; "interrupted" if it is marked running and not locked;
    "unreadable" if the manifest can't be read."""
    best_val_loss: float | None
    adapter_dir: Path | None
    size_bytes: int
    problem: str = ""
    """One sentence, if something is wrong with the folder."""
    planned_steps: int = 0
    periods: tuple[int, ...] = ()
    """Each tier's update period."""
    method: str = ""
    """Title of its learning method, in English; empty if its settings are invalid."""
    retention: Retention | None = None
    known: Retention | None = None
    """The known questions that are still answered."""
    base_kl: float | None = None
    """Change from base at the end, in nats per token."""
    notes: str = ""
    learning_rate: float | None = None
    batch_size: int | None = None
    is_whole: bool = True
    """The settings that affect its numbers are unchanged."""

    @property
    def can_resume(self) -> bool:
        """It did not finish and has a checkpoint to resume from."""
        return not self.resume_blocker

    @property
    def resume_blocker(self) -> str:
        """The reason why it can't resume, in one sentence; empty if it can."""
        if blocker := self.resume_blocker_at(max(self.steps, self.planned_steps)):
            return blocker
        if self.adapter_dir is None:
            return self.problem or tr(NO_CHECKPOINT)
        return "" if self.outcome in _RESUMABLE_OUTCOMES else self.problem or tr(IN_PROGRESS)

    def resume_blocker_at(self, step: int) -> str:
        """The reason why it can't resume from its checkpoint of `step`, even if it finished."""
        if self.outcome == "running":
            return tr(IN_PROGRESS)
        if not self.is_whole:
            return self.problem
        reason = completed_reason(self.outcome, self.steps, self.planned_steps, step)
        return tr("The run is complete: {reason}", reason=reason) if reason else ""


def summarize(run_dir: Path, recorded: int | None = None) -> RunSummary:
    """Summarize a run. Never raises: an unreadable value becomes the run's problem.

    `recorded` is the number of readable steps, if it is known already.
    """
    try:
        return _summary(run_dir, read_manifest(run_dir), recorded)
    except AppError as error:
        return _unreadable(run_dir, str(error))
    except (*_DAMAGES, OSError):
        return _unreadable(run_dir, f"{run_dir / MANIFEST_FILE} is damaged: it can't be read.")


def _part(name: str, read: Callable[[], T]) -> T:
    """The result of `read`. Raises InputError naming the unreadable part of the manifest."""
    try:
        return read()
    except _DAMAGES:
        raise InputError(
            f"{MANIFEST_FILE} is damaged: {name} can't be read.", "Put the old file back."
        ) from None


def _unreadable(run_dir: Path, problem: str) -> RunSummary:
    return RunSummary(
        run_dir, run_dir.name, "", "", None, 0, "unreadable", None, None, folder_size(run_dir),
        single_line(problem, MAX_PROBLEM), is_whole=False,
    )  # fmt: skip


def _model(value: object) -> str:
    return str(shipped(Path(str(value)))) if value else ""


def _summary(run_dir: Path, manifest: dict[str, Any], recorded: int | None) -> RunSummary:
    config, label, reader = manifest["config"], read_label(run_dir), LenientReader(MANIFEST_FILE)
    outcome = _part("its scores", lambda: _outcome(run_dir, manifest))
    reader.choice(manifest["outcome"], "its outcome", OUTCOMES)
    steps = reader.integer(manifest["steps"], "steps")
    adapter_dir, lack = _adapter_dir(run_dir, manifest.get("adapter"))
    is_whole = settings_match(manifest)
    silent = LenientReader(MANIFEST_FILE)  # reading the settings reports invalid ones
    if not is_whole:
        lack = "Its settings were changed after it began, so it can't be resumed."
    summary = RunSummary(
        run_dir=run_dir,
        name=reader.name(label.name or manifest["name"], run_dir.name),
        model=_model(config.get("model", "")),
        data=str(config.get("data", "")),
        created=_part("its date", lambda: parse_timestamp(manifest["created"])),
        steps=steps,
        outcome=outcome,
        best_val_loss=reader.number(manifest.get("best_val_loss"), "its best validation loss"),
        adapter_dir=adapter_dir,
        size_bytes=folder_size(run_dir),
        planned_steps=reader.integer(config.get("steps", 0), "the steps planned"),
        periods=_part("its tiers", lambda: _periods(config.get("tiers", ()), reader)),
        method=_method(config),
        retention=_part("its scores", lambda: _retention(manifest, reader)),
        known=_part("its scores", lambda: _asked(manifest["scores"], KNOWN_QUESTIONS, reader)),
        base_kl=silent.number(manifest.get("base_kl"), ""),
        notes=label.notes,
        learning_rate=silent.number(config.get("learning_rate"), ""),
        batch_size=silent.integer(config.get("batch_size"), "") or None,
        is_whole=is_whole,
    )
    damage = "" if outcome == "running" else _damage(run_dir, steps, recorded)
    changed = CHANGED if manifest.get(WAS_CHANGED) else ""
    sentences = (lack or reader.problem or changed, damage)
    return replace(summary, problem=" ".join(sentence for sentence in sentences if sentence))


def _adapter_dir(run_dir: Path, adapter: Any) -> tuple[Path | None, str]:
    """The last checkpoint's folder and its problem. A folder outside the run does not count."""
    if link_to(run_dir, CHECKPOINTS):
        return None, f"Its folder {CHECKPOINTS} is a link: it is not used."
    if adapter is None:
        return None, ""
    parts = Path(str(adapter)).parts
    if not isinstance(adapter, str) or not parts or ".." in parts or Path(adapter).is_absolute():
        return None, (
            f"{MANIFEST_FILE} names an adapter outside the run's folder, "
            f"{single_line(str(adapter))}: it is not used."
        )
    if not (run_dir / adapter).is_dir():
        return None, f"Its adapter {single_line(adapter)} is missing."
    if (link := link_to(run_dir, adapter)) == adapter:
        return None, f"Its adapter {single_line(adapter)} is a link: it is not used."
    if link is not None:
        return None, f"Its folder {single_line(link)} is a link: it is not used."
    return run_dir / adapter, ""


def _damage(run_dir: Path, steps: int, recorded: int | None) -> str:
    """Damage of the folder that does not prevent resuming."""
    if has_damaged_label(run_dir):
        return "Its name and notes can't be read: label.json is damaged."
    recorded = count_steps(run_dir) if recorded is None else recorded
    if recorded >= steps:
        return ""
    if not recorded:
        return f"Its measurements can't be read: {STEPS_FILE} is missing or damaged."
    return f"The measurements of {steps - recorded:,} of its {steps:,} steps are damaged."


def _periods(tiers: Any, reader: LenientReader) -> tuple[int, ...]:
    periods = tuple(tier["period"] for tier in tiers)
    reader.integer(len(periods), "the number of tiers", MAX_TIERS)
    valid = tuple(
        reader.integer(period, "an update period", MAX_PERIOD, minimum=1)
        for period in periods[:MAX_TIERS]
    )
    return valid if all(valid) else ()


def _method(settings: Any) -> str:
    try:
        return learning_method(config_from_manifest(settings, where=MANIFEST_FILE)).title
    except (AppError, *_DAMAGES):  # the fields that the row needs are read and reported one by one
        return ""


def parse_timestamp(text: str) -> datetime:
    """Parse a timestamp. Raises ValueError or OverflowError for a date outside the calendar."""
    timestamp = datetime.fromisoformat(text)
    timestamp = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    timestamp.astimezone()
    return timestamp


def _retention(manifest: dict[str, Any], reader: LenientReader) -> Retention | None:
    """The retention set, or the first question set whose name contains the retention word; if
    it was asked before and after."""
    scores = manifest["scores"]
    own = manifest["config"].get("retention_set")
    named = [question_set_name(Path(str(own)))] if own else []
    named += [score["name"] for score in scores if RETENTION in score["name"].casefold()]
    found = (_asked(scores, name, reader) for name in named)
    return next((retention for retention in found if retention), None)


def _asked(scores: list[dict[str, Any]], name: str, reader: LenientReader) -> Retention | None:
    """A question set that was asked before and after."""
    right = {score["when"]: score for score in scores if score["name"] == name}
    if not right.keys() >= {"before", "after"}:
        return None
    before, after = right["before"], right["after"]
    numbers = (before["correct"], after["correct"], after["total"])
    return Retention(*(reader.integer(n, "a score", MAX_QUESTIONS) for n in numbers))


def _outcome(run_dir: Path, manifest: dict[str, Any]) -> str:
    if manifest["outcome"] != "running" or is_locked(run_dir):
        return str(manifest["outcome"])
    # Interrupted after its last checkpoint and before its end: its questions may be left.
    planned = manifest["config"].get("steps", 0)
    last = f"{CHECKPOINTS}/{checkpoint_name(planned)}" if type(planned) is int else None
    is_asked = any(score["when"] == "after" for score in manifest["scores"])
    config = current_names(manifest["config"])
    has_questions = bool(config.get("eval_sets") or config.get("retention_set"))
    is_done = manifest.get("adapter") == last and (is_asked or not has_questions)
    return "finished" if is_done else "interrupted"


def folder_size(folder: Path) -> int:
    """Bytes of all files; files that disappear meanwhile, like partial checkpoints, count as 0."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total
