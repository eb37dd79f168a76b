"""What the Data page says of a dataset, in words. Knows no widget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.config import TrainingConfig
from app.core.events import MemoryEstimated
from app.core.memory_words import memory_sentence
from app.ui import phrases

if TYPE_CHECKING:
    from app.data.data_statistics import DataStatistics, EpochFacts
    from app.data.inspection import DatasetFacts
    from app.library.measured_speed import MeasuredSpeed

    Named = Sequence[tuple[str, DataStatistics]]


SHORT_NAME = 20
"""Characters of a dataset's name, where several are named side by side."""

DECIDE_PACE = (
    "data", "mix", "mask_prompt", "max_seq_length", "batch_size", "grad_checkpoint", "num_layers",
    "keys", "rank", "fine_tune_type",
)  # fmt: skip
"""Settings that decide how long a trained token takes."""


def summary(facts: "DatasetFacts | None", data: Path | None) -> str:
    """One line below the page's title."""
    if facts is None:
        return str(data or "")
    kind = "" if facts.format in ("unknown", "mixed") else f"{facts.format} "
    parts = [phrases.plural(facts.examples, f"{kind}example")]
    if facts.valid_examples:
        parts.append(f"{facts.valid_examples:,} for validation")
    parts.append(phrases.size(facts.size_bytes))
    return " · ".join([*parts, str(data or facts.path)])


def share(part: int, whole: int) -> str:
    """ "1.2 %"; what is there is never told as 0 %, what is left never as 100 %."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return "more than 99.9 %"
    return "less than 0.1 %" if percent < 0.1 else f"{percent:.3g} %"


@dataclass(frozen=True)
class Figure:
    name: str
    value: str
    note: str = ""


def length_sentence(statistics: "DataStatistics", limit: int) -> str:
    """What the limit does."""
    both = (statistics.train, statistics.valid)
    rows = sum(curves.rows for curves in both)
    cut = sum(curves.cut(limit) for curves in both)
    useless = sum(curves.useless(limit) for curves in both)
    if not cut and not useless:
        longest = max(curves.longest for curves in both)
        return f"No row is cut: the longest has {phrases.plural(longest, 'token')}."
    told = [f"{phrases.plural(cut, 'row')} ({share(cut, rows)}) cut at the end"] if cut else []
    if useless:
        left = f"{phrases.plural(useless, 'row')} ({share(useless, rows)})"
        told.append(f"{left} left out, with nothing to train on before the limit")
    return "; ".join(told) + "."


def figures(
    facts: "DatasetFacts", statistics: "DataStatistics | None", config: TrainingConfig
) -> list[Figure]:
    """What can be counted; what can't yet isn't told."""
    counted = [Figure("Examples", f"{facts.examples + facts.valid_examples:,}")]
    duplicates = facts.counts.get("duplicate", 0)
    in_both = facts.counts.get("in both sets", 0)
    if statistics is not None:
        limit = config.max_seq_length
        both = (statistics.train, statistics.valid)
        tokens = sum(curves.tokens_within(limit) for curves in both)
        trained = sum(curves.trained_within(limit) for curves in both)
        whole = sum(curves.tokens for curves in both)
        lost = f"{whole - tokens:,} cut off" if whole > tokens else ""
        counted += [
            Figure("Tokens", f"{tokens:,}", lost),
            Figure("Trained tokens", f"{trained:,}", share(trained, tokens)),
            Figure("Length of a row", _lengths(statistics)),
        ]
    counted.append(Figure("Duplicates", f"{duplicates:,}"))
    if facts.valid_examples:
        counted.append(Figure("In both sets", f"{in_both:,}"))
    if statistics is not None and statistics.last_reply_only:
        note = "the template changes earlier replies"
        counted.append(Figure("Last reply only", f"{statistics.last_reply_only:,}", note))
    return counted


def _lengths(statistics: "DataStatistics") -> str:
    train = statistics.train
    return f"{train.length_at(0.5):,} median, {train.length_at(0.95):,} at 95 %"


def run_figures(
    datasets: "Named",
    config: TrainingConfig,
    speed: "MeasuredSpeed | None",
    memory: MemoryEstimated | None,
) -> list[Figure]:
    """What a run with these settings would do with its datasets, each given with its name, as far
    as it is known."""
    told = _paces(datasets, config, speed) if datasets else []
    if memory is not None:
        told.append(Figure("Memory", memory_sentence(memory)))
    return told


def _paces(
    datasets: "Named",
    config: TrainingConfig,
    speed: "MeasuredSpeed | None",
) -> list[Figure]:
    from app.data.data_statistics import epoch_facts

    shares = [mixed.share for mixed in config.mix]
    if len(shares) != len(datasets) - 1:
        return []  # another dataset has just come or gone
    epoch = epoch_facts([one for _, one in datasets], shares, config.max_seq_length)
    if epoch is None:
        return [Figure("Steps an epoch", "None", "nothing is left to train on")]
    batches = math.ceil(sum(epoch.rows) / config.batch_size)
    steps = math.ceil(batches / config.gradient_accumulation)
    epochs = config.steps * config.gradient_accumulation / batches
    told = [Figure("Steps an epoch", f"{steps:,}", _batches(config, batches))]
    if len(datasets) > 1:
        told += _mixture([name for name, _ in datasets], epoch)
    return [
        *told,
        Figure("This run", f"{epochs:.2g} epochs" if epochs < 10 else f"{epochs:,.0f} epochs",
               phrases.plural(config.steps, "step")),
        _time(epochs * epoch.trained_tokens, config, speed),
    ]  # fmt: skip


def _batches(config: TrainingConfig, batches: int) -> str:
    if config.gradient_accumulation == 1:
        return f"batches of {config.batch_size}"
    return f"{batches:,} batches of {config.batch_size}, {config.gradient_accumulation} a step"


def _mixture(names: Sequence[str], epoch: "EpochFacts") -> list[Figure]:
    each = ", ".join(
        f"{rows:,} of {phrases.shortened(name, SHORT_NAME)}"
        for name, rows in zip(names, epoch.rows, strict=True)
    )
    trained = f"about {epoch.trained_tokens:,.0f} trained"
    return [
        Figure("Rows an epoch", f"{sum(epoch.rows):,}", each),
        Figure("Tokens an epoch", f"about {epoch.tokens:,.0f}", trained),
    ]


def _time(trained_tokens: float, config: TrainingConfig, speed: "MeasuredSpeed | None") -> Figure:
    if speed is None:
        return Figure("Time", "Not known yet", "no run on this model was measured")
    seconds = trained_tokens / speed.tokens_per_second
    pace = f"at {phrases.rate(speed.tokens_per_second)} trained tokens/s, as in {speed.run}"
    if not _is_alike(config, speed.config):
        pace += ", which had other data or settings"
    return Figure("Time", f"about {phrases.duration(seconds)}", pace)


def _is_alike(config: TrainingConfig, other: TrainingConfig | None) -> bool:
    """Whether a trained token takes one run as long as the other."""
    return other is not None and all(
        getattr(config, name) == getattr(other, name) for name in DECIDE_PACE
    )
