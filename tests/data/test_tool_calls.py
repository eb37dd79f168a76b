"""A tool call's arguments train the same tokens as an object and as text that holds the object."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.chat.tokenization import ExampleTokenizer
from app.data.row_values import RowIssue, RowLocation
from app.data.rows.row_validation import validate_row
from app.data.tokens.tokenized_examples import TokenizedExample
from tests.at_once import inspect
from tests.data.conftest import build_tokenizer

CALL = "{% set call = message.tool_calls[0].function %}"
TEMPLATES = {
    # As Llama 3.x and Mistral write calls.
    "writes JSON": '{"name": "{{ call.name }}", "parameters": {{ call.arguments | tojson }}}',
    "writes the whole call": "{{ message.tool_calls[0].function | tojson }}",
    # As Qwen does.
    "asks": "{{ call.name }} {% if call.arguments is string %}{{ call.arguments }}{% else %}"
    "{{ call.arguments | tojson }}{% endif %}",
    # As Qwen3-Coder and GLM do.
    "walks": "{{ call.name }}{% for key, value in call.arguments.items() %}"
    "<{{ key }}>{{ value }}{% endfor %}",
    "prints": "{{ call.name }} {{ call.arguments }}",
    "adds": "{{ call.name + call.arguments }}",
    "leaves out": "{{ call.name }}",
}
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.tool_calls %}"
    + CALL
    + "CALLED{% else %}{{ message.content }}{% endif %}<|im_end|>\n{% endfor %}"
    + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer_that(template):
    tokenizer = deepcopy(build_tokenizer())
    tokenizer.chat_template = CHAT.replace("CALLED", TEMPLATES[template])
    return tokenizer


def example_of(arguments, asked="Weather?"):
    function = {"name": "weather", "arguments": arguments}
    turns = [
        {"role": "user", "content": asked},
        {"role": "assistant", "tool_calls": [{"type": "function", "function": function}]},
        {"role": "tool", "content": "Sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]
    found = validate_row({"messages": turns}, RowLocation(1), Path("train.jsonl"))
    assert not isinstance(found, RowIssue), found
    return found[0]


def made(example, template, mask_prompt=True):
    tokenizer = tokenizer_that(template)
    (found,) = ExampleTokenizer(tokenizer, mask_prompt).tokenize(example)
    assert isinstance(found, TokenizedExample), found
    assert ExampleTokenizer(tokenizer, mask_prompt).tokenize_batch([example]) == [[found]]
    return found, tokenizer.decode(list(found.tokens))


@pytest.mark.parametrize("mask_prompt", [True, False])
@pytest.mark.parametrize("template", TEMPLATES)
def test_text_and_object_are_the_same_tokens_with_any_template(template, mask_prompt):
    arguments = {"town": "Bern", "days": [1, 2], "warm": True}
    by_object, words = made(example_of(arguments), template, mask_prompt)
    by_text, _ = made(example_of(json.dumps(arguments)), template, mask_prompt)
    assert (by_object.tokens, by_object.trained) == (by_text.tokens, by_text.trained)
    assert "\\" not in words
    if template not in ("walks", "leaves out"):
        assert json.dumps(arguments) in words


@pytest.mark.parametrize("arguments", ["Bern", "[1]", "{town}", '{"a": 1, "a": 2}', ""])
@pytest.mark.parametrize("template", ["writes JSON", "prints", "asks"])
def test_text_that_is_no_json_object_stays_text(template, arguments):
    _, words = made(example_of(arguments), template)
    assert (json.dumps(arguments) if template == "writes JSON" else arguments) in words


@pytest.mark.parametrize("arguments", ["Bern", "[1]", "{town}", '{"a": 1, "a": 2}'])
def test_arguments_that_are_no_object_are_counted_and_named(arguments, write_rows):
    chats = [example_of(arguments, asked).messages for asked in ("Weather?", "And now?")]
    facts = inspect(write_rows(*({"messages": list(chat)} for chat in chats)))
    assert (facts.examples, facts.counts) == (2, {"broken arguments": 2})
    assert f"arguments that aren't a JSON object ({arguments!r})" in facts.warnings[0].reason
    assert facts.warnings[0].is_warning


@pytest.mark.parametrize("arguments", ['{"a": 1}', {"a": 1}, "", None, " {} "])
def test_arguments_that_are_an_object_or_none_are_no_fault(arguments, write_rows):
    chat = example_of(arguments).messages
    assert inspect(write_rows({"messages": list(chat)})).counts == {}


def test_a_chat_that_quotes_python_is_no_sign_that_the_template_prints_it():
    asked = "Say {'town': 'Bern'}"
    _, words = made(example_of('{"town": "Bern"}', asked), "writes JSON")
    assert '"parameters": {"town": "Bern"}' in words


def test_a_row_keeps_the_digest_of_what_it_says():
    by_text, by_object = (made(example_of(one), "asks")[0] for one in ('{"a": 1}', {"a": 1}))
    assert by_text.digest != by_object.digest


@settings(max_examples=10, deadline=None)
@given(
    st.dictionaries(
        st.text("ab'\"\\é", max_size=4),
        st.integers(-9, 9) | st.booleans() | st.none() | st.text("a'\"{}\\ü", max_size=6),
        max_size=3,
    ),
    st.sampled_from(list(TEMPLATES)),
)
def test_any_object_is_the_same_tokens_as_text(arguments, template):
    text = json.dumps(arguments, ensure_ascii=False)
    assert made(example_of(arguments), template)[1] == made(example_of(text), template)[1]
