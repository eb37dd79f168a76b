"""One chat can't make a template render for ever: it is interrupted, and the row is named."""

import json
import shutil
from pathlib import Path

import pytest

from app.core import interrupting
from app.core.errors import InputError
from app.data import render_limit
from app.data.dataset_files import find_files
from app.data.render_limit import RenderingTooLong, limited
from app.data.token_store import RowSettings
from app.data.training_data import DataSettings, open_data
from app.engine.loading import load_tokenizer
from tests.conftest import CHATML

SETTINGS = DataSettings(RowSettings(mask_prompt=True), max_seq_length=200, batch_size=2)
LONG_FOR_ONE = (
    "{% if 'for ever' in messages[0].content %}{% for i in range(99999) %}"
    "{% for j in range(99999) %}{% endfor %}{% endfor %}{% endif %}" + CHATML
)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render_limit, "SECONDS", 0.5)


def test_a_row_that_takes_too_long_is_named_with_its_file(tiny_model: Path, tmp_path: Path) -> None:
    model, rows = tmp_path / "model", tmp_path / "rows.jsonl"
    shutil.copytree(tiny_model, model)
    (model / "chat_template.jinja").write_text(LONG_FOR_ONE)
    asked = ["one", "two", "for ever", "four"]
    chats = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]
        for text in asked
    ]
    rows.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    with pytest.raises(InputError) as refusal:
        open_data(find_files(rows), load_tokenizer(model), SETTINGS)
    said = "The model's chat template takes longer than 0.5 seconds on line 3 of rows.jsonl."
    assert refusal.value.message == said


def test_what_is_within_its_time_is_not_interrupted_later() -> None:
    for _ in range(3):
        with pytest.raises(RenderingTooLong), limited:
            while True:
                pass
        with limited:
            sum(range(1000))
    assert not interrupting._regions
