"""The search for garbage that Python's reference counts don't free: in the GUI thread alone.

By itself Python searches whenever something is made, in whichever thread makes it. Parts of a
window that it finds are destroyed there and then: in a thread that Qt does not expect, or while Qt
connects or disconnects and holds a lock that a part needs in order to go, which waits for ever. The
event loop holds none.
"""

import gc

from PySide6.QtCore import QObject, QTimer, Slot

LOOK_EVERY_MS = 250
YOUNG, MIDDLE, OLD = range(3)
_ENOUGH_MORE = 1.25
"""What has stayed is looked through when there is a quarter more of it, as Python does."""


class GarbageCollector(QObject):
    """Takes the place of Python's own collector from its making until `shut_down`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_automatic = gc.isenabled()
        gc.disable()
        self._stayed = 0
        self._timer = QTimer(self, interval=LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def shut_down(self) -> None:
        """Leave it to Python again, if it was; what is garbage by now goes here and now."""
        if not self._timer.isActive():
            return
        self._timer.stop()
        gc.collect()
        if self._was_automatic:
            gc.enable()

    @Slot()
    def pass_over_what_is_there(self) -> None:
        """Of what exists now, as good as all stays until the process ends: never look through it.

        Modules and their classes are so many that a search among them can be felt.
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
        """The oldest generation that Python itself would search now."""
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
