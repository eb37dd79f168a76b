"""Every reply of a chat is trained as the model sees it at its turn, whatever the template does to
earlier ones when more turns follow."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.progress import drain
from app.data.chat.assistant_mask import trainable_turns
from app.data.chat.tokenization import ExampleTokenizer
from app.data.files.dataset_files import find_files
from app.data.row_values import ChatExample, Message, RowIssue, RowLocation, content_digest
from app.data.rows.row_notes import RowNote
from app.data.tokens.tokenized_examples import TokenizedExample
from app.data.training_set.token_report import statistics_of, tokenize_files
from app.data.training_set.training_data import DataSettings, RowSettings
from tests.at_once import open_data
from tests.data.conftest import build_tokenizer

CHANGING = ("thinking", "thinking_loop")
"""Templates that change earlier replies when more turns follow."""
KEEPING = ("chatml", "headers", "plain_words")
CALL = {"type": "function", "function": {"name": "look", "arguments": {"where": "here"}}}


def chat(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple({"role": role, "content": content} for role, content in turns)


def made(
    messages: Sequence[Message], template: str, untrained: tuple[int, ...] = (), **options: Any
) -> list[TokenizedExample]:
    example = ChatExample(tuple(messages), None, RowLocation(1, 1), untrained)
    options = {"replies": "every"} | options
    found = ExampleTokenizer(build_tokenizer(template), True, **options).tokenize(example)
    assert not any(isinstance(one, RowIssue) for one in found)
    return found  # type: ignore[return-value]


def turns_of(found: Sequence[TokenizedExample], messages: Any, template: str) -> list[list[int]]:
    """Of each example, which turns it trains: those whose prompt comes before a trained span."""
    render = build_tokenizer(template).apply_chat_template
    prompts = {
        tuple(render(list(messages[:turn]), add_generation_prompt=True, return_dict=False)): turn
        for turn in trainable_turns(messages)
    }
    return [[prompts[one.tokens[:start]] for start, _ in one.trained] for one in found]


def texts(found: Sequence[TokenizedExample], template: str) -> list[list[str]]:
    decode = build_tokenizer(template).decode
    return [[decode(list(one.tokens[a:b])) for a, b in one.trained] for one in found]


FOUR = chat(
    ("user", "the fox"), ("assistant", "<think>\nquick\n</think>\n\nbrown"),
    ("user", "and"), ("assistant", "<think>\ngood\n</think>\n\nday"),
)  # fmt: skip


def test_earlier_replies_become_examples_of_their_own_with_their_thoughts() -> None:
    assert texts(made(FOUR, "thinking"), "thinking") == [
        ["<think>\ngood\n</think>\n\nday<|im_end|>"],
        ["<think>\nquick\n</think>\n\nbrown<|im_end|>"],
    ]


@pytest.mark.parametrize("template", KEEPING)
def test_a_template_that_keeps_them_needs_one_example(template: str) -> None:
    messages = chat(("user", "a"), ("assistant", "hello"), ("user", "b"), ("assistant", "day"))
    found = made(messages, template)
    assert found == made(messages, template, replies="whole-chat")
    assert [len(one.trained) for one in found] == [2]


def test_a_loop_of_tool_calls_is_one_example_calls_included() -> None:
    messages = [
        *FOUR[:2],
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "<think>\nfirst\n</think>\n\n", "tool_calls": [CALL]},
        {"role": "tool", "content": "found"},
        {"role": "assistant", "content": "<think>\nthen\n</think>\n\ngood"},
    ]
    found = texts(made(messages, "thinking_loop"), "thinking_loop")
    assert [len(spans) for spans in found] == [2, 1]
    assert '{"where": "here"}' in found[0][0]
    assert found[1] == ["<think>\nquick\n</think>\n\nbrown<|im_end|>"]


def test_all_examples_of_a_chat_have_its_digest_so_they_are_held_out_together() -> None:
    found = made(FOUR, "thinking")
    (whole,) = made(FOUR, "thinking", replies="whole-chat")
    assert {one.digest for one in found} == {whole.digest}
    assert {one.place for one in found} == {whole.place}


def test_a_reply_of_weight_0_is_in_no_example() -> None:
    assert texts(made(FOUR, "thinking", untrained=(1,)), "thinking") == [
        ["<think>\ngood\n</think>\n\nday<|im_end|>"]
    ]


@pytest.mark.parametrize("template", [*CHANGING, *KEEPING])
def test_the_last_reply_alone_can_be_chosen(template: str) -> None:
    (only,) = made(FOUR, template, replies="last")
    assert len(only.trained) == 1
    assert only.tokens == made(FOUR, template)[0].tokens
    assert only.trained == made(FOUR, template)[0].trained[-1:]


words = st.text("abcdefgh ", min_size=1, max_size=12).map(lambda text: f"x{text}".strip())
thoughts = st.one_of(st.just(""), words.map(lambda text: f"<think>\n{text}\n</think>\n\n"))
replies = st.tuples(thoughts, words).map("".join)
loops = st.lists(replies, min_size=1, max_size=3)
rounds = st.lists(st.tuples(words, loops), min_size=1, max_size=4)


def messages_of(chat_rounds: list[tuple[str, list[str]]]) -> list[Message]:
    """Each question with a loop of replies, between which a tool answers."""
    messages: list[Message] = []
    for question, loop in chat_rounds:
        messages.append({"role": "user", "content": question})
        for number, reply in enumerate(loop):
            if number:
                messages.append({"role": "tool", "content": "found"})
            messages.append({"role": "assistant", "content": reply})
    return messages


@pytest.mark.parametrize("template", [*CHANGING, "chatml"])
@settings(max_examples=15, deadline=None)
@given(chat_rounds=rounds)
def test_each_reply_is_trained_once_after_the_prompt_of_its_turn(
    template: str, chat_rounds: list[tuple[str, list[str]]]
) -> None:
    check_each_reply(template, chat_rounds)


@pytest.mark.slow
@pytest.mark.parametrize("template", [*CHANGING, "chatml"])
@settings(max_examples=300, deadline=None)
@given(chat_rounds=rounds)
def test_each_reply_of_many_chats_is_trained_once(
    template: str, chat_rounds: list[tuple[str, list[str]]]
) -> None:
    check_each_reply(template, chat_rounds)


def check_each_reply(template: str, chat_rounds: list[tuple[str, list[str]]]) -> None:
    messages = messages_of(chat_rounds)
    found = made(messages, template)
    trained = [turn for turns in turns_of(found, messages, template) for turn in turns]
    assert sorted(trained) == trainable_turns(messages)
    assert not any(one.last_reply_only for one in found)
    example = ChatExample(tuple(messages), None, RowLocation(1, 1))
    tokenizer = ExampleTokenizer(build_tokenizer(template), True, "every")
    assert tokenizer.tokenize_batch([example]) == [found]


OPENED = chat(
    ("assistant", "welcome"), ("user", "the fox"), ("assistant", "brown"),
    ("user", "and"), ("assistant", "good day"),
)  # fmt: skip
SYSTEM = {"role": "system", "content": "be good"}


@pytest.mark.parametrize("before", [(), (SYSTEM,)])
@pytest.mark.parametrize("masked", [True, False])
def test_a_reply_that_comes_first_is_left_out_where_the_template_refuses_it(
    before: tuple[Message, ...], masked: bool
) -> None:
    """The rest is trained as a chat that never had it; the row stays the one of its file."""
    tokenizer = build_tokenizer("gemma3")
    example = ChatExample((*before, *OPENED), None, RowLocation(1, 1), (4 + len(before),))
    rest = ChatExample((*before, *OPENED[1:]), None, RowLocation(1, 1), (3 + len(before),))
    maker = ExampleTokenizer(tokenizer, masked, "every")
    found = maker.tokenize(example)
    assert maker.tokenize_batch([example]) == [found]
    assert found == [
        replace(one, notes=one.notes | RowNote.OPENING_LEFT_OUT, digest=content_digest(example))
        for one in maker.tokenize(rest)
        if isinstance(one, TokenizedExample)
    ]


def test_an_opening_reply_is_noted_where_the_template_accepts_it() -> None:
    for template in ("chatml", "qwen3", "thinking"):
        first, *_ = made(OPENED, template)
        assert RowNote(first.notes) is RowNote.OPENING_REPLY
        assert "welcome" in build_tokenizer(template).decode(list(first.tokens))
    assert not made(OPENED, "chatml", untrained=(0,))[0].notes, "the row says so itself"
    assert not made(OPENED[1:], "chatml")[0].notes


def test_a_chat_that_the_template_refuses_for_another_reason_stays_refused() -> None:
    maker = ExampleTokenizer(build_tokenizer("gemma3"), True, "every")
    twice = chat(("assistant", "a"), ("user", "b"), ("user", "c"), ("assistant", "d"))
    alone = (SYSTEM, *chat(("assistant", "a"), ("user", "b")))
    for messages in (twice, alone):
        (problem,) = maker.tokenize(ChatExample(messages, None, RowLocation(1, 1)))
        assert isinstance(problem, RowIssue)
        assert "roles must alternate" in problem.reason


def test_a_run_says_how_many_examples_its_rows_became(write_rows: Any) -> None:
    rows = [{"messages": list(FOUR)}, {"messages": list(FOUR[:2])}]
    files = find_files(write_rows(*rows))
    rows_of = RowSettings(mask_prompt=True, replies="every")
    found = open_data(files, build_tokenizer("thinking"), DataSettings(rows_of, 512, 1))
    assert len(found.train) == 3
    whole, first, _ = (found.train[index].length for index in range(3))
    cost = (whole + first + found.train[2].length) / (whole + found.train[2].length)
    (note,) = found.notes
    assert note.startswith(f"2 rows became 3 examples, with {cost:.2f} times the tokens")
    tokenised = drain(tokenize_files(files, build_tokenizer("thinking"), rows_of, 512))
    (statistics,) = statistics_of([tokenised], validation_split=0.0, seed=0)
    assert (statistics.train.rows, statistics.further.usable_rows(512)) == (3, 1)
    one = open_data(files, build_tokenizer("thinking"), DataSettings(RowSettings(True), 512, 1))
    assert len(one.train) == 2
