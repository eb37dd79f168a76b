"""`nestling check`: what a dataset holds and what is wrong with it, without training on it."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.waiting import waited_for
from app.core.columns import Columns, parse_columns
from app.core.config import TrainingConfig
from app.data.dataset import ending_advice
from app.data.dataset_files import find_files
from app.data.examples import RowProblem
from app.data.inspection import DatasetFacts, Problems, inspecting

if TYPE_CHECKING:
    from app.data.token_facts import TokenFacts

EXIT_BAD_ROWS = 2


def add_check(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.description = (
        "Read a dataset to its end and name every row that can't be used. The exit code is 0 when "
        "there is none, and 2 when there is."
    )
    parser.add_argument("data", type=Path, metavar="DATA", help=_help("data"))
    parser.add_argument("--valid", type=Path, metavar="PATH", help=_help("valid"))
    parser.add_argument(
        "--model", type=Path, metavar="DIR",
        help="Also turn every row into this model's tokens; its weights are not read.",
    )  # fmt: skip
    parser.add_argument("--map", default="", metavar="ROLE=COLUMN,…", help=_help("map"))
    parser.add_argument(
        "--max-seq-length", type=int, metavar="N", default=TrainingConfig().max_seq_length,
        help=_help("max_seq_length"),
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")


def check(arguments: argparse.Namespace) -> int:
    """Print the report; raises InputError when there is nothing to report on."""
    TrainingConfig(max_seq_length=arguments.max_seq_length, map=arguments.map).checked()
    columns = parse_columns(arguments.map)
    reading = inspecting(arguments.data, arguments.valid, columns)
    facts = waited_for(reading, f"Reading {arguments.data.name}")
    tokens = _tokens(arguments, columns) if arguments.model else None
    if arguments.json:
        print(json.dumps(_plain(facts, tokens), ensure_ascii=False))
    else:
        print("\n".join(_lines(facts, tokens, is_mapped=columns is not None)))
    errors = facts.problem_count + (tokens.problems.error_count if tokens else 0)
    return EXIT_BAD_ROWS if errors else 0


def _tokens(arguments: argparse.Namespace, columns: Columns | None) -> "TokenFacts":
    from app.data.token_facts import counting_tokens
    from app.data.token_store import RowSettings
    from app.engine.loading import load_tokenizer

    tokenizer = load_tokenizer(arguments.model)
    files = find_files(arguments.data, arguments.valid)
    counting = counting_tokens(
        files, tokenizer, RowSettings(True, columns), arguments.max_seq_length
    )
    return waited_for(counting, "Turning text into tokens")


def _plain(facts: DatasetFacts, tokens: "TokenFacts | None") -> dict[str, Any]:
    """The report as JSON can hold it."""
    found = [*facts.problems, *facts.warnings]
    counts: Counter[str] = Counter(facts.counts)
    errors, warnings = facts.problem_count, facts.warning_count
    report: dict[str, Any] = {
        "data": str(facts.path),
        "format": facts.format,
        "examples": facts.examples,
        "valid_examples": facts.valid_examples,
    }
    if tokens:
        more = tokens.problems
        found += [*more.errors, *more.warnings]
        counts.update(more.counts())
        errors, warnings = errors + more.error_count, warnings + more.warning_count
        names = ("tokens", "trained_tokens", "longest", "cut")
        report["tokens"] = {name: getattr(tokens, name) for name in names}
    return report | {
        "errors": errors,
        "warnings": warnings,
        "counts": dict(counts),
        "problems": [_plain_problem(problem) for problem in found],
    }


def _plain_problem(problem: RowProblem) -> dict[str, Any]:
    return {
        "file": str(problem.path),
        # The line where the file has lines, and otherwise the row's number, as it always was.
        "line": problem.place.line or problem.place.row,
        "row": problem.place.row or None,
        "kind": problem.kind,
        "severity": "warning" if problem.is_warning else "error",
        "reason": problem.reason,
    }


def _lines(facts: DatasetFacts, tokens: "TokenFacts | None", is_mapped: bool) -> list[str]:
    """The report for people: the rows first, so that what counts stands at the end."""
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


def _listed(shown: Any, count: int, what: str) -> list[str]:
    if not count:
        return []
    lines = [f"{_count(count, 'row')} {what}:", *(f"  {problem}" for problem in shown)]
    return [*lines, f"  … and {count - len(shown):,} more"] if count > len(shown) else lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _help(name: str) -> str:
    return str(TrainingConfig.__dataclass_fields__[name].metadata["help"]).replace("%", "%%")
