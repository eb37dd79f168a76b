"""What the Data page says of a dataset, in words. Knows no widget."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.config.training_config import TrainingConfig
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts
    from app.data.training_set.statistics import DataStatistics, EpochFacts
    from app.library.run_history import LastThroughput

    Named = Sequence[tuple[str, DataStatistics]]


SHORT_NAME = 20
"""Characters of a dataset's name, where several are named side by side."""

MOST_RUN_NAME = 32

DECIDE_PACE = (
    "data", "mix", "mask_prompt", "replies", "max_seq_length", "batch_size", "grad_checkpoint",
    "num_layers", "keys", "rank", "fine_tune_type",
)  # fmt: skip
"""Settings that decide how long a trained token takes."""


def summary(facts: "DatasetFacts | None", data: Path | None) -> str:
    """One line below the page's title."""
    if facts is None:
        return str(data or "")
    parts = [formatting.examples(facts)]
    if facts.valid_examples:
        parts.append(f"{facts.valid_examples:,} for validation")
    parts.append(formatting.size(facts.size_bytes))
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
    train, valid = statistics.train, statistics.valid
    useless = train.untrainable_rows(limit) + valid.untrainable_rows(limit)
    if not statistics.has_rows:
        return ""
    if not train.truncated_rows(limit) and not valid.truncated_rows(limit) and not useless:
        longest = max(train.longest, valid.longest)
        return f"No row is cut: the longest has {formatting.plural(longest, 'token')}."
    parts = [(train, "training"), (valid, "validation")]
    cut = [
        f"{formatting.plural(rows, f'{kind} row')} ({share(rows, curves.usable_rows(limit))})"
        for curves, kind in parts
        if (rows := curves.truncated_rows(limit))
    ]
    verb = "is" if train.truncated_rows(limit) + valid.truncated_rows(limit) == 1 else "are"
    sentences = [f"{' and '.join(cut)} {verb} cut at the limit."] if cut else []
    if useless:
        lost = f"{formatting.plural(useless, 'row')} {'is' if useless == 1 else 'are'}"
        sentences.append(f"{lost} left out: nothing to train on before the limit.")
    return " ".join(sentences)


def figures(
    facts: "DatasetFacts", statistics: "DataStatistics | None", config: TrainingConfig
) -> list[Figure]:
    """Figures that are known by now; once the rows are tokenized, of those that a run trains on."""
    if statistics is None:
        counted = [Figure("Examples", f"{facts.examples + facts.valid_examples:,}")]
    else:
        counted = _trained_on(statistics, config.max_seq_length)
    found = {"Duplicates": facts.counts.get("duplicate", 0)}
    if facts.valid_examples:
        found["In both sets"] = facts.counts.get("in both sets", 0)
    for name, rows in found.items():
        note = "of all rows that were read" if rows and statistics is not None else ""
        counted.append(Figure(name, f"{rows:,}", note))
    if facts.not_read:
        from app.data.files.dataset_folders import listed

        counted.append(Figure("Not read", listed(facts.not_read), "in the same folder"))
    return counted


def _trained_on(statistics: "DataStatistics", limit: int) -> list[Figure]:
    train, left_out = statistics.train, statistics.left_out(limit)
    tokens, trained = train.usable_tokens(limit), train.trained_tokens_at(limit)
    others = (
        [f"{statistics.valid.usable_rows(limit):,} to validate on"] if statistics.valid.rows else []
    )
    others += [f"{left_out:,} left out"] if left_out else []
    counted = [Figure("Examples", f"{train.usable_rows(limit):,} to train on", ", ".join(others))]
    if not train.usable_rows(limit):
        return counted
    cut_off = train.truncated_tokens(limit)
    median, most = train.length_at(0.5, limit), train.length_at(0.95, limit)
    counted += [
        Figure("Tokens", f"{tokens:,}", f"{cut_off:,} cut off" if cut_off else ""),
        Figure("Trained tokens", f"{trained:,}", share(trained, tokens)),
        Figure("Length of a row", f"median {median:,}", f"95th percentile {most:,}"),
    ]
    if last_only := train.last_reply_only_rows(limit):
        note = "the template changes earlier replies"
        counted.append(Figure("Last reply only", f"{last_only:,}", note))
    if more := statistics.further.usable_rows(limit):
        cost = f"{statistics.further_cost(limit):.2f} times the tokens"
        note = f"the template changes them: {cost}"
        counted.append(Figure("Earlier replies", formatting.plural(more, "example"), note))
    return counted


def run_figures(
    datasets: "Named",
    config: TrainingConfig,
    speed: "LastThroughput | None",
    memory: str,
    why_not: str = "",
) -> list[Figure]:
    """What a run with these settings would do with its datasets, each given with its name, as far
    as it is known; `why_not`: why their rows are too few for one."""
    if why_not:
        return [Figure("This run", "Can't start", why_not)]
    figures = _paces(datasets, config, speed) if datasets else []
    if memory:
        figures.append(Figure("Memory", memory))
    return figures


def _paces(
    datasets: "Named",
    config: TrainingConfig,
    speed: "LastThroughput | None",
) -> list[Figure]:
    from app.data.training_set.statistics import epoch_facts

    shares = [mixed.share for mixed in config.mix]
    if len(shares) != len(datasets) - 1:
        return []  # another dataset has just come or gone
    epoch = epoch_facts([one for _, one in datasets], shares, config.max_seq_length)
    if epoch is None:
        return []  # said in a moment, with the reason
    batches = epoch.batches(config.batch_size)
    steps = epoch.steps(config.batch_size, config.grad_accumulation_steps)
    epochs = config.steps * config.grad_accumulation_steps / batches
    figures = [Figure("Steps per epoch", f"{steps:,}", _batches(config, batches))]
    if len(datasets) > 1:
        figures += _mixture([name for name, _ in datasets], epoch)
    return [
        *figures,
        Figure("This run", f"{epochs:.2g} epochs" if epochs < 10 else f"{epochs:,.0f} epochs",
               formatting.plural(config.steps, "step")),
        _time(epochs * epoch.trained_tokens, config, speed),
    ]  # fmt: skip


def _batches(config: TrainingConfig, batches: int) -> str:
    if config.grad_accumulation_steps == 1:
        return f"batches of {config.batch_size}"
    return f"{batches:,} batches of {config.batch_size}, {config.grad_accumulation_steps} a step"


def _mixture(names: Sequence[str], epoch: "EpochFacts") -> list[Figure]:
    each = ", ".join(
        f"{rows:,} of {formatting.shortened(name, SHORT_NAME)}"
        for name, rows in zip(names, epoch.rows, strict=True)
    )
    trained = f"about {epoch.trained_tokens:,.0f} trained"
    return [
        Figure("Rows per epoch", f"{sum(epoch.rows):,}", each),
        Figure("Tokens per epoch", f"about {epoch.tokens:,.0f}", trained),
    ]


def _time(trained_tokens: float, config: TrainingConfig, speed: "LastThroughput | None") -> Figure:
    if speed is None:
        return Figure("Time", "Not known yet", "no run on this model yet")
    seconds = trained_tokens / speed.tokens_per_second
    name = formatting.shortened(speed.run, MOST_RUN_NAME)
    words = f"{formatting.rate(speed.tokens_per_second)} tokens/s"
    if not _is_alike(config, speed.config):
        words += "; different settings"
    return Figure("Time", f"about {formatting.duration(seconds)}", f"Based on “{name}” ({words})")


def _is_alike(config: TrainingConfig, other: TrainingConfig | None) -> bool:
    """Whether a trained token takes one run as long as the other."""
    return other is not None and all(
        getattr(config, name) == getattr(other, name) for name in DECIDE_PACE
    )
