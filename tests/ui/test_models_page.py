"""The Models page: a table of what is there, facts of the one selected, what to type for more."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QWidget
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TrainingConfig
from app.core.files.paths import starter_model_dir
from app.models.catalog import list_models
from app.models.model_description import ModelDescription
from app.models.remembered_models import read_remembered_models
from app.models.training_memory import TrainingMemory
from app.ui.models.models_commands import ModelMenu, ModelsCommands
from app.ui.models.models_list import MIN_NAME_PX, SPARED
from app.ui.models.models_page import ModelsPage
from app.ui.state.app_state import AppState
from app.ui.state.window_pages import Place
from app.ui.tables.models_model import NAME_COLUMN, PARAMETERS_COLUMN, STATE_COLUMN, ModelsModel
from app.ui.widgets.notice_bar import Notice
from app.workers.background_thread import BackgroundThread
from app.workers.tasks.models import ListedModels
from tests.models.hub_cache import add_to_hub_cache
from tests.models.made_models import write_model
from tests.models.user_home import make_user_home

GB = 10**9
LLAMA = ModelDescription(
    Path("/m/llama"), "mlx-community/Llama-3.2-1B-4bit", "Hugging Face", "llama", 1_235_814_400,
    "4-bit", 695_000_000, 131_072, "llama3.2", memory=TrainingMemory(2 * GB, 7 * GB),
)  # fmt: skip
MISTRAL = replace(
    LLAMA, folder=Path("/m/mistral"), name="org/Mistral-7B", architecture="mistral",
    parameters=7_248_000_000, license="apache-2.0", memory=TrainingMemory(6 * GB, 27 * GB),
)  # fmt: skip
HUGE = replace(
    LLAMA, folder=Path("/m/huge"), name="org/huge", memory=TrainingMemory(90 * GB, 99 * GB),
    used=5.0,
)  # fmt: skip
BROKEN = ModelDescription(
    Path("/m/broken"), "org/broken", "LM Studio", problem="org/broken has no tokenizer.",
    hint="Download it again.", chosen=Path("/m/broken"),
)  # fmt: skip
UNREAD = ModelDescription(Path("/m/new"), "org/new", "Folder", size_bytes=5, is_read=False)
ALL = (HUGE, LLAMA, MISTRAL, BROKEN)


def listed(*models: ModelDescription) -> ListedModels:
    return ListedModels(models, 10 * GB)


@pytest.fixture
def page(qtbot: QtBot) -> ModelsPage:
    made = ModelsPage()
    qtbot.addWidget(made)
    made.resize(1200, 700)
    made.show_models(listed(*ALL))
    return made


def names(page: ModelsPage) -> list[str]:
    model = page.list.models
    return [model.at(row).short_name for row in range(model.rowCount())]


def test_the_heads_of_columns_have_a_name_for_voice_over(page: ModelsPage) -> None:
    assert page.list.table.horizontalHeader().accessibleName() == "Models"


# -- the table ---------------------------------------------------------------------------------


def test_a_model_is_a_row_of_facts(qtmodeltester: ModelTester) -> None:
    model = ModelsModel()
    model.show_models([LLAMA, BROKEN, UNREAD], 10 * GB)
    qtmodeltester.check(model)
    rows = [
        [model.data(model.index(row, column)) for column in range(model.columnCount())]
        for row in range(3)
    ]
    assert rows == [
        ["Llama-3.2-1B-4bit", "1.24 B", "4-bit", "695 MB", "128K", "llama3.2", "Hugging Face",
         "Fits"],
        ["broken", "–", "–", "–", "–", "–", "LM Studio", "Can't be used"],
        ["new", "–", "–", "5 bytes", "–", "–", "Folder", "Reading…"],
    ]  # fmt: skip
    tip = model.data(model.index(1, 0), Qt.ItemDataRole.ToolTipRole)
    assert tip == "org/broken has no tokenizer."


def test_models_sort_by_what_they_mean_and_back_to_recents_first(page: ModelsPage) -> None:
    model = page.list.models
    model.sort(PARAMETERS_COLUMN, Qt.SortOrder.DescendingOrder)
    assert names(page)[0] == "Mistral-7B"
    model.sort(STATE_COLUMN)
    assert names(page) == ["Llama-3.2-1B-4bit", "Mistral-7B", "huge", "broken"]
    model.sort(-1)
    assert names(page) == ["huge", "Llama-3.2-1B-4bit", "Mistral-7B", "broken"]


@pytest.mark.parametrize(
    ("search", "shown", "found"),
    [
        ("LLAMA 4-bit", "", ["Llama-3.2-1B-4bit", "huge"][::-1]),
        ("mlx-community", "", ["Llama-3.2-1B-4bit"]),
        ("apache", "", ["Mistral-7B"]),
        ("", "usable", ["huge", "Llama-3.2-1B-4bit", "Mistral-7B"]),
        ("", "recent", ["huge"]),
        ("nothing like it", "", []),
    ],
)
def test_models_are_searched_and_filtered(
    page: ModelsPage, search: str, shown: str, found: list[str]
) -> None:
    page.search.setText(search)
    page.shown.choose(shown)
    assert names(page) == found
    assert page.list.none_found.isVisibleTo(page) is (not found)
    assert page.list.details.isVisibleTo(page) is bool(found)


def test_the_first_model_is_selected_first_and_a_selection_stays(page: ModelsPage) -> None:
    assert page.list.selected() == HUGE
    page.list.select(MISTRAL.folder)
    page.show_models(listed(replace(UNREAD, is_read=True), *ALL))
    assert page.list.selected() == MISTRAL
    page.list.models.sort(PARAMETERS_COLUMN, Qt.SortOrder.DescendingOrder)
    assert page.list.selected() == MISTRAL
    page.search.setText("broken")
    assert page.list.selected() == BROKEN


# -- the facts of one --------------------------------------------------------------------------


def test_the_facts_of_the_selected_model_are_shown_with_the_verdict(page: ModelsPage) -> None:
    page.list.select(MISTRAL.folder)
    details = page.list.details
    assert details.name.text() == "org/Mistral-7B"
    assert details.state.text() == "Tight"
    assert details.memory.text().startswith("Tight. One example of 512 tokens at a time with")
    assert details.facts["parameters"].text() == "7.25 B (7,248,000,000)"
    assert details.facts["folder"].text() == "/m/mistral"
    assert details.use.isEnabled()


def test_a_model_that_can_t_be_used_says_why_and_what_to_do(page: ModelsPage) -> None:
    page.list.select(BROKEN.folder)
    details = page.list.details
    assert (details.problem.text(), details.hint.text()) == (BROKEN.problem, BROKEN.hint)
    assert not details.use.isEnabled()
    assert BROKEN.problem in details.use.toolTip()
    page.list.select(LLAMA.folder)
    assert not details.problem.isVisibleTo(page)
    assert details.use.isEnabled()


def test_what_a_folder_says_is_never_read_as_html(page: ModelsPage) -> None:
    odd = replace(BROKEN, name="<b>x</b>\n\x1b", problem="<img src=x>", license="<i>")
    page.show_models(listed(odd))
    assert page.list.details.name.text() == "<b>x</b>"
    assert page.list.details.name.textFormat() is Qt.TextFormat.PlainText
    assert page.list.details.facts["license"].text() == "<i>"


# -- keys, menu, drops -------------------------------------------------------------------------


def test_the_page_is_used_by_keys_alone(page: ModelsPage, qtbot: QtBot) -> None:
    used: list[Path] = []
    forgotten: list[Path] = []
    page.list.use_requested.connect(used.append)
    page.list.forget_requested.connect(forgotten.append)
    page.show()
    page.activateWindow()
    page.list.table.setFocus()
    qtbot.waitUntil(page.list.table.hasFocus)
    qtbot.keyClick(page.list.table, Qt.Key.Key_Down)
    qtbot.keyClick(page.list.table, Qt.Key.Key_Return)
    assert used == [LLAMA.folder]
    qtbot.keyClick(page.list.table, Qt.Key.Key_Delete)
    assert forgotten == []
    page.list.select(BROKEN.folder)
    qtbot.keyClick(page.list.table, Qt.Key.Key_Return)
    qtbot.keyClick(page.list.table, Qt.Key.Key_Delete)
    assert (used, forgotten) == ([LLAMA.folder], [BROKEN.folder])
    page.search.setFocus()
    qtbot.keyClicks(page.search, "mistral")
    assert names(page) == ["Mistral-7B"]
    qtbot.keyClick(page.search, Qt.Key.Key_Escape)
    assert (page.search.text(), len(names(page))) == ("", 4)


def test_the_context_menu_offers_what_can_be_done(page: ModelsPage) -> None:
    def offered() -> dict[str, bool]:
        actions = page.list.table.menu().actions()
        return {action.text(): action.isEnabled() for action in actions if action.text()}

    page.list.select(LLAMA.folder)
    assert "Remove from List" not in offered()
    assert offered()["Use in New Run"]
    page.list.select(BROKEN.folder)
    assert not offered()["Use in New Run"]
    assert offered()["Remove from List"]
    path = next(a for a in page.list.table.menu().actions() if a.text() == "Copy Path")
    path.trigger()
    assert QGuiApplication.clipboard().text() == "/m/broken"


def test_folders_that_are_dropped_are_the_page_s_and_all_else_is_the_window_s(
    page: ModelsPage, tmp_path: Path, drop: Callable[[QWidget, Path], bool]
) -> None:
    dropped: list[tuple[Path, ...]] = []
    page.folders_dropped.connect(dropped.append)
    model = write_model(tmp_path / "it", num_hidden_layers=1)
    assert drop(page, model)
    assert dropped == [(model,)]
    dataset = tmp_path / "set"
    dataset.mkdir()
    (dataset / "train.jsonl").write_text("{}")
    assert not drop(page, dataset)
    assert not drop(page, dataset / "train.jsonl")
    assert dropped == [(model,)]


@pytest.mark.parametrize("width", [716 + 48, 1224])
def test_nothing_in_the_header_lies_over_anything_else(
    page: ModelsPage, qtbot: QtBot, width: int
) -> None:
    page.resize(width, 500)
    page.show()
    qtbot.waitExposed(page)
    controls = [page.count, page.search, page.shown, page.more, page.choose]
    seen = [control.geometry() for control in controls if control.isVisible()]
    assert all(left.right() < right.left() for left, right in pairwise(seen))
    assert all(c.width() >= c.minimumSizeHint().width() for c in controls if c.isVisible())


# -- where there are none ----------------------------------------------------------------------


def test_without_models_the_page_says_what_to_type(page: ModelsPage) -> None:
    page.show_models(listed())
    recommended = page.recommended
    assert recommended.isVisibleTo(page)
    assert recommended.title.text() == "No Models Yet"
    assert not recommended.back.isVisibleTo(page)
    recommended.copy_buttons[2].click()
    copied = QGuiApplication.clipboard().text()
    assert copied == "hf download mlx-community/Llama-3.2-1B-Instruct-4bit"
    assert [button.text() for button in recommended.copy_buttons[1:4]] == [
        "Copy Command", "Copied", "Copy Command",
    ]  # fmt: skip


def test_more_models_are_shown_on_request_without_those_that_are_here(page: ModelsPage) -> None:
    here = replace(LLAMA, name="mlx-community/Llama-3.2-1B-Instruct-4bit")
    page.more.click()
    assert page.recommended.isVisibleTo(page)
    before = len(page.recommended.copy_buttons)
    page.show_models(listed(here))
    assert len(page.recommended.copy_buttons) == before - 1
    page.recommended.back.click()
    assert page.list.isVisibleTo(page)


# -- the base model's Choose… ---------------------------------------------------------------


def test_the_base_model_is_chosen_from_those_that_are_known(
    page: ModelsPage, state: AppState
) -> None:
    menu = ModelMenu(state, page, page)
    used: list[Path] = []
    menu.use_requested.connect(used.append)
    state.change_config(model=LLAMA.folder)
    actions = menu.menu().actions()
    assert [action.text() for action in actions] == [
        "Starter model", "org/huge", "mlx-community/Llama-3.2-1B-4bit", "org/Mistral-7B", "",
        "All Models…", "Choose Folder…",
    ]  # fmt: skip
    assert [action.isChecked() for action in actions[:4]] == [False, False, True, False]
    actions[3].trigger()
    assert used == [MISTRAL.folder]


def test_where_no_model_is_known_the_menu_offers_the_starter_model_and_a_folder(
    page: ModelsPage, state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.show_models(listed(BROKEN, UNREAD))
    menu = ModelMenu(state, page, page)
    opened: list[QMenu] = []
    monkeypatch.setattr(QMenu, "popup", lambda shown, _: opened.append(shown))
    used: list[Path] = []
    menu.use_requested.connect(used.append)
    menu.open()
    offered = {action.text(): action for action in opened[0].actions() if action.text()}
    assert list(offered) == ["Starter model", "All Models…", "Choose Folder…"]
    offered["Starter model"].trigger()
    assert used == [starter_model_dir()]


def test_the_folder_of_a_base_model_is_asked_for_by_its_name(nestling: Nestling) -> None:
    nestling.model_menu.folder_requested.emit()
    (dialog,) = nestling.window.findChildren(QFileDialog)
    assert dialog.windowTitle() == "Choose a Model Folder"


# -- with real folders -------------------------------------------------------------------------


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_user_home(tmp_path, monkeypatch)


@pytest.fixture
def state() -> AppState:
    return AppState(TrainingConfig())


@pytest.fixture
def commands(
    qapp: QApplication, user: Path, state: AppState, qtbot: QtBot
) -> Iterator[ModelsCommands]:
    page, window = ModelsPage(), QWidget()
    notice = Notice(window)
    for widget in (page, window):
        qtbot.addWidget(widget)
    background = BackgroundThread()
    yield ModelsCommands(state, page, background, notice, window)
    background.shut_down()


def shown(commands: ModelsCommands) -> list[tuple[str, bool]]:
    models = commands._page.list.models.all_models
    return [(model.short_name, model.is_read) for model in models]


def test_models_on_the_disk_are_listed_once_the_page_is_seen_and_read_after_it(
    commands: ModelsCommands, user: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        write_model(user / ".lmstudio" / "models" / "org" / name, num_hidden_layers=1)
    asked: list[tuple[float, bool]] = []

    def watched(reading_seconds: float) -> list[ModelDescription]:
        is_gui = threading.current_thread() is threading.main_thread()
        asked.append((reading_seconds, is_gui))
        return list_models(reading_seconds)

    monkeypatch.setattr("app.models.catalog.list_models", watched)
    commands._page.show()
    qtbot.waitUntil(lambda: shown(commands) == [("a", True), ("b", True)])
    assert asked[0] == (0.0, False)
    assert not any(is_gui for _, is_gui in asked)


def test_a_folder_that_is_dropped_is_remembered_and_selected_and_can_be_removed(
    commands: ModelsCommands, tmp_path: Path, user: Path, qtbot: QtBot
) -> None:
    write_model(user / ".lmstudio" / "models" / "org" / "a", num_hidden_layers=1)
    model = write_model(tmp_path / "z", num_hidden_layers=1)
    page = commands._page
    page.folders_dropped.emit((model,))
    qtbot.waitUntil(lambda: (found := page.list.selected()) is not None and found.folder == model)
    assert read_remembered_models().folders == (model,)
    page.list.forget_requested.emit(model)
    qtbot.waitUntil(lambda: [name for name, _ in shown(commands)] == ["a"])
    assert model.is_dir()
    commands._notice.action.click()
    qtbot.waitUntil(lambda: [name for name, _ in shown(commands)] == ["a", "z"])


def test_a_selected_model_stays_selected_when_models_are_listed_again(
    commands: ModelsCommands, user: Path, qtbot: QtBot
) -> None:
    for name in "ab":
        write_model(user / ".lmstudio" / "models" / "org" / name, num_hidden_layers=1)
    page = commands._page
    commands.refresh()
    qtbot.waitUntil(lambda: len(commands._models) == 2 and not commands._is_listing)
    second = commands._models[1].folder
    page.list.select(second)
    commands.refresh()
    qtbot.waitUntil(lambda: not commands._is_listing)
    chosen = page.list.selected()
    assert chosen is not None
    assert chosen.folder == second


def test_a_folder_added_during_a_listing_is_selected_by_the_next(
    commands: ModelsCommands, tmp_path: Path, qtbot: QtBot
) -> None:
    model = write_model(tmp_path / "z", num_hidden_layers=1)
    page = commands._page
    commands._is_listing = True  # since before the folder was added
    commands.add_folders((model,))
    qtbot.waitUntil(lambda: commands._is_asked_again)
    commands._take(listed())
    qtbot.waitUntil(lambda: (found := page.list.selected()) is not None and found.folder == model)
    assert commands._notice.isHidden()


def test_a_folder_without_a_model_says_what_it_lacks(
    commands: ModelsCommands, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "empty").mkdir()
    commands.add_folders((tmp_path / "empty",))
    qtbot.waitUntil(lambda: commands._page.list.selected() is not None)
    chosen = commands._page.list.selected()
    assert chosen is not None
    qtbot.waitUntil(lambda: commands._page.list.details.problem.text() != "")
    assert "empty contains no weights" in commands._page.list.details.problem.text()


def test_the_model_of_the_next_run_is_a_recent_one_but_not_the_starter(
    commands: ModelsCommands, state: AppState, user: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    place = user / ".lmstudio" / "models" / "org"
    for name in "ab":
        write_model(place / name, num_hidden_layers=1)
    elsewhere = write_model(tmp_path / "c", num_hidden_layers=1)
    for model in (place / "b", elsewhere, starter_model_dir()):
        state.change_config(model=model)
        commands.note_used()
    qtbot.waitUntil(lambda: len(read_remembered_models().used) == 2)
    commands.refresh()
    qtbot.waitUntil(lambda: [name for name, _ in shown(commands)] == ["c", "b", "a"])
    assert read_remembered_models().folders == (elsewhere,)


def test_a_model_found_in_the_cache_becomes_the_base_model_of_the_next_run(
    build: Callable[..., Nestling], user: Path, tiny_model: Path, qtbot: QtBot
) -> None:
    snapshot = add_to_hub_cache(user / ".cache/huggingface/hub", "org/tiny", tiny_model)
    nestling = build()
    nestling.window.show()
    nestling.window.show_place(Place.MODELS)
    page = nestling.models
    qtbot.waitUntil(lambda: (found := page.list.selected()) is not None and found.is_read)
    page.list.details.use.click()
    qtbot.waitUntil(lambda: nestling.state.config.model == snapshot)
    assert nestling.window.place is Place.NEW_RUN
    assert nestling.new_run.model.name.text() == "tiny"
    assert nestling.new_run.model.facts.text().startswith("47 K · fp32 · ")
    nestling.file_opener.use_starter_model()
    assert not nestling.new_run.model.facts.isVisible()
    qtbot.waitUntil(lambda: str(snapshot) in read_remembered_models().used)


def test_a_narrow_list_does_without_what_tells_models_apart_least(
    page: ModelsPage, qtbot: QtBot
) -> None:
    page.show()
    qtbot.waitExposed(page)
    table, spared = page.list.table, list[int]()
    for width in (2000, 1200, 970, 900):
        page.resize(width, 600)
        hidden = {c for c in range(STATE_COLUMN) if table.isColumnHidden(c)}
        assert hidden == set(SPARED[: len(hidden)])
        spared.append(len(hidden))
        assert table.columnWidth(NAME_COLUMN) >= MIN_NAME_PX
        assert not table.horizontalScrollBar().isVisible()
    assert spared == sorted(spared)
    assert spared[0] == 0 < spared[-1]
