"""One chat can't make a template render for ever or take all memory: its row is named, or left out
and counted, and the others are what they would be without it."""

import json
import multiprocessing
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.chat_messages import Chat
from app.core.errors import InputError
from app.core.system import interruption
from app.data.chat import template_process, template_server
from app.data.chat.template_process import RenderingTooCostly, end_template_processes, limited
from app.data.files.dataset_files import find_files
from app.data.tokenizing.token_store import RowSettings
from app.data.training_set.training_data import DataSettings, TrainingData
from app.engine.model.chat_prompt import ChatPrompt
from app.engine.model.loading import load_tokenizer
from tests.at_once import open_data
from tests.conftest import CHATML

SETTINGS = DataSettings(RowSettings(mask_prompt=True), max_seq_length=200, batch_size=2)
LEAVING_OUT = replace(SETTINGS, rows=replace(SETTINGS.rows, leave_out_bad_rows=True))
LOOP = "{% for i in range(99999) %}"
DOUBLING = (
    "{% set ns = namespace(s='x') %}"
    "{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"
)
FOLDED = (
    "{% set ns = namespace(l=['x']) %}"
    "{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}"
)
pytestmark = pytest.mark.usefixtures("spawned_processes")
TIME = "takes longer than 1 seconds"
MEMORY = "takes more than 1 GB of memory"
COSTLY = {
    "loops": (f"{LOOP}{LOOP}{{% endfor %}}{{% endfor %}}", TIME),
    "multiplied": ("{{ 'x' * (10 ** 10 + messages|length) }}", MEMORY),
    "filter": ("{{ 'x'|center(10 ** 10) }}", MEMORY),
    "doubled": (DOUBLING, MEMORY),
    "folded": (FOLDED, TIME),
    "long": ("{{ 'x' * 17000000 }}", "makes 17,0"),
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(template_process, "RENDER_SECONDS", 1.0)
    yield
    end_template_processes()
    assert not multiprocessing.active_children()


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    return folder


def with_template(model: Path, costly: str) -> Path:
    """Costly for some chats alone."""
    (model / "chat_template.jinja").write_text(
        "{% if 'the costly one' in messages[0].content %}" + costly + "{% endif %}" + CHATML
    )
    return model


def chats(folder: Path, *asked: str) -> Path:
    rows = folder / "rows.jsonl"
    turns = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]
        for text in asked
    ]
    rows.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in turns))
    return rows


def opened(rows: Path, model: Path, settings: DataSettings) -> TrainingData:
    return open_data(find_files(rows), load_tokenizer(model), settings)


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_row_is_named_or_left_out(
    name: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costly, excess = COSTLY[name]
    if excess is not TIME:  # a gigabyte takes a busy machine more than a second
        monkeypatch.setattr(template_process, "RENDER_SECONDS", 60.0)
    rows = chats(tmp_path, "one", "two", "the costly one", "four", "five", "six")
    with_template(model, costly)
    with pytest.raises(InputError) as refusal:
        opened(rows, model, SETTINGS)
    assert refusal.value.message.startswith(
        f"rows.jsonl, line 3: the model's chat template {excess}"
    )
    assert refusal.value.message.endswith(" on it.")
    data = opened(rows, model, LEAVING_OUT)
    (left_out,) = data.left_out
    assert (left_out.place.line, left_out.kind) == (3, "too costly to render")
    assert len(data.train) == 5
    with pytest.raises(InputError, match="line 3: the model's chat template"):
        opened(rows, model, SETTINGS)  # its tokens are there now


def test_the_others_are_what_they_are_without_the_costly_ones(model: Path, tmp_path: Path) -> None:
    with_template(model, COSTLY["loops"][0])
    asked = [f"row {number}" for number in range(12)]
    good = opened(chats(tmp_path, *asked), model, SETTINGS)
    mixed = [*asked[:5], "the costly one", *asked[5:9], "the costly one", *asked[9:]]
    data = opened(chats(tmp_path, *mixed), model, LEAVING_OUT)
    assert data.left_out_count == 2
    assert [data.train[n].tokens for n in range(len(data.train))] == [
        good.train[n].tokens for n in range(len(good.train))
    ]


def test_a_costly_question_is_refused(model: Path) -> None:
    tokenizer = load_tokenizer(with_template(model, COSTLY["loops"][0]))
    prompting = ChatPrompt(tokenizer)
    assert prompting.tokens(Chat("Hi"), "tuned")
    with pytest.raises(InputError, match=f"{TIME} for this chat"):
        prompting.tokens(Chat("the costly one"), "tuned")
    assert prompting.tokens(Chat("Hi"), "tuned")


def test_memory_is_bounded_where_the_system_bounds_none(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: the process that waits looks at how much the other one takes."""
    monkeypatch.setattr(template_process, "RENDER_SECONDS", 60.0)
    monkeypatch.setattr(template_process, "MEMORY_BYTES", 200 * 2**20)
    assert template_server.MEMORY_BYTES == 2**30  # the limit that the process has itself
    growing = (
        "{% set ns = namespace(l=[]) %}"
        f"{LOOP}{{% set ns.l = [ns.l, 'x' * (10 ** 6 + i)] %}}{LOOP}{{% endfor %}}{{% endfor %}}"
    )
    tokenizer = load_tokenizer(with_template(model, growing))
    with pytest.raises(RenderingTooCostly, match="GB of memory"):
        ChatPrompt(tokenizer).tokens(Chat("the costly one"), "tuned")


def test_python_in_a_templates_place_is_not_interrupted_later() -> None:
    for _ in range(3):
        with pytest.raises(RenderingTooCostly), limited:
            while True:
                pass
        with limited:
            sum(range(1000))
    assert not interruption._regions
