"""The measures of a sequential study (accuracy by task, forgetting), and its report in Markdown.

Metrics as in Lopez-Paz and Ranzato (2017) and Chaudhry et al. (2018): with R[i][j] the accuracy on
task j after task i, LA = mean R[j][j], ACC = mean R[T][j], BWT = mean (R[T][j] − R[j][j]) and
F = mean (max R[i][j] − R[T][j]) over the tasks before the last.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

_T_95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
"""Student's t for 95 %, two-sided, by degrees of freedom; 1.96 in the limit."""
MEASURES = {
    "LA": "learned", "ACC": "final", "F": "forgetting", "BWT": "backward_transfer",
    "KL": "base_kl", "known": "known",
}  # fmt: skip
"""Name in a report → attribute of TaskSequence."""


@dataclass(frozen=True)
class TaskSequence:
    """One arm with one seed, from its first task to its last."""

    arm: str
    seed: int
    accuracy: tuple[tuple[float, ...], ...]
    """R[i][j]: of task j, after task i."""
    base_kl: float
    """Change from base at the end, in nats per token."""
    steps: int
    known: float = math.nan
    """Share of the known questions that are still answered at the end; NaN if none was asked."""

    @property
    def learned(self) -> float:
        """LA."""
        return fmean(row[i] for i, row in enumerate(self.accuracy))

    @property
    def final(self) -> float:
        """ACC."""
        return fmean(self.accuracy[-1])

    @property
    def backward_transfer(self) -> float:
        """BWT; 0 for a single task."""
        earlier = range(len(self.accuracy) - 1)
        last = self.accuracy[-1]
        return fmean([last[j] - self.accuracy[j][j] for j in earlier] or [0.0])

    @property
    def forgetting(self) -> float:
        """F; 0 for a single task."""
        *before, last = self.accuracy
        earlier = range(len(before))
        return fmean([max(row[j] for row in before[j:]) - last[j] for j in earlier] or [0.0])


def mean_and_interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and half of its 95 % interval by Student's t; NaN for a single value."""
    if len(values) < 2:
        return fmean(values), math.nan
    t = _T_95.get(len(values) - 1, 1.96)
    return fmean(values), t * stdev(values) / math.sqrt(len(values))


@dataclass(frozen=True)
class ArmResult:
    """One arm over its seeds."""

    arm: str
    runs: tuple[TaskSequence, ...]
    is_matched: bool
    """It learned enough to be compared."""

    @property
    def steps(self) -> float:
        return fmean(run.steps for run in self.runs)

    def values(self, measure: str) -> list[float]:
        """The values of one of `MEASURES`, one per seed."""
        return [getattr(run, MEASURES[measure]) for run in self.runs]

    def text(self, measure: str) -> str:
        """ "0.151 ± 0.038"; without the interval for a single seed."""
        values = self.values(measure)
        if any(map(math.isnan, values)):
            return "–"
        mean, half = mean_and_interval(values)
        return f"{mean:.3f}" if math.isnan(half) else f"{mean:.3f} ± {half:.3f}"

    @property
    def matrix(self) -> tuple[tuple[float, ...], ...]:
        """R, the mean over the seeds: a row after each task."""
        tasks = range(len(self.runs[0].accuracy))
        return tuple(
            tuple(fmean(run.accuracy[i][j] for run in self.runs) for j in tasks) for i in tasks
        )


def by_arm(sequences: Iterable[TaskSequence], acquisition: float) -> list[ArmResult]:
    """The sequences by arm, in the order of the arms' first runs."""
    arms: dict[str, list[TaskSequence]] = {}
    for sequence in sequences:
        arms.setdefault(sequence.arm, []).append(sequence)
    return [
        ArmResult(arm, tuple(runs), fmean(run.learned for run in runs) >= acquisition)
        for arm, runs in arms.items()
    ]


def markdown(
    sequences: Iterable[TaskSequence], acquisition: float, title: str, picture: str = ""
) -> str:
    """A table with a row for each arm, and each arm's mean accuracies by task; `picture` is the
    name of a file with these."""
    arms = by_arm(sequences, acquisition)
    lines = [
        f"# {title}",
        "",
        "Mean ± half of the 95 % interval over the seeds. LA: accuracy on each task once it is "
        "learned. ACC: on all tasks at the end. F: forgetting. BWT: backward transfer. KL: "
        "change from base at the end, in nats per token. "
        "Known: known questions that are still answered.",
        f"Arms are compared where LA is at least {acquisition:g}; others are marked with *.",
        "",
        f"| arm | seeds | steps | {' | '.join(MEASURES)} |",
        "|---|---|---|" + "---|" * len(MEASURES),
        *map(_row, arms),
        "",
    ]
    for arm in arms:
        lines += [f"## {arm.arm}", "", *_table(arm.matrix), ""]
    lines += [f"![Accuracy by task, arm by arm]({picture})", ""] if picture else []
    return "\n".join(lines)


def to_plain(sequences: Iterable[TaskSequence]) -> list[Mapping[str, object]]:
    """A JSON value, for `--json` and the results file."""
    return [
        {
            "arm": sequence.arm, "seed": sequence.seed,
            "accuracy": [list(row) for row in sequence.accuracy],
            "LA": sequence.learned, "ACC": sequence.final, "BWT": sequence.backward_transfer,
            "F": sequence.forgetting, "base_kl": sequence.base_kl, "steps": sequence.steps,
            "known": None if math.isnan(sequence.known) else sequence.known,
        }
        for sequence in sequences
    ]  # fmt: skip


def _row(result: ArmResult) -> str:
    mark = "" if result.is_matched else " *"
    cells = " | ".join(map(result.text, MEASURES))
    seeds, steps = len(result.runs), round(result.steps)
    arm = result.arm.replace("|", "\\|")
    return f"| {arm}{mark} | {seeds} | {steps:,} | {cells} |"


def _table(matrix: Sequence[Sequence[float]]) -> list[str]:
    heading = " | ".join(f"task {j + 1}" for j in range(len(matrix)))
    lines = [f"| after | {heading} |", "|---|" + "---|" * len(matrix)]
    for i, row in enumerate(matrix):
        lines.append(f"| task {i + 1} | " + " | ".join(f"{value:.2f}" for value in row) + " |")
    return lines
