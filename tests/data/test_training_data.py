"""The rows that a run trains on: split, cut, counted and refused."""

import json
from dataclasses import replace

import pytest

from app.core.errors import InputError
from app.data.chat.tokenization import tokenize
from app.data.files.dataset_files import DatasetFiles
from app.data.row_values import ChatExample, RowLocation, TextExample
from app.data.tokenizing.token_store import RowSettings
from app.data.tokens.tokenized_examples import TokenizedExample
from app.data.training_set.training_data import DataSettings, open_data_stream
from tests.at_once import open_data


def chat(*contents, system=None, line=1):
    """A chat that begins with a user's turn and goes back and forth."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return ChatExample(tuple(messages), None, RowLocation(line))


def tokenized(example, tokenizer):
    result = tokenize(example, tokenizer, True)
    assert isinstance(result, TokenizedExample), result
    return result


def written(path, examples):
    """A file with each example in its line, or in the next that is free."""
    lines = []
    for example in examples:
        lines += [""] * (example.place.line - 1 - len(lines))
        is_chat = isinstance(example, ChatExample)
        row = {"messages": list(example.messages)} if is_chat else {"text": example.text}
        lines.append(json.dumps(row))
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.fixture
def tokenize_all(tmp_path):
    def tokenize_all(train, tokenizer, valid=(), **settings):
        return open_data(*arguments(train, tokenizer, valid, **settings))

    def arguments(
        train, tokenizer, valid=(), *, max_seq_length=64, batch_size=1, leave_out_bad_rows=False
    ):
        files = DatasetFiles(
            (written(tmp_path / "train.jsonl", train),),
            (written(tmp_path / "valid.jsonl", valid),) if valid else (),
        )
        rows = RowSettings(True, leave_out_bad_rows=leave_out_bad_rows)
        return files, tokenizer, DataSettings(rows, max_seq_length, batch_size)

    tokenize_all.arguments = arguments  # type: ignore[attr-defined]
    return tokenize_all


def test_long_rows_are_cut_at_the_end_and_counted(tokenizer_with, tokenize_all):
    tokenizer = tokenizer_with("chatml")
    rows = [TextExample("hello world " * 40, RowLocation(1)), TextExample("hello", RowLocation(2))]
    result = tokenize_all(rows, tokenizer, max_seq_length=16)
    assert [row.length <= 16 for row in result.train] == [True, True]
    assert result.train[0].trained == ((1, 16),)
    assert result.cut == 1
    assert result.notes == ("1 row is longer than 16 tokens: cut at the end.",)


def test_a_row_whose_reply_is_cut_away_is_left_out_and_named(tokenizer_with, tokenize_all):
    rows = [chat("the fox " * 40, "hello", line=5), chat("a", "b", line=6)]
    result = tokenize_all(rows, tokenizer_with("chatml"), max_seq_length=32)
    assert [row.place.line for row in result.train] == [6]
    (problem,) = result.left_out
    assert problem.place.line == 5
    assert "are cut at 32, before anything to train on" in str(problem)
    assert result.cut == 0


def test_rows_that_are_all_too_long_stop_the_run_with_the_shortest_length(
    tokenizer_with, tokenize_all
):
    tokenizer = tokenizer_with("chatml")
    rows = [TextExample("hello world " * n, RowLocation(n)) for n in (30, 20)]
    shortest = tokenized(rows[1], tokenizer).length
    with pytest.raises(InputError) as error:
        tokenize_all(rows, tokenizer, max_seq_length=8)
    assert error.value.message == (
        f"Every training row is longer than the limit of 8 tokens; the shortest has {shortest}."
    )
    assert error.value.hint


def test_fewer_rows_than_a_batch_stop_the_run_with_both_numbers(tokenizer_with, tokenize_all):
    with pytest.raises(InputError) as error:
        tokenize_all([chat("a", "b")] * 3, tokenizer_with("chatml"), batch_size=4)
    assert error.value.message == "There are 3 training rows, fewer than the batch size of 4."


def test_an_unusable_dataset_stops_the_run_with_the_first_reason(tokenizer_with, tokenize_all):
    rows = [chat("a", "b", system="c", line=line) for line in (1, 2)]
    with pytest.raises(InputError) as error:
        tokenize_all(rows, tokenizer_with("alternating"))
    assert error.value.message == (
        "No training row can be used: train.jsonl, line 1: the model's chat template refuses it: "
        "Conversation roles must alternate user/assistant/user/assistant."
    )


def test_a_row_that_the_template_refuses_stops_the_run_unless_such_rows_are_left_out(
    tokenizer_with, tokenize_all
):
    rows = [chat("a", "b", line=1), *(chat("a", "b", system="c", line=n) for n in (2, 3))]
    tokenizer = tokenizer_with("alternating")
    refusal = "train.jsonl, line 2: the model's chat template refuses it: Conversation roles"
    with pytest.raises(InputError) as error:
        tokenize_all(rows, tokenizer)
    assert error.value.message.startswith(
        f"2 rows are refused by the model's chat template; the first is {refusal}"
    )
    result = tokenize_all(rows, tokenizer, leave_out_bad_rows=True)
    assert (len(result.train), result.left_out_count) == (1, 2)
    assert result.notes[0].startswith(f"2 rows are left out; the first: {refusal}")


def test_rows_trained_on_the_last_reply_only_are_counted_in_a_note(tokenizer_with, tokenize_all):
    rows = [chat("a", "b", "c", "d"), chat("a", "b")]
    result = tokenize_all(rows, tokenizer_with("thinking"))
    assert result.notes == (
        "1 row is trained on the last reply only: this model's chat template changes earlier "
        "replies when more turns follow.",
    )


def test_validation_rows_that_can_not_be_used_are_named_and_do_not_stop_the_run(
    tokenizer_with, tokenize_all
):
    bad = ChatExample(({"role": "assistant", "content": "hello"},), None, RowLocation(2))
    result = tokenize_all([chat("a", "b")], tokenizer_with("chatml"), valid=[bad])
    assert len(result.valid) == 0
    assert [str(problem) for problem in result.left_out] == [
        "valid.jsonl, line 2: its only assistant turn comes first, before any question"
    ]
    assert result.notes[-1] == "No validation row can be used, so there is no validation."


def test_progress_rises_to_one(tokenizer_with, tokenize_all):
    arguments = tokenize_all.arguments([chat("a", "b")] * 2000, tokenizer_with("chatml"))
    seen = list(open_data_stream(*arguments))
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 1


def test_cutting_inside_a_second_reply_keeps_the_first(tokenizer_with, tokenize_all):
    tokenizer = tokenizer_with("chatml")
    whole = tokenized(chat("a", "hello", "b", "good day world"), tokenizer)
    limit = whole.trained[1][0] + 1
    rows = [chat("a", "hello", "b", "good day world"), chat("a", "b", line=2)]
    result = tokenize_all(rows, tokenizer, max_seq_length=limit)
    assert result.train[0].trained == (whole.trained[0], (limit - 1, limit))
    assert result.train[0] == replace(
        whole, tokens=whole.tokens[:limit], trained=result.train[0].trained
    )


def test_a_file_deleted_before_it_is_opened_is_named(tmp_path, tokenizer_with):
    path = written(tmp_path / "train.jsonl", [TextExample("the fox", RowLocation(1))])
    settings = DataSettings(RowSettings(mask_prompt=False), 64, 1)
    path.unlink()
    with pytest.raises(InputError, match=r"train\.jsonl can't be read: No such file"):
        open_data(DatasetFiles((path,)), tokenizer_with("chatml"), settings)
