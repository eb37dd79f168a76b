"""What `nestling check` found, as lines for people and as data for programs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.config import TrainingConfig
from app.core.model_limits import ModelLimits
from app.data.checked_file import KEPT_PROBLEMS
from app.data.dataset import ending_advice
from app.data.examples import ProblemKind, RowProblem
from app.data.inspection import DatasetFacts, FileFacts, Problems
from app.data.mixed_inspection import MixedFacts
from app.data.row_notes import FOUND_BY_MODEL, KINDS

if TYPE_CHECKING:
    from app.data.data_statistics import DataStatistics, EpochFacts

SHOWN_PROBLEMS = 20
"""Unless all are asked for."""


@dataclass(frozen=True)
class RunUse:
    """What a run would do with the datasets' rows, once they are tokens."""

    of_each: "tuple[DataStatistics, ...]"
    """None where a file is damaged."""
    epoch: "EpochFacts | None"
    why_not: str = ""
    """Why no run would start, and what to do; there is no epoch then."""
    limits: ModelLimits = ModelLimits()
    notes: tuple[str, ...] = ()
    """What a run would say of the model."""


def as_data(
    facts: MixedFacts, tokens: Sequence[Problems], use: RunUse | None, config: TrainingConfig
) -> dict[str, Any]:
    """The report as JSON can hold it; problems are those of all datasets, `tokens` the model's."""
    datasets = [_dataset(one) for one in facts.datasets]
    if use:
        known = use.of_each or [None] * len(datasets)
        for one, statistics in zip(datasets, known, strict=True):
            one["tokens"] = statistics and _token_data(statistics, config, use.limits)
    report = datasets[0]
    if use:
        report["epoch"] = use.epoch and _epoch_data(use.epoch, config)
        report["no_run"] = use.why_not or None
        report["model"] = vars(use.limits) | {"notes": list(use.notes)}
    if config.mix:
        shares = [{"share": mixed.share} for mixed in config.mix]
        report["mix"] = [one | share for one, share in zip(datasets[1:], shares, strict=True)]
    found = [problem for one in facts.datasets for problem in (*one.problems, *one.warnings)]
    more = [facts.across, *tokens]
    found += [problem for one in more for problem in (*one.errors, *one.warnings)]
    counts: Counter[str] = Counter()
    for kinds in (*(one.counts for one in facts.datasets), *(one.counts() for one in more)):
        counts.update(kinds)
    errors = sum(one.problem_count for one in facts.datasets)
    warnings = sum(one.warning_count for one in facts.datasets)
    return report | {
        "errors": errors + sum(one.error_count for one in more),
        "warnings": warnings + sum(one.warning_count for one in more),
        "counts": dict(counts.most_common()),
        "problems": [_problem(problem) for problem in found],
    }


def _dataset(facts: DatasetFacts) -> dict[str, Any]:
    return {
        "data": str(facts.path),
        "format": facts.format,
        "examples": facts.examples,
        "valid_examples": facts.valid_examples,
        "files": [{**vars(file), "path": str(file.path)} for file in facts.files],
    }


def _token_data(
    statistics: "DataStatistics", config: TrainingConfig, limits: ModelLimits
) -> dict[str, int]:
    """Tokens and cuts are those of the rows to train on; `longest` is uncut, of all rows."""
    train, valid, limit = statistics.train, statistics.valid, config.max_seq_length
    return {
        "train_rows": train.kept(limit),
        "valid_rows": valid.kept(limit),
        "left_out": statistics.left_out(limit),
        "tokens": train.kept_tokens(limit),
        "trained_tokens": train.trained_within(limit),
        "cut": train.cut(limit),
        "beyond_context": statistics.longer_than(limits.context_tokens, limit),
        "last_reply_only": train.last_reply_only(limit),
        "further_examples": statistics.further_examples,
        "longest": max(train.longest, valid.longest),
    }


def _epoch_data(epoch: "EpochFacts", config: TrainingConfig) -> dict[str, Any]:
    return {
        "rows": list(epoch.rows),
        "tokens": round(epoch.tokens),
        "trained_tokens": round(epoch.trained_tokens),
        "steps": epoch.steps(config.batch_size, config.gradient_accumulation),
    }


def _problem(problem: RowProblem) -> dict[str, Any]:
    return {
        "file": str(problem.path),
        # The line where the file has lines, and otherwise the row's number, as it always was.
        "line": problem.place.line or problem.place.row,
        "row": problem.place.row or None,
        "kind": problem.kind,
        "severity": "warning" if problem.is_warning else "error",
        "reason": problem.reason,
    }


def as_lines(
    facts: MixedFacts, tokens: Sequence[Problems], use: RunUse | None, config: TrainingConfig,
    *, is_mapped: bool, most: int = SHOWN_PROBLEMS,
) -> list[str]:  # fmt: skip
    """The report for people: the summary first, then advice, then the first `most` problems."""
    lines, advice, listed = [], [], _Listing(most)
    for number, one in enumerate(facts.datasets):
        found = tokens[number] if tokens else None
        kinds = Counter(one.counts) + Counter(found.counts() if found else {})
        lines += _dataset_lines(one, kinds)
        lines += _use_lines(use.of_each[number], config, use.limits) if use and use.of_each else []
        advice += _advice(one, kinds, is_mapped=is_mapped and not number)
        listed.add(one.problems, one.problem_count, "can't be used")
        listed.add(one.warnings, one.warning_count, "should be looked at")
        if found:
            listed.add(found.errors, found.error_count, "can't be used with this model")
            cut = [one for one in found.warnings if one.kind == "too long"]
            noted = [one for one in found.warnings if one.kind != "too long"]
            count = sum(found.counts().get(KINDS[note], 0) for note in FOUND_BY_MODEL)
            listed.add(noted, count, "should be looked at")
            listed.add(cut, found.warning_count - count, "would be cut")
    listed.add(facts.across.warnings, facts.across.warning_count, "in several datasets")
    files = [file for one in facts.datasets for file in one.files]
    lines += map(_file_line, files if len(files) > 1 else [])
    if use:
        lines += [*use.notes, _epoch_line(use, config)]
    return [*lines, *advice, *listed.lines()]


class _Listing:
    """Problems by what they mean, the first of each file, as many as are to be shown."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lines: list[str] = []
        self._is_shortened = False

    def add(self, problems: Sequence[RowProblem], count: int, meaning: str) -> None:
        if not count:
            return
        shown = problems[: self._left]
        self._left -= len(shown)
        self._is_shortened |= len(shown) < len(problems)
        self._lines += [f"{_count(count, 'row')} {meaning}:", *(f"  {one}" for one in shown)]
        if count > len(shown):
            self._lines.append(f"  … and {count - len(shown):,} more")

    def lines(self) -> list[str]:
        more = [f"--all lists the first {KEPT_PROBLEMS:,} of each file."]
        return [*self._lines, *(more if self._is_shortened else [])]


def _use_lines(
    statistics: "DataStatistics", config: TrainingConfig, limits: ModelLimits
) -> list[str]:
    found = _token_data(statistics, config, limits)
    rows = (
        f"{_count(found['train_rows'], 'row')} to train on, {found['valid_rows']:,} to validate on"
    )
    rows += f", {found['left_out']:,} left out" if found["left_out"] else ""
    if not found["train_rows"]:
        return [f"{rows}."]
    tokens = f"{found['tokens']:,} tokens to train on, {found['trained_tokens']:,} of them trained"
    cut = f"{_count(found['cut'], 'row')} cut at {config.max_seq_length:,} tokens"
    lines = [f"{rows}.", f"{tokens}; {cut}, and the longest has {found['longest']:,}."]
    if more := found["further_examples"]:
        lines.append(
            f"This includes {_count(more, 'example')} for earlier replies, which this model's chat "
            "template changes once more follows."
        )
    beyond = limits.beyond_sentence(found["beyond_context"])
    return [*lines, beyond] if beyond else lines


def _epoch_line(use: RunUse, config: TrainingConfig) -> str:
    if use.epoch is None:
        return f"No run would start. {use.why_not}"
    epoch = _epoch_data(use.epoch, config)
    rows, about = sum(use.epoch.rows), "about " if config.mix else ""
    has_bad_rows = any(one.stopping_count for one in use.of_each)
    when = "With bad rows left out, an" if has_bad_rows else "An"
    return (
        f"{when} epoch: {_count(epoch['steps'], 'step')}, {_count(rows, 'row')}, "
        f"{about}{epoch['tokens']:,} tokens, {epoch['trained_tokens']:,} of them trained."
    )


def _dataset_lines(facts: DatasetFacts, kinds: Counter[ProblemKind]) -> list[str]:
    shape = "" if facts.format in ("unknown", "mixed") else f" ({facts.format})"
    valid = f", and {facts.valid_examples:,} to validate on" if facts.valid_examples else ""
    lines = [f"{facts.path.name}: {_count(facts.examples, 'example')}{shape}{valid}."]
    if kinds:
        lines.append("By kind: " + ", ".join(f"{kind} {n:,}" for kind, n in kinds.most_common()))
    return lines


def _advice(facts: DatasetFacts, kinds: Counter[ProblemKind], *, is_mapped: bool) -> list[str]:
    lines = []
    if "unknown shape" in kinds and not is_mapped:
        lines.append("Name its columns, like --map prompt=q,completion=a or --map text=body.")
    if {"broken json", "too big"} & kinds.keys() and (advice := ending_advice(facts.path)):
        lines.append(advice)
    return lines


def _file_line(file: FileFacts) -> str:
    counts = [_count(file.examples, "example")]
    if file.errors:
        counts.append(f"{_count(file.errors, 'row')} can't be used")
    if file.warnings:
        counts.append(f"{file.warnings:,} should be looked at")
    return f"  {file.path}: {', '.join(counts)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
