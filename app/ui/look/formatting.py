"""Formats sizes, counts, durations, rates, names and choices for people."""

import math
from typing import TYPE_CHECKING

from app.core.text.numbers import format_loss
from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import decimal, tr, trn

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts

ASSIGNMENTS = {
    "depth": tr("By layer depth"),
    "module": tr("By module"),
    "rank": tr("By rank slices"),
    "importance": tr("By importance"),
    "manual": tr("By patterns"),
}
CHOICES = {
    "lora": "LoRA",
    "dora": "DoRA",
    "constant": tr("Constant"),
    "linear": tr("Linear"),
    "cosine": tr("Cosine"),
    "accumulate": tr("Accumulate"),
    "skip": tr("Skip"),
    "top": tr("Top"),
    "bottom": tr("Bottom"),
    "stop": tr("Stop"),
    "all": tr("All"),
    "best-and-last": tr("Best and last"),
    "every": tr("Every reply"),
    "whole-chat": tr("Whole chat"),
    "last": tr("Last reply"),
}
"""The labels of all other settings' choices."""


def choice(name: str, value: str) -> str:
    """The label of a setting's choice in the form."""
    known = ASSIGNMENTS if name == "assign" else CHOICES
    return known.get(value, value)


LEAST = {
    "slow_every": tr("Off"),
    "early_stopping_patience": tr("Never"),
    "num_layers": tr("All"),
    "eval_questions": tr("Automatic"),
    "validation_rows": tr("Automatic"),
}
"""The text for a whole number's minimum if that has a special meaning."""

EMPTY = {"keys": tr("All"), "columns": tr("Automatic"), "name": tr("The dataset's")}
"""The text for an empty setting."""

FORMATS = {
    "chat": tr("chat"),
    "text": tr("text"),
    "prompt and completion": tr("prompt and completion"),
    "question and answer": tr("question and answer"),
}
"""The names of row formats; other formats keep their own names."""

FAST_ENDS = {
    "depth": {"top": tr("Top layers fastest"), "bottom": tr("Bottom layers fastest")},
    "module": {"top": tr("Attention fastest"), "bottom": tr("Everything else fastest")},
    "importance": {"top": tr("Most active fastest"), "bottom": tr("Least active fastest")},
}
"""For assignments with two ends: the label of each end that can be the fastest tier (tier 0)."""


OUTCOMES = {
    "finished": (tr("Finished"), "success"),
    "stopped": (tr("Stopped"), "warning"),
    "failed": (tr("Failed"), "danger"),
    "interrupted": (tr("Interrupted"), "warning"),
    "unreadable": (tr("Unreadable"), "danger"),
    "running": (tr("Running elsewhere"), "accent"),
    "live": (tr("Running"), "accent"),
    "pausing": (tr("Pausing…"), "warning"),
    "paused": (tr("Paused"), "warning"),
    "stopping": (tr("Stopping…"), "warning"),
    "preparing": (tr("Preparing…"), "accent"),
    "waiting": (tr("Waiting"), "secondary_text"),
    "blocked": (tr("Can't start"), "danger"),
}
"""The label of a run's outcome, and its theme color. From "live" on, they are states of this
window's run.
"""


def outcome(word: str) -> str:
    return OUTCOMES[word][0] if word in OUTCOMES else single_line(word, 24).capitalize()


def tone(word: str) -> str:
    """The theme color of an outcome; empty if it is unknown."""
    return OUTCOMES.get(word, ("", ""))[1]


def is_in_progress(word: str) -> bool:
    """Whether a run with this outcome is in progress, here or in another program."""
    return word in ("running", "live", "pausing", "paused", "stopping", "preparing")


BYTES = tr("bytes")


def size(size_bytes: int) -> str:
    """For example "1.5 KB" for 1536; decimal units, as in Finder."""
    amount = float(size_bytes)
    for unit in (BYTES, "KB", "MB", "GB"):
        if amount < 1000:
            is_whole = unit == BYTES or amount >= 10
            return decimal(f"{amount:.0f} {unit}" if is_whole else f"{amount:.1f} {unit}")
        amount /= 1000
    return decimal(f"{amount:.1f} TB")


def percent(share: float) -> str:
    """For example "45 %"; 100 % only when everything is done."""
    return f"{min(99, int(100 * share)) if share < 1 else 100} %"


def shortened(name: str, characters: int) -> str:
    """A name with its middle elided if it is too long: "a-rather-…-poems-v3"."""
    if len(name) <= characters:
        return name
    end = (characters - 1) // 2
    return f"{name[: characters - 1 - end]}…{name[-end:]}"


def duration(seconds: float) -> str:
    """For example "1 min 35 s" for 95; without seconds from ten minutes on."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def loss(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return decimal(format_loss(value, 3))


def rate(per_second: float) -> str:
    if not math.isfinite(per_second):
        return "–"
    return decimal(f"{per_second:,.0f}")


def number(value: float) -> str:
    """The shortest text that NumberField reads back as the same number: "0.0001", "20"."""
    return decimal(f"{value:g}" if float(f"{value:g}") == value else repr(value))


def examples(facts: "DatasetFacts") -> str:
    """The number of training examples with their format: "60 chat examples"."""
    n = facts.examples
    if facts.format in ("unknown", "mixed"):
        return trn("{n:,} example", "{n:,} examples", n)
    if facts.format == "tools":
        return trn("{n:,} example with tools", "{n:,} examples with tools", n)
    name = FORMATS.get(facts.format, facts.format)
    return trn("{n:,} {format} example", "{n:,} {format} examples", n, format=name)


def file_problems(facts: "DatasetFacts") -> list[str]:
    """The problems of whole files of a dataset, one sentence each."""
    sentences = []
    for problem in facts.problems:
        if problem.place.is_whole_file:
            name, reason = problem.path.name, localized(problem.reason)
            sentences.append(f"{reason}." if name in problem.reason else f"{name} {reason}.")
    return sentences
