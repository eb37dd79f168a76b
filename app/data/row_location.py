"""Where a row stands in its file, in the words of its format. Knows no file."""

from typing import NamedTuple


class RowLocation(NamedTuple):
    """Made by the reader of the format. Places of one file are in its order."""

    line: int = 0
    """1-based line on which the row begins; 0 in a file without lines."""
    row: int = 0
    """1-based number of the row; 0 where the line says it: the rows of a format by lines."""

    @property
    def is_whole_file(self) -> bool:
        """No row is meant."""
        return not (self.line or self.row)

    def __format__(self, spec: str) -> str:
        """ "line 7"; "row 7", and "row 7 (line 12)" where a list stands on several lines; empty for
        the whole file. Numbers are written as `spec` says."""
        if not self.row:
            return f"line {self.line:{spec}}" if self.line else ""
        where = f" (line {self.line:{spec}})" if self.line > 1 else ""
        return f"row {self.row:{spec}}{where}"

    def __str__(self) -> str:
        return format(self, "")


WHOLE_FILE = RowLocation()
