"""Files with a checksum per block, which is checked when the block is read.

They are not memory-mapped, because truncating a mapped file would kill the process by a signal.
"""

import os
import weakref
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.core.files.untrusted_files import open_descriptor

BLOCK_BYTES = 2**13
"""A row has a few KB; reading and checking its block takes about 10 µs."""
_READ_BYTES = 128 * BLOCK_BYTES


class BlockSums:
    """The CRC-32 of each block of a file that is only appended to."""

    def __init__(self) -> None:
        self.size = 0
        """The file's size in bytes."""
        self.sums = array("I")

    def add(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            begun = self.size % BLOCK_BYTES
            part = rest[: BLOCK_BYTES - begun]
            self.sums.append(zlib.crc32(part, self.sums.pop() if begun else 0))
            self.size += len(part)
            rest = rest[len(part) :]

    @property
    def own_sum(self) -> int:
        return zlib.crc32(self.sums)


class BlockFile:
    """A file of `size` bytes with a known checksum for each block.

    Returns only bytes that match their checksum. Raises OSError, or ValueError that describes the
    damage.
    """

    def __init__(self, path: Path, size: int, sums: Sequence[int]) -> None:
        self._name, self.size, self._sums = path.name, size, sums
        self._descriptor = open_descriptor(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        if os.fstat(self._descriptor).st_size != size:
            raise ValueError(f"the size of {self._name} changed")

    def read(self, start: int, stop: int) -> memoryview:
        """The bytes from `start` up to `stop`."""
        first, last = start // BLOCK_BYTES, -(-stop // BLOCK_BYTES)
        begin, end = first * BLOCK_BYTES, min(last * BLOCK_BYTES, self.size)
        content = memoryview(os.pread(self._descriptor, end - begin, begin))
        if len(content) != end - begin:
            raise ValueError(f"{self._name} was truncated")
        for block in range(first, last):
            at = (block - first) * BLOCK_BYTES
            if zlib.crc32(content[at : at + BLOCK_BYTES]) != self._sums[block]:
                raise ValueError(f"block {block:,} of {self._name} changed since it was written")
        return content[start - begin : stop - begin]

    def parts(self) -> Iterator[memoryview]:
        """Yield the whole file, about a megabyte at a time."""
        for start in range(0, self.size, _READ_BYTES):
            yield self.read(start, min(start + _READ_BYTES, self.size))

    def check(self) -> None:
        """Read the whole file once."""
        for _ in self.parts():
            pass


def sums_of(path: Path, size: int) -> BlockSums:
    """The checksums of a file's first `size` bytes. Raises OSError if it has fewer."""
    sums = BlockSums()
    with path.open("rb") as file:
        while sums.size < size:
            content = file.read(min(_READ_BYTES, size - sums.size))
            if not content:
                raise OSError(f"{path} was truncated")
            sums.add(content)
    return sums
