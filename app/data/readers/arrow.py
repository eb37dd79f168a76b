"""Arrow files, as the `datasets` library saves them, a few rows at a time.

A row's location is its number; nulls are dropped as in Parquet.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.data.readers.byte_source import ReadProgress, open_bytes
from app.data.readers.parquet import BATCH_ROWS, batch_values, seekable
from app.data.row_values import WHOLE_FILE, CorruptFileError, RawRow, RowIssue, RowLocation

_MAGIC = b"ARROW1"
"""Starts files with a footer; other files are streams."""


def arrow_rows(path: Path, share: ReadProgress | None = None) -> Iterator[RawRow | RowIssue]:
    """Yield each row as (location, column → value), or the issue of a row that can't be read.

    Raises CorruptFileError if the file can't be read to its end.
    """
    number = 0
    for batch in _batches(path, share):
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(start, BATCH_ROWS)
            for value in batch_values(part, path, number + 1):
                number += 1
                yield value if isinstance(value, RowIssue) else (RowLocation(row=number), value)


def _batches(path: Path, share: ReadProgress | None) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import ipc

    with ExitStack() as stack:
        file = stack.enter_context(open_bytes(path, share))
        head = file.peek(len(_MAGIC))[: len(_MAGIC)]  # type: ignore[attr-defined]
        if not head:
            return
        try:
            if head == _MAGIC:
                reader = ipc.open_file(stack.enter_context(seekable(file, path)))
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = iter(ipc.open_stream(file))
            for batch in batches:
                batch.validate(full=True)  # reading damaged data could end the process
                yield batch
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
            problem = RowIssue(path, WHOLE_FILE, "is damaged or no Arrow file", "unreadable")
            raise CorruptFileError(problem, "Copy or make it again.") from error
