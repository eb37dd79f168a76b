"""A base model that accepts no row: reported where a run would start, and Start is blocked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.ui.data.data_page import DataPage
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.run.run_actions import RunActions
from app.window_services import Services

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


@pytest.fixture
def assert_refused(
    services: Services,
    data_page: DataPage,
    new_run_page: NewRunPage,
    actions: RunActions,
    qtbot: QtBot,
) -> Callable[[str], None]:
    """Start says why it waits; the Data page says it too, with what to do."""
    status = data_page.status

    def assert_refused(reason: str) -> None:
        def is_shown() -> None:
            assert reason in status.problem.text(), status.text.text()

        qtbot.waitUntil(is_shown)
        assert not status.text.text()
        assert reason in services.state.start_blocker()
        assert not actions.start.isEnabled()
        assert reason in new_run_page.data.problem.text()

    return assert_refused


def test_a_model_whose_tokenizer_needs_its_own_code_starts_no_run(
    services: Services, data_page: DataPage, actions: RunActions,
    assert_refused: Callable[[str], None], tiny_model: Path, chat_file: Path, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    own = with_own_code(tmp_path / "own", tiny_model)
    services.state.change_config(model=own, data=chat_file)
    services.datasets.read_again()
    assert_refused("needs Python code from the model folder")
    services.state.change_config(model=tiny_model)
    qtbot.waitUntil(actions.start.isEnabled)
    assert not data_page.status.problem.text()
    services.state.change_config(model=own)  # the dataset is read; only the tokenizer fails
    assert_refused("needs Python code from the model folder")


def test_a_model_whose_template_has_an_error_starts_no_run(
    services: Services, assert_refused: Callable[[str], None], tiny_model: Path, chat_file: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    model = with_template(tmp_path / "model", tiny_model, BROKEN)
    services.state.change_config(model=model, data=chat_file)
    services.datasets.read_again()
    assert_refused("chat template has an error in line 1")
