"""The lines of a run's event log: each has a number and a checksum.

A line that was changed, added or moved is left out and reported, and so is a gap. Knows no event
and no file.
"""

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.core.files.atomic_files import json_bytes
from app.core.files.strict_parsing import parse_json

LOG_DAMAGED = "log_damaged"
"""An event that keeps the problem of a log that was rewritten when its run was resumed."""
_NUMBER, _SUM, _RUN = "line", "crc", "run"
_SEAL = (_NUMBER, _SUM, _RUN)
_SEALED = re.compile(rb'(?s)(\{.*),"crc":"([0-9a-f]{8})"\}')
_NAMED_LINES = 3

Plain = dict[str, Any]


def sealed_line(event: Plain, number: int, run: str = "") -> str:
    """The log's line of this number, counted from 1, with the identity of its run."""
    own = {_RUN: run} if run else {}
    sealed = event | own | {_NUMBER: number}
    text = json.dumps(sealed, separators=(",", ":"), ensure_ascii=False)[:-1]
    return f'{text},"{_SUM}":"{zlib.crc32(json_bytes(text)):08x}"}}\n'


@dataclass(frozen=True)
class EventLog:
    events: tuple[Plain, ...] = ()
    """The intact events, in order."""
    problem: str = ""
    """The problem: changed, missing or foreign lines; empty without one."""
    lines: int = 0
    """The number of the last intact line; 0 without one."""

    def problem_to_keep(self, step: int) -> list[Plain]:
        """The event that keeps the problem in the log that is rewritten after `step`."""
        problem = self.problem
        if problem and not problem.startswith("Before"):
            problem = f"Before the run resumed after step {step:,}: {problem}"
        return [{"event": LOG_DAMAGED, "text": problem}] if problem else []


def read_lines(content: bytes, name: str, run: str = "") -> EventLog:
    """Reads a log of this name; lines with another run's identity are left out."""
    lines = [line.strip() for line in content.split(b"\n")]
    reader = _LineReader(run)
    for place, line in enumerate(lines, 1):
        if line:
            reader.take(place, _event(line), line)
    return reader.log(name)


@dataclass
class _LineReader:
    """Follows the numbers of a log's lines."""

    run: str = ""
    events: list[Plain] = field(default_factory=list)
    last: int = 0
    changed: list[int] = field(default_factory=list)
    """Positions of lines that don't match their checksum."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Gaps: the position of the next line, and the number of missing ones."""
    foreign: int = 0
    """Number of another run's lines."""
    _changed_since: int = 0
    """Changed lines since the last intact one."""
    _torn: list[int] = field(default_factory=list)
    """Positions of lines since then that are not JSON. A full disk leaves one without a number."""

    def take(self, place: int, event: Plain | None, line: bytes) -> None:
        if event is None:
            self._torn.append(place)
        elif _is_intact(event, line) and self.run and event.get(_RUN, self.run) != self.run:
            self.foreign += 1
        elif _is_intact(event, line) and event[_NUMBER] > self.last:
            self._follow(place, event[_NUMBER])
            self.events.append({k: v for k, v in event.items() if k not in _SEAL})
        else:
            self.changed.append(place)
            self._changed_since += 1

    def _follow(self, place: int, number: int) -> None:
        missing = max(0, number - self.last - 1 - self._changed_since)
        self.changed += self._torn[:missing]
        missing -= len(self._torn[:missing])
        if missing:
            self.gaps.append((place, missing))
        self.last, self._changed_since, self._torn = number, 0, []

    def log(self, name: str) -> EventLog:
        kept = [str(e.get("text")) for e in self.events if e["event"] == LOG_DAMAGED]
        events = tuple(event for event in self.events if event["event"] != LOG_DAMAGED)
        odd = _sentences(name, sorted(self.changed), self.gaps)
        problem = " ".join([*kept, *_foreign_lines(name, self.foreign, len(self.events)), *odd])
        return EventLog(events, problem, self.last)


def _sentences(name: str, changed: list[int], gaps: list[tuple[int, int]]) -> Iterable[str]:
    if len(changed) == 1:
        yield f"Line {changed[0]:,} of {name} was changed and is not used."
    elif changed:
        shown = [f"{place:,}" for place in changed[:_NAMED_LINES]]
        rest = len(changed) - len(shown)
        last = f"{rest:,} more" if rest else shown.pop()
        yield f"Lines {', '.join(shown)} and {last} of {name} were changed and are not used."
    for place, missing in gaps[:1]:
        lines = f"1 line of {name} is" if missing == 1 else f"{missing:,} lines of {name} are"
        yield f"{lines} missing before line {place:,}."


def _foreign_lines(name: str, count: int, own: int) -> Iterable[str]:
    if count and not own:
        yield f"{name} belongs to another run and is not used."
    elif count:
        lines = f"1 line of {name} is" if count == 1 else f"{count:,} lines of {name} are"
        yield f"{lines} from another run and not used."


def _is_intact(event: Plain, line: bytes) -> bool:
    sealed = _SEALED.fullmatch(line)
    return (
        sealed is not None
        and type(event.get(_NUMBER)) is int
        and zlib.crc32(sealed[1]) == int(sealed[2], 16)
    )


def _event(line: bytes) -> Plain | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None
