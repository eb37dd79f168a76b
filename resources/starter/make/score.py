"""Counts the chats whose last assistant message a model gives exactly under greedy decoding.

One forward pass a batch: greedy decoding yields the message and its end exactly if the most
probable token is the right one at every place of the message.
Run: python resources/starter/make/score.py MODEL_FOLDER FILE.jsonl …
"""

import json
import sys
from pathlib import Path
from typing import Any

import blas  # noqa: F401  (first: before MLX)
import mlx.core as mx

Chat = list[dict[str, str]]


def read_chats(path: Path) -> list[Chat]:
    """The messages of every row of a chat file."""
    return [json.loads(line)["messages"] for line in path.read_text("utf-8").splitlines()]


def right(model: Any, tokenizer: Any, chats: list[Chat], batch_size: int = 64) -> list[bool]:
    """For every chat, whether the last message (and its end token) is what the model says."""
    results = []
    for start in range(0, len(chats), batch_size):
        rows, spans = [], []
        for messages in chats[start : start + batch_size]:
            prompt = tokenizer.apply_chat_template(
                messages[:-1], add_generation_prompt=True, tokenize=False
            )
            prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
            answer = messages[-1]["content"] + tokenizer.eos_token
            ids = prompt_ids + tokenizer.encode(answer, add_special_tokens=False)
            rows.append(ids)
            spans.append((len(prompt_ids), len(ids)))
        width = max(map(len, rows))
        tokens = mx.array([row + [0] * (width - len(row)) for row in rows])
        guesses = mx.argmax(model(tokens), axis=-1).tolist()
        for row, guess, (first, last) in zip(rows, guesses, spans, strict=True):
            results.append(guess[first - 1 : last - 1] == row[first:last])
    return results


def main() -> None:
    """Prints the share of right answers for every file."""
    from mlx_lm import load

    model, tokenizer = load(sys.argv[1])
    for name in sys.argv[2:]:
        results = right(model, tokenizer, read_chats(Path(name)))
        print(f"{name}: {sum(results)} of {len(results)} right ({sum(results) / len(results):.1%})")


if __name__ == "__main__":
    main()
