"""A study in the window: opened, trained run after run, stopped, resumed, exported."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.study import study_file
from app.core.files.paths import home_dir, studies_dir
from app.library.reading.study_report import TaskSequence
from app.library.reading.study_results import read_study, study_folder
from app.ui.runs.study_heat_maps import ArmMap, StudyHeatMaps
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.ui.tables.study_model import StudyModel
from tests.benchmarks import forgetting
from tests.made_study import two_tasks


@pytest.fixture
def file(tiny_model: Path, tmp_path: Path) -> Path:
    return two_tasks(tmp_path, tiny_model, 3, '{ name = "AdamW", tiers = [1] }')


@pytest.fixture
def opened(nestling: Nestling, file: Path, qtbot: QtBot) -> Nestling:
    nestling.opening.open_paths((file,))
    qtbot.waitUntil(lambda: nestling.runs.views.currentWidget() is nestling.runs.study)
    return nestling


def cells(nestling: Nestling) -> list[str]:
    model = nestling.runs.study.table_model
    return [model.data(model.index(0, column)) for column in range(model.columnCount())]


def test_it_is_opened_and_shows_the_remaining_runs(opened: Nestling) -> None:
    assert opened.window.place is Place.RUNS
    page = opened.runs.study
    assert page.title.text() == "two"
    assert page.progress_text.text() == "0 of 2 runs done"
    assert cells(opened)[:4] == ["AdamW", "0 of 1", "–", "–"]
    assert (page.start.text(), page.start.isEnabled()) == ("Start", True)
    assert not page.export_report.isEnabled()


def test_it_says_how_much_is_trained_on_which_model_and_where(
    opened: Nestling, tiny_model: Path, tmp_path: Path
) -> None:
    page = opened.runs.study
    assert page.facts.text() == f"1 arm × 1 seed × 2 tasks = 2 runs on {tiny_model.name}"
    assert page.folder.text() == f"· saved in {tmp_path / 'two'}"
    assert page.folder.toolTip() == page.folder.text()


@pytest.fixture
def many(nestling: Nestling, file: Path, qtbot: QtBot) -> Nestling:
    """A study of more runs than are started without a question."""
    file.write_text(f"seeds = {list(range(11))}\n{file.read_text()}")
    nestling.opening.open_paths((file,))
    qtbot.waitUntil(lambda: nestling.runs.views.currentWidget() is nestling.runs.study)
    return nestling


def answer(nestling: Nestling, role: QMessageBox.ButtonRole) -> None:
    question = nestling.runs.study.question
    assert question is not None
    (button,) = (b for b in question.buttons() if question.buttonRole(b) is role)
    button.click()


def test_many_runs_are_started_only_once_the_user_agrees(many: Nestling, qtbot: QtBot) -> None:
    page, control = many.runs.study, many.study
    page.start.click()
    assert page.question is not None
    assert page.question.text() == "Train 22 runs?"
    assert not control.is_going
    answer(many, QMessageBox.ButtonRole.RejectRole)
    assert page.question is None
    assert not control.is_going
    page.start.click()
    answer(many, QMessageBox.ButtonRole.AcceptRole)
    assert control.is_going
    page.stop.click()
    qtbot.waitUntil(lambda: not many.state.phase.is_active and control.run is None)


def test_an_answer_starts_no_other_study(many: Nestling, tmp_path: Path, qtbot: QtBot) -> None:
    page = many.runs.study
    page.start.click()
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "two.toml").read_text())
    many.study.open(other)
    qtbot.waitUntil(lambda: page.title.text() == "other")
    answer(many, QMessageBox.ButtonRole.AcceptRole)
    assert not many.study.is_going


def test_the_list_of_runs_leads_back_to_it(opened: Nestling, file: Path, qtbot: QtBot) -> None:
    runs = opened.runs
    runs.study.back.click()
    line = runs.list.back_to_study
    assert line.isVisible()
    assert line.text.text() == "Study “two”: 0 of 2 runs done"
    runs.study.start.click()
    qtbot.waitUntil(lambda: line.text.text() == "Study “two”: 1 of 2 runs done")
    assert opened.study.is_going
    line.open.click()
    assert runs.views.currentWidget() is runs.study
    opened.study.open(file.with_name("other.toml"))
    assert opened.window.notice.text.text().startswith("“two” is being trained.")
    runs.show_list()
    opened.opening.open_paths((file,))  # it is being trained: shown, not reread
    assert runs.views.currentWidget() is runs.study
    qtbot.waitUntil(lambda: not opened.study.is_going and not opened.state.phase.is_active)
    assert line.text.text() == "Study “two”: 2 of 2 runs done"


def test_without_a_study_there_is_no_line(nestling: Nestling) -> None:
    nestling.window.show_place(Place.RUNS)
    assert nestling.runs.list.isVisible()
    assert not nestling.runs.list.back_to_study.isVisible()


def test_it_is_opened_again_from_the_recent_ones(
    opened: Nestling, file: Path, qtbot: QtBot
) -> None:
    assert opened.recent.items()[0] == ("two (study)", file)
    opened.runs.show_list()
    opened._prepare_file_menu()
    opened.menus.recent.actions()[0].trigger()
    qtbot.waitUntil(lambda: opened.runs.views.currentWidget() is opened.runs.study)


def test_each_header_explains_its_column() -> None:
    model = StudyModel()
    across, tip = Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
    tips = [model.headerData(column, across, tip) for column in range(model.columnCount())]
    assert tips[0] == "<qt>One way of learning, with its settings.</qt>"
    assert len(set(tips)) == len(tips)
    assert all(text.endswith(".</qt>") for text in tips)


def test_all_runs_are_trained_and_the_results_shown(
    opened: Nestling, file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    page, control = opened.runs.study, opened.study
    followed = []
    opened.state.phase_changed.connect(
        lambda: (
            followed.append(opened.state.is_followed)
            if opened.state.phase is Phase.FINISHED
            else None
        )
    )
    page.start.click()
    assert control.is_going
    qtbot.waitUntil(lambda: not control.is_going and not opened.state.phase.is_active)
    qtbot.waitUntil(lambda: page.progress_text.text() == "2 of 2 runs done")
    one = read_study(file).sequences[0]
    assert cells(opened)[1:4] == ["1 of 1", "6", f"{one.learned:.3f}"]
    assert page.maps.maps == (ArmMap("AdamW", one.accuracy),)
    assert followed == [True, False]  # one notification, at the end
    assert not page.start.isEnabled()
    assert (study_folder(file) / "report.md").exists()
    opened.library_commands.exports.save_picture(page.picture, "two", tmp_path / "two.png")
    qtbot.waitUntil((tmp_path / "two.png").exists)


def test_a_stopped_study_resumes_where_it_was(opened: Nestling, qtbot: QtBot) -> None:
    page, control, state = opened.runs.study, opened.study, opened.state
    page.start.click()
    qtbot.waitUntil(lambda: state.step is not None and state.step.step >= 1)
    page.stop.click()
    qtbot.waitUntil(lambda: not state.phase.is_active)
    qtbot.waitUntil(lambda: control.run is None and page.start.isEnabled())
    assert not control.is_going
    assert control.study is not None
    left = len(control.study.waiting)
    assert left >= 1
    page.start.click()
    qtbot.waitUntil(lambda: control.study is not None and not control.study.waiting)
    qtbot.waitUntil(lambda: not state.phase.is_active)


def test_it_waits_for_another_run(opened: Nestling) -> None:
    opened.state.set_phase(Phase.RUNNING)
    page = opened.runs.study
    assert not page.start.isEnabled()
    opened.study.start()
    assert not opened.study.is_going
    opened.state.set_phase(Phase.IDLE)
    assert page.start.isEnabled()


def test_a_file_that_is_no_study_is_reported(
    opened: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "bad.toml").write_text("arms = 1")
    opened.opening.open_paths((tmp_path / "bad.toml",))
    qtbot.waitUntil(lambda: "needs [[tasks]]" in opened.window.notice.text.text())


def test_a_study_is_distinguished_from_settings(file: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("steps = 3")
    (tmp_path / "two").mkdir()
    assert study_file(file) == file
    assert study_file(tmp_path / "two") == file
    assert study_file(tmp_path / "run.toml") is None
    assert study_file(tmp_path) is None


@pytest.mark.usefixtures("own_home")
def test_the_shipped_study_is_the_one_that_is_made(tmp_path: Path) -> None:
    """And it can be read as it is."""
    forgetting.make(tmp_path, forgetting.ARMS)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 5
    for name in made:
        assert (tmp_path / name).read_bytes() == (studies_dir() / name).read_bytes()
    study = read_study(studies_dir() / "four-tasks.toml")
    assert study.folder == home_dir() / "studies" / "four-tasks"
    assert len(study.runs) == len(forgetting.ARMS) * 4 * 5
    assert all(run.config.data is not None and run.config.data.exists() for run in study.runs)


def test_heat_maps_take_as_many_lines_as_they_need(qtbot: QtBot) -> None:
    maps = StudyHeatMaps()
    qtbot.addWidget(maps)
    one = TaskSequence("a", 0, ((0.9, 0.0), (0.4, 1.0)), 0.1, 3)
    maps.show_maps([ArmMap(str(n), one.accuracy) for n in range(4)])
    assert maps.heightForWidth(10_000) * 4 == maps.heightForWidth(10)
    assert "after task 2: 0.40, 1.00" in maps.accessibleDescription()
    maps.resize(900, maps.heightForWidth(900))
    assert not maps.grab().isNull()
