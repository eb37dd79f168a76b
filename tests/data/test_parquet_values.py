"""Values that Parquet has and JSON has not, beside the words of a chat's turns."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.progress import drain
from app.data.files.dataset_files import find_files
from app.data.row_values import ChatExample, RowIssue
from app.data.rows.row_validation import read_examples
from app.data.tokenizing.token_store import RowSettings
from app.data.training_set.token_report import tokenize_files
from tests.at_once import inspect
from tests.data.conftest import build_tokenizer

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
READ_AS_TEXT = [
    (NOON, "2024-05-01T12:00:00+00:00"),
    (date(2024, 5, 1), "2024-05-01"),
    (Decimal("1.50"), "1.50"),
    (timedelta(hours=2), "2:00:00"),
    ([NOON], ["2024-05-01T12:00:00+00:00"]),
    ({"at": {"day": date(2024, 5, 1)}}, {"at": {"day": "2024-05-01"}}),
]


def written(tmp_path, value, key="timestamp", **more):
    turns = [{"role": "user", "content": "Name a river."},
             {"role": "assistant", "content": "The Aare.", key: value}]  # fmt: skip
    path = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist([{"conversation": turns, **more}]), path)
    return path


def tokenised(path, tmp_path, monkeypatch):
    monkeypatch.setenv("NESTLING_HOME", str(tmp_path / "home"))
    made = tokenize_files(find_files(path), build_tokenizer(), RowSettings(True), 1000)
    return drain(made)


@pytest.mark.parametrize(("value", "text"), READ_AS_TEXT)
def test_a_date_or_a_number_is_read_as_text(tmp_path, monkeypatch, value, text):
    path = written(tmp_path, value)
    (example,) = read_examples(path)
    assert isinstance(example, ChatExample)
    assert example.messages[1]["timestamp"] == text
    assert inspect(path).counts == {"unused key": 1}
    made = tokenised(path, tmp_path, monkeypatch)
    assert (len(made.stores[path].rows), made.problems.error_count) == (1, 0)


def test_binary_data_beside_the_words_is_named(tmp_path, monkeypatch):
    path = written(tmp_path, b"\x89PNG", "image")
    (problem,) = read_examples(path)
    assert isinstance(problem, RowIssue)
    words = "message 2 (assistant) has under 'image' binary data, which can't be converted to text"
    assert (problem.reason, problem.kind) == (words, "wrong type")
    assert len(tokenised(path, tmp_path, monkeypatch).stores[path].rows) == 0


def test_tools_with_dates_are_read_too(tmp_path, monkeypatch):
    tools = [{"type": "function", "function": {"name": "look", "since": NOON}}]
    path = written(tmp_path, "now", tools=tools)
    (example,) = read_examples(path)
    assert example.tools[0]["function"]["since"] == "2024-05-01T12:00:00+00:00"
    assert len(tokenised(path, tmp_path, monkeypatch).stores[path].rows) == 1


def test_words_that_are_a_date_are_named(tmp_path):
    turns = [{"role": "user", "content": NOON}]
    path = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist([{"messages": turns}]), path)
    (problem,) = read_examples(path)
    assert problem.reason == "message 1 (user) has content that is a datetime, not text"
