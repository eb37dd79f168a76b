"""The report of `nestling check`, as lines for people and as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.cli.check_problems import ProblemGroup, problem_lines
from app.cli.setting_flags import SHOWN_PROBLEMS
from app.core.base_model import ModelLimits
from app.core.config.training_config import TrainingConfig
from app.data.files.dataset_files import DatasetFiles, dataset_name
from app.data.files.dataset_folders import listed
from app.data.inspection.inspection import DatasetFacts, FileFacts, IssueList
from app.data.inspection.mixture_inspection import MixtureFacts
from app.data.row_values import IssueKind, RowIssue
from app.data.rows.bad_rows import extension_hint
from app.data.rows.row_notes import KINDS, MODEL_NOTES

if TYPE_CHECKING:
    from app.data.training_set.statistics import DataStatistics, EpochFacts


@dataclass(frozen=True)
class RunUse:
    """How a run would use the datasets' rows after tokenization."""

    of_each: "tuple[DataStatistics, ...]"
    """None if a file is damaged."""
    epoch: "EpochFacts | None"
    blocker: str = ""
    """Why no run would start, with advice; then `epoch` is None."""
    limits: ModelLimits = ModelLimits()
    notes: tuple[str, ...] = ()
    """The notes that a run would log about the model."""


def report_data(
    facts: MixtureFacts, tokens: Sequence[IssueList], use: RunUse | None, config: TrainingConfig
) -> dict[str, Any]:
    """The report as a JSON value. `tokens` are the problems that tokenizing found."""
    datasets = [_dataset(dataset) for dataset in facts.datasets]
    if use:
        known = use.of_each or [None] * len(datasets)
        for dataset, statistics in zip(datasets, known, strict=True):
            dataset["tokens"] = statistics and _token_data(statistics, config, use.limits)
    report = datasets[0]
    if use:
        report["epoch"] = use.epoch and _epoch_data(use.epoch, config)
        report["no_run"] = use.blocker or None
        report["model"] = vars(use.limits) | {"notes": list(use.notes)}
    if config.mix:
        shares = [{"share": mixed.share} for mixed in config.mix]
        report["mix"] = [
            dataset | share for dataset, share in zip(datasets[1:], shares, strict=True)
        ]
    problems = [
        problem for dataset in facts.datasets for problem in (*dataset.problems, *dataset.warnings)
    ]
    more = [facts.across, *tokens]
    problems += [problem for dataset in more for problem in (*dataset.errors, *dataset.warnings)]
    counts: Counter[str] = Counter()
    for kinds in (
        *(dataset.counts for dataset in facts.datasets),
        *(dataset.counts() for dataset in more),
    ):
        counts.update(kinds)
    errors = sum(dataset.problem_count for dataset in facts.datasets)
    warnings = sum(dataset.warning_count for dataset in facts.datasets)
    return report | {
        "errors": errors + sum(dataset.error_count for dataset in more),
        "warnings": warnings + sum(dataset.warning_count for dataset in more),
        "counts": dict(counts.most_common()),
        "problems": [_problem(problem) for problem in problems],
    }


def _dataset(facts: DatasetFacts) -> dict[str, Any]:
    return {
        "data": str(facts.path),
        "format": facts.format,
        "examples": facts.examples,
        "valid_examples": facts.valid_examples,
        "files": [{**vars(file), "path": str(file.path)} for file in facts.files],
        "not_read": list(map(str, facts.not_read)),
    }


def _token_data(
    statistics: "DataStatistics", config: TrainingConfig, limits: ModelLimits
) -> dict[str, float]:
    """Statistics of the training rows, truncated at the limit; only `longest` ignores the limit."""
    train, valid, limit = statistics.train, statistics.valid, config.max_seq_length
    return {
        "train_rows": train.usable_rows(limit),
        "valid_rows": valid.usable_rows(limit),
        "left_out": statistics.left_out(limit),
        "tokens": train.usable_tokens(limit),
        "trained_tokens": train.trained_tokens_at(limit),
        "cut": train.truncated_rows(limit),
        "beyond_context": statistics.longer_than(limits.context_tokens, limit),
        "last_reply_only": train.last_reply_only_rows(limit),
        "cut_off": train.truncated_tokens(limit),
        "further_examples": statistics.further.usable_rows(limit),
        "further_cost": round(statistics.further_cost(limit), 4),
        "further_trained_tokens": statistics.further.trained_tokens_at(limit),
        "median": train.length_at(0.5, limit),
        "percentile_95": train.length_at(0.95, limit),
        "longest": max(train.longest, valid.longest),
    }


def _epoch_data(epoch: "EpochFacts", config: TrainingConfig) -> dict[str, Any]:
    return {
        "rows": list(epoch.rows),
        "tokens": round(epoch.tokens),
        "trained_tokens": round(epoch.trained_tokens),
        "steps": epoch.steps(config.batch_size, config.grad_accumulation_steps),
    }


def _problem(problem: RowIssue) -> dict[str, Any]:
    return {
        "file": str(problem.path),
        # The line number, or the row number if the file has no lines.
        "line": problem.place.line or problem.place.row,
        "row": problem.place.row or None,
        "kind": problem.kind,
        "severity": "warning" if problem.is_warning else "error",
        "reason": problem.reason,
    }


def report_lines(
    facts: MixtureFacts, tokens: Sequence[IssueList], use: RunUse | None, config: TrainingConfig,
    *, is_mapped: bool, most: int = SHOWN_PROBLEMS,
) -> list[str]:  # fmt: skip
    """The report as lines: the summary first, then advice, then at most `most` problems."""
    lines, advice = [], []
    files = [file for dataset in facts.datasets for file in dataset.files]
    for number, dataset in enumerate(facts.datasets):
        kinds = Counter(dataset.counts) + Counter(tokens[number].counts() if tokens else {})
        lines += _dataset_lines(dataset, kinds)
        lines += _use_lines(use.of_each[number], config, use.limits) if use and use.of_each else []
        advice += _advice(dataset, kinds, is_mapped=is_mapped and not number)
    across = facts.across.counts()
    lines += [f"In several datasets: {_kinds(across)}."] if across else []
    lines += map(_file_line, files if len(files) > 1 else [])
    if use:
        lines += [*_model_lines(use.limits), *use.notes, *_epoch_lines(use, config)]
    return [*lines, *advice, *problem_lines(_grouped(facts, tokens), most)]


def _grouped(facts: MixtureFacts, tokens: Sequence[IssueList]) -> list[ProblemGroup]:
    """The problems of all datasets, grouped by their effect on a run, the most severe first."""
    bad = [problem for dataset in facts.datasets for problem in dataset.problems]
    files = [problem for problem in bad if problem.place.is_whole_file]
    rows = [problem for problem in bad if not problem.place.is_whole_file]
    row_count = sum(dataset.problem_count for dataset in facts.datasets) - len(files)
    refused = [problem for dataset in tokens for problem in dataset.errors]
    noted = [problem for dataset in facts.datasets for problem in dataset.warnings]
    noted += [problem for dataset in (*tokens, facts.across) for problem in dataset.warnings]
    cut = [problem for problem in noted if problem.kind == "too long"]
    noted = [problem for problem in noted if problem.kind != "too long"]
    all_noted = sum(dataset.warning_count for dataset in facts.datasets)
    all_noted += sum(dataset.warning_count for dataset in (*tokens, facts.across))
    cut_count = sum(dataset.warning_count - _noted_count(dataset.counts()) for dataset in tokens)
    return [
        ProblemGroup("file can't be used", "files can't be used", files, len(files)),
        ProblemGroup("row can't be used", "rows can't be used", rows, row_count),
        ProblemGroup(
            "row can't be used with this model", "rows can't be used with this model", refused,
            sum(dataset.error_count for dataset in tokens),
        ),
        ProblemGroup("warning", "warnings", noted, all_noted - cut_count),
        ProblemGroup("row would be cut", "rows would be cut", cut, cut_count),
    ]  # fmt: skip


def _noted_count(kinds: Mapping[IssueKind, int]) -> int:
    return sum(kinds.get(KINDS[note], 0) for note in MODEL_NOTES)


def _use_lines(
    statistics: "DataStatistics", config: TrainingConfig, limits: ModelLimits
) -> list[str]:
    counts = _token_data(statistics, config, limits)
    rows = f"{_count(counts['train_rows'], 'row')} to train on, "
    rows += f"{counts['valid_rows']:,} to validate on"
    rows += f", {counts['left_out']:,} left out." if counts["left_out"] else "."
    if not counts["train_rows"]:
        return [rows]
    lines = [
        f"{rows} {counts['tokens']:,} tokens, {counts['trained_tokens']:,} trained.",
        f"Lengths: median {counts['median']:,}, 95th percentile {counts['percentile_95']:,}, "
        f"longest {counts['longest']:,}; {_count(counts['cut'], 'row')} cut at "
        f"{config.max_seq_length:,}{_lost(counts['cut_off'])}.",
    ]
    if more := counts["further_examples"]:
        lines.append(
            f"{more:,} of these rows {_verb(more, 'trains', 'train')} earlier replies, which the "
            "model's chat template changes when more turns follow: "
            f"{counts['further_cost']:.2f} times the tokens, "
            f"{counts['further_trained_tokens']:,} more of them trained."
        )
    if last_only := counts["last_reply_only"]:
        lines.append(
            f"{_count(last_only, 'row')} {_verb(last_only, 'is', 'are')} trained on the last reply "
            "only, as the model's chat template changes earlier ones."
        )
    beyond = limits.beyond_sentence(int(counts["beyond_context"]))
    return [*lines, beyond] if beyond else lines


def _model_lines(limits: ModelLimits) -> list[str]:
    parts = (
        ("context", limits.context_tokens), ("positions", limits.position_rows),
        ("embeddings", limits.embedding_rows),
    )  # fmt: skip
    known = ", ".join(f"{name} {count:,}" for name, count in parts if count is not None)
    return [f"The model's limits in tokens: {known}."] if known else []


def _lost(tokens: float) -> str:
    return f", {tokens:,} tokens lost" if tokens else ""


def _epoch_lines(use: RunUse, config: TrainingConfig) -> list[str]:
    if use.epoch is None:
        return [f"No run would start. {use.blocker}"]
    epoch = _epoch_data(use.epoch, config)
    has_bad_rows = any(statistics.stopping_count for statistics in use.of_each)
    when = "With bad rows left out, an" if has_bad_rows else "An"
    steps = f"{when} epoch: {_count(epoch['steps'], 'step')}"
    if not config.mix:  # the epoch's rows and tokens are those of the dataset
        return [f"{steps}."]
    rows = _count(sum(use.epoch.rows), "row")
    tokens = f"about {epoch['tokens']:,} tokens, {epoch['trained_tokens']:,} trained"
    return [f"{steps}, {rows}, {tokens}."]


def _dataset_lines(facts: DatasetFacts, kinds: Counter[IssueKind]) -> list[str]:
    shape = "" if facts.format in ("unknown", "mixed") else f" ({facts.format})"
    valid = f", and {facts.valid_examples:,} to validate on" if facts.valid_examples else ""
    name = dataset_name(DatasetFiles((facts.path,)))
    lines = [f"{name}: {_count(facts.examples, 'example')}{shape}{valid}."]
    lines += [f"Not read: {listed(facts.not_read)}."] if facts.not_read else []
    return [*lines, f"By kind: {_kinds(kinds)}."] if kinds else lines


def _kinds(counts: Mapping[IssueKind, int]) -> str:
    return ", ".join(f"{kind} {n:,}" for kind, n in Counter(counts).most_common())


def _advice(facts: DatasetFacts, kinds: Counter[IssueKind], *, is_mapped: bool) -> list[str]:
    lines = []
    if "unknown shape" in kinds and not is_mapped:
        lines.append(
            "Name its columns, like --columns prompt=q,completion=a or --columns text=body."
        )
    if {"broken json", "too big"} & kinds.keys() and (advice := extension_hint(facts.path)):
        lines.append(advice)
    return lines


def _file_line(file: FileFacts) -> str:
    counts = [_count(file.examples, "example")]
    if file.errors:
        counts.append(f"{_count(file.errors, 'row')} can't be used")
    if file.warnings:
        counts.append(_count(file.warnings, "warning"))
    return f"  {file.path}: {', '.join(counts)}"


def _verb(number: float, singular: str, plural: str) -> str:
    return singular if number == 1 else plural


def _count(number: float, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
