"""JSON files: written atomically, read leniently where nothing depends on them."""

import json
from pathlib import Path
from typing import Any

from app.core.files.atomic_files import write_bytes_atomic
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular


def read_json_object(path: Path, most_bytes: int) -> dict[str, Any]:
    """The JSON object in a file; an empty one if there is none that can be read."""
    try:
        value = parse_json(read_regular(path, most_bytes, follow_links=True))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json_atomic(path: Path, value: Any) -> None:
    """Write `value` as readable JSON; NaN is refused, since it is no JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes_atomic(path, json_bytes(text))


def json_bytes(text: str) -> bytes:
    """JSON as UTF-8. A file's name that is no UTF-8 stands in it as escapes that read back."""
    return text.encode(errors="backslashreplace")
