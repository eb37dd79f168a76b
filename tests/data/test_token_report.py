"""The token report of a dataset agrees with each row on its own; a run reuses its tokens."""

import json

import pytest

from app.core.errors import InputError
from app.core.progress import drain
from app.data.chat.tokenization import ExampleTokenizer, tokenize
from app.data.files.dataset_files import find_files
from app.data.row_values import CorruptFileError, RowIssue
from app.data.rows.row_validation import read_examples
from app.data.tokenizing import parallel
from app.data.tokenizing.token_store import RowSettings, open_or_build_store
from app.data.training_set.token_report import statistics_of, tokenize_files
from app.data.training_set.training_data import DataSettings
from tests.at_once import open_data

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
    """The plain way: each readable row, and its problems."""
    rows, problems = [], []
    try:
        for example in read_examples(path):
            if isinstance(example, RowIssue):
                continue
            row = tokenize(example, tokenizer, True)
            if isinstance(row, RowIssue):
                problems.append((row.place.line, row.reason))
                continue
            rows.append(row)
            if row.length > LIMIT:
                problems.append((row.place.line, f"its {row.length} tokens are cut at {LIMIT}"))
    except CorruptFileError:
        pass
    return rows, problems


def assert_problems_of_every_row(facts, path, tokenizer):
    _, problems = row_by_row(path, tokenizer)
    found = sorted(
        (*facts.problems.errors, *facts.problems.warnings), key=lambda one: one.place.line
    )
    assert [(one.place.line, one.reason.partition(",")[0]) for one in found] == [
        (line, reason.partition(",")[0]) for line, reason in problems
    ]
    assert all(one.path == path for one in found)


def tokenised(path, tokenizer):
    return drain(tokenize_files(find_files(path), tokenizer, MASKED, LIMIT))


def test_the_report_has_the_problems_of_every_row(mixed_rows, tokenizer):
    facts = tokenised(mixed_rows, tokenizer)
    assert_problems_of_every_row(facts, mixed_rows, tokenizer)
    kinds = facts.problems.counts()
    assert kinds["refused by the model"] == 1
    assert {"before anything to train on" in one.reason for one in facts.problems.errors} == {
        True,
        False,
    }
    assert_problems_of_every_row(tokenised(mixed_rows, tokenizer), mixed_rows, tokenizer)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_figures_are_those_of_the_rows_that_a_run_uses(mixed_rows, tokenizer, share):
    with mixed_rows.open("a") as file:
        file.write('{"prompt": "fox", "completion": ""}\n')
    (statistics,) = statistics_of([tokenised(mixed_rows, tokenizer)], share, 3)
    settings = RowSettings(mask_prompt=True, leave_out_bad_rows=True)
    run = open_data(
        find_files(mixed_rows), tokenizer, DataSettings(settings, LIMIT, 1, share, seed=3)
    )
    assert statistics.train.usable_rows(LIMIT) == len(run.train) < 60
    assert statistics.valid.usable_rows(LIMIT) == len(run.valid)
    assert statistics.left_out(LIMIT) == run.left_out_count > 3
    assert (
        statistics.train.truncated_rows(LIMIT) + statistics.valid.truncated_rows(LIMIT)
        == run.cut
        > 0
    )
    assert statistics.train.usable_tokens(LIMIT) == run.train.lengths.sum()
    assert statistics.train.trained_tokens_at(LIMIT) == run.train.trained_tokens


def test_a_truncated_file_is_reported_up_to_the_cut_without_figures_of_a_run(mixed_rows, tokenizer):
    path = mixed_rows.with_name("cut.json")
    whole = "[" + ",\n".join(mixed_rows.read_text().splitlines() * 3) + "]"
    path.write_text(whole[: len(whole) // 2])
    facts = tokenised(path, tokenizer)
    assert_problems_of_every_row(facts, path, tokenizer)
    assert statistics_of([facts], 0.1, 0) == ()


def test_a_run_reuses_the_tokens_of_the_report(mixed_rows, tokenizer, monkeypatch):
    tokenised(mixed_rows, tokenizer)

    def never(self, examples):
        raise AssertionError("tokenised again")

    monkeypatch.setattr(ExampleTokenizer, "tokenize_batch", never)
    leaving_out = RowSettings(mask_prompt=True, leave_out_bad_rows=True)
    store = drain(open_or_build_store(mixed_rows, tokenizer, leaving_out))
    assert (store.problem_count, store.bad_row_count) == (2, 1)
    with pytest.raises(InputError) as refusal:
        drain(open_or_build_store(mixed_rows, tokenizer, MASKED))
    assert "train.jsonl has 1 bad row: line 10: " in str(refusal.value)


def test_a_file_with_a_bad_row_is_refused_in_the_same_words_with_and_without_a_store(
    mixed_rows, tokenizer
):
    messages = []
    for _ in range(2):
        with pytest.raises(InputError) as refusal:
            drain(open_or_build_store(mixed_rows, tokenizer, MASKED))
        messages.append(str(refusal.value))
        tokenised(mixed_rows, tokenizer)
    assert messages[0] == messages[1]


def test_large_files_are_counted_in_several_processes(tmp_path, tokenizer, monkeypatch):
    path = tmp_path / "large.jsonl"
    row = json.dumps({"prompt": "fox " * 500, "completion": "hello " * 500}) + "\n"
    path.write_text(row * 2000)
    begun = []
    pool = parallel._pool
    monkeypatch.setattr(
        parallel, "_pool", lambda *arguments: begun.append(arguments) or pool(*arguments)
    )
    facts = tokenised(path, tokenizer)
    assert len(begun) == 1
    (statistics,) = statistics_of([facts], 0.0, 0)
    assert statistics.train.truncated_rows(LIMIT) + statistics.train.untrainable_rows(LIMIT) == 2000
    assert statistics.train.shortest == statistics.train.longest > 1000
