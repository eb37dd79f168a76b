"""Whatever is read of a file with checksums is what was written, or is refused."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.data.tokens.block_file import BLOCK_BYTES, BlockFile, BlockSums, sums_of

CONTENT = os.urandom(3 * BLOCK_BYTES + 1000)
PLACES = st.integers(0, len(CONTENT))
slowly = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def summed(*parts: bytes) -> BlockSums:
    sums = BlockSums()
    for part in parts:
        sums.add(part)
    return sums


def opened(path: Path, content: bytes = CONTENT) -> BlockFile:
    path.write_bytes(content)
    return BlockFile(path, len(CONTENT), summed(CONTENT).sums)


@given(cuts=st.lists(PLACES, max_size=6))
@slowly
def test_the_sums_do_not_depend_on_how_a_file_is_written(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(CONTENT)]
    parts = [CONTENT[a:b] for a, b in pairwise(ends)]
    assert summed(*parts).sums == summed(CONTENT).sums


@given(start=PLACES, stop=PLACES)
@slowly
def test_any_part_is_read_as_it_was_written(tmp_path: Path, start: int, stop: int) -> None:
    start, stop = sorted((start, stop))
    file = opened(tmp_path / "file")
    assert file.read(start, stop) == CONTENT[start:stop]
    assert b"".join(file.parts()) == CONTENT


@given(at=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7))
@slowly
def test_a_changed_bit_is_seen_in_its_block_and_costs_no_other(
    tmp_path: Path, at: int, bit: int
) -> None:
    changed = bytearray(CONTENT)
    changed[at] ^= 1 << bit
    file = opened(tmp_path / "file", bytes(changed))
    hit = at // BLOCK_BYTES
    for block in range(4):
        place = block * BLOCK_BYTES + 7, block * BLOCK_BYTES + 9
        if block != hit:
            assert file.read(*place) == CONTENT[slice(*place)]
            continue
        with pytest.raises(ValueError, match=f"block {hit} of file changed since it was written"):
            file.read(*place)
    with pytest.raises(ValueError, match="changed since it was written"):
        file.check()


def test_a_file_of_another_size_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size"):
        opened(tmp_path / "file", CONTENT + b"0")


def test_a_file_that_is_cut_short_while_it_is_open_is_no_signal(tmp_path: Path) -> None:
    file = opened(tmp_path / "file")
    os.truncate(tmp_path / "file", BLOCK_BYTES + 1)
    assert file.read(0, 10) == CONTENT[:10]
    with pytest.raises(ValueError, match="file was truncated"):
        file.read(BLOCK_BYTES, BLOCK_BYTES + 10)


def test_the_sums_of_a_beginning_are_those_it_was_written_with(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    size = BLOCK_BYTES + 123
    assert sums_of(tmp_path / "file", size).sums == summed(CONTENT[:size]).sums
    with pytest.raises(OSError, match="truncated"):
        sums_of(tmp_path / "file", len(CONTENT) + 1)
