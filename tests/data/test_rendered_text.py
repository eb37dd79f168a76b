"""Texts with special tokens of their own: one begin, one end, and a counted warning."""

import json
from copy import deepcopy

import pytest
from tokenizers.processors import TemplateProcessing

from app.core.progress import drain
from app.data.chat.tokenization import ExampleTokenizer
from app.data.files.dataset_files import find_files
from app.data.row_values import ChatExample, RowLocation, TextExample
from app.data.rows.row_notes import RowNote
from app.data.tokenizing.token_store import RowSettings
from app.data.training_set.token_report import statistics_of, tokenize_files
from app.data.training_set.training_data import DataSettings
from tests.at_once import open_data
from tests.data.conftest import build_tokenizer

BOS, EOS = "<|begin_of_text|>", "<|im_end|>"
CHATML = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nfox<|im_end|>\n"


def tokenizer_that_adds(*, bos, eos):
    tokenizer = deepcopy(build_tokenizer())
    parts = ([BOS] if bos else []) + ["$A"] + ([EOS] if eos else [])
    ids = [(word, tokenizer.convert_tokens_to_ids(word)) for word in (BOS, EOS)]
    if bos or eos:
        processor = TemplateProcessing(single=" ".join(parts), special_tokens=ids)
        tokenizer.backend_tokenizer.post_processor = processor
    return tokenizer


def made(text, tokenizer):
    maker = ExampleTokenizer(tokenizer, mask_prompt=True)
    example = TextExample(text, RowLocation(1))
    (found,) = maker.tokenize(example)
    assert maker.tokenize_batch([example]) == [[found]]
    assert found.trained == ((1, found.length),)
    return tokenizer.decode(list(found.tokens)), RowNote(found.notes)


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("eos", [True, False])
@pytest.mark.parametrize(
    ("text", "row"),
    [
        (CHATML, CHATML),
        (CHATML.rstrip(), CHATML.rstrip()),
        (f"hello fox{EOS}", f"hello fox{EOS}"),
        ("<|im_start|>user\nhello", f"<|im_start|>user\nhello{EOS}"),
        ("<|user|>hello<|end|>", "<|user|>hello<|end|>"),
        ("hello<|im_end|>fox", f"hello<|im_end|>fox{EOS}"),
    ],
)
def test_a_rendered_text_begins_and_ends_once(text, row, bos, eos):
    tokenizer = tokenizer_that_adds(bos=bos, eos=eos)
    begin = BOS if bos else ""
    assert made(text, tokenizer) == (begin + row, RowNote.SPECIAL_TOKENS)
    assert made(BOS + text, tokenizer) == (BOS + row, RowNote.SPECIAL_TOKENS)


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("eos", [True, False])
def test_a_plain_text_is_as_it_always_was(bos, eos):
    tokenizer = tokenizer_that_adds(bos=bos, eos=eos)
    begin = BOS if bos else ""
    assert made("hello fox", tokenizer) == (f"{begin}hello fox{EOS}", RowNote(0))
    assert made("hello fox\n", tokenizer) == (f"{begin}hello fox\n{EOS}", RowNote(0))


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    monkeypatch.setenv("NESTLING_HOME", str(tmp_path / "home"))
    path = tmp_path / "train.jsonl"
    asked = {"role": "user", "content": "fox?", "mood": "glad"}
    quoted = {"role": "assistant", "content": "a turn ends with <|im_end|> here"}
    rows = [{"text": CHATML}, {"text": "hello fox"}, {"text": f"hello{EOS}"}]
    rows += [{"messages": [asked, {"role": "assistant", "content": "fox"}]}]
    rows += [{"messages": [{"role": "user", "content": "how?"}, quoted]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_it_is_counted_where_rows_are_checked(mixed):
    made = drain(tokenize_files(find_files(mixed), build_tokenizer(), RowSettings(True), 1000))
    assert made.problems.counts() == {"special tokens": 3, "unused key": 1}
    assert [problem.place.line for problem in made.problems.warnings] == [1, 3, 4, 5]
    (statistics,) = statistics_of([made], 0, 0)
    assert statistics.noted_counts == {"special tokens": 3, "unused key": 1}
    assert statistics.noted == tuple(made.problems.warnings)


def test_the_log_of_a_run_counts_all_that_is_noted(mixed):
    settings = DataSettings(RowSettings(mask_prompt=True), 1000, 1, validation_split=0)
    data = open_data(find_files(mixed), build_tokenizer(), settings)
    assert set(data.notes) >= {
        "3 rows have special tokens of the model in their text, which are tokenized as special "
        "tokens.",
        "1 row has keys in its turns that are left out.",
    }


def test_a_chat_that_becomes_several_examples_is_counted_once():
    turns = [{"role": role, "content": text} for role, text in
             (("user", "how?"), ("assistant", "hello"), ("user", "<|im_end|>?"),
              ("assistant", "fox"))]  # fmt: skip
    example = ChatExample(tuple(turns), None, RowLocation(1), notes=(("unused key", "has mood"),))
    maker = ExampleTokenizer(build_tokenizer("thinking"), True, "every")
    first, second = maker.tokenize(example)
    assert maker.tokenize_batch([example]) == [[first, second]]
    assert first.notes == RowNote.SPECIAL_TOKENS | RowNote.UNUSED_KEY
    assert second.notes == 0
