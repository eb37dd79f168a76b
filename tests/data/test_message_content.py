"""A turn's content as a list of parts, as OpenAI has it, is the text that its parts make."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.data.chat.tokenization import tokenize
from app.data.inspection.duplicates import SeenRows
from app.data.inspection.row_rendering import raw_row
from app.data.rows.row_validation import read_validated_rows
from tests.data.conftest import build_tokenizer

# As Llama 3.2's template does it, for a string and for a list.
TAKES_PARTS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


CHAT = [
    {"role": "system", "content": parts("Be brief.")},
    {"role": "user", "content": parts("hello ", "", "world\n", "fox?")},
    {"role": "assistant", "content": [], "tool_calls": [{"function": {"name": "look"}}]},
    {"role": "tool", "content": parts("fox", " hello")},
    {"role": "assistant", "content": parts("the fox ", "says hello")},
]
TEXTS = ["Be brief.", "hello world\nfox?", "", "fox hello", "the fox says hello"]
PLAIN = [{**turn, "content": text} for turn, text in zip(CHAT, TEXTS, strict=True)]


def example_of(path, content):
    path.write_bytes(content)
    ((example, _),) = read_validated_rows(path)
    return example


@pytest.fixture
def chat(tmp_path):
    return example_of(tmp_path / "a.jsonl", json.dumps({"messages": CHAT}).encode())


@pytest.fixture
def plain(tmp_path):
    return example_of(tmp_path / "plain.jsonl", json.dumps({"messages": PLAIN}).encode())


def test_it_is_the_chat_that_has_its_parts_as_one_text(chat, plain):
    assert chat == plain


def test_other_things_that_a_part_says_are_no_text(tmp_path):
    turns = [
        {"role": "user", "content": [{**parts("fox?")[0], "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": "yes", "weight": 1},
    ]
    example = example_of(tmp_path / "a.jsonl", json.dumps({"messages": turns}).encode())
    assert [turn["content"] for turn in example.messages] == ["fox?", "yes"]


def test_in_parquet_a_part_may_have_the_other_parts_columns_empty(tmp_path):
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "fox?", "image_url": None}]},
        {"role": "assistant", "content": [{"type": "text", "text": "yes", "image_url": None}]},
    ]
    kind = pa.struct({"type": pa.string(), "text": pa.string(), "image_url": pa.string()})
    turn = pa.struct({"role": pa.string(), "content": pa.list_(kind)})
    file = io.BytesIO()
    pq.write_table(pa.table({"messages": pa.array([turns], pa.list_(turn))}), file)
    example = example_of(tmp_path / "a.parquet", file.getvalue())
    assert [turn["content"] for turn in example.messages] == ["fox?", "yes"]


def test_its_tokens_are_those_of_a_template_that_takes_the_parts_themselves(tmp_path):
    turns = [*CHAT[:2], CHAT[-1]]
    chat = example_of(tmp_path / "a.jsonl", json.dumps({"messages": turns}).encode())
    tokenizer = build_tokenizer()
    tokenizer.chat_template = TAKES_PARTS
    rendered = tokenizer.apply_chat_template(turns, return_dict=False)
    assert list(tokenize(chat, tokenizer, True).tokens) == list(rendered)


def test_what_is_shown_of_it_is_what_is_trained(chat):
    shown = [piece.text for piece in raw_row(chat, 0, 1000).spans if piece.kind == "text"]
    assert shown[:2] == TEXTS[:2]
    assert shown[-1] == TEXTS[-1]


def test_it_is_the_same_row_as_one_of_plain_text(chat, plain, tmp_path):
    seen = SeenRows(tmp_path / "a.jsonl")
    seen.add(chat, 0)
    seen.add(plain, 0)
    assert len(list(seen.duplicates())) == 1
