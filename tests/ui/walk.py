"""Walks through the window by the X server's own mouse and keyboard, under a window manager.

`python -m tests.ui.walk` starts Xvfb and openbox itself and says each thing that it did. It needs
xdotool. Nothing in it calls the window: it clicks, types, drags, and then reads what came of it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, QMimeData, QModelIndex, QPoint, Qt, QTimer, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QTableView,
    QWidget,
)

from app.application import Nestling
from app.core.files.paths import HOME_VARIABLE, starter_model_dir
from app.ui.state.window_pages import Place
from app.ui.system.qt_application import make_application
from tests.patience import patience

TOOLS = ("Xvfb", "openbox", "xdotool")
SIZE_PX = (1280, 860)
_SCREEN, _SETTLED_MS, _LOOK_EVERY_MS = "1600x1000x24", 250, 50


def main() -> int:
    """Under an X server of its own, in a process that begins with its display."""
    with x_server() as display, tempfile.TemporaryDirectory() as home:
        environment = os.environ | {
            "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", HOME_VARIABLE: f"{home}/nestling",
            "HF_HOME": f"{home}/hf", "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        walking = [sys.executable, "-m", "tests.ui.walk", "--inside", home]
        return subprocess.run(walking, env=environment, check=False).returncode


@contextmanager
def x_server() -> Iterator[str]:
    """The name of a display with a window manager."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", _SCREEN, "-nolisten", "tcp"],
        pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as pipe:
        display = f":{pipe.readline().strip()}"
    manager = subprocess.Popen(
        ["openbox", "--sm-disable"], env=os.environ | {"DISPLAY": display},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield display
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait()


def xdotool(*arguments: object) -> None:
    subprocess.run(["xdotool", *map(str, arguments)], check=True)
    settle()


def settle(milliseconds: int = _SETTLED_MS) -> None:
    """Quitting ends loops of events for good, so they are taken out one by one."""
    is_over: list[bool] = []
    QTimer.singleShot(milliseconds, lambda: is_over.append(True))
    while not is_over:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def wait_until(is_so: Callable[[], object], what: str) -> None:
    with patience() as is_over:
        while not is_so():
            assert not is_over(), f"never so: {what}"
            settle(_LOOK_EVERY_MS)


def click(widget: QWidget, at: QPoint | None = None, *, button: int = 1, times: int = 1) -> None:
    wait_until(lambda: widget.isVisible() and widget.isEnabled(), f"{_name(widget)} can be clicked")
    area = widget.parentWidget()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parentWidget()
    if area is not None:
        area.ensureWidgetVisible(widget)
        settle()
    place = widget.mapToGlobal(at or widget.rect().center())
    beneath = QApplication.widgetAt(place)
    is_there = beneath is not None and (beneath is widget or widget.isAncestorOf(beneath))
    assert is_there or isinstance(beneath, QMenu), f"{_name(widget)} lies beneath {beneath}"
    xdotool("mousemove", place.x(), place.y())
    xdotool("click", "--repeat", times, "--delay", 60, button)


def _name(widget: QWidget) -> str:
    return widget.text() if isinstance(widget, QPushButton) else repr(widget)


def keys(*names: str) -> None:
    xdotool("key", "--clearmodifiers", *names)


def typed(text: str) -> None:
    xdotool("type", "--delay", 8, text)


def click_row(table: QTableView, row: int, *, times: int = 1) -> None:
    at = table.visualRect(table.model().index(row, 0, QModelIndex())).center()
    click(table.viewport(), at, times=times)


def choose_file(path: Path) -> None:
    """In Qt's own panel, by the keyboard."""
    wait_until(lambda: _panels() != [], "a file panel is open")
    settle(2 * _SETTLED_MS)
    keys("ctrl+a")
    typed(str(path))
    keys("Return")
    wait_until(lambda: _panels() == [], "the file panel is closed")


def _panels() -> list[QWidget]:
    tops = QApplication.topLevelWidgets()
    return [one for one in tops if isinstance(one, QFileDialog) and one.isVisible()]


def choose_menu(nestling: Nestling, title: str, item: str) -> None:
    bar = nestling.window.menuBar()
    (head,) = [one for one in bar.actions() if one.text().replace("&", "") == title]
    click(bar, bar.actionGeometry(head).center())
    menu = head.menu()
    assert isinstance(menu, QMenu)
    wait_until(menu.isVisible, f"the menu {title} is open")
    (action,) = [one for one in menu.actions() if one.text().replace("&", "") == item]
    click(menu, menu.actionGeometry(action).center())


class FileIcon(QLabel):
    """A file in a file manager: it can be dragged out."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.name)
        self._path = path
        self.setWindowFlags(Qt.WindowType.WindowStaysOnTopHint)
        self.resize(180, 60)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        drag, what = QDrag(self), QMimeData()
        what.setUrls([QUrl.fromLocalFile(str(self._path))])
        drag.setMimeData(what)
        drag.exec(Qt.DropAction.CopyAction)


def drag_in(nestling: Nestling, path: Path) -> None:
    icon = FileIcon(path)
    icon.show()
    icon.move(1300, 40)
    settle(2 * _SETTLED_MS)
    start = icon.mapToGlobal(icon.rect().center())
    end = nestling.window.mapToGlobal(nestling.window.rect().center())
    steps: list[object] = ["mousemove", start.x(), start.y(), "sleep", 0.2, "mousedown", 1]
    for share in (0.02, 0.1, 0.4, 0.7, 0.95, 1.0, 1.0):
        way = start + (end - start) * share
        steps += ["sleep", 0.15, "mousemove", way.x(), way.y()]
    hand = subprocess.Popen(["xdotool", *map(str, [*steps, "sleep", 0.5, "mouseup", 1])])
    wait_until(lambda: hand.poll() is not None, "the drag is over")
    icon.close()
    settle()


def open_window() -> Nestling:
    nestling = Nestling(QApplication.instance())  # type: ignore[arg-type]
    nestling.own_the_process()
    QApplication.instance().setQuitOnLastWindowClosed(False)  # type: ignore[union-attr]
    nestling.window.resize(*SIZE_PX)
    nestling.window.show()
    wait_until(lambda: nestling.runs.opened.plots_place.plots is not None, "the window is up")
    wait_until(nestling.window.isActiveWindow, "the window manager gives it the keys")
    return nestling


def set_number(nestling: Nestling, name: str, text: str) -> None:
    field = nestling.new_run.form.fields[name].control
    click(field, times=3)
    keys("ctrl+a")
    typed(text)
    keys("Return")


def is_over(nestling: Nestling) -> bool:
    return not nestling.state.phase.is_active and nestling.runs.opened_run_dir is not None


# -- the walks -------------------------------------------------------------------------------
def first_run(nestling: Nestling, home: Path) -> None:
    click(nestling.new_run.hero.sample)
    wait_until(nestling.actions.start.isEnabled, "the demo can start")
    click(nestling.new_run.header.start)
    head = nestling.runs.opened.head
    wait_until(lambda: nestling.window.place is Place.RUNS, "the run's page is shown")
    wait_until(head.attempt.isVisible, "the demo has ended")
    result = nestling.runs.opened.result.text.text()
    assert "New facts: learned 29 of 29." in result, result
    click(head.attempt)
    wait_until(lambda: nestling.playground.starters, "the Playground suggests a question")
    click(nestling.playground.starters[0])
    wait_until(lambda: nestling.trial.is_answering, "both models answer")
    wait_until(lambda: not nestling.trial.is_answering, "both models have answered")
    keys("ctrl+2")
    click(head.export)
    (home / "export").mkdir()
    choose_file(home / "export")
    wait_until(lambda: list(home.glob("export/*/adapters.safetensors")), "the adapter is exported")


def own_data(nestling: Nestling, home: Path) -> Nestling:
    rows = [json.dumps({"prompt": f"What is {n}?", "completion": f"{n}."}) for n in range(60)]
    file = home / "mine.jsonl"
    file.write_text("\n".join([*rows, '{"question": 1}']) + "\n", encoding="utf-8")
    keys("ctrl+1")
    drag_in(nestling, file)
    problems = nestling.data.problems
    wait_until(lambda: nestling.state.config.data == file, "the dropped file is the dataset")
    assert nestling.state.config.learning_rate != 1e-3, "the demo's learning rate has leaked"
    if nestling.window.place is not Place.DATA:
        click(nestling.new_run.header.show_data)
    wait_until(lambda: problems.table.isVisible() and problems.model.rowCount(), "it is listed")
    click_row(problems.table, 0, times=2)
    wait_until(lambda: problems.opened is not None and problems.opened.isVisible(), "a dialog")
    opened = problems.opened
    assert opened is not None
    assert "line 61" in opened.windowTitle()
    wait_until(lambda: "question" in opened.text.toPlainText(), "the line is shown")
    keys("Escape")
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    wait_until(lambda: problems.reread.isEnabled(), "the file can be read again")
    if problems.reread.isVisible():
        click(problems.reread)
    wait_until(lambda: not problems.counts, "no problem is left")
    keys("ctrl+1")
    set_number(nestling, "steps", "120")
    wait_until(nestling.actions.start.isEnabled, "own data can be trained on")
    click(nestling.new_run.header.start)
    state = nestling.state
    wait_until(lambda: state.step is not None and state.step.step >= 20, "20 steps are done")
    click(nestling.runs.opened.head.pause)
    wait_until(lambda: state.phase.name == "PAUSED", "the run is paused")
    keys("ctrl+q")
    wait_until(lambda: nestling.quitting.question is not None, "quitting asks")
    keys("Return")
    wait_until(lambda: not nestling.window.isVisible(), "the window is closed")
    close(nestling)
    return open_window()


def close(nestling: Nestling) -> None:
    nestling.shut_down()
    nestling.window.deleteLater()
    nestling.deleteLater()
    settle(2 * _SETTLED_MS)


def resumed(nestling: Nestling, home: Path) -> None:
    plan = nestling.state.config
    assert (plan.data, plan.steps) == (home / "mine.jsonl", 120), "the plan is remembered"
    table, runs = nestling.runs.list.table, nestling.runs
    wait_until(runs.opened.head.resume.isVisible, "the stopped run's page is there again")
    click(runs.opened.head.resume)
    wait_until(lambda: nestling.state.phase.is_active, "the run is resumed")
    wait_until(lambda: is_over(nestling), "the run has ended")
    wait_until(lambda: "All 120 steps" in runs.opened.result.effort.text(), "all steps are done")
    click(runs.opened.head.back)
    wait_until(lambda: runs.list.runs.rowCount() == 2 and table.isVisible(), "two runs are listed")
    click_row(table, 0)
    keys("shift+Down")
    click(runs.list.buttons.compare)
    wait_until(runs.compared.isVisible, "the runs are compared")
    click(runs.compared.back)
    wait_until(table.isVisible, "the runs are listed again")
    click_row(table, 1)
    keys("Delete")
    wait_until(lambda: runs.list.runs.rowCount() == 1, "a run is in the Trash")
    keys("ctrl+z")
    wait_until(lambda: runs.list.runs.rowCount() == 2, "it is back")


def mapped(nestling: Nestling, home: Path) -> None:
    file = home / "fragen.csv"
    rows = "".join(f"Was ist {n}?,Das ist {n}.,Zahl\n" for n in range(40))
    file.write_text(f"Frage,Antwort,Thema\n{rows}", encoding="utf-8")
    keys("ctrl+1")
    choose_menu(nestling, "File", "Open…")
    choose_file(file)
    columns = nestling.data.columns
    wait_until(lambda: list(columns.roles) == ["Frage", "Antwort", "Thema"], "columns are shown")
    wait_until(columns.isVisible, "the page Columns is in front")
    for column, role in (("Frage", "Prompt"), ("Antwort", "Completion")):
        choose(columns.roles[column], role)
    click(columns.use)
    wait_until(nestling.actions.start.isEnabled, "the mapped file can be trained on")


def choose(box: QComboBox, text: str) -> None:
    click(box)
    wait_until(box.view().isVisible, "the list is open")
    typed(text[:4])
    keys("Return")
    wait_until(lambda: box.currentText() == text, f"{text} is chosen")


def found_model(nestling: Nestling, home: Path) -> None:
    models = nestling.models.list
    keys("ctrl+4")
    wait_until(lambda: models.models.rowCount() >= 1, "a model in the Hugging Face cache is found")
    click_row(models.table, 0)
    click(models.details.use)
    wait_until(lambda: str(home / "hf") in str(nestling.state.config.model), "it is the base model")
    wait_until(nestling.actions.start.isEnabled, "it can be trained")


def queue_of_three(nestling: Nestling, _: Path) -> None:
    keys("ctrl+1")
    set_number(nestling, "steps", "30")
    before = nestling.runs.list.runs.rowCount()
    click(nestling.new_run.header.start)
    wait_until(lambda: nestling.state.phase.is_active, "the first one trains")
    for _number in range(2):
        keys("ctrl+1")
        click(nestling.new_run.header.queue)
    wait_until(lambda: not nestling.queue.runs and not nestling.state.phase.is_active, "all ended")
    keys("ctrl+2")
    wait_until(lambda: nestling.runs.list.runs.rowCount() == before + 3, "three runs more")


def inside(home: Path) -> None:
    snapshot = home / "hf" / "hub" / "models--someone--small" / "snapshots" / "1"
    shutil.copytree(starter_model_dir(), snapshot)
    application = make_application(["nestling"])
    assert application.platformName() == "xcb"
    nestling = open_window()
    for walk in (first_run, own_data, resumed, queue_of_three, mapped, found_model):
        try:
            nestling = walk(nestling, home) or nestling  # type: ignore[func-returns-value]
        except AssertionError:
            seen = Path(tempfile.gettempdir()) / "nestling-walk.png"
            QApplication.primaryScreen().grabWindow(0).save(str(seen))
            print(f"{walk.__name__} ended here: {seen}", file=sys.stderr)
            raise
        print(walk.__name__, flush=True)
    close(nestling)


if __name__ == "__main__":
    if "--inside" in sys.argv:
        inside(Path(sys.argv[-1]))
    else:
        sys.exit(main())
