"""Keeps the computer awake during a run, and shows its progress and end on the desktop."""

from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.desktop.dock import Dock
from app.ui.desktop.notifications import Notifications
from app.ui.desktop.sleep_guard import SleepGuard
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveRun
from app.ui.state.run_state import Phase
from app.ui.system.stored_preferences import Preferences

_KEY = "away/notify"


class DesktopStatus(QObject):
    run_requested = Signal(object)
    """Argument: the folder of the run whose notification was clicked; None if it has none."""

    def __init__(
        self,
        state: AppState,
        settings: Preferences,
        guard: SleepGuard,
        notifications: Notifications,
        dock: Dock | None,
    ) -> None:
        super().__init__(state)
        self._state, self._settings = state, settings
        self._guard, self._notifications, self._dock = guard, notifications, dock
        self._ended: Path | None = None
        self._unseen = 0
        state.phase_changed.connect(self._follow_phase)
        notifications.clicked.connect(lambda: self.run_requested.emit(self._ended))

    @property
    def is_notifying(self) -> bool:
        return str(self._settings.value(_KEY, True)).lower() != "false"

    def choose_notifying(self, is_on: bool) -> None:
        self._settings.set(_KEY, is_on)

    @Slot(object)
    def show_progress(self, live: LiveRun | None) -> None:
        if self._dock is not None:
            self._dock.show_progress(live.share if live is not None else None)

    @Slot(object)
    def note_application_state(self, application_state: Qt.ApplicationState) -> None:
        if application_state is Qt.ApplicationState.ApplicationActive:
            self._note_seen()

    def shut_down(self) -> None:
        self._guard.turn_off()
        self._note_seen()
        if self._dock is not None:
            self._dock.show_progress(None)

    def _follow_phase(self) -> None:
        phase = self._state.phase
        if phase.is_active and phase is not Phase.PAUSED:
            self._guard.turn_on()
        else:
            self._guard.turn_off()
        if phase in (Phase.FINISHED, Phase.FAILED):
            self._notify_end()

    def _notify_end(self) -> None:
        """Notify the user, unless the user stopped the run, its study starts another run, or a
        window is active.
        """
        finished, failure = self._state.finished, self._state.run_failure
        is_stopped = finished is not None and finished.outcome == "stopped"
        is_followed = self._state.is_followed and self._state.phase is Phase.FINISHED
        if is_stopped or is_followed or QApplication.activeWindow() is not None:
            return
        self._ended, self._unseen = self._state.run_dir, self._unseen + 1
        if self._dock is not None:
            self._dock.show_count(self._unseen)
        if self.is_notifying:
            name, is_failed = self._state.run_name, self._state.phase is Phase.FAILED
            failed, done = tr("“{name}” failed", name=name), tr("“{name}” finished", name=name)
            message = failure.message if failure else finished.message if finished else ""
            self._notifications.post(failed if is_failed else done, localized(message))

    def _note_seen(self) -> None:
        self._unseen = 0
        self._notifications.clear()
        if self._dock is not None:
            self._dock.show_count(0)
