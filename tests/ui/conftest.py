"""The whole window as the app builds it, or one page of it, with a library of its own."""

import gc
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TrainingConfig
from app.core.files.paths import HOME_VARIABLE, home_dir, runs_dir
from app.library.queue_store import QUEUE_FILE
from app.ui.data.data_page import DataPage
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.run.run_actions import RunActions
from app.ui.runs.runs_view import RunsView
from app.ui.state.app_state import AppState
from app.ui.state.run_control import RunControl
from app.ui.state.run_queue import RunQueue
from app.ui.system.stored_preferences import Preferences
from app.window_services import Services
from app.workers.background_thread import BackgroundThread
from app.workers.compute_thread import ComputeThread
from tests.patience import PATIENCE_MS
from tests.ui.dropped_files import drop
from tests.ui.page_windows import Library, Playground, library_window, playground_window


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, bool, bool]:
    """A window goes as soon as its test has let go of it. Later its parts might be collected while
    Qt connects or disconnects and holds a lock, for which they would wait for ever."""
    is_done = yield
    is_last_of_module = nextitem is None or nextitem.path != item.path
    if is_last_of_module or {"build", "services"} & set(getattr(item, "fixturenames", ())):
        gc.collect()
    return is_done


@pytest.fixture(scope="session")
def _known_objects_are_frozen(tiny_model: Path) -> None:
    """What was there before the first window is looked through no more, so collecting is quick.

    The model's libraries and what a window imports later are there by then.
    """
    import app.engine.training.trainer
    import app.ui.plots.run_plots  # noqa: F401

    gc.collect()
    gc.freeze()


@contextmanager
def whole_windows(qapp: QApplication) -> Iterator[Callable[..., Nestling]]:
    """Make the app, not yet shown, any number of times; each ends with the context."""
    sheet = qapp.styleSheet()
    made: list[Nestling] = []

    def make(config: TrainingConfig | None = None) -> Nestling:
        for before in [*made]:
            if before.settings._is_closed:  # shut down; it would be styled with the new one
                delete(before)
        made.append(Nestling(qapp, config))
        return made[-1]

    def delete(nestling: Nestling) -> None:
        made.remove(nestling)
        nestling.shut_down()
        nestling.window.close()
        nestling.window.deleteLater()
        nestling.deleteLater()
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.ui.desktop.notifications.TOOLS", {})  # the desktop is the developer's
        yield make
    for nestling in [*made]:
        delete(nestling)
    qapp.setStyleSheet(sheet)  # a program begins without one


@pytest.fixture
def build(
    qapp: QApplication, own_home: Path, _known_objects_are_frozen: None
) -> Iterator[Callable[..., Nestling]]:
    """Make the app with a configuration, not yet shown; ended after the test."""
    with whole_windows(qapp) as make:
        yield make


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest, qapp: QApplication, tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory, _known_objects_are_frozen: None,
) -> Iterator[Nestling]:  # fmt: skip
    """The app in sight, one for all tests of a module; none depends on what another changes."""
    home = tmp_path_factory.mktemp("home-of-a-module")
    with pytest.MonkeyPatch.context() as patch, whole_windows(qapp) as make:
        patch.setenv(HOME_VARIABLE, str(home))
        patch.setenv("XDG_DATA_HOME", str(home / "data-home"))
        made = make(TrainingConfig(model=tiny_model))
        made.window.show()
        QtBot(request).waitUntil(lambda: made.runs.opened.plots is not None, timeout=PATIENCE_MS)
        yield made


@pytest.fixture
def nestling(build: Callable[..., Nestling], tiny_model: Path, qtbot: QtBot) -> Nestling:
    """The app in sight, with the tiny model as its base."""
    made = build(TrainingConfig(model=tiny_model))
    made.window.show()
    qtbot.waitUntil(lambda: made.runs.opened.plots is not None)
    return made


@pytest.fixture
def services(
    qapp: QApplication, own_home: Path, tiny_model: Path, _known_objects_are_frozen: None
) -> Iterator[Services]:
    """What works behind a window, without one; the tiny model is the base."""
    made = Services(TrainingConfig(model=tiny_model))
    yield made
    made.shut_down()
    made.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def actions(services: Services) -> RunActions:
    return RunActions(services.state, services.control, services.queue)


@pytest.fixture
def new_run_page(services: Services, actions: RunActions, qtbot: QtBot) -> NewRunPage:
    made = NewRunPage(services.state, services.data_work, actions, services.settings)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def data_page(services: Services, qtbot: QtBot) -> DataPage:
    made = DataPage(services.state, services.data_work)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def library(services: Services, actions: RunActions, qtbot: QtBot) -> Library:
    """The Runs page in sight, before it has read a run."""
    made = library_window(services, actions)
    qtbot.addWidget(made.window)
    made.window.show()
    return made


@pytest.fixture
def playground(services: Services, qtbot: QtBot) -> Playground:
    """The Playground, not yet in sight."""
    made = playground_window(services)
    qtbot.addWidget(made.window)
    return made


def nothing_to_wait_for() -> threading.Event:
    is_free = threading.Event()
    is_free.set()
    return is_free


@pytest.fixture
def queue(qapp: QApplication) -> Iterator[RunQueue]:
    """A queue without a window; its state is its parent."""
    compute, background = ComputeThread(qapp), BackgroundThread(qapp)
    state = AppState(TrainingConfig())
    control = RunControl(state, compute, runs_dir(), nothing_to_wait_for)
    yield RunQueue(state, control, background, home_dir() / QUEUE_FILE)
    background.shut_down()
    compute.shut_down()


@pytest.fixture
def runs_view(queue: RunQueue, tmp_path: Path, qapp: QApplication, qtbot: QtBot) -> RunsView:
    """The list of runs without a window."""
    return make_runs_view(queue, tmp_path, qapp, qtbot)


def make_runs_view(queue: RunQueue, folder: Path, qapp: QApplication, qtbot: QtBot) -> RunsView:
    state = queue.parent()
    assert isinstance(state, AppState)
    made = RunsView(state, queue, Preferences(folder / "s.ini", BackgroundThread(qapp)))
    qtbot.addWidget(made)
    return made


@pytest.fixture(name="drop")
def _drop() -> Callable[[QWidget, Path], bool]:
    return drop
