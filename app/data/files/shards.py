"""Datasets that are split into numbered files: train-00000-of-00003.parquet and so on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from app.core.errors import InputError
from app.core.files.data_formats import bare_name

_NUMBERED = re.compile(
    r"((?:[a-z]+(?:[-_][a-z0-9]*[a-z])*)?)[-_.]?(\d+)(?:[-_]of[-_](\d+))?(?:-[0-9a-f]{16})?"
)
"""train-00000-of-00003, train-1, train_01, train_sft-1; older files of the Hub end with a hash. In
the folder of a split also 0000.
"""


@dataclass(frozen=True)
class Shard:
    """A shard, as its file name describes it."""

    path: Path
    set_name: str
    number: int
    count: int | None
    """The number of shards; None if the name doesn't say."""

    @property
    def kind(self) -> str:
        """The common part of the names of one split's shards: its name and extensions."""
        endings = self.path.name.lower().removeprefix(bare_name(self.path).lower())
        return self.set_name + endings


def parse_shard(path: Path) -> Shard | None:
    """The shard that a file name describes; None if the name has no number."""
    match = _NUMBERED.fullmatch(bare_name(path).lower())
    if match is None:
        return None
    name, number, count = match.groups()
    return Shard(path, name, int(number), int(count) if count else None)


def sort_shards(folder: Path, files: Sequence[Shard]) -> list[Path]:
    """All shards of a split in order. Raises InputError if one is missing or there twice."""
    ordered = sorted(files, key=lambda file: file.number)
    for one, next_one in pairwise(ordered):
        if one.number == next_one.number:
            raise InputError(
                f"The folder {folder.name} has {one.path.name} and {next_one.path.name}: "
                "which one is meant?",
                "Keep one of them.",
            )
    counts = {file.count for file in ordered if file.count is not None}
    if counts and counts != {len(ordered)}:
        raise InputError(
            f"The folder {folder.name} has {len(ordered)} of the {max(counts)} files of which "
            f"{ordered[0].path.name} is one.",
            "Put the others there, or choose the file itself.",
        )
    return [file.path for file in ordered]
