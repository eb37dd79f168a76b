"""Checks the window: without a screen, it trains a run in its compute thread."""

import os
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer, qInstallMessageHandler
from PySide6.QtGui import QImage

from app.application import Nestling
from app.core.errors import RunError
from app.core.events import RunFinished
from app.self_test.runs import short_run
from app.ui.system.qt_application import make_application

PATIENCE_MS = 60_000
MIN_COLORS = 50
"""The real window has hundreds; an empty one has a few."""
UNREADABLE = ("Could not parse", "Cannot open file", "Could not load")
"""Parts of the messages by which Qt says that it draws without a style sheet or a picture."""
_SAMPLED_EVERY_PX = 3


def check_window(folder: Path) -> str:
    """Show the window, train a short run in it, draw both. Raises RunError."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    complaints: list[str] = []
    qInstallMessageHandler(lambda _kind, _context, text: complaints.append(text))
    application = make_application(["nestling"])
    nestling = Nestling(application, short_run(folder))
    try:
        nestling.window.show()
        ending = _trained(nestling)
        image = nestling.window.grab().toImage()
    finally:
        nestling.shut_down()
        nestling.window.close()
        qInstallMessageHandler(None)
    if unread := [text for text in complaints if any(sign in text for sign in UNREADABLE)]:
        raise RunError(f"Qt can't use a file of the app: {unread[0]}")
    if ending.outcome != "finished":
        raise RunError(f"The run in the window {ending.outcome}: {ending.message}")
    colors = _colors(image)
    if colors < MIN_COLORS:
        raise RunError(f"The window was drawn with {colors} colors: most of it is missing.")
    size = f"{image.width()}×{image.height()}"
    return f"{application.platformName()}, {size}, {colors} colors; {ending.steps} steps trained"


def _trained(nestling: Nestling) -> RunFinished:
    """The ending of the run that the window begins once it is seen."""
    loop = QEventLoop()
    nestling.control.run_ended.connect(loop.quit)
    nestling.window.first_painted.connect(nestling.control.start)
    limit = QTimer(loop)
    limit.setSingleShot(True)
    limit.timeout.connect(loop.quit)
    limit.start(PATIENCE_MS)
    loop.exec()
    state = nestling.state
    if state.run_failure is not None:
        raise RunError(state.run_failure.message, state.run_failure.hint)
    if state.finished is None:
        raise RunError(f"The run in the window did not end within {PATIENCE_MS // 1000} seconds.")
    return state.finished


def _colors(image: QImage) -> int:
    places = (
        (x, y)
        for x in range(0, image.width(), _SAMPLED_EVERY_PX)
        for y in range(0, image.height(), _SAMPLED_EVERY_PX)
    )
    return len({image.pixel(x, y) for x, y in places})
