"""What is said of a dataset's tokens is what each row says alone; a run finds what was counted."""

import json

import pytest

from app.core.errors import InputError
from app.core.progress import run_to_end
from app.data import token_workers
from app.data.checked_file import read_examples
from app.data.dataset_files import find_files
from app.data.examples import BrokenFile, RowProblem
from app.data.token_facts import counting_tokens
from app.data.token_store import RowSettings, opening_store
from app.data.tokenizing import ExampleTokenizer, tokenize

MASKED = RowSettings(mask_prompt=True)
LIMIT = 20


@pytest.fixture
def tokenizer(tokenizer_with):
    return tokenizer_with("chatml")


@pytest.fixture
def mixed_rows(tmp_path):
    """Good rows, long ones, ones that no token is left of, bad ones, and one that is refused."""
    path = tmp_path / "train.jsonl"
    rows = []
    for number in range(60):
        question, answer = "fox " * (1 + number % 30), "hello " * (1 + number % 7)
        rows.append({"prompt": question, "completion": answer})
    rows.insert(7, {"messages": [{"role": "assistant", "content": "alone"}]})
    rows.insert(9, {"prompt": "no answer", "completion": ""})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row_by_row(path, tokenizer):
    """The plain way: each row that can be read, and what is to be said of it."""
    rows, told = [], []
    try:
        for example in read_examples(path):
            if isinstance(example, RowProblem):
                continue
            row = tokenize(example, tokenizer, True)
            if isinstance(row, RowProblem):
                told.append((row.place.line, row.reason))
                continue
            rows.append(row)
            if row.length > LIMIT:
                told.append((row.place.line, f"its {row.length} tokens are cut at {LIMIT}"))
    except BrokenFile:
        pass
    return rows, told


def assert_counts_equal(facts, path, tokenizer):
    rows, told = row_by_row(path, tokenizer)
    assert facts.tokens == sum(row.length for row in rows) > 0
    assert facts.trained_tokens == sum(row.trained_tokens for row in rows)
    assert facts.longest == max(row.length for row in rows)
    assert facts.cut == sum(row.length > LIMIT for row in rows)
    found = sorted(
        (*facts.problems.errors, *facts.problems.warnings), key=lambda one: one.place.line
    )
    assert [(one.place.line, one.reason.partition(",")[0]) for one in found] == [
        (line, reason.partition(",")[0]) for line, reason in told
    ]
    assert all(one.path == path for one in found)


def counted(path, tokenizer):
    return run_to_end(counting_tokens(find_files(path), tokenizer, MASKED, LIMIT))


def test_the_counts_are_those_of_every_row_alone(mixed_rows, tokenizer):
    facts = counted(mixed_rows, tokenizer)
    assert_counts_equal(facts, mixed_rows, tokenizer)
    kinds = facts.problems.counts()
    assert kinds["refused by the model"] == 1
    assert {"before anything to train on" in one.reason for one in facts.problems.errors} == {
        True,
        False,
    }
    assert_counts_equal(counted(mixed_rows, tokenizer), mixed_rows, tokenizer)


def test_a_file_cut_off_is_counted_up_to_there(mixed_rows, tokenizer):
    path = mixed_rows.with_name("cut.json")
    whole = "[" + ",\n".join(mixed_rows.read_text().splitlines() * 3) + "]"
    path.write_text(whole[: len(whole) // 2])
    assert_counts_equal(counted(path, tokenizer), path, tokenizer)


def test_a_run_finds_what_was_counted(mixed_rows, tokenizer, monkeypatch):
    counted(mixed_rows, tokenizer)

    def never(self, examples):
        raise AssertionError("tokenised again")

    monkeypatch.setattr(ExampleTokenizer, "many", never)
    leaving_out = RowSettings(mask_prompt=True, leave_out_bad_rows=True)
    store = run_to_end(opening_store(mixed_rows, tokenizer, leaving_out))
    assert (store.problem_count, store.bad_row_count) == (2, 1)
    with pytest.raises(InputError) as refusal:
        run_to_end(opening_store(mixed_rows, tokenizer, MASKED))
    assert "train.jsonl has 1 bad row: line 10: " in str(refusal.value)


def test_a_file_with_a_bad_row_is_refused_in_the_same_words_with_and_without_a_store(
    mixed_rows, tokenizer
):
    said = []
    for _ in range(2):
        with pytest.raises(InputError) as refusal:
            run_to_end(opening_store(mixed_rows, tokenizer, MASKED))
        said.append(str(refusal.value))
        counted(mixed_rows, tokenizer)
    assert said[0] == said[1]


def test_large_files_are_counted_in_several_processes(tmp_path, tokenizer, monkeypatch):
    path = tmp_path / "large.jsonl"
    row = json.dumps({"prompt": "fox " * 500, "completion": "hello " * 500}) + "\n"
    path.write_text(row * 2000)
    begun = []
    pool = token_workers._pool
    monkeypatch.setattr(token_workers, "_pool", lambda *given: begun.append(given) or pool(*given))
    facts = counted(path, tokenizer)
    assert len(begun) == 1
    assert facts.cut == 2000
    assert facts.tokens == 2000 * facts.longest
