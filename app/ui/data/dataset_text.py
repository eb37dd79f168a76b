"""Describes datasets as text for the Data page. Imports no widgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.config.training_config import TrainingConfig
from app.core.text.translation import decimal, tr, trn
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts
    from app.data.row_values import RowLocation
    from app.data.training_set.length_distribution import LengthDistribution
    from app.data.training_set.statistics import DataStatistics, EpochFacts
    from app.library.run_history import LastThroughput

    Named = Sequence[tuple[str, DataStatistics]]


SHORT_NAME = 20
"""The maximum length of a dataset's name where several names share a line."""

MAX_RUN_NAME = 32

DECIDE_PACE = (
    "data", "mix", "mask_prompt", "replies", "max_seq_length", "batch_size", "grad_checkpoint",
    "num_layers", "keys", "rank", "fine_tune_type",
)  # fmt: skip
"""The settings that affect the time per trained token."""


def summary(facts: "DatasetFacts | None", data: Path | None) -> str:
    """The line below the page's title."""
    if facts is None:
        return str(data or "")
    parts = [formatting.examples(facts)]
    if facts.valid_examples:
        parts.append(tr("{n:,} for validation", n=facts.valid_examples))
    parts.append(formatting.size(facts.size_bytes))
    return " · ".join([*parts, str(data or facts.path)])


def location_text(place: "RowLocation") -> str:
    """The location as text in the user's language; empty for the whole file."""
    if not place.row:
        return tr("line {line:,}", line=place.line) if place.line else ""
    if place.line > 1:
        return tr("row {row:,} (line {line:,})", row=place.row, line=place.line)
    return tr("row {row:,}", row=place.row)


def share(part: int, whole: int) -> str:
    """For example "1.2 %". Never 0 % for a nonzero part, and never 100 % for less than the
    whole.
    """
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return tr("more than 99.9 %")
    return tr("less than 0.1 %") if percent < 0.1 else decimal(f"{percent:.3g} %")


@dataclass(frozen=True)
class Figure:
    name: str
    value: str
    note: str = ""


def length_sentence(statistics: "DataStatistics", limit: int) -> str:
    """The effect of the limit on the rows."""
    train, valid = statistics.train, statistics.valid
    useless = train.untrainable_rows(limit) + valid.untrainable_rows(limit)
    if not statistics.has_rows:
        return ""
    if not train.truncated_rows(limit) and not valid.truncated_rows(limit) and not useless:
        longest = max(train.longest, valid.longest)
        return trn(
            "No row is cut: the longest has {n:,} token.",
            "No row is cut: the longest has {n:,} tokens.",
            longest,
        )
    sentences = [_cut_sentence(train, valid, limit)]
    if useless:
        sentences.append(
            trn(
                "{n:,} row is left out: nothing to train on before the limit.",
                "{n:,} rows are left out: nothing to train on before the limit.",
                useless,
            )
        )
    return " ".join(filter(None, sentences))


def _cut_sentence(train: "LengthDistribution", valid: "LengthDistribution", limit: int) -> str:
    """How many rows the limit cuts; empty if none."""
    cut, also = train.truncated_rows(limit), valid.truncated_rows(limit)
    rows = [
        trn("{n:,} training row ({share})", "{n:,} training rows ({share})", cut,
            share=share(cut, train.usable_rows(limit))),
        trn("{n:,} validation row ({share})", "{n:,} validation rows ({share})", also,
            share=share(also, valid.usable_rows(limit))),
    ]  # fmt: skip
    if cut and also:
        return tr("{rows} and {others} are cut at the limit.", rows=rows[0], others=rows[1])
    if not cut and not also:
        return ""
    return trn(
        "{rows} is cut at the limit.",
        "{rows} are cut at the limit.",
        cut + also,
        rows=rows[0] if cut else rows[1],
    )


def figures(
    facts: "DatasetFacts", statistics: "DataStatistics | None", config: TrainingConfig
) -> list[Figure]:
    """The known figures of a dataset. After tokenization, they cover the rows that a run
    trains on.
    """
    if statistics is None:
        counted = [Figure(tr("Examples"), _count(facts.examples + facts.valid_examples))]
    else:
        counted = trained_on(statistics, config.max_seq_length)
        counted += _lengths_and_replies(statistics, config.max_seq_length)
    found = [(tr("Duplicates"), facts.counts.get("duplicate", 0))]
    if facts.valid_examples:
        found.append((tr("In both sets"), facts.counts.get("in both sets", 0)))
    for name, rows in found:
        note = tr("of all rows that were read") if rows and statistics is not None else ""
        counted.append(Figure(name, _count(rows), note))
    if facts.not_read:
        from app.data.files.dataset_folders import listed

        counted.append(Figure(tr("Not read"), listed(facts.not_read), tr("in the same folder")))
    return counted


def trained_on(statistics: "DataStatistics", limit: int) -> list[Figure]:
    """The numbers of examples and tokens that a run trains on."""
    train, left_out = statistics.train, statistics.left_out(limit)
    rows, tokens, trained = (
        train.usable_rows(limit), train.usable_tokens(limit), train.trained_tokens_at(limit),
    )  # fmt: skip
    others = []
    if statistics.valid.rows:
        others.append(tr("{n:,} to validate on", n=statistics.valid.usable_rows(limit)))
    if left_out:
        others.append(tr("{n:,} left out", n=left_out))
    counted = [Figure(tr("Examples"), tr("{n:,} to train on", n=rows), ", ".join(others))]
    if not rows:
        return counted
    cut_off = train.truncated_tokens(limit)
    note = tr("{tokens:,} cut off", tokens=cut_off) if cut_off else ""
    return [
        *counted,
        Figure(tr("Tokens"), _count(tokens), note),
        Figure(tr("Trained tokens"), _count(trained), share(trained, tokens)),
    ]


def _lengths_and_replies(statistics: "DataStatistics", limit: int) -> list[Figure]:
    """Row lengths and replies; empty if there is nothing to train on."""
    train = statistics.train
    if not train.usable_rows(limit):
        return []
    median, most = train.length_at(0.5, limit), train.length_at(0.95, limit)
    counted = [
        Figure(
            tr("Length of a row"),
            tr("median {tokens:,}", tokens=median),
            tr("95th percentile {tokens:,}", tokens=most),
        )
    ]
    if last_only := train.last_reply_only_rows(limit):
        note = tr("the template changes earlier replies")
        counted.append(Figure(tr("Last reply only"), _count(last_only), note))
    if more := statistics.further.usable_rows(limit):
        note = tr(
            "the template changes them: {factor:.2f} times the tokens",
            factor=statistics.further_cost(limit),
        )
        examples = trn("{n:,} example", "{n:,} examples", more)
        counted.append(Figure(tr("Earlier replies"), examples, note))
    return counted


def run_figures(
    datasets: "Named",
    config: TrainingConfig,
    speed: "LastThroughput | None",
    memory: str,
    why_not: str = "",
) -> list[Figure]:
    """The figures of a run with these settings and named datasets, as far as known. `why_not`: why
    too few rows remain.
    """
    if why_not:
        return [Figure(tr("This run"), tr("Can't start"), why_not)]
    figures = _paces(datasets, config, speed) if datasets else []
    if memory:
        figures.append(Figure(tr("Memory"), memory))
    return figures


def _paces(
    datasets: "Named",
    config: TrainingConfig,
    speed: "LastThroughput | None",
) -> list[Figure]:
    from app.data.training_set.statistics import epoch_facts

    shares = [mixed.share for mixed in config.mix]
    if len(shares) != len(datasets) - 1:
        return []  # a dataset was just added or removed
    epoch = epoch_facts([one for _, one in datasets], shares, config.max_seq_length)
    if epoch is None:
        return []  # too few rows: `why_not` will be set in a moment
    batches = epoch.batches(config.batch_size)
    steps = epoch.steps(config.batch_size, config.grad_accumulation_steps)
    epochs = config.steps * config.grad_accumulation_steps / batches
    figures = [Figure(tr("Steps per epoch"), _count(steps), _batches(config, batches))]
    if len(datasets) > 1:
        figures += _mixture([name for name, _ in datasets], epoch)
    steps_of_run = trn("{n:,} step", "{n:,} steps", config.steps)
    return [
        *figures,
        Figure(tr("This run"), _epochs(epochs), steps_of_run),
        _time(epochs * epoch.trained_tokens, config, speed),
    ]


def _epochs(epochs: float) -> str:
    if epochs >= 10:
        return tr("{epochs:,.0f} epochs", epochs=epochs)
    is_one = f"{epochs:.2g}" == "1"
    return trn("{epochs:.2g} epoch", "{epochs:.2g} epochs", 1 if is_one else 2, epochs=epochs)


def _batches(config: TrainingConfig, batches: int) -> str:
    if config.grad_accumulation_steps == 1:
        return tr("batches of {rows:,}", rows=config.batch_size)
    return trn(
        "{n:,} batch of {rows:,}, {each:,} a step",
        "{n:,} batches of {rows:,}, {each:,} a step",
        batches,
        rows=config.batch_size,
        each=config.grad_accumulation_steps,
    )


def _mixture(names: Sequence[str], epoch: "EpochFacts") -> list[Figure]:
    each = ", ".join(
        tr("{rows:,} of {dataset}", rows=rows, dataset=formatting.shortened(name, SHORT_NAME))
        for name, rows in zip(names, epoch.rows, strict=True)
    )
    tokens = tr("about {tokens:,.0f}", tokens=epoch.tokens)
    trained = tr("about {tokens:,.0f} trained", tokens=epoch.trained_tokens)
    return [
        Figure(tr("Rows per epoch"), _count(sum(epoch.rows)), each),
        Figure(tr("Tokens per epoch"), tokens, trained),
    ]


def _time(trained_tokens: float, config: TrainingConfig, speed: "LastThroughput | None") -> Figure:
    if speed is None:
        return Figure(tr("Time"), tr("Not known yet"), tr("no run on this model yet"))
    seconds = trained_tokens / speed.tokens_per_second
    name = formatting.shortened(speed.run, MAX_RUN_NAME)
    rate = formatting.rate(speed.tokens_per_second)
    note = (
        tr("Based on “{run}” ({rate} tokens/s)", run=name, rate=rate)
        if _is_alike(config, speed.config)
        else tr("Based on “{run}” ({rate} tokens/s; different settings)", run=name, rate=rate)
    )
    return Figure(tr("Time"), tr("about {time}", time=formatting.duration(seconds)), note)


def _count(number: int) -> str:
    return decimal(f"{number:,}")


def _is_alike(config: TrainingConfig, other: TrainingConfig | None) -> bool:
    """Whether a trained token takes the same time in both runs."""
    return other is not None and all(
        getattr(config, name) == getattr(other, name) for name in DECIDE_PACE
    )
