"""A row is shown as the model reads it, with the parts that are cut or left out."""

from pathlib import Path

import pytest

from app.core.column_mapping import parse_columns
from app.data.chat.tokenization import TokenizedExample, tokenize
from app.data.inspection.row_previews import read_head_rows
from app.data.inspection.row_rendering import PreviewRow, RowRenderer, raw_row
from app.data.row_values import ChatExample, RowLocation, TextExample

from .conftest import build_tokenizer

TURNS = (
    {"role": "user", "content": "hello world"},
    {"role": "assistant", "content": "good day — 世界"},
    {"role": "user", "content": "the fox"},
    {"role": "assistant", "content": "says hello"},
)


def _painted(splits: str, limit: int = 1000, budget: int = 1000) -> tuple[str, PreviewRow]:
    tokenizer = build_tokenizer("chatml", splits)  # type: ignore[arg-type]
    row = tokenize(ChatExample(TURNS, None, RowLocation(7)), tokenizer, mask_prompt=True)
    assert isinstance(row, TokenizedExample)
    whole = tokenizer.decode(list(row.tokens))
    return whole, RowRenderer(tokenizer).row(3, row, limit, budget)


@pytest.mark.parametrize("splits", ["new", "gpt2", "spm"])
def test_the_pieces_together_are_the_rendered_text(splits: str) -> None:
    whole, shown = _painted(splits)
    assert "".join(piece.text for piece in shown.spans) == whole
    assert (shown.number, shown.place.line) == (3, 7)


def test_the_replies_and_the_tokens_that_end_them_are_marked_as_trained() -> None:
    _, shown = _painted("new")
    trained = [piece.text for piece in shown.spans if piece.is_trained]
    assert trained == ["good day — 世界", "<|im_end|>", "says hello", "<|im_end|>"]
    special = [piece.text for piece in shown.spans if piece.kind == "special"]
    assert special == ["<|im_start|>", "<|im_end|>"] * 4


def test_cut_text_is_marked_and_counted() -> None:
    _, whole = _painted("new")
    assert whole.tokens is not None
    _, shown = _painted("new", limit=20)
    assert shown.cut_tokens == whole.tokens - 20
    assert [piece.is_cut for piece in shown.spans] == sorted(p.is_cut for p in shown.spans)
    assert shown.trained_tokens < whole.trained_tokens
    _, nothing = _painted("new", limit=3)
    assert nothing.trained_tokens == 0
    assert nothing.problem == "It has no trained tokens within the limit."


def test_a_long_row_shows_its_beginning_and_the_cut() -> None:
    tokenizer = build_tokenizer("chatml")
    row = tokenize(TextExample("hello world " * 4000, RowLocation(1)), tokenizer, mask_prompt=True)
    assert isinstance(row, TokenizedExample)
    for limit in (row.length // 2, 10**6, 100):
        shown = RowRenderer(tokenizer).row(0, row, limit, budget=400)
        gaps = [int(p.text.split()[0].replace(",", "")) for p in shown.spans if p.kind == "gap"]
        seen = sum(len(tokenizer.encode(p.text)) for p in shown.spans if p.kind != "gap")
        assert gaps
        assert abs(seen + sum(gaps) - row.length) <= len(shown.spans) + 1
        assert seen <= 420
        if limit < row.length:
            kept = [p for p in shown.spans if p.kind == "text"]
            assert {p.is_cut for p in kept} == {True, False}


def test_a_chat_without_a_tokenizer_shows_roles_and_texts() -> None:
    shown = raw_row(ChatExample(TURNS, None, RowLocation(7)), 0, budget=100)
    assert [(p.text, p.kind) for p in shown.spans[:2]] == [
        ("user", "role"), ("hello world", "text"),
    ]  # fmt: skip
    assert shown.tokens is None
    short = raw_row(ChatExample(TURNS, None, RowLocation(7)), 0, budget=3)
    assert [p.text for p in short.spans if p.kind == "gap"] == [
        "14 more characters".replace("14", str(len("good day — 世界") - 1)), "2 more turns",
    ]  # fmt: skip


def test_the_first_rows_come_with_problems_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "letters.csv"
    path.write_text("asked,answered,n\nhello,good day,1\n,empty,2\nthe fox,says,3\n")
    found = read_head_rows(path, parse_columns("prompt=asked, completion=answered"), 10)
    assert [example.place.line for example in found.examples] == [2, 4]
    assert [problem.place.line for problem in found.problems] == [3]
    assert {column.name: column.values for column in found.columns} == {
        "asked": ("hello", "the fox"),
        "answered": ("good day", "empty", "says"),
        "n": ("1", "2", "3"),
    }
    unmapped = read_head_rows(path, None, 10)
    assert unmapped.examples == ()
    assert {problem.kind for problem in unmapped.problems} == {"unknown shape"}


def test_no_more_rows_are_read_than_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text('{"text": "a"}\n' * 3 + "{broken\n" * 5)
    found = read_head_rows(path, None, 3)
    assert len(found.examples) == 3
    assert not found.problems


def test_a_row_is_shown_with_its_notes() -> None:
    tokenizer = build_tokenizer("chatml")
    turns = (TURNS[0], {**TURNS[1], "reasoning_content": "they greet"}, TURNS[2])
    row = tokenize(ChatExample(turns, None, RowLocation(7)), tokenizer, mask_prompt=True)
    assert isinstance(row, TokenizedExample)
    shown = RowRenderer(tokenizer).row(3, row, 1000, 1000)
    assert shown.notes == ("thoughts left out", "no reply follows")
