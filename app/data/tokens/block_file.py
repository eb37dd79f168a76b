"""Files whose blocks have checksums: written once, read where needed, checked as they are read.

They are read and not mapped: a mapped file that somebody cuts short ends the process by a signal.
Knows nothing of what the bytes mean.
"""

import os
import weakref
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.core.files.untrusted_files import open_descriptor

BLOCK_BYTES = 2**13
"""A row is a few KB, and the block around it is read and checked in about 10 µs."""
_READ_BYTES = 128 * BLOCK_BYTES


class BlockSums:
    """The CRC-32 of each block of a file that is only appended to."""

    def __init__(self) -> None:
        self.size = 0
        """Of the file, in bytes."""
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
    """A file of `size` bytes; the sum of each of its blocks is known.

    Whatever is read is as it was written. Raises OSError, or ValueError that says where it is not.
    """

    def __init__(self, path: Path, size: int, sums: Sequence[int]) -> None:
        self._name, self.size, self._sums = path.name, size, sums
        self._descriptor = open_descriptor(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        if os.fstat(self._descriptor).st_size != size:
            raise ValueError(f"the size of {self._name} is not what it was")

    def read(self, start: int, stop: int) -> memoryview:
        """The bytes from `start` up to `stop`."""
        first, last = start // BLOCK_BYTES, -(-stop // BLOCK_BYTES)
        begin, end = first * BLOCK_BYTES, min(last * BLOCK_BYTES, self.size)
        content = memoryview(os.pread(self._descriptor, end - begin, begin))
        if len(content) != end - begin:
            raise ValueError(f"{self._name} was cut short")
        for block in range(first, last):
            at = (block - first) * BLOCK_BYTES
            if zlib.crc32(content[at : at + BLOCK_BYTES]) != self._sums[block]:
                raise ValueError(f"block {block:,} of {self._name} is not as it was written")
        return content[start - begin : stop - begin]

    def parts(self) -> Iterator[memoryview]:
        """The whole file, about a megabyte at a time."""
        for start in range(0, self.size, _READ_BYTES):
            yield self.read(start, min(start + _READ_BYTES, self.size))

    def check(self) -> None:
        """Read all of it once."""
        for _ in self.parts():
            pass


def sums_of(path: Path, size: int) -> BlockSums:
    """Those of the first `size` bytes of a file as it is now. Raises OSError if it has fewer."""
    sums = BlockSums()
    with path.open("rb") as file:
        while sums.size < size:
            content = file.read(min(_READ_BYTES, size - sums.size))
            if not content:
                raise OSError(f"{path} was cut short")
            sums.add(content)
    return sums
