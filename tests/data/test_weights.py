"""An assistant turn of weight 0, as OpenAI's fine-tuning files have it, is read and not trained."""

import json
from pathlib import Path

import pytest

from app.data.chat.tokenization import ExampleTokenizer, tokenize
from app.data.inspection.duplicates import SeenRows
from app.data.inspection.row_rendering import RowRenderer, raw_row
from app.data.row_values import ChatExample, RowIssue, RowLocation
from app.data.rows.row_validation import validate_row
from app.data.tokens.tokenized_examples import TokenizedExample
from tests.data.conftest import build_tokenizer

PATH = Path("train.jsonl")
SPOKEN = (("user", "hello"), ("assistant", "wrong answer"), ("user", "again"), ("assistant", "fox"))


def row(*weights, turns=SPOKEN):
    """A chat whose assistant turns have these weights; "" for none."""
    left = list(weights)
    messages = []
    for role, content in turns:
        message = {"role": role, "content": content}
        if role == "assistant" and left and (weight := left.pop(0)) != "":
            message["weight"] = weight
        messages.append(message)
    return {"messages": messages}


def example_of(*weights, **more):
    found = validate_row(row(*weights, **more), RowLocation(3), PATH)
    assert not isinstance(found, RowIssue), found
    assert isinstance(found[0], ChatExample)
    return found[0]


def trained_words(example, tokenizer, mask_prompt=True):
    made = tokenize(example, tokenizer, mask_prompt)
    assert isinstance(made, TokenizedExample), made
    ((fast,),) = ExampleTokenizer(tokenizer, mask_prompt).tokenize_batch([example])
    assert fast == made
    return [tokenizer.decode(list(made.tokens[start:end])) for start, end in made.trained]


@pytest.mark.parametrize("template", ["chatml", "headers", "alternating", "thinking"])
def test_a_turn_of_weight_0_is_not_trained(template):
    tokenizer = build_tokenizer(template)
    (words,) = trained_words(example_of(0, 1), tokenizer)
    assert "fox" in words
    whole = tokenize(example_of(0, 1), tokenizer, True)
    assert whole.tokens == tokenize(example_of(), tokenizer, True).tokens
    assert not whole.last_reply_only


def test_a_chat_ends_with_its_last_trained_turn():
    tokenizer = build_tokenizer()
    made = tokenize(example_of("", 0), tokenizer, True)
    assert made.tokens == tokenize(example_of(turns=SPOKEN[:2]), tokenizer, True).tokens
    assert trained_words(example_of("", 0), tokenizer) == ["wrong answer<|im_end|>"]


@pytest.mark.parametrize("weights", [(0, 1), (1, 0)])
def test_a_turn_of_weight_0_is_not_trained_in_whole_chats_either(weights):
    tokenizer = build_tokenizer()
    words = trained_words(example_of(*weights), tokenizer, mask_prompt=False)
    untrained, trained = ("wrong answer", "fox")[:: 1 if weights[0] == 0 else -1]
    assert not any(untrained in part for part in words)
    assert any(trained in part for part in words)
    assert any("hello" in part for part in words)
    made = tokenize(example_of(*weights), tokenizer, False)
    assert made.tokens == tokenize(example_of(), tokenizer, False).tokens


def test_an_opening_turn_of_weight_0_is_not_trained_in_whole_chats():
    turns = (("assistant", "good day"), ("user", "hello"), ("assistant", "fox"))
    words = trained_words(example_of(0, turns=turns), build_tokenizer(), mask_prompt=False)
    assert not any("good day" in part for part in words)
    assert any("fox" in part for part in words)


def test_a_chat_whose_turn_of_weight_0_a_template_hides_is_refused():
    tokenizer = build_tokenizer("rewrites_question")
    made = tokenize(example_of(0, 1), tokenizer, mask_prompt=False)
    assert isinstance(made, RowIssue)
    assert made.place == RowLocation(3)
    assert "message 2" in made.reason


def test_weight_1_changes_nothing():
    assert example_of(1, 1.0) == example_of() == example_of(None)


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        (0.5, "0.5"),
        (2, "2"),
        (-1, "-1"),
        (True, "that is true or false"),
        ("0", "that is text"),
        ([0], "that is a list"),
    ],
)
def test_another_weight_is_named(weight, shown):
    found = validate_row(row(weight), RowLocation(7), PATH)
    assert isinstance(found, RowIssue)
    reason = f"message 2 (assistant) has a weight {shown}; it must be 0 or 1"
    assert (found.place, found.reason, found.kind) == (RowLocation(7), reason, "wrong type")


def test_a_chat_without_a_turn_to_train_is_named():
    found = validate_row(row(0, 0), RowLocation(7), PATH)
    assert isinstance(found, RowIssue)
    assert found.kind == "no reply"
    assert found.reason == "gives every assistant turn the weight 0, so there is nothing to learn"


def test_a_chat_whose_only_trained_turn_answers_nothing_is_refused():
    turns = (("assistant", "good day"), ("user", "hello"), ("assistant", "fox"))
    made = tokenize(example_of(1, 0, turns=turns), build_tokenizer(), True)
    assert isinstance(made, RowIssue)
    assert made.reason.endswith("comes first, before any question")


def test_turns_of_sharegpt_keep_their_weights():
    turns = [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "no", "weight": 0},
             {"from": "human", "value": "again"}, {"from": "gpt", "value": "fox"}]  # fmt: skip
    found = validate_row({"conversations": turns}, RowLocation(1), PATH)
    assert not isinstance(found, RowIssue)
    assert found[0].untrained == (1,)


def test_it_is_shown_as_not_trained():
    tokenizer = build_tokenizer()
    raw = raw_row(example_of(0, 1), 0, 100)
    roles = [piece.text for piece in raw.spans if piece.kind == "role"]
    assert roles == ["user", "assistant (not trained)", "user", "assistant"]
    made = tokenize(example_of(0, 1), tokenizer, True)
    shown = RowRenderer(tokenizer).row(0, made, 1000, 1000)
    assert "".join(piece.text for piece in shown.spans if piece.is_trained) == "fox<|im_end|>"
    assert any("wrong answer" in piece.text for piece in shown.spans if not piece.is_trained)


def test_chats_that_differ_in_weights_are_no_duplicates_and_may_be_on_two_sides():
    seen = SeenRows(PATH)
    seen.add(example_of(0, 1))
    seen.add(example_of(1, 1))
    assert list(seen.duplicates()) == []
    tokenizer = build_tokenizer()
    digests = {tokenize(example_of(*w), tokenizer, True).digest for w in ((0, 1), (1, 1), ())}
    assert len(digests) == 2


def test_lists_that_stand_in_tables_as_text_have_weights_too():
    found = validate_row({"messages": json.dumps(row(0)["messages"])}, RowLocation(1), PATH)
    assert not isinstance(found, RowIssue)
    assert found[0].untrained == (1,)
