"""A file's mapping is known again, by its place or by its content."""

import pytest

from app.core.column_mapping import ColumnMapping
from app.library.column_mapping_store import remember_columns, remembered_columns

MAPPED = ColumnMapping(prompt="q", completion="a")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("q,a\n1,2\n")
    return path


def test_a_file_that_was_never_mapped_has_no_mapping(table):
    assert remembered_columns(table) is None


def test_a_mapping_is_remembered(table):
    remember_columns(table, MAPPED)
    assert remembered_columns(table) == MAPPED


def test_a_column_with_odd_characters_is_remembered(table):
    mapped = ColumnMapping(text="ä = b")
    remember_columns(table, mapped)
    assert remembered_columns(table) == mapped


def test_a_file_that_was_moved_is_known_by_its_content(table, tmp_path):
    remember_columns(table, MAPPED)
    moved = table.rename(tmp_path / "b.csv")
    assert remembered_columns(moved) == MAPPED


def test_a_file_that_was_changed_is_known_by_its_place(table):
    remember_columns(table, MAPPED)
    table.write_text("q,a\n1,2\n3,4\n")
    assert remembered_columns(table) == MAPPED


def test_a_new_mapping_takes_the_place_of_the_old(table):
    remember_columns(table, MAPPED)
    remember_columns(table, ColumnMapping(text="q"))
    assert remembered_columns(table) == ColumnMapping(text="q")
    remember_columns(table, None)
    assert remembered_columns(table) is None


def test_another_file_is_not_mistaken_for_it(table, tmp_path):
    remember_columns(table, MAPPED)
    other = tmp_path / "other.csv"
    other.write_text("q,a\n1,3\n")
    assert remembered_columns(other) is None
    assert remembered_columns(tmp_path / "missing.csv") is None


@pytest.mark.parametrize("content", ["", "[", "{}", "[1]", '[{"path": 1}]', "null"])
def test_an_unreadable_store_starts_over(table, own_home, content):
    own_home.mkdir()
    (own_home / "columns.json").write_text(content)
    assert remembered_columns(table) is None
    remember_columns(table, MAPPED)
    assert remembered_columns(table) == MAPPED
