"""Splitting each text once gives exactly what splitting every beginning anew gives."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.data.chat import tokenization
from app.data.chat.tokenization import ExampleTokenizer
from app.data.row_values import ChatExample, RowLocation, TextExample
from tests.data.conftest import SPECIAL, TEMPLATES

ALL_TEMPLATES = sorted(path.stem for path in TEMPLATES.glob("*.jinja"))
PIECES = [
    *SPECIAL, "<think>", "</think>", "<|im_", "end|>", "<think>\n\n</think>\n\n", "\n", "\n\n", " ",
    "user", "assistant", "the fox", "hello", "é", "日本", "👋", "\u2003", "[INST] ", "x",
]  # fmt: skip
contents = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), min_size=1, max_size=6).map(
    "".join
)
call = {"type": "function", "function": {"name": "look", "arguments": {"at": "fox"}}}


@st.composite
def messages(draw):
    roles = draw(
        st.lists(st.sampled_from(["user", "assistant"]), min_size=1, max_size=6)
        | st.integers(1, 3).map(lambda n: ["user", "assistant"] * n)
    )
    roles = ["system"] * draw(st.booleans()) + roles
    found = [{"role": role, "content": draw(contents)} for role in roles]
    if draw(st.integers(0, 4)) == 0:
        found[-1] = {"role": "assistant", "content": "", "tool_calls": [call]}
    return found


def chat_of(turns, tools, numbers):
    """A chat with some of its replies untrained, if any of these numbers is one's."""
    untrained = [n for n, turn in enumerate(turns) if turn["role"] == "assistant" and n in numbers]
    return ChatExample(tuple(turns), tools, RowLocation(2), tuple(untrained))


rows = st.lists(
    st.builds(lambda text: TextExample(text, RowLocation(1)), contents)
    | st.builds(chat_of, messages(),
                st.none() | st.just(({"type": "function", "function": {"name": "look"}},)),
                st.sets(st.integers(0, 6))),
    min_size=1, max_size=5,
)  # fmt: skip


def fast_way(tokenizer, mask_prompt, replies="whole-chat"):
    way = ExampleTokenizer(tokenizer, mask_prompt, replies)._fast_tokenizer()
    assert way is not None
    return way


def check_ways(tokenizer, examples, mask_prompt, replies):
    plain = ExampleTokenizer(tokenizer, mask_prompt, replies)
    fast = fast_way(tokenizer, mask_prompt, replies)
    assert fast.tokenize_batch(examples) == [plain.tokenize(row) for row in examples]


@pytest.mark.parametrize("splits", ["new", "gpt2", "spm"])
@pytest.mark.parametrize("template", ALL_TEMPLATES)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    examples=rows,
    mask_prompt=st.sampled_from([True, True, False]),
    replies=st.sampled_from(["every", "every", "whole-chat", "last"]),
)
@example(
    # Nothing comes before its only turn, and transformers renders no empty chat.
    examples=[chat_of([{"role": "assistant", "content": "x"}], None, {0})],
    mask_prompt=False,
    replies="every",
)
def test_the_fast_way_is_the_plain_way(
    tokenizer_with, template, splits, examples, mask_prompt, replies
):
    check_ways(tokenizer_with(template, splits=splits), examples, mask_prompt, replies)


@pytest.mark.slow
@pytest.mark.parametrize("splits", ["new", "gpt2", "spm"])
@pytest.mark.parametrize("template", ALL_TEMPLATES)
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    examples=rows,
    mask_prompt=st.sampled_from([True, True, False]),
    replies=st.sampled_from(["every", "every", "whole-chat", "last"]),
)
def test_the_fast_way_is_the_plain_way_in_a_long_campaign(
    tokenizer_with, template, splits, examples, mask_prompt, replies
):
    check_ways(tokenizer_with(template, splits=splits), examples, mask_prompt, replies)


def test_the_fast_way_works_for_mlx_lms_wrapper(tokenizer_with):
    from mlx_lm.tokenizer_utils import TokenizerWrapper

    wrapped = TokenizerWrapper(tokenizer_with("thinking"))
    chat = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
    plain = ExampleTokenizer(wrapped, True).tokenize(ChatExample(chat, None, RowLocation(1)))
    assert fast_way(wrapped, True).tokenize_batch([ChatExample(chat, None, RowLocation(1))]) == [
        plain
    ]


def test_where_the_ways_differ_the_plain_way_is_taken(tokenizer_with, monkeypatch):
    tokenizer = tokenizer_with("chatml")
    chat = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
    examples = [ChatExample(chat, None, RowLocation(line)) for line in range(1, 9)]
    expected = [ExampleTokenizer(tokenizer, True).tokenize(example) for example in examples]
    monkeypatch.setattr(
        tokenization.FastEncoder, "encode_batch",
        lambda self, texts, add_special_tokens=False: [[7] * 9 for _ in texts],
    )  # fmt: skip
    assert ExampleTokenizer(tokenizer, True).tokenize_batch(examples) == expected
