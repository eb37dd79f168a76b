"""Lists the problems of `nestling check`, with some of each kind, so that no kind hides another."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.data.files.dataset_files import distinct_names
from app.data.row_values import KEPT_ISSUES, RowIssue


@dataclass(frozen=True)
class ProblemGroup:
    """Problems with the same effect on a run."""

    singular: str
    """The heading after the number 1."""
    plural: str
    listed: Sequence[RowIssue]
    count: int
    """The number of all problems, listed or not."""

    @property
    def heading(self) -> str:
        return f"{self.count:,} {self.singular if self.count == 1 else self.plural}:"


def problem_lines(groups: Sequence[ProblemGroup], most: int) -> Iterator[str]:
    """The lines of each group under its heading, with at most `most` problems in total."""
    listed = [problem for group in groups for problem in group.listed]
    names = distinct_names({problem.path for problem in listed})
    chosen = set(_chosen(listed, most))
    is_shortened = len(chosen) < len(listed)
    number = 0
    for group in groups:
        if not group.count:
            continue
        shown = 0
        yield group.heading
        for problem in group.listed:
            if number in chosen:
                shown += 1
                yield f"  {problem.line(names[problem.path])}"
            number += 1
        if more := group.count - shown:
            yield f"  … and {more:,} more"
    if is_shortened:
        yield f"--all lists the first {KEPT_ISSUES:,} of each file."


def _chosen(problems: Sequence[RowIssue], most: int) -> Iterable[int]:
    """The indexes of the first problem of each kind, then of the second of each, and so on."""
    ranks: Counter[tuple[str, bool]] = Counter()
    order = []
    for number, problem in enumerate(problems):
        kind = problem.kind, problem.is_warning
        order.append((ranks[kind], number))
        ranks[kind] += 1
    return (number for _, number in sorted(order)[:most])
