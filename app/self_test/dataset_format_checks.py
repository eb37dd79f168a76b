"""Checks that each dataset format is read: the same rows give the same examples."""

import csv
import gzip
import io
import json
from pathlib import Path

from app.core.errors import RunError
from app.core.files.data_formats import FORMATS, FileFormat
from app.data.row_values import ChatExample, Example, RowIssue
from app.data.rows.row_validation import read_examples

ROWS = [
    {"prompt": "What, exactly?", "completion": 'She said "yes".'},
    {"prompt": "Füchse 🦊", "completion": "two\nlines"},
]
TEXT = "A first passage.\n\nA second one, with ünlauts."


def check_formats(folder: Path) -> str:
    """Every file name ending, plain and packed. Raises RunError naming the file and its rows."""
    for ending, file_format in FORMATS.items():
        content = written(file_format)
        for name, raw in ((f"rows{ending}", content), (f"rows{ending}.gz", gzip.compress(content))):
            path = folder / name
            path.write_bytes(raw)
            _compare(path, TEXT if file_format in ("txt", "md") else ROWS)
    return f"{' '.join(FORMATS)}, each plain and with .gz"


def written(file_format: FileFormat) -> bytes:
    """`ROWS` or `TEXT` as a file of this format."""
    match file_format:
        case "jsonl":
            return "".join(json.dumps(row) + "\n" for row in ROWS).encode()
        case "json":
            return json.dumps(ROWS).encode()
        case "csv" | "tsv":
            return _table("," if file_format == "csv" else "\t")
        case "parquet" | "arrow":
            return _columns(file_format)
        case _:
            return TEXT.encode()


def _table(delimiter: str) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return file.getvalue().encode()


def _columns(file_format: FileFormat) -> bytes:
    import pyarrow as pa
    from pyarrow import ipc, parquet

    file, table = io.BytesIO(), pa.Table.from_pylist(ROWS)
    if file_format == "parquet":
        parquet.write_table(table, file)
    else:
        with ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    return file.getvalue()


def _compare(path: Path, expected: object) -> None:
    examples = list(read_examples(path))
    if problems := [row for row in examples if isinstance(row, RowIssue)]:
        raise RunError(f"{path.name}: {problems[0].reason}.")
    read = [_plain(example) for example in examples if not isinstance(example, RowIssue)]
    if isinstance(expected, str):
        read, expected = ["\n\n".join(map(str, read))], [expected]
    if read != expected:
        raise RunError(f"{path.name} holds {expected}; read were {read}.")


def _plain(example: Example) -> object:
    if isinstance(example, ChatExample):
        return dict(
            zip(("prompt", "completion"), (m["content"] for m in example.messages), strict=True)
        )
    return example.text
