"""Which runs of the table are seen: search words and a state. Knows no Qt."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.text.translation import tr

if TYPE_CHECKING:
    from app.ui.tables.waiting_run import Row

STATES = {
    "": tr("All runs"),
    "finished": tr("Finished"),
    "waiting": tr("Waiting"),
    "open": tr("Not finished"),
    "broken": tr("With a problem"),
}
"""What can be chosen to be seen."""
_DONE = ("finished", "unreadable")
_WAITING = ("waiting", "blocked", "preparing")


@dataclass(frozen=True)
class RunsFilter:
    """Every word must be found somewhere in what a run is searched by."""

    words: tuple[str, ...] = ()
    state: str = ""

    @classmethod
    def of(cls, search: str, state: str) -> "RunsFilter":
        return cls(tuple(search.casefold().split()), state)

    def lets_through(self, run: "Row", searched: str) -> bool:
        """`searched` is what the words are looked for in, in small letters."""
        return self._is_in_state(run) and all(word in searched for word in self.words)

    def _is_in_state(self, run: "Row") -> bool:
        match self.state:
            case "finished":
                return run.outcome == "finished"
            case "waiting":
                return run.outcome in _WAITING
            case "open":
                return run.outcome not in _DONE
            case "broken":
                return bool(run.problem)
        return True
