"""Reads Parquet files, and Arrow files of the `datasets` library, a few rows at a time.

A row's location is its number. Null fields are dropped, because in these files every row has all
fields.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from app.core.text.sanitize import error_text
from app.data.readers.byte_source import GZIP_MAGIC, ReadProgress, open_bytes
from app.data.readers.text import MAX_ROW, TOO_BIG
from app.data.row_values import WHOLE_FILE, CorruptFileError, RawRow, RowIssue, RowLocation

_MAGIC = b"PAR1"
BATCH_ROWS = 32
_USUAL_SHARE = 50
"""Texts compress to about a tenth; a file that expands more may repeat a text in every row."""
_MAX_SHARE = 1000
_UNPACKED_IN_ANY_CASE = 256 * 2**20
_MAX_ROWS_A_BYTE = 100


def parquet_rows(path: Path, share: ReadProgress | None = None) -> Iterator[RawRow | RowIssue]:
    """Yield each row as (location, column → value), or the issue of a row that can't be read.

    Raises CorruptFileError if the file can't be read to its end.
    """
    yield from _numbered(_parquet_batches(path, share), path)


def _numbered(batches: Iterator[Any], path: Path) -> Iterator[RawRow | RowIssue]:
    number = 0
    for batch in batches:
        for value in batch_values(batch, path, number + 1):
            number += 1
            yield value if isinstance(value, RowIssue) else (RowLocation(row=number), value)


@contextmanager
def seekable(packed: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """The file itself, or a decompressed copy that is seekable, if it is gzip."""
    with path.open("rb") as plain:
        if plain.read(2) != GZIP_MAGIC:
            yield plain
            return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(packed, copy)
        copy.seek(0)
        yield copy


def _parquet_batches(path: Path, share: ReadProgress | None) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    with ExitStack() as stack:
        packed = stack.enter_context(open_bytes(path))
        head = packed.peek(len(_MAGIC))[: len(_MAGIC)]  # type: ignore[attr-defined]
        if not head:
            return
        if head != _MAGIC:
            raise CorruptFileError(RowIssue(path, WHOLE_FILE, "isn't a Parquet file", "unreadable"))
        file = stack.enter_context(seekable(packed, path))
        try:
            # No threads, because they would read ahead.
            opened = parquet.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
            rows = _batch_rows(opened.metadata, path)
            total, rows_read = opened.metadata.num_rows, 0
            for batch in opened.iter_batches(batch_size=rows, use_threads=False):
                rows_read += batch.num_rows
                yield batch
                if share is not None:
                    share.done = rows_read / max(rows_read, total)
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
            problem = RowIssue(path, WHOLE_FILE, "is damaged or not a Parquet file", "unreadable")
            raise CorruptFileError(problem, "Copy or make it again.") from error


def _batch_rows(metadata: Any, path: Path) -> int:
    """The number of rows to read at once: 1 if rows may repeat one large value of a dictionary.

    Does not read the metadata of columns, because damaged metadata crashes the process. Raises
    CorruptFileError if the file expands too much.
    """
    size = path.stat().st_size
    if metadata.num_rows > size * _MAX_ROWS_A_BYTE:
        reason = f"claims to have {metadata.num_rows:,} rows, too many for its {size:,} bytes"
        raise CorruptFileError(RowIssue(path, WHOLE_FILE, reason, "too big"))
    groups = range(metadata.num_row_groups)
    largest = max((metadata.row_group(group).total_byte_size for group in groups), default=0)
    if largest > max(_UNPACKED_IN_ANY_CASE, size * _MAX_SHARE):
        reason = f"unpacks to more than {_MAX_SHARE:,} times its size"
        raise CorruptFileError(RowIssue(path, WHOLE_FILE, reason, "too big"))
    return 1 if largest > size * _USUAL_SHARE else BATCH_ROWS


def batch_values(batch: Any, path: Path, first: int) -> Iterator[object | RowIssue]:
    """Yield each row as column → value, or its issue; `first` is the number of the first row.

    Raises CorruptFileError if two columns have the same name, or a name is not UTF-8.
    """
    names = _column_names(batch.schema, path)
    try:
        rows = batch.to_pylist() if batch.nbytes <= MAX_ROW else None
    except (OverflowError, ValueError):
        rows = None
    if rows is None:
        rows = (
            _row(batch.slice(i, 1), path, RowLocation(row=first + i)) for i in range(batch.num_rows)
        )
    for row in rows:
        if isinstance(row, RowIssue):
            yield row
        else:
            yield {name: _without_nulls(row[name]) for name in names}


def _column_names(schema: Any, path: Path) -> list[str]:
    try:
        names: list[str] = schema.names
    except UnicodeDecodeError as error:
        problem = RowIssue(path, WHOLE_FILE, "has a column whose name is not UTF-8", "unreadable")
        raise CorruptFileError(problem, "Copy or make it again.") from error
    if repeated := {name for name in names if names.count(name) > 1}:
        reason = f"has several columns named {min(repeated)[:40]!r}"
        raise CorruptFileError(RowIssue(path, WHOLE_FILE, reason, "broken table"))
    return names


def _row(row: Any, path: Path, place: RowLocation) -> dict[str, Any] | RowIssue:
    if row.nbytes > MAX_ROW:
        return RowIssue(path, place, TOO_BIG, "too big")
    try:
        return dict(row.to_pylist()[0])
    except UnicodeDecodeError:
        return RowIssue(path, place, "is not UTF-8 text", "encoding")
    except (OverflowError, ValueError) as error:
        return RowIssue(
            path, place, f"has a value that can't be read: {error_text(error)}", "wrong type"
        )


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(v) for name, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


_ARROW_MAGIC = b"ARROW1"
"""The first bytes of a file with a footer; other files are streams."""


def arrow_rows(path: Path, share: ReadProgress | None = None) -> Iterator[RawRow | RowIssue]:
    """Yield each row as (location, column → value), or the issue of a row that can't be read.

    Raises CorruptFileError if the file can't be read to its end.
    """
    yield from _numbered(_arrow_batches(path, share), path)


def _arrow_batches(path: Path, share: ReadProgress | None) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import ipc

    with ExitStack() as stack:
        file = stack.enter_context(open_bytes(path, share))
        head = file.peek(len(_ARROW_MAGIC))[: len(_ARROW_MAGIC)]  # type: ignore[attr-defined]
        if not head:
            return
        try:
            if head == _ARROW_MAGIC:
                reader = ipc.open_file(stack.enter_context(seekable(file, path)))
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = iter(ipc.open_stream(file))
            for batch in batches:
                batch.validate(full=True)  # reading damaged data could crash the process
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
            problem = RowIssue(path, WHOLE_FILE, "is damaged or not an Arrow file", "unreadable")
            raise CorruptFileError(problem, "Copy or make it again.") from error
