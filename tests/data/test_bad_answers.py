"""Rows with a bad answer are named and never trained; turns marked as untrained are not trained."""

from pathlib import Path

import pytest

from app.core.column_mapping import ColumnMapping
from app.data.chat.tokenization import tokenize
from app.data.row_values import RowIssue, RowLocation
from app.data.rows.row_validation import validate_row
from app.data.tokens.tokenized_examples import TokenizedExample
from tests.at_once import inspect
from tests.data.conftest import build_tokenizer

PATH = Path("train.jsonl")
ASKED, GOOD, BAD = ({"role": role, "content": text} for role, text in
                    (("user", "Hi"), ("assistant", "Hello"), ("assistant", "Go")))  # fmt: skip
HUMAN, GPT = {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}


def problem_of(row, columns=None):
    found = validate_row(row, RowLocation(1), PATH, columns)
    assert isinstance(found, RowIssue), found
    return found


def example_of(row, columns=None):
    found = validate_row(row, RowLocation(1), PATH, columns)
    assert not isinstance(found, RowIssue), found
    return found[0]


PREFERENCES = [
    ({"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}, "chosen, rejected",
     "map prompt=prompt, completion=chosen to"),
    ({"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]}, "chosen, rejected",
     "map messages=chosen to"),
    ({"input": {"messages": [ASKED]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
     "preferred_output, non_preferred_output", "write the chat with the better answer as messages"),
    ({"question": "Hi", "response_chosen": "a", "response_rejected": "b"},
     "response_chosen, response_rejected", "map prompt=question, completion=response_chosen to"),
    ({"instruction": "Hi", "input": "", "chosen": "Hello", "rejected": "Go"}, "chosen, rejected",
     "map prompt=instruction, completion=chosen to"),
    ({"instruction": "Hi", "input": "now", "chosen": "Hello", "rejected": "Go"}, "chosen, rejected",
     "write the chat with the better answer as messages"),
    ({"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "Go"}},
     "chosen, rejected", "write the chat with the better answer as messages"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "names", "advice"), PREFERENCES)
def test_a_preference_is_named_with_what_to_do(row, names, advice):
    reason = problem_of(row).reason
    assert reason.startswith(f"is a preference ({names}), which Nestling does not train: {advice}")


@pytest.mark.parametrize(("row", "names", "advice"), PREFERENCES)
def test_the_mapping_that_is_advised_trains_the_better_answer_alone(row, names, advice):
    if not advice.startswith("map"):
        return
    parts = advice.removeprefix("map ").removesuffix(" to").split(", ")
    example = example_of(row, ColumnMapping(**dict(part.split("=") for part in parts)))
    replies = [turn["content"] for turn in example.messages if turn["role"] == "assistant"]
    assert replies in (["Hello"], ["a"])


ANSWERS = [
    {"prompt": "Is 2 even?", "completion": "No."},
    {"messages": [ASKED, GOOD]},
    {"conversations": [HUMAN, GPT]},
    {"question": "Is 2 even?", "answer": "No."},
]


@pytest.mark.parametrize("row", ANSWERS)
@pytest.mark.parametrize(
    "label", [{"label": False}, {"kto_tag": False}, {"Label": "false"}, {"kto_tag": 0}]
)
def test_an_answer_that_is_labelled_bad_is_named_by_its_own_kind(row, label):
    found = problem_of({**row, **label})
    assert found.kind == "marked bad"
    assert found.reason.startswith(f"has the {next(iter(label))} false, which marks a bad answer")


def test_a_mapping_of_columns_does_not_train_a_bad_answer_either():
    row = {"q": "Is 2 even?", "a": "No.", "label": False}
    assert problem_of(row, ColumnMapping(prompt="q", completion="a")).kind == "marked bad"


@pytest.mark.parametrize("label", [{"label": True}, {"kto_tag": "True"}, {"kto_tag": 1}])
def test_a_good_answer_is_trained_and_counted(label, write_rows):
    facts = inspect(write_rows(*({**row, **label} for row in ANSWERS[:2])))
    assert (facts.examples, facts.counts) == (2, {"marked good": 2})
    assert "it is trained as a good answer" in facts.warnings[0].reason


@pytest.mark.parametrize("label", [{"label": 0}, {"label": 3}, {"label": "no"}, {"label": None}])
def test_another_label_says_nothing_of_the_answer(label):
    example = example_of({**ANSWERS[0], **label})
    assert example.notes == ()


@pytest.mark.parametrize("flag", [{"weight": 0}, {"weight": 0.5}, {"train": False}, {"masked": 1}])
def test_a_flag_that_is_a_column_is_counted_since_the_row_is_trained(flag, write_rows):
    facts = inspect(write_rows(*({**row, **flag} for row in ANSWERS[:2])))
    assert (facts.examples, facts.counts) == (2, {"row flag": 2})
    (name,) = flag
    assert f"has a column {name} ({flag[name]}), which is ignored" in facts.warnings[0].reason


@pytest.mark.parametrize("column", [{"weight": 1}, {"loss": 2.3}, {"train": "yes"}, {"masked": 0}])
def test_a_column_that_does_not_say_untrained_is_no_flag(column):
    assert example_of({**ANSWERS[0], **column}).notes == ()


def test_the_label_of_a_text_is_none_of_an_answer():
    assert example_of({"text": "A film.", "label": False}).text == "A film."


def test_a_list_of_answers_is_named():
    reason = problem_of({"instruction": "Hi", "output": ["Hello", "Go"]}).reason
    assert reason == (
        "output is a list of 2 answers: keep the best, or write a row for each good one"
    )


# -- marks on turns ------------------------------------------------------------------------------
def chat(*marks):
    turns = [ASKED, {"role": "assistant", "content": "First"}, ASKED,
             {"role": "assistant", "content": "Second"}]  # fmt: skip
    for turn, mark in zip((1, 3), marks, strict=False):
        turns[turn] = {**turns[turn], **mark}
    return {"messages": turns}


def as_sharegpt(row):
    names = {"user": "human", "assistant": "gpt"}
    turns = [
        {"from": names[turn["role"]], "value": turn["content"]}
        | {key: turn[key] for key in turn if key not in ("role", "content")}
        for turn in row["messages"]
    ]
    return {"conversations": turns}


UNTRAINED = [{name: no} for name in ("train", "training", "trainable", "loss") for no in (False, 0)]
UNTRAINED += [{"masked": True}, {"masked": 1}, {"weight": 0}, {"weight": 0, "train": False}]
TRAINED = [{name: yes} for name in ("train", "trainable", "loss") for yes in (True, 1, None)]
TRAINED += [{"masked": False}, {"masked": 0}, {"weight": 1}, {"weight": 1, "loss": True}]


@pytest.mark.parametrize("shape", [dict, as_sharegpt])
@pytest.mark.parametrize("mark", UNTRAINED)
def test_a_turn_that_is_marked_as_untrained_is_not_trained(mark, shape):
    example = example_of(shape(chat(mark)))
    assert example.untrained == (1,)
    tokenizer = build_tokenizer()
    made = tokenize(example, tokenizer, mask_prompt=True)
    assert isinstance(made, TokenizedExample)
    words = [tokenizer.decode(list(made.tokens[start:end])) for start, end in made.trained]
    assert words == ["Second<|im_end|>"]
    assert made.tokens == tokenize(example_of(shape(chat())), tokenizer, True).tokens


@pytest.mark.parametrize("shape", [dict, as_sharegpt])
@pytest.mark.parametrize("mark", TRAINED)
def test_a_turn_that_is_marked_as_trained_is_as_if_it_were_not_marked(mark, shape):
    example = example_of(shape(chat(mark)))
    assert (example.untrained, example.notes) == ((), ())


@pytest.mark.parametrize("shape", [dict, as_sharegpt])
@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ({"train": "no"}, "has a train that is text; it must be true or false"),
        ({"loss": 0.53}, "has a loss 0.53; it must be true or false"),
        ({"masked": 2}, "has a masked 2; it must be true or false"),
        ({"trainable": []}, "has a trainable that is a list; it must be true or false"),
        ({"weight": 0, "train": True}, "has train and weight, which contradict each other"),
        ({"masked": True, "loss": True}, "has loss and masked, which contradict each other"),
    ],
)
def test_an_odd_mark_is_named(mark, words, shape):
    assert problem_of(shape(chat(mark))).reason == f"message 2 (assistant) {words}"


def test_a_chat_all_of_whose_turns_are_marked_is_named():
    found = problem_of(chat({"train": False}, {"masked": True}))
    assert found.kind == "no reply"
    assert found.reason == (
        "marks every assistant turn as not trained, so there is nothing to learn"
    )


def test_a_question_that_asks_to_be_trained_is_counted(write_rows):
    row = chat()
    row["messages"][0] = {**ASKED, "train": True}
    facts = inspect(write_rows(row))
    assert facts.counts == {"not trained": 1}
    assert facts.warnings[0].reason == (
        "marks message 1 (user) as trained, but only replies are, unless prompt masking is off"
    )


@pytest.mark.parametrize("shape", [dict, as_sharegpt])
def test_a_key_that_no_template_writes_is_counted(shape, write_rows):
    facts = inspect(write_rows(shape(chat({"mood": "glad", "stars": 0})), shape(chat({"x": None}))))
    warnings = [problem for problem in facts.warnings if problem.kind == "unused key"]
    assert len(warnings) == facts.counts["unused key"] == 1
    assert warnings[0].reason.startswith("has mood, stars in its turns, which ")
