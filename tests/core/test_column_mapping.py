"""Which column plays which role: what can be said, and the sentence for what can't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.column_mapping import ColumnMapping, parse_columns
from app.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", None),
        (" , ", None),
        ("text=body", ColumnMapping(text="body")),
        ("prompt=q,completion=a", ColumnMapping(prompt="q", completion="a")),
        (
            " prompt = my q , completion=a=b, system=s ",
            ColumnMapping(prompt="my q", completion="a=b", system="s"),
        ),
        ("messages=chat, tools=t", ColumnMapping(messages="chat", tools="t")),
    ],
)
def test_a_mapping_is_read_from_its_text(text, columns):
    assert parse_columns(text) == columns


NAMES = st.text("ab ,=\\ü.", min_size=1, max_size=6).filter(lambda name: name == name.strip())


@given(prompt=NAMES, completion=NAMES, system=NAMES)
def test_a_mapping_reads_back_from_what_it_prints(prompt, completion, system):
    columns = ColumnMapping(prompt=prompt, completion=completion, system=system)
    assert parse_columns(str(columns)) == columns


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("q", "'q' maps no column: the roles are prompt, completion, system, text"),
        ("question=q", "'question=q' maps no column"),
        ("prompt=", "'prompt=' maps no column"),
        ("text=a, text=b", "The role text is given twice."),
        ("prompt=q", "A column is mapped to prompt but none to completion."),
        ("completion=a", "A column is mapped to completion but none to prompt."),
        ("system=s", "No column is mapped to prompt and completion, to messages or to text."),
        (
            "prompt=q,completion=a,text=t",
            "Columns are mapped to more than one kind of example: prompt, text.",
        ),
        ("text=t,system=s", "Plain text has no system."),
    ],
)
def test_a_mapping_that_can_not_be_is_named(text, sentence):
    with pytest.raises(InputError) as error:
        parse_columns(text)
    assert error.value.message.startswith(sentence)
    assert error.value.hint
