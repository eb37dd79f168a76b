"""Templates that are broken, never end or take all memory are found out before anything renders
them, and a stop is heeded meanwhile."""

import json
import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.core.progress import drain
from app.data.chat import template_trial
from app.data.chat.template_process import end_template_processes
from app.data.chat.template_trial import template_problem, try_templates
from app.data.files.dataset_files import find_files
from app.data.tokenizing.token_store import RowSettings
from app.data.training_set.training_data import DataSettings, open_data_stream
from app.engine.model.loading import load_tokenizer
from tests.at_once import open_data
from tests.patience import PATIENCE_SECONDS

ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
DOUBLING = (
    "{% set ns = namespace(s='x') %}"
    "{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"
)
SETTINGS = DataSettings(RowSettings(mask_prompt=True), max_seq_length=200, batch_size=2)
pytestmark = pytest.mark.usefixtures("spawned_processes")
ALL_MEMORY = (DOUBLING, "{{ 'x' * 10 ** 11 }}")


@pytest.fixture(autouse=True)
def _short_and_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(template_trial, "CPU_SECONDS", 1)
    monkeypatch.setattr(template_trial, "_problems", {})
    yield
    end_template_processes()  # a good template's process continues to render
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (ENDLESS, "takes longer than 1 seconds"),
        ("{{ 9 ** (9 ** 9) }}", "takes longer than 1 seconds"),  # before it is rendered at all
        ("{{ 'x' * 10 ** 7 }}", "as 10,000,000 characters"),
        ("Hello\n{% for m in messages %}\n{{ m.content }\n", "has an error in line 3: "),
        ("{% unknown %}", "has an error in line 1: Encountered unknown tag"),
        ("{{ " + "(" * 300 + "1" + ")" * 300 + " }}", "is nested too deeply"),
        ("{% if 1 %}" * 200 + "{% endif %}" * 200, "compiled: too many levels of indentation"),
        ("{{ f(a=1, a=2) }}", "compiled: keyword argument repeated: a"),
        ("{% break %}", "compiled: 'break' outside loop"),
        ("{{ " + "9" * 5000 + " }}", "compiled: Exceeds the limit"),
    ],
)
def test_a_bad_template_is_named(template: str, problem: str) -> None:
    assert problem in template_problem(template)
    assert problem in template_problem({"default": "", "tool_use": template})


@pytest.mark.parametrize("template", ALL_MEMORY)
def test_a_template_that_takes_all_memory_is_named(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first gigabyte alone can take a busy machine more than a second.
    monkeypatch.setattr(template_trial, "CPU_SECONDS", PATIENCE_SECONDS)
    assert "takes more than 1 GB of memory" in template_problem(template)


def test_a_template_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert template_problem("{{ messages }}") == ""
    monkeypatch.setattr(template_trial, "_try", lambda _: pytest.fail("tried again"))
    assert template_problem("{{ messages }}") == ""


@pytest.mark.parametrize(
    "template", sorted((Path(__file__).parent / "templates").iterdir()), ids=lambda path: path.stem
)
def test_the_templates_of_real_models_are_good(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    if template.suffix == ".json":
        source = json.loads(source)["chat_template"]
    assert template_problem(source) == ""


def test_what_a_template_refuses_is_no_fault_of_it() -> None:
    assert template_problem("{{ raise_exception('Roles must alternate.') }}") == ""
    assert template_problem("{{ messages[0].none.none.none }}") == ""


def test_trying_can_be_stopped() -> None:
    trying = try_templates(ENDLESS)
    next(trying)
    assert multiprocessing.active_children()
    trying.close()


@pytest.fixture
def with_template(tiny_model: Path, tmp_path: Path) -> Callable[[str], Path]:
    def make(template: str) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(tiny_model, folder)
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        return folder

    return make


def test_a_dataset_is_refused_in_a_sentence_and_can_be_left_before_that(
    with_template: Callable[[str], Path], chat_file: Path
) -> None:
    tokenizer = load_tokenizer(with_template(ENDLESS))
    opening = open_data_stream(find_files(chat_file), tokenizer, SETTINGS)
    next(opening)
    opening.close()
    with pytest.raises(InputError, match="takes longer than 1 seconds"):
        open_data(find_files(chat_file), tokenizer, SETTINGS)


def test_a_bad_template_does_not_matter_for_text_rows(
    with_template: Callable[[str], Path], tmp_path: Path
) -> None:
    rows = tmp_path / "texts.jsonl"
    rows.write_text("".join(f'{{"text": "Line {n}."}}\n' for n in range(20)), encoding="utf-8")
    tokenizer = load_tokenizer(with_template("{% broken"))
    assert len(drain(open_data_stream(find_files(rows), tokenizer, SETTINGS)).train) == 20


AFTER_A_LARGE_MODEL = """
from app.data.chat.template_process import end_template_processes
from app.data.chat.template_trial import template_problem

held = bytearray(1_300_000_000)
held[::4096] = b"x" * len(held[::4096])  # each page is touched: it is in memory
print(repr(template_problem("{{ messages[0]['content'] }}")))
"""


def test_a_process_that_holds_a_large_model_tries_templates_as_any_other() -> None:
    """A child process inherits the peak memory of its parent."""
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_LARGE_MODEL], capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "''\n", done.stderr
