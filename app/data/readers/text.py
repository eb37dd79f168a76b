"""Opens a dataset file as text: detects the encoding, and splits it into lines of bounded length.

Invalid bytes become lone surrogates, so that `Text.problem` can report the row that has them.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from app.data.readers.byte_source import READ_BYTES, ReadProgress, open_bytes
from app.data.row_values import WHOLE_FILE, RowIssue, RowLocation

MAX_ROW = 16 * 2**20
"""The most characters of a row; a longer row is most likely a whole file."""
TOO_BIG = f"is longer than {MAX_ROW // 2**20} million characters"

_LOOKED_THROUGH = 16 * 2**20
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_UTF8_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_HIGH = bytes(range(0x80, 0x100))
_HIGH_BYTES = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True)
class Encoding:
    name: str
    mark_bytes: int = 0
    """Length of the byte order mark."""

    @property
    def is_guessed(self) -> bool:
        return self.name == "cp1252"

    @property
    def errors(self) -> str:
        return "surrogatepass" if self.name.startswith(("utf-16", "utf-32")) else "surrogateescape"


@dataclass(frozen=True)
class Text:
    """An open text file."""

    path: Path
    stream: TextIO
    encoding: Encoding

    def warnings(self) -> Iterator[RowIssue]:
        """Yield warnings about how the file is read."""
        if self.encoding.is_guessed:
            reason = (
                "is not UTF-8 text; it is read as Windows-1252 (Latin-1): check its accents "
                "and quotation marks"
            )
            yield RowIssue(self.path, WHOLE_FILE, reason, "encoding", is_warning=True)

    def lines(self) -> Iterator[tuple[int, str | None]]:
        """Yield (number, line), with None for a line that is too long; such a line is never loaded
        completely."""
        line = 0
        while raw := self.stream.readline(MAX_ROW + 1):
            line += 1
            if len(raw) <= MAX_ROW:
                yield line, raw
                continue
            while raw and not raw.endswith("\n"):
                raw = self.stream.readline(MAX_ROW)
            yield line, None

    def problem(self, text: str, place: RowLocation) -> RowIssue | None:
        """The issue of a text with a NUL byte or invalid characters; None if it is valid."""
        if "\x00" in text:
            reason = "has a NUL byte, so it is not text; save the file again"
            return RowIssue(self.path, place, reason, "control characters")
        if text.isascii():
            return None
        try:
            raw = text.encode("utf-8")
        except UnicodeEncodeError as error:
            shown = self.encoding.name.upper().removesuffix("-LE").removesuffix("-BE")
            name = "Windows-1252" if self.encoding.is_guessed else shown
            reason = f"is not {name} text at character {error.start + 1}"
            return RowIssue(self.path, place, reason, "encoding")
        if self.encoding.is_guessed and _is_utf8_misread(text, raw):
            reason = "is UTF-8 text, but the rest of the file is not; save the file as UTF-8"
            return RowIssue(self.path, place, reason, "encoding")
        return None


@contextmanager
def open_text(
    path: Path, newline: str | None = "\n", share: ReadProgress | None = None
) -> Iterator[Text]:
    """Open a file as text, without its byte order mark; `newline` is passed to TextIOWrapper.

    Raises as `open_bytes`.
    """
    encoding = encoding_of(path)
    with open_bytes(path, share) as file:
        file.read(encoding.mark_bytes)
        stream = io.TextIOWrapper(file, encoding.name, encoding.errors, newline)
        yield Text(path, stream, encoding)


def encoding_of(path: Path) -> Encoding:
    """The encoding of a file: by its byte order mark, else UTF-16 by its zero bytes, else UTF-8.

    If most of the first non-ASCII bytes are invalid UTF-8, it is Windows-1252, which contains the
    printable characters of Latin-1.
    """
    with open_bytes(path) as file:
        head = file.read(READ_BYTES)
        for mark, name in _BOMS:
            if head.startswith(mark):
                return Encoding(name, len(mark))
        if name := _utf16_without_mark(head[:4096]):
            return Encoding(name)
        return Encoding(_eight_bit(head, file))


def _utf16_without_mark(head: bytes) -> str:
    """The name of UTF-16's byte order if every second byte is zero, as with the ASCII characters of
    JSON and tables; otherwise ""."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    most = max(2, len(head) // 4)
    if odd >= most and not even:
        return "utf-16-le"
    return "utf-16-be" if even >= most and not odd else ""


def _eight_bit(head: bytes, file: BinaryIO) -> str:
    seen = 0
    while head.isascii():
        seen += len(head)
        if not head or seen >= _LOOKED_THROUGH:
            return "utf-8"
        head = file.read(READ_BYTES)
    more = file.read(READ_BYTES)
    # The end of the sample may cut a character in two.
    head += more.rstrip(_HIGH) if len(more) == READ_BYTES else more
    in_utf8 = sum(len(match) for match in _UTF8_CHARACTER.findall(head))
    high = len(_HIGH_BYTES.findall(head))
    return "utf-8" if in_utf8 * 2 >= high else "cp1252"


def _is_utf8_misread(text: str, raw: bytes) -> bool:
    try:
        was = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return False
    return len(was) < len(raw)
