"""Pictures of every place and state, in both themes and three sizes, to be looked at.

`python -m tests.ui.screenshots FOLDER [--only NAME,NAME] [--language de]` takes a few minutes. Its
runs are in a temporary home.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.core.errors import Failure
from app.core.events import RetentionMeasured
from app.core.files.paths import HOME_VARIABLE, resources_dir, runs_dir
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

from PySide6.QtCore import QEventLoop, QPoint, QTimer
from PySide6.QtWidgets import QMessageBox, QScrollArea, QWidget

from app.application import Nestling
from app.library.reading.run_summary import RunSummary
from app.ui.run.run_view import LOG
from app.ui.state.window_pages import Place
from app.ui.system import file_manager
from app.ui.system.language import translate_qt
from app.ui.system.qt_application import make_application
from app.ui.system.theme_controller import Look
from tests.conftest import write_run

SIZES_PX = ((1440, 900), (1024, 700), (820, 560))
LOOKS = (Look.LIGHT, Look.DARK)
STEPS = 60
_LOOK_EVERY_MS, _DRAWN_AFTER_MS = 50, 400


class Camera:
    """Takes the window as it stands in every size and theme."""

    def __init__(self, nestling: Nestling, folder: Path, only: str) -> None:
        self._nestling, self._folder, self._only = nestling, folder, only

    def take(
        self, name: str, shown: QWidget | None = None, scrolled_to: QWidget | None = None
    ) -> None:
        """The window, or `shown` beside it; `scrolled_to` is brought to the top of its column."""
        if not any(part in name for part in self._only.split(",")):
            return
        for look in LOOKS:
            self._nestling.appearance.choose(look)
            for size in SIZES_PX if shown is None else ((0, 0),):
                if shown is None:
                    self._nestling.window.resize(*size)
                rest(_DRAWN_AFTER_MS)
                if scrolled_to is not None:
                    scroll_to(scrolled_to)
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
        steps=STEPS, steps_per_eval=20, steps_per_save=20, slow_every=4, measure_forgetting=True,
        learning_rate=1e-3,
    )  # fmt: skip
    nestling.window.show_place(Place.NEW_RUN)
    camera.take("plan-custom")
    nestling.new_run.tiers.show()
    camera.take("plan-tiers", scrolled_to=nestling.new_run.tiers)
    nestling.new_run.form.advanced.toggle.setChecked(True)
    camera.take("plan-advanced", scrolled_to=nestling.new_run.form)
    for field in ("weight_decay", "seed"):
        camera.take(f"plan-advanced-{field}", scrolled_to=nestling.new_run.form.fields[field])
    nestling.new_run.form.advanced.toggle.setChecked(False)
    train(nestling, camera, home)
    compare(nestling, camera)
    study(nestling, camera, home)
    meet_errors(nestling, camera, home)
    map_columns(nestling, camera, home)
    bad = home / "survey.jsonl"
    bad.write_text('{"prompt": "a", "completion": "b"}\n{"question": 1}\n' * 4, encoding="utf-8")
    nestling.commands.open_path(bad)
    wait_until(lambda: state.config.data == bad and not state.is_inspecting)
    camera.take("bad-data")
    nestling.data.problems.table.select_rows([0])
    nestling.data.problems.table.doubleClicked.emit(nestling.data.problems.model.index(0, 0))
    row_shown = nestling.data.problems.opened
    assert row_shown is not None
    wait_until(lambda: bool(row_shown.text.toPlainText()))
    camera.take("problem-row", row_shown)
    row_shown.close()
    window.show_place(Place.NEW_RUN)
    camera.take("bad-plan")
    nestling.settings_window.show()
    camera.take("settings", nestling.settings_window)
    nestling.settings_window.close()
    look_up(nestling, camera)


def kept(number: int) -> tuple[RetentionMeasured, ...]:
    """A made-up change from the base."""
    return tuple(RetentionMeasured(step, step * (number + 1) / 100, 4) for step in (0, 20, 40, 60))


def compare(nestling: Nestling, camera: Camera) -> None:
    for number, rate in enumerate((1e-4, 3e-4)):
        write_run(runs_dir() / f"made-up-{number}", steps=STEPS, saves=(20, 40, 60),
                  name=f"survey {rate}", learning_rate=rate, scores=kept(number))  # fmt: skip
    nestling.window.show_place(Place.RUNS)
    nestling.runs.show_list()
    nestling.library_commands.refresh()
    wait_until(lambda: len(over(nestling)) >= 3)
    nestling.library_commands.compare(tuple(over(nestling)[:3]))
    wait_until(nestling.runs.compared.isVisible)
    camera.take("compare")


def over(nestling: Nestling) -> list[RunSummary]:
    runs = nestling.runs.list.runs
    rows = (runs.at(row) for row in range(runs.rowCount()))
    return [run for run in rows if isinstance(run, RunSummary)]


def meet_errors(nestling: Nestling, camera: Camera, home: Path) -> None:
    failed = write_run(
        runs_dir() / "failed", steps=STEPS, outcome="failed", saves=(20,), name="survey, tiers",
        message="At step 48, tier 1 was due but its weights did not move. This is a fault in "
        "Nestling or MLX, not in your data. Report it with the run's log.",
    )  # fmt: skip
    damaged = write_run(runs_dir() / "damaged", steps=STEPS, name="poems")
    (damaged / "run.json").write_text("{", encoding="utf-8")
    for run in (failed, damaged):
        nestling.library_commands.open_run(run)
        wait_until(lambda run=run: nestling.runs.opened_run_dir == run)
        camera.take(f"run-{run.name}")
    nestling.runs.show_list()
    nestling.library_commands.refresh()
    wait_until(lambda: len(over(nestling)) >= 5)
    camera.take("runs-with-failures")
    models = home / "models"
    for name in ("cut-off", "pickles"):
        (models / name).mkdir(parents=True)
        (models / name / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    (models / "pickles" / "pytorch_model.bin").write_bytes(b"-")
    (models / "cut-off" / "model.safetensors").write_bytes(b"\x40" + bytes(7) + b"{}")
    nestling.window.show_place(Place.MODELS)
    nestling.models_commands.add_folders((models,))
    wait_until(lambda: nestling.models.list.models.rowCount() >= 2)
    nestling.models.list.table.select_rows([nestling.models.list.models.rowCount() - 1])
    camera.take("models-broken")
    (home / "notes.pdf").write_bytes(b"%PDF")
    nestling.window.show_place(Place.NEW_RUN)
    nestling.commands.open_path(home / "notes.pdf")
    wait_until(nestling.window.notice.isVisible)
    camera.take("notice-refused")
    nestling.window.notice.hide()
    trace = "Traceback (most recent call last):\n  …\nIndexError: list index out of range"
    nestling.errors.show_failure(Failure("IndexError", details=trace, is_app_error=False))
    (box,) = nestling.window.findChildren(QMessageBox)
    camera.take("error", box)
    box.reject()


def map_columns(nestling: Nestling, camera: Camera, home: Path) -> None:
    table = home / "fragen.csv"
    table.write_text(
        "Frage,Antwort,Thema\n" + "Was ist das?,Ein Hut.,Mode\n" * 40, encoding="utf-8"
    )
    nestling.commands.open_path(table)
    wait_until(lambda: nestling.state.config.data == table and not nestling.state.is_inspecting)
    wait_until(lambda: len(nestling.data.columns.roles) == 3)
    camera.take("columns-unknown")
    nestling.window.show_place(Place.NEW_RUN)
    camera.take("plan-unknown-columns")
    nestling.window.show_place(Place.DATA)
    roles = nestling.data.columns.roles
    for column, role in (("Frage", "prompt"), ("Antwort", "completion")):
        roles[column].setCurrentIndex(roles[column].findData(role))
        roles[column].activated.emit(roles[column].currentIndex())
    wait_until(lambda: nestling.data.columns.tried.toPlainText() != "")
    camera.take("columns-mapped")


def scroll_to(widget: QWidget) -> None:
    """Its top at the top of the nearest area that scrolls."""
    area = widget.parentWidget()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parentWidget()
    if area is not None:
        top = widget.mapTo(area.widget(), QPoint(0, 0)).y()
        area.verticalScrollBar().setValue(top)


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


def study(nestling: Nestling, camera: Camera, home: Path) -> None:
    """Two tasks by three arms, on the starter model: as it begins, and done."""
    for number, rows in enumerate((("red", "blue", "green"), ("one", "two", "six")), start=1):
        text = "".join(
            json.dumps({"prompt": f"What is {name}?", "completion": reply}) + "\n"
            for name, reply in zip(("Ada", "Bo", "Cy"), rows, strict=True)
        )
        (home / f"task{number}.jsonl").write_text(text * 4, encoding="utf-8")
    file = home / "survey.toml"
    file.write_text(
        """
        acquisition = 0.5
        settings.steps = 60
        settings.steps_per_eval = 60
        settings.validation_split = 0.0
        settings.measure_forgetting = false
        tasks = [{ name = "first", data = "task1.jsonl" },
                 { name = "second", data = "task2.jsonl" }]
        arms = [{ name = "AdamW", tiers = [1], learning_rate = 4e-3 },
                { name = "lasting pull", tiers = [1], learning_rate = 4e-3, lasting_pull = 500.0 },
                { name = "rehearsal", tiers = [1], learning_rate = 4e-3, rehearsal = 0.25 }]
        """
    )
    page = nestling.runs.study
    nestling.opening.open_paths((file,))
    wait_until(page.start.isEnabled)
    camera.take("study-begins")
    page.start.click()
    wait_until(lambda: nestling.study.study is not None and not nestling.study.study.waiting)
    wait_until(lambda: not nestling.state.phase.is_active and page.export_report.isEnabled())
    camera.take("study")
    nestling.runs.show_list()


def ask_to_quit(nestling: Nestling, camera: Camera) -> None:
    for name, has_dock in (("quit", False), ("quit-with-dock", True)):
        nestling.quitting._has_dock = has_dock
        nestling.quitting.quit()
        question = nestling.quitting.question
        assert question is not None
        camera.take(name, question)
        question.reject()
    nestling.quitting._has_dock = file_manager.HAS_DOCK


def continue_run(nestling: Nestling, camera: Camera, home: Path) -> None:
    """The plan of a run that starts from the opened one, and such a run's chain."""
    state, first = nestling.state, nestling.state.config
    more = home / "more.jsonl"
    more.write_text('{"prompt": "What is Ada?", "completion": "Blue."}\n' * 24, encoding="utf-8")
    run = nestling.runs.opened.run
    assert run is not None
    nestling.datasets.open(more, adapter=run.details.summary.adapter_dir, model=first.model)
    wait_until(lambda: state.config.data == more and nestling.actions.start.isEnabled())
    nestling.window.show_place(Place.NEW_RUN)
    camera.take("plan-continues", scrolled_to=nestling.new_run.model)
    state.change_config(name="continued", steps=4)
    nestling.actions.start.trigger()
    wait_until(lambda: state.phase.is_active)
    wait_until(lambda: not state.phase.is_active)
    assert state.finished is not None
    nestling.library_commands.open_run(state.finished.run_dir)
    wait_until(lambda: nestling.runs.opened_run_dir == state.finished.run_dir)
    camera.take("run-chain")
    nestling.runs.show_list()
    state.replace_config(first)
    nestling.datasets.read_again()


def train(nestling: Nestling, camera: Camera, home: Path) -> None:
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
    nestling.runs.list.table.select_rows([1])
    camera.take("runs-waiting-selected")
    nestling.queue.hold()
    nestling.runs.list.selection.select(nestling.runs.list.runs.at(1).run_dir)
    nestling.runs.list.request_delete()
    camera.take("runs-notice")
    nestling.actions.pause.trigger()
    wait_until(lambda: not state.phase.is_active)
    assert state.finished is not None
    run_dir = state.finished.run_dir
    nestling.library_commands.open_run(run_dir)
    wait_until(lambda: nestling.runs.opened_run_dir is not None)
    parts = ("result", "run-questions", "checkpoints", "run-data", "run-settings", "log")
    for number, part in enumerate(parts):
        nestling.runs.opened.show_part(number)
        camera.take(part)
    finder = nestling.runs.opened.finders[LOG]
    finder.begin()
    finder.field.setText("step")
    camera.take("log-find")
    finder.leave()
    nestling.runs.opened.show_part(0)
    nestling.runs.show_list()
    camera.take("runs")
    window.show_place(Place.PLAYGROUND)
    wait_until(lambda: len(nestling.playground.starters) >= 1)
    camera.take("playground")
    nestling.playground.starters[0].click()
    wait_until(lambda: not nestling.trial.is_answering)
    camera.take("playground-answer")
    nestling.library_commands.open_run(run_dir)
    continue_run(nestling, camera, home)


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
