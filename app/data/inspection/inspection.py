"""Reads a dataset once and reports its examples, invalid rows, warnings and duplicates.

Keeps only the first few rows, so memory use does not grow with the dataset.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.core.errors import InputError
from app.core.progress import scaled_progress
from app.data.files.dataset_files import find_files
from app.data.files.dataset_folders import not_read
from app.data.files.fingerprint import FileStates, file_states
from app.data.inspection.duplicates import SeenRows
from app.data.readers import ReadProgress
from app.data.row_values import (
    KEPT_ISSUES,
    WHOLE_FILE,
    CorruptFileError,
    Example,
    IssueKind,
    RowIssue,
)
from app.data.rows.row_notes import GUESSED, example_warnings
from app.data.rows.row_schemas import RowFormat
from app.data.rows.row_validation import read_validated_rows

PREVIEW_EXAMPLES = 5


@dataclass(frozen=True)
class FileFacts:
    """One file of a dataset."""

    path: Path
    examples: int
    errors: int
    """Invalid rows, and other reasons why a run can't start."""
    warnings: int


@dataclass(frozen=True)
class DatasetFacts:
    """The facts about a dataset that don't depend on a model."""

    path: Path
    """The training file, or its first shard."""
    format: str
    """A RowFormat, "mixed", or "unknown" if there are no examples."""
    examples: int
    valid_examples: int
    """Examples of the validation file; 0 without one."""
    problems: tuple[RowIssue, ...]
    """The first 1000 invalid rows with their reasons."""
    problem_count: int
    size_bytes: int
    preview: tuple[Example, ...]
    """The first 5 training examples."""
    warnings: tuple[RowIssue, ...] = ()
    """The first 1000 warnings about valid rows."""
    warning_count: int = 0
    counts: Mapping[IssueKind, int] = field(default_factory=dict)
    """Issues and warnings of each kind, the most frequent first."""
    files: tuple[FileFacts, ...] = ()
    """Training files, then validation files."""
    not_read: tuple[Path, ...] = ()
    """Other files of the folder that may hold rows."""
    states: FileStates = ()
    """The states of the files before they were read."""


def inspect_stream(
    data: Path, valid: Path | None = None, columns: ColumnMapping | None = None
) -> Generator[float, None, DatasetFacts]:
    """Inspect a dataset, including its invalid rows; yields the share read.

    Raises InputError only if a training file is missing or empty.
    """
    facts, _, _ = yield from inspect_with_rows(data, valid, columns)
    return facts


def inspect_with_rows(
    data: Path, valid: Path | None = None, columns: ColumnMapping | None = None
) -> Generator[float, None, tuple[DatasetFacts, SeenRows, SeenRows]]:
    """`inspect_stream`, also with the hashes of training and validation rows."""
    problems, states = IssueList(), file_states(data, valid)
    try:
        files = find_files(data, valid)
    except InputError as error:
        files = find_files(data)
        problems.add(_whole_file(valid or data, error))
    train = _SplitScan(files.train_files, columns, problems)
    validating = _SplitScan(files.valid_files, columns, problems)
    size = train.size_bytes + validating.size_bytes
    yield from scaled_progress(train.scan(), 0, train.size_bytes, size)
    try:
        scan = validating.scan()
        yield from scaled_progress(scan, train.size_bytes, validating.size_bytes, size)
    except InputError as error:
        problems.add(_whole_file(validating.path, error))
    problems.add_all(train.seen.duplicates())
    problems.add_all(validating.seen.duplicates())
    problems.add_all(train.seen.also_in(validating.seen))
    facts = DatasetFacts(
        path=files.train,
        format=_name(train.formats),
        examples=train.examples,
        valid_examples=validating.examples,
        problems=tuple(problems.errors),
        problem_count=problems.error_count,
        size_bytes=size,
        preview=tuple(train.preview),
        warnings=tuple(problems.warnings),
        warning_count=problems.warning_count,
        counts=problems.counts(),
        files=tuple(
            FileFacts(path, read.examples_of[path], *problems.counts_of(path))
            for read in (train, validating)
            for path in read.paths
        ),
        not_read=tuple(not_read(data, files.all_files)) if data.is_dir() else (),
        states=states,
    )
    return facts, train.seen, validating.seen


class IssueList:
    """Counts all issues by kind, and keeps the first thousand errors and warnings."""

    def __init__(self) -> None:
        self.errors: list[RowIssue] = []
        self.warnings: list[RowIssue] = []
        self.error_count = self.warning_count = 0
        self._kinds: Counter[IssueKind] = Counter()
        self._files: Counter[tuple[Path, bool]] = Counter()

    def add(self, problem: RowIssue) -> None:
        self._kinds[problem.kind] += 1
        self._files[problem.path, problem.is_warning] += 1
        kept = self.warnings if problem.is_warning else self.errors
        if len(kept) < KEPT_ISSUES:
            kept.append(problem)
        if problem.is_warning:
            self.warning_count += 1
        else:
            self.error_count += 1

    def add_all(self, problems: Iterable[RowIssue]) -> None:
        for problem in problems:
            self.add(problem)

    def counts_of(self, path: Path) -> tuple[int, int]:
        """The numbers of errors and warnings of a file."""
        return self._files[path, False], self._files[path, True]

    def counts(self) -> dict[IssueKind, int]:
        return dict(self._kinds.most_common())


class _SplitScan:
    """Reads the files of one split, each to its end or to the first damage."""

    def __init__(
        self, paths: tuple[Path, ...], columns: ColumnMapping | None, problems: IssueList
    ) -> None:
        self.examples_of: Counter[Path] = Counter()
        self.formats: set[RowFormat] = set()
        self.preview: list[Example] = []
        self.seen = SeenRows(*paths)
        self.size_bytes = sum(map(_size, paths))
        self.path = Path()
        """The file in progress."""
        self.paths, self._columns, self._problems = paths, columns, problems

    @property
    def examples(self) -> int:
        return self.examples_of.total()

    def scan(self) -> Generator[float, None, None]:
        """Read all files; yields the share read. Raises InputError for a missing or empty file."""
        before = 0
        for number, path in enumerate(self.paths):
            self.path, size = path, _size(path)
            yield from scaled_progress(self._scan_file(number), before, size, self.size_bytes)
            before += size

    def _scan_file(self, number: int) -> Generator[float, None, None]:
        share, reported = ReadProgress(), 0.0
        yield reported
        try:
            for row in read_validated_rows(self.path, self._columns, share):
                if isinstance(row, RowIssue):
                    self._problems.add(row)
                else:
                    self._add(*row, number)
                if share.done != reported:
                    reported = share.done
                    yield reported
        except CorruptFileError as broken:
            self._problems.add(broken.problem)

    def _add(self, example: Example, form: RowFormat, file: int) -> None:
        self.examples_of[self.path] += 1
        self.formats.add(form)
        self.seen.add(example, file)
        self._problems.add_all(example_warnings(example, self.path))
        if len(self.preview) < PREVIEW_EXAMPLES:
            self.preview.append(example)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it disappeared, which is reported separately
        return 0


def _whole_file(path: Path, error: InputError) -> RowIssue:
    reason = error.message.removeprefix(f"{path.name} ").rstrip(".")
    return RowIssue(path, WHOLE_FILE, reason, "unreadable")


def _name(formats: set[RowFormat]) -> str:
    if not formats:
        return "unknown"
    if formats == {"chat", "tools"}:
        return "tools"
    return next(iter(formats)) if len(formats) == 1 else "mixed"


def without_guesses(facts: DatasetFacts) -> DatasetFacts:
    """The facts without the warnings that only a model's tokens can confirm."""
    count = facts.counts.get(GUESSED, 0)
    if not count:
        return facts
    warnings = tuple(problem for problem in facts.warnings if problem.kind != GUESSED)
    counts: Mapping[IssueKind, int] = {k: n for k, n in facts.counts.items() if k != GUESSED}
    return replace(
        facts, warnings=warnings, warning_count=facts.warning_count - count, counts=counts
    )


def with_names(noted: Sequence[RowIssue], facts: DatasetFacts) -> list[RowIssue]:
    """The model's warnings about rows; the checks' own replace those whose keys they name."""
    named = {
        (problem.path, problem.place): problem
        for problem in facts.warnings
        if problem.kind == GUESSED
    }
    return [named.get((one.path, one.place), one) if one.kind == GUESSED else one for one in noted]
