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
from app.ui.runs.runs_page import RunsPage
from app.ui.runs.study_heat_maps import ArmMap, StudyHeatMaps
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.ui.tables.study_model import StudyModel
from tests.benchmarks import forgetting
from tests.made_study import two_tasks
from tests.ui.page_windows import Library


@pytest.fixture
def file(tiny_model: Path, tmp_path: Path) -> Path:
    return two_tasks(tmp_path, tiny_model, 3, '{ name = "AdamW", tiers = [1] }')


@pytest.fixture
def opened(library: Library, file: Path, qtbot: QtBot) -> Library:
    open_study(library, file, qtbot)
    return library


def open_study(library: Library, file: Path, qtbot: QtBot) -> None:
    library.services.study.open(file)
    qtbot.waitUntil(lambda: library.runs.views.currentWidget() is library.runs.study)


@pytest.fixture
def opened_whole(nestling: Nestling, file: Path, qtbot: QtBot) -> Nestling:
    """In the whole window, as Finder opens it."""
    nestling.opening.open_paths((file,))
    qtbot.waitUntil(lambda: nestling.runs.views.currentWidget() is nestling.runs.study)
    return nestling


def cells(runs: RunsPage) -> list[str]:
    model = runs.study.table_model
    return [model.data(model.index(0, column)) for column in range(model.columnCount())]


def test_it_is_opened_and_shows_the_remaining_runs(opened_whole: Nestling) -> None:
    assert opened_whole.window.place is Place.RUNS
    page = opened_whole.runs.study
    assert page.title.text() == "two"
    assert page.progress_text.text() == "0 of 2 runs done"
    assert cells(opened_whole.runs)[:4] == ["AdamW", "0 of 1", "–", "–"]
    assert (page.start.text(), page.start.isEnabled()) == ("Start", True)
    assert not page.export_report.isEnabled()


def test_it_says_how_much_is_trained_on_which_model_and_where(
    opened: Library, tiny_model: Path, tmp_path: Path
) -> None:
    page = opened.runs.study
    assert page.facts.text() == f"1 arm × 1 seed × 2 tasks = 2 runs on {tiny_model.name}"
    assert page.folder.text() == f"· saved in {tmp_path / 'two'}"
    assert page.folder.toolTip() == page.folder.text()


@pytest.fixture
def many(library: Library, file: Path, qtbot: QtBot) -> Library:
    """A study of more runs than are started without a question."""
    file.write_text(f"seeds = {list(range(11))}\n{file.read_text()}")
    open_study(library, file, qtbot)
    return library


def answer(library: Library, role: QMessageBox.ButtonRole) -> None:
    question = library.runs.study.question
    assert question is not None
    (button,) = (b for b in question.buttons() if question.buttonRole(b) is role)
    button.click()


def test_many_runs_are_started_only_once_the_user_agrees(many: Library, qtbot: QtBot) -> None:
    page, control = many.runs.study, many.services.study
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
    qtbot.waitUntil(lambda: not many.services.state.phase.is_active and control.run is None)


def test_an_answer_starts_no_other_study(many: Library, tmp_path: Path, qtbot: QtBot) -> None:
    page = many.runs.study
    page.start.click()
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "two.toml").read_text())
    many.services.study.open(other)
    qtbot.waitUntil(lambda: page.title.text() == "other")
    answer(many, QMessageBox.ButtonRole.AcceptRole)
    assert not many.services.study.is_going


def test_the_list_of_runs_leads_back_to_it(
    opened_whole: Nestling, file: Path, qtbot: QtBot
) -> None:
    runs = opened_whole.runs
    runs.study.back.click()
    line = runs.list.back_to_study
    assert line.isVisible()
    assert line.text.text() == "Study “two”: 0 of 2 runs done"
    runs.study.start.click()
    qtbot.waitUntil(lambda: line.text.text() == "Study “two”: 1 of 2 runs done")
    assert opened_whole.study.is_going
    line.open.click()
    assert runs.views.currentWidget() is runs.study
    opened_whole.study.open(file.with_name("other.toml"))
    assert opened_whole.window.notice.text.text().startswith("“two” is being trained.")
    runs.show_list()
    opened_whole.opening.open_paths((file,))  # it is being trained: shown, not reread
    assert runs.views.currentWidget() is runs.study
    qtbot.waitUntil(
        lambda: not opened_whole.study.is_going and not opened_whole.state.phase.is_active
    )
    assert line.text.text() == "Study “two”: 2 of 2 runs done"


def test_without_a_study_there_is_no_line(library: Library) -> None:
    assert library.runs.list.isVisible()
    assert not library.runs.list.back_to_study.isVisible()


def test_it_is_opened_again_from_the_recent_ones(
    opened_whole: Nestling, file: Path, qtbot: QtBot
) -> None:
    assert opened_whole.recent.items()[0] == ("two (study)", file)
    opened_whole.runs.show_list()
    opened_whole._prepare_file_menu()
    opened_whole.menus.recent.actions()[0].trigger()
    qtbot.waitUntil(lambda: opened_whole.runs.views.currentWidget() is opened_whole.runs.study)


def test_each_header_explains_its_column() -> None:
    model = StudyModel()
    across, tip = Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
    tips = [model.headerData(column, across, tip) for column in range(model.columnCount())]
    assert tips[0] == "<qt>One way of learning, with its settings.</qt>"
    assert len(set(tips)) == len(tips)
    assert all(text.endswith(".</qt>") for text in tips)


def test_all_runs_are_trained_and_the_results_shown(
    opened: Library, file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    page, control = opened.runs.study, opened.services.study
    followed = []
    opened.services.state.phase_changed.connect(
        lambda: (
            followed.append(opened.services.state.is_followed)
            if opened.services.state.phase is Phase.FINISHED
            else None
        )
    )
    page.start.click()
    assert control.is_going
    qtbot.waitUntil(lambda: not control.is_going and not opened.services.state.phase.is_active)
    qtbot.waitUntil(lambda: page.progress_text.text() == "2 of 2 runs done")
    one = read_study(file).sequences[0]
    assert cells(opened.runs)[1:4] == ["1 of 1", "6", f"{one.learned:.3f}"]
    assert page.maps.maps == (ArmMap("AdamW", one.accuracy),)
    assert followed == [True, False]  # one notification, at the end
    assert not page.start.isEnabled()
    assert (study_folder(file) / "report.md").exists()
    opened.commands.exports.save_picture(page.picture, "two", tmp_path / "two.png")
    qtbot.waitUntil((tmp_path / "two.png").exists)


def test_a_stopped_study_resumes_where_it_was(opened: Library, qtbot: QtBot) -> None:
    page, control, state = opened.runs.study, opened.services.study, opened.services.state
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


def test_it_waits_for_another_run(opened: Library) -> None:
    opened.services.state.set_phase(Phase.RUNNING)
    page = opened.runs.study
    assert not page.start.isEnabled()
    opened.services.study.start()
    assert not opened.services.study.is_going
    opened.services.state.set_phase(Phase.IDLE)
    assert page.start.isEnabled()


def test_a_file_that_is_no_study_is_reported(
    opened_whole: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "bad.toml").write_text("arms = 1")
    opened_whole.opening.open_paths((tmp_path / "bad.toml",))
    qtbot.waitUntil(lambda: "needs [[tasks]]" in opened_whole.window.notice.text.text())


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
