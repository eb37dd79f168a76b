"""The window says that a run goes on where something else computes."""

from collections.abc import Callable
from pathlib import Path

from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TrainingConfig
from app.core.files.paths import runs_dir
from app.engine.training.trainer import train
from app.library.reading.run_summary import summarize
from tests.engine.other_computers import OTHER, made_by


def test_the_window_says_so_where_it_is_seen(
    tiny_model: Path, chat_file: Path, build: Callable[..., Nestling], qtbot: QtBot
) -> None:
    stopped = runs_dir() / "stopped"
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=4, rank=2, output=stopped)
    list(train(config, stop_after=2))
    made_by(stopped, OTHER)
    nestling = build()
    nestling.window.show()
    nestling.resume_commands.resume(summarize(stopped))
    qtbot.waitUntil(lambda: "Haswell" in nestling.window.notice.text.text())
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)
    assert nestling.state.finished is not None
    assert nestling.window.notice.isVisible()
