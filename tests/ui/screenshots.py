"""Pictures of every place and state, in both themes and three sizes, to be looked at.

`python -m tests.ui.screenshots FOLDER [--only NAME,NAME] [--language de]` takes a few minutes. Its
runs are in a temporary home.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.core.files.paths import HOME_VARIABLE, resources_dir
from app.core.text.translation import LANGUAGES, SOURCE, use_language


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--language", choices=LANGUAGES, default=SOURCE)
    return parser.parse_args()


if __name__ == "__main__":  # the imports below make texts
    ASKED = arguments()
    use_language(ASKED.language, resources_dir() / "languages")

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QWidget

from app.application import Nestling
from app.ui.state.window_pages import Place
from app.ui.system import file_manager
from app.ui.system.language import translate_qt
from app.ui.system.qt_application import make_application
from app.ui.system.theme_controller import Look

SIZES_PX = ((1440, 900), (1024, 700), (820, 560))
LOOKS = (Look.LIGHT, Look.DARK)
STEPS = 60
_LOOK_EVERY_MS, _DRAWN_AFTER_MS = 50, 400


class Camera:
    """Takes the window as it stands in every size and theme."""

    def __init__(self, nestling: Nestling, folder: Path, only: str) -> None:
        self._nestling, self._folder, self._only = nestling, folder, only

    def take(self, name: str, shown: QWidget | None = None) -> None:
        if not any(part in name for part in self._only.split(",")):
            return
        for look in LOOKS:
            self._nestling.appearance.choose(look)
            for size in SIZES_PX if shown is None else ((0, 0),):
                if shown is None:
                    self._nestling.window.resize(*size)
                rest(_DRAWN_AFTER_MS)
                picture = (shown or self._nestling.window).grab()
                width = f"-{size[0]}" if shown is None else ""
                picture.save(str(self._folder / f"{name}{width}-{look.value}.png"))


def main(asked: argparse.Namespace) -> None:
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        application = make_application(["nestling"])
        translate_qt(application)
        nestling = Nestling(application)
        nestling.own_the_process()
        try:
            take_all(nestling, Camera(nestling, asked.folder, asked.only), Path(home))
        finally:
            nestling.shut_down()


def take_all(nestling: Nestling, camera: Camera, home: Path) -> None:
    window, state = nestling.window, nestling.state
    window.show()
    wait_until(lambda: nestling.runs.opened.plots_place.plots is not None)
    for place in Place:
        window.show_place(place)
        camera.take(f"empty-{place.name.lower()}")
    nestling.commands.use_sample()
    wait_until(nestling.actions.start.isEnabled)
    wait_until(lambda: state.memory is not None and bool(nestling.data_work.statistics.all))
    window.show_place(Place.NEW_RUN)
    camera.take("plan")
    for title in ("Learn and keep", "By tiers"):
        nestling.new_run.learning.choices[title].click()
        camera.take(f"plan-{title.lower().replace(' ', '-')}")
    window.show_place(Place.DATA)
    for number, tab in enumerate(("examples", "statistics", "problems", "columns")):
        nestling.data.show_view(number)
        camera.take(f"data-{tab}")
    state.change_config(
        steps=STEPS, steps_per_eval=20, steps_per_save=20, slow_every=4, measure_forgetting=True
    )
    nestling.window.show_place(Place.NEW_RUN)
    camera.take("plan-custom")
    train(nestling, camera)
    bad = home / "survey.jsonl"
    bad.write_text('{"prompt": "a", "completion": "b"}\n{"question": 1}\n' * 4, encoding="utf-8")
    nestling.commands.open_path(bad)
    wait_until(lambda: state.config.data == bad and not state.is_inspecting)
    camera.take("bad-data")
    window.show_place(Place.NEW_RUN)
    camera.take("bad-plan")
    nestling.settings_window.show()
    camera.take("settings", nestling.settings_window)
    nestling.settings_window.close()
    look_up(nestling, camera)


def look_up(nestling: Nestling, camera: Camera) -> None:
    nestling.guide.show()
    guide = nestling.guide.window
    assert guide is not None
    for number in range(guide.list.count()):
        guide.list.setCurrentRow(number)
        camera.take(f"guide-{number + 1}", guide)
    guide.search.setText("adapter")  # a word of each language
    camera.take("guide-search", guide)
    guide.close()


def ask_to_quit(nestling: Nestling, camera: Camera) -> None:
    for name, has_dock in (("quit", False), ("quit-with-dock", True)):
        nestling.quitting._has_dock = has_dock
        nestling.quitting.quit()
        question = nestling.quitting.question
        assert question is not None
        camera.take(name, question)
        question.reject()
    nestling.quitting._has_dock = file_manager.HAS_DOCK


def train(nestling: Nestling, camera: Camera) -> None:
    window, state = nestling.window, nestling.state
    nestling.actions.start.trigger()
    camera.take("run-preparing")
    wait_until(lambda: state.step is not None and state.step.step >= 5)
    ask_to_quit(nestling, camera)
    wait_until(lambda: state.step is not None and state.step.step >= 25)
    nestling.actions.pause.trigger()
    wait_until(lambda: nestling.state.phase.name == "PAUSED")
    wait_until(lambda: nestling.runs.opened_run_dir is not None)
    camera.take("run-training")
    for name in ("second", "third"):
        nestling.queue.add(replace(state.config, name=name))
    window.show_place(Place.NEW_RUN)
    camera.take("plan-while-training")
    window.show_place(Place.RUNS)
    nestling.runs.show_list()
    camera.take("runs-while-training")
    nestling.queue.hold()
    nestling.runs.list.selection.select(nestling.runs.list.runs.at(1).run_dir)
    nestling.runs.list.request_delete()
    camera.take("runs-notice")
    nestling.actions.pause.trigger()
    wait_until(lambda: not state.phase.is_active)
    assert state.finished is not None
    nestling.library_commands.open_run(state.finished.run_dir)
    wait_until(lambda: nestling.runs.opened_run_dir is not None)
    for number, part in enumerate(("result", "checkpoints", "run-data", "run-settings", "log")):
        nestling.runs.opened.show_part(number)
        camera.take(part)
    nestling.runs.opened.show_part(0)
    nestling.runs.show_list()
    camera.take("runs")
    window.show_place(Place.PLAYGROUND)
    wait_until(lambda: len(nestling.playground.starters) >= 1)
    camera.take("playground")
    nestling.playground.starters[0].click()
    wait_until(lambda: not nestling.trial.is_answering)
    camera.take("playground-answer")


def rest(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(is_so: Callable[[], bool]) -> None:
    loop = QEventLoop()
    timer = QTimer(interval=_LOOK_EVERY_MS)
    timer.timeout.connect(lambda: loop.quit() if is_so() else None)
    timer.start()
    loop.exec()


if __name__ == "__main__":
    main(ASKED)
