"""Runs Python's cyclic garbage collector on the GUI thread only.

By default Python collects during any allocation, on any thread. Widgets that it finds are destroyed
there: on a thread that Qt doesn't expect, or while Qt connects or disconnects signals and holds a
lock that the destructor needs, which is a deadlock. The event loop holds no such lock.
"""

import gc

from PySide6.QtCore import QObject, QTimer, Slot

LOOK_EVERY_MS = 250
YOUNG, MIDDLE, OLD = range(3)
_ENOUGH_MORE = 1.25
"""The old generation is collected when it has grown by a quarter, as in Python."""


class GarbageCollector(QObject):
    """Replaces Python's automatic collection until `shut_down`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_automatic = gc.isenabled()
        gc.disable()
        self._stayed = 0
        self._timer = QTimer(self, interval=LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def shut_down(self) -> None:
        """Collect once, and enable Python's automatic collection again if it was enabled."""
        if not self._timer.isActive():
            return
        self._timer.stop()
        gc.collect()
        if self._was_automatic:
            gc.enable()

    @Slot()
    def pass_over_what_is_there(self) -> None:
        """Exclude all existing objects from collection, because nearly all of them live until the
        process ends.

        Modules and classes are so many that a collection among them causes a noticeable pause.
        """
        gc.freeze()
        self._stayed = 0

    @Slot()
    def _look(self) -> None:
        generation = self._due()
        if generation is not None:
            gc.collect(generation)
        if generation == OLD:
            self._stayed = _count_old()

    def _due(self) -> int | None:
        """The oldest generation that Python would collect now; None if none is due."""
        counts = zip(gc.get_count(), gc.get_threshold(), strict=True)
        is_due = [count > threshold for count, threshold in counts]
        if not is_due[YOUNG]:
            return None
        if not is_due[MIDDLE]:
            return YOUNG
        has_more = is_due[OLD] and _count_old() > _ENOUGH_MORE * self._stayed
        return OLD if has_more else MIDDLE


def _count_old() -> int:
    return len(gc.get_objects(OLD))
