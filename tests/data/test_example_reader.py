"""One file as examples and problems, in one pass."""

from app.core.column_mapping import ColumnMapping
from app.data.row_values import ChatExample, RowIssue, RowLocation, TextExample
from app.data.rows.row_validation import read_examples


def test_examples_and_problems_come_in_the_order_of_the_file(write_rows):
    path = write_rows({"text": "a"}, b"{", {"text": ""}, {"text": "b"})
    found = list(read_examples(path))
    assert [item.place.line for item in found] == [1, 2, 3, 4]
    assert [type(item) for item in found] == [TextExample, RowIssue, RowIssue, TextExample]


def test_reading_examples_is_lazy(write_rows):
    assert next(read_examples(write_rows({"text": "a"}, b"{"))) == TextExample("a", RowLocation(1))


def test_mapped_columns_are_read_in_their_roles(write_rows):
    path = write_rows({"q": "fox?", "a": "yes", "s": "Be brief.", "text": "no"})
    (example,) = read_examples(path, ColumnMapping(prompt="q", completion="a", system="s"))
    assert example == ChatExample(
        (
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "fox?"},
            {"role": "assistant", "content": "yes"},
        ),
        None,
        RowLocation(1),
    )
