"""A base model that accepts no row: reported where a run would start, and Start is blocked."""

import json
import shutil
from pathlib import Path

from pytestqt.qtbot import QtBot

from app.application import Nestling

BROKEN = "{% for m in messages %}{{ m['content' }}{% endfor %}"


def with_template(folder: Path, tiny_model: Path, template: str) -> Path:
    shutil.copytree(tiny_model, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def with_own_code(folder: Path, tiny_model: Path) -> Path:
    """The tiny model, whose tokenizer is a class in its own folder."""
    shutil.copytree(tiny_model, folder)
    path = folder / "tokenizer_config.json"
    own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    path.write_text(json.dumps(json.loads(path.read_text()) | own))
    (folder / "own.py").write_text("raise SystemExit\n")
    return folder


def assert_refused(nestling: Nestling, qtbot: QtBot, reason: str) -> None:
    """Start says why it waits; the Data page says it too, with what to do."""
    status = nestling.data.status

    def is_shown() -> None:
        assert reason in status.problem.text(), status.text.text()

    qtbot.waitUntil(is_shown)
    assert not status.text.text()
    assert reason in nestling.state.start_blocker()
    assert not nestling.actions.start.isEnabled()
    assert reason in nestling.new_run.data.problem.text()


def test_a_model_whose_tokenizer_needs_its_own_code_starts_no_run(
    nestling: Nestling, tiny_model: Path, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    own = with_own_code(tmp_path / "own", tiny_model)
    nestling.state.change_config(model=own, data=chat_file)
    nestling.datasets.read_again()
    assert_refused(nestling, qtbot, "needs Python code from the model folder")
    nestling.state.change_config(model=tiny_model)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert not nestling.data.status.problem.text()
    nestling.state.change_config(model=own)  # the dataset is read; only the tokenizer fails
    assert_refused(nestling, qtbot, "needs Python code from the model folder")


def test_a_model_whose_template_has_an_error_starts_no_run(
    nestling: Nestling, tiny_model: Path, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = with_template(tmp_path / "model", tiny_model, BROKEN)
    nestling.state.change_config(model=model, data=chat_file)
    nestling.datasets.read_again()
    assert_refused(nestling, qtbot, "chat template has an error in line 1")
