"""Maps file names to formats. Reads nothing."""

from pathlib import Path
from typing import Literal

FileFormat = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow", "txt", "md"]

FORMATS: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".txt": "txt",
    ".md": "md",
}
"""By extension; `.gz` may follow."""

FORMAT_LIST = ".jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow, .txt and .md"


def file_format(path: Path) -> FileFormat | None:
    """The format of a file with this name, also with `.gz`; None if it is not supported."""
    return FORMATS.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def bare_name(path: Path) -> str:
    """The name without its extensions: "train" for "train.jsonl.gz"."""
    name = path.name
    if name.lower().endswith(".gz"):
        name = name[:-3]
    return Path(name).stem if file_format(path) else name
