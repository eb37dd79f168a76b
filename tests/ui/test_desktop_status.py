"""A run while the user is elsewhere: the computer stays awake, the desktop says how it ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSystemTrayIcon, QWidget
from pytestqt.qtbot import QtBot

from app.core.config.training_config import TrainingConfig
from app.core.errors import Failure
from app.core.events import RunFinished
from app.ui.desktop import notifications
from app.ui.desktop.desktop_status import DesktopStatus
from app.ui.desktop.dock import SIDE_PX, Dock
from app.ui.desktop.notifications import Notifications
from app.ui.desktop.sleep_guard import SleepGuard, command
from app.ui.look import icons
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveRun
from app.ui.state.run_state import Phase
from app.ui.system.qt_application import NestlingApplication
from app.ui.system.stored_preferences import Preferences
from app.workers.background_thread import BackgroundThread
from tests.patience import PATIENCE_SECONDS

RECORDING = """#!/bin/sh
echo $$ >> "{pid}"
printf '%s\\n' "$@" > "{arguments}.part"
mv "{arguments}.part" "{arguments}"
{then}
"""
GUARDING = """
import sys
from PySide6.QtCore import QCoreApplication
from app.ui.desktop.sleep_guard import SleepGuard, command
application = QCoreApplication([])
guard = SleepGuard(application, command("linux"))
guard.turn_on()
sys.stdin.read()
"""


class Tool:
    """One of the system's, made up: it writes down its process and its arguments."""

    def __init__(self, folder: Path, name: str, then: str = "") -> None:
        self._pid, self._arguments = folder / f"{name}.pid", folder / f"{name}.arguments"
        path = folder / name
        path.write_text(RECORDING.format(pid=self._pid, arguments=self._arguments, then=then))
        path.chmod(0o700)

    @property
    def was_run(self) -> bool:
        return self._arguments.exists()

    @property
    def arguments(self) -> list[str]:
        return self._arguments.read_text().splitlines()

    @property
    def is_running(self) -> bool:
        try:
            os.kill(int(self._pid.read_text()), 0)  # more than one start is no number
        except ProcessLookupError:
            return False
        return True


@pytest.fixture
def make_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tool]:
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(notifications, "TOOLS", {"darwin": "osascript", "linux": "notify-send"})
    return lambda name, then="": Tool(tools, name, then)


# -- idle sleep ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("platform", "name", "then"),
    [("darwin", "caffeinate", "exec tail -f /dev/null"), ("linux", "systemd-inhibit", "exec cat")],
)
def test_the_tool_runs_while_the_guard_is_on_and_is_gone_afterwards(
    platform: str, name: str, then: str, make_tool: Callable[..., Tool], qapp: QObject, qtbot: QtBot
) -> None:
    tool, guard = make_tool(name, then), SleepGuard(qapp, command(platform))
    guard.turn_on()
    guard.turn_on()
    qtbot.waitUntil(lambda: tool.was_run)
    assert tool.is_running
    idle, until = ("-i", str(os.getpid())) if platform == "darwin" else ("--what=idle", "cat")
    assert idle in tool.arguments
    assert tool.arguments[-1] == until
    guard.turn_off()
    assert not tool.is_running


def test_without_the_tool_nothing_is_reported(
    make_tool: Callable[..., Tool], qapp: QObject
) -> None:
    guard = SleepGuard(qapp, ["no-such-tool"])
    guard.turn_on()
    assert guard.is_on
    guard.turn_off()
    assert not guard.is_on


def test_the_tool_ends_with_an_app_that_is_killed(
    make_tool: Callable[..., Tool], qapp: QObject, qtbot: QtBot
) -> None:
    tool = make_tool("systemd-inhibit", "cat; rm $0")
    killed = subprocess.Popen([sys.executable, "-c", GUARDING], stdin=subprocess.PIPE)
    qtbot.waitUntil(lambda: tool.was_run)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert killed.stdin is not None
    killed.stdin.close()
    qtbot.waitUntil(lambda: not tool.is_running)


# -- the run's course ------------------------------------------------------------------------
class Posted(Notifications):
    """Keeps in mind what would be posted."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent, icons.app_icon())
        self.texts: list[tuple[str, str]] = []

    def post(self, title: str, text: str) -> None:
        self.texts.append((title, text))


class Course:
    """A run of the state, without an engine."""

    def __init__(self, application: NestlingApplication, settings: Preferences) -> None:
        self.state = AppState(TrainingConfig(name="survey"), application)
        self.guard = SleepGuard(self.state, ["no-such-tool"])
        self.posted = Posted(self.state)
        self.dock = Dock(application, icons.app_icon())
        self.desktop_status = DesktopStatus(
            self.state, settings, self.guard, self.posted, self.dock
        )

    def begin(self) -> None:
        self.state.begin_run(self.state.config)

    def finish(self, outcome: str = "finished") -> None:
        message = "All 150 steps are done."
        self.state.take_event(RunFinished(outcome, Path("/r"), None, 150, message))  # type: ignore[arg-type]
        self.state.set_phase(Phase.FINISHED)

    def fail(self) -> None:
        self.state.fail_run(Failure("The disk is full.", "", "", True))


@pytest.fixture
def course(qapp: NestlingApplication, tmp_path: Path) -> Iterator[Course]:
    background = BackgroundThread(qapp)
    made = Course(qapp, Preferences(tmp_path / "settings.ini", background))
    yield made
    made.desktop_status.shut_down()
    background.shut_down()
    made.state.deleteLater()


def test_the_computer_is_kept_awake_while_a_run_trains_and_only_then(course: Course) -> None:
    seen = []
    for act in (
        course.begin,
        lambda: course.state.set_phase(Phase.PAUSED),
        lambda: course.state.set_phase(Phase.RUNNING),
        course.fail,
        course.begin,
        course.finish,
        course.begin,
        course.desktop_status.shut_down,
    ):
        act()
        seen.append(course.guard.is_on)
    assert seen == [True, False, True, False, True, False, True, False]


def test_a_run_s_end_is_posted_to_a_user_who_is_elsewhere(course: Course) -> None:
    course.begin()
    assert not course.posted.texts
    course.finish()
    course.begin()
    course.fail()
    assert course.posted.texts == [
        ("“survey” finished", "All 150 steps are done."),
        ("“survey” failed", "The disk is full."),
    ]


def test_nothing_is_posted_of_a_run_that_the_user_has_stopped(course: Course) -> None:
    course.begin()
    course.finish("stopped")
    assert not course.posted.texts


def test_nothing_is_posted_while_the_window_is_active(course: Course, qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    course.begin()
    course.finish()
    assert not course.posted.texts


def test_notifications_can_be_switched_off(course: Course) -> None:
    assert course.desktop_status.is_notifying
    course.desktop_status.choose_notifying(False)
    course.begin()
    course.finish()
    assert not course.desktop_status.is_notifying
    assert not course.posted.texts


def test_the_run_of_a_clicked_notification_is_asked_for(course: Course, qtbot: QtBot) -> None:
    course.state.begin_run(course.state.config, run_dir=Path("/runs/survey"))
    course.finish()
    with qtbot.waitSignal(course.desktop_status.run_requested) as requested:
        course.posted.clicked.emit()
    assert requested.args == [Path("/runs/survey")]


# -- the Mac's seams -------------------------------------------------------------------------
def test_a_name_is_an_argument_of_the_script_and_never_part_of_it(
    make_tool: Callable[..., Tool], qapp: QObject, qtbot: QtBot
) -> None:
    tool = make_tool("osascript")
    name = '“x" & (do shell script "touch /tmp/y") & "” finished'
    Notifications(qapp, icons.app_icon(), "darwin").post(name, "-e beep")
    qtbot.waitUntil(lambda: tool.was_run)
    assert tool.arguments[-2:] == [name, "-e beep"]
    assert all("do shell" not in argument for argument in tool.arguments[:-2])


def test_a_desktop_that_reads_tags_finds_none(
    make_tool: Callable[..., Tool], qapp: QObject, qtbot: QtBot
) -> None:
    tool = make_tool("notify-send")
    Notifications(qapp, icons.app_icon(), "linux").post("“<b>a&b</b>” failed", "Why.")
    qtbot.waitUntil(lambda: tool.was_run)
    assert tool.arguments == ["--app-name=Nestling", "--", "“‹b›a＆b‹/b›” failed", "Why."]


@pytest.mark.qt_log_ignore("systemTrayWindowChanged")
def test_where_there_is_a_tray_it_posts_and_a_click_is_noticed(
    qapp: QObject, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    posted: list[tuple[str, str]] = []

    class Tray(QSystemTrayIcon):
        def showMessage(self, title: str, text: str, _icon: object) -> None:  # type: ignore[override]
            posted.append((title, text))

        @staticmethod
        def isSystemTrayAvailable() -> bool:
            return True

    monkeypatch.setattr(notifications, "QSystemTrayIcon", Tray)
    made = Notifications(qapp, icons.app_icon(), "linux")
    made.post("“survey” finished", "All 150 steps are done.")
    assert posted == [("“survey” finished", "All 150 steps are done.")]
    tray = made._tray
    assert tray is not None
    assert tray.isVisible()
    with qtbot.waitSignal(made.clicked):
        tray.messageClicked.emit()
    with qtbot.waitSignal(made.clicked):
        tray.activated.emit(QSystemTrayIcon.ActivationReason.Trigger)
    made.clear()
    assert not tray.isVisible()


def test_the_dock_icon_shows_how_far_the_run_is(course: Course, qapp: NestlingApplication) -> None:
    plain = qapp.windowIcon()
    try:
        fills = []
        for share in (0.1, 0.9):
            course.desktop_status.show_progress(LiveRun(Path("/r"), 1, None, "live", share))
            picture = qapp.windowIcon().pixmap(SIDE_PX).toImage()
            accent = QColor("#3fb8a0")
            fills.append(sum(picture.pixelColor(x, 201) == accent for x in range(SIDE_PX)))
        assert 0 < fills[0] < fills[1]
        course.desktop_status.show_progress(None)
        assert (
            qapp.windowIcon().pixmap(SIDE_PX).toImage()
            == icons.app_icon().pixmap(SIDE_PX).toImage()
        )
    finally:
        qapp.setWindowIcon(plain)


def test_the_badge_counts_unseen_endings_until_the_user_is_back(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    monkeypatch.setattr(course.dock, "show_count", counts.append)
    for _ in range(2):
        course.begin()
        course.finish()
    course.desktop_status.note_application_state(Qt.ApplicationState.ApplicationInactive)
    course.desktop_status.note_application_state(Qt.ApplicationState.ApplicationActive)
    assert counts == [1, 2, 0]
