"""Takes the README's two pictures of the window, after the demo has trained.

`python -m tests.ui.readme_pictures` takes a few minutes and writes `.readme/window.png` and
`.readme/try.png`. Its runs are in a temporary home.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QTimer

from app.application import Nestling
from app.core.config.presets import demo_config
from app.core.files.paths import HOME_VARIABLE
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.ui.system.qt_application import make_application
from app.ui.system.theme_controller import Look

PICTURES = Path(__file__).parents[2] / ".readme"
SIZE_PX = (1280, 800)
QUESTIONS = 3
_LOOK_EVERY_MS, _DRAWN_AFTER_MS = 50, 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        nestling = Nestling(make_application(["nestling"]), demo_config())
        nestling.own_the_process()
        try:
            take_pictures(nestling)
        finally:
            nestling.shut_down()


def take_pictures(nestling: Nestling) -> None:
    window, state, page = nestling.window, nestling.state, nestling.playground
    nestling.appearance.choose(Look.LIGHT)
    window.resize(*SIZE_PX)
    window.show()
    window.show_place(Place.NEW_RUN)
    wait_until(
        lambda: nestling.actions.start.isEnabled() and nestling.runs.opened.plots is not None
    )
    nestling.actions.start.trigger()
    wait_until(lambda: state.phase in (Phase.FINISHED, Phase.FAILED))
    wait_until(nestling.runs.opened.result.isVisible)
    take(nestling, "window")
    window.show_place(Place.PLAYGROUND)
    wait_until(lambda: len(page.starters) >= QUESTIONS and not nestling.trial.why_not_ask())
    for starter in page.starters[:QUESTIONS]:
        starter.click()
        wait_until(lambda: not nestling.trial.is_answering)
    take(nestling, "try")


def take(nestling: Nestling, name: str) -> None:
    """Save the window as it stands once its plots are drawn; they are redrawn one at a time."""
    loop = QEventLoop()
    QTimer.singleShot(_DRAWN_AFTER_MS, loop.quit)
    loop.exec()
    nestling.window.grab().save(str(PICTURES / f"{name}.png"))


def wait_until(is_so: Callable[[], bool]) -> None:
    loop = QEventLoop()
    timer = QTimer(interval=_LOOK_EVERY_MS)
    timer.timeout.connect(lambda: loop.quit() if is_so() else None)
    timer.start()
    loop.exec()


if __name__ == "__main__":
    main()
