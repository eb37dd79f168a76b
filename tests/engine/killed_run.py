"""A command of the app that kills itself: at a change of a file, counted from its first step on.

python -m tests.engine.killed_run CHANGE COMMAND...: 0 for one that is not killed.
"""

import sys

from app.__main__ import main
from app.core.events import Event, StepFinished
from app.library.run.recorder import RunRecorder
from tests.killed_at import die_at_change


def die_after_a_step(change: int) -> None:
    record = RunRecorder.record
    is_counting = False

    def record_and_count(recorder: RunRecorder, event: Event) -> None:
        nonlocal is_counting
        record(recorder, event)
        if isinstance(event, StepFinished) and not is_counting:
            is_counting = True
            die_at_change(change)

    RunRecorder.record = record_and_count  # type: ignore[method-assign]


if __name__ == "__main__":
    if change := int(sys.argv.pop(1)):
        die_after_a_step(change)
    sys.exit(main())
