"""What `nestling check` found, as lines for people and as data for programs."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.core.config import MixedDataset
from app.data.dataset import ending_advice
from app.data.examples import RowProblem
from app.data.inspection import DatasetFacts, FileFacts, Problems
from app.data.mixed_inspection import MixedFacts

if TYPE_CHECKING:
    from app.data.token_facts import TokenFacts

_TOKEN_FACTS = ("tokens", "trained_tokens", "longest", "cut")


def as_data(
    facts: MixedFacts, tokens: "Sequence[TokenFacts]", mix: Sequence[MixedDataset]
) -> dict[str, Any]:
    """The report as JSON can hold it; problems are those of all datasets."""
    main, *others = facts.datasets
    report = _dataset(main)
    if tokens:
        report["tokens"] = _token_data(tokens[0])
    if mix:
        report["mix"] = [
            _dataset(one) | {"share": mixed.share}
            for one, mixed in zip(others, mix, strict=True)
        ]  # fmt: skip
        for one, counted in zip(report["mix"], tokens[1:], strict=False):
            one["tokens"] = _token_data(counted)
    found = [problem for one in facts.datasets for problem in (*one.problems, *one.warnings)]
    more = [facts.across, *(one.problems for one in tokens)]
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


def _token_data(tokens: "TokenFacts") -> dict[str, int]:
    return {name: getattr(tokens, name) for name in _TOKEN_FACTS}


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


def as_lines(facts: MixedFacts, tokens: "Sequence[TokenFacts]", is_mapped: bool) -> list[str]:
    """The report for people: the rows first, so that what counts stands at the end."""
    lines = []
    for number, one in enumerate(facts.datasets):
        counted = tokens[number] if tokens else None
        lines += _dataset_lines(one, counted, is_mapped=is_mapped and not number)
    lines += _listed(facts.across.warnings, facts.across.warning_count, "in several datasets")
    files = [file for one in facts.datasets for file in one.files]
    return lines if len(files) == 1 else [*lines, *map(_file_line, files)]


def _dataset_lines(facts: DatasetFacts, tokens: "TokenFacts | None", is_mapped: bool) -> list[str]:
    lines = _listed(facts.problems, facts.problem_count, "can't be used")
    lines += _listed(facts.warnings, facts.warning_count, "should be looked at")
    if tokens:
        lines += _token_problems(tokens.problems)
    kinds = Counter(facts.counts)
    if tokens:
        kinds.update(tokens.problems.counts())
    if kinds:
        lines.append("By kind: " + ", ".join(f"{kind} {n:,}" for kind, n in kinds.most_common()))
    if "unknown shape" in kinds and not is_mapped:
        lines.append("Name its columns, like --map prompt=q,completion=a or --map text=body.")
    if {"broken json", "too big"} & kinds.keys() and (advice := ending_advice(facts.path)):
        lines.append(advice)
    shape = "" if facts.format in ("unknown", "mixed") else f" ({facts.format})"
    valid = f", and {facts.valid_examples:,} to validate on" if facts.valid_examples else ""
    lines.append(f"{facts.path.name}: {_count(facts.examples, 'example')}{shape}{valid}.")
    if tokens:
        lines.append(
            f"{tokens.tokens:,} tokens, {tokens.trained_tokens:,} of them trained; the longest "
            f"example has {tokens.longest:,}, and {_count(tokens.cut, 'example')} would be cut."
        )
    return lines


def _token_problems(problems: Problems) -> list[str]:
    lines = _listed(problems.errors, problems.error_count, "can't be used with this model")
    return lines + _listed(problems.warnings, problems.warning_count, "would be cut")


def _listed(shown: Sequence[RowProblem], count: int, what: str) -> list[str]:
    if not count:
        return []
    lines = [f"{_count(count, 'row')} {what}:", *(f"  {problem}" for problem in shown)]
    return [*lines, f"  … and {count - len(shown):,} more"] if count > len(shown) else lines


def _file_line(file: FileFacts) -> str:
    counts = [_count(file.examples, "example")]
    if file.errors:
        counts.append(f"{_count(file.errors, 'row')} can't be used")
    if file.warnings:
        counts.append(f"{file.warnings:,} should be looked at")
    return f"  {file.path}: {', '.join(counts)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
