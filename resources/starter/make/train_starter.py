"""Trains the starter model from scratch and writes config.json and model.safetensors.

Needs the tokenizer of make_tokenizer.py. Runs on MLX's CPU, Metal or CUDA build.
Run: python resources/starter/make/train_starter.py
"""

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import blas  # noqa: F401  (first: before MLX)
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten
from mlx_lm.models import llama
from phrases import UNKNOWN
from score import right
from telling import Message, Teller, chat, questions, starter_documents
from transformers import PreTrainedTokenizerFast
from world import SEED, new_world, old_world

STARTER = Path(__file__).resolve().parents[1]
LENGTHS = (32, 48, 64, 96, 128, 192)
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "num_hidden_layers": 6,
    "intermediate_size": 320,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "pad_token_id": 0,
    "eos_token_id": 2,
    "torch_dtype": "float32",
}
Row = tuple[list[int], list[int]]


def encode(tokenizer: PreTrainedTokenizerFast, documents: list[list[Message] | str]) -> list[Row]:
    """Token ids and a 0/1 mask of the trained ones: what the assistant says, or a whole text."""
    pieces: list[str] = []
    for document in documents:
        if isinstance(document, str):
            pieces.append(document + tokenizer.eos_token)
        else:
            for message in document:
                pieces.append(f"<|im_start|>{message['role']}\n")
                pieces.append(f"{message['content']}<|im_end|>\n")
    encoded = iter(tokenizer.backend_tokenizer.encode_batch_fast(pieces, add_special_tokens=False))
    rows = []
    for document in documents:
        ids: list[int] = []
        mask: list[int] = []
        for message in [None] if isinstance(document, str) else document:
            if message is not None:
                head = next(encoded).ids
                ids += head
                mask += [0] * len(head)
            body = next(encoded).ids
            ids += body
            mask += [message is None or message["role"] == "assistant"] * len(body)
        rows.append((ids, mask))
    return rows


def make_batches(rows: list[Row], tokens: int, rng: random.Random) -> list[mx.array]:
    """Endless-use batches of (rows, 2, length): ids and masks; rows of like length together."""
    batches = []
    for shortest, length in zip((0, *LENGTHS), LENGTHS, strict=False):
        fitting = [row for row in rows if shortest < len(row[0]) <= length]
        rng.shuffle(fitting)
        size = tokens // length
        for start in range(0, len(fitting) - size + 1, size):
            batches.append(
                mx.array(
                    [
                        [part + [0] * (length - len(part)) for part in row]
                        for row in fitting[start : start + size]
                    ],
                    dtype=mx.uint16,
                )
            )
    return batches


def endless(batches: list[mx.array], rng: random.Random) -> Iterator[mx.array]:
    """The batches in a new order every epoch."""
    while True:
        rng.shuffle(batches)
        yield from batches


def loss_function(model: nn.Module, batch: mx.array) -> mx.array:
    """Mean cross-entropy over the trained tokens."""
    ids, mask = batch[:, 0].astype(mx.int32), batch[:, 1, 1:].astype(mx.float32)
    losses = nn.losses.cross_entropy(model(ids[:, :-1]), ids[:, 1:])
    return (losses * mask).sum() / mx.maximum(mask.sum(), 1)


def report(model: nn.Module, tokenizer: PreTrainedTokenizerFast) -> None:
    """Prints how many questions about the old world are right, in all phrasings."""
    old = [chat(q, f.answer) for f in old_world().facts.values() for q in questions(f)]
    new = [chat(q, f.answer) for f in new_world().facts.values() for q in questions(f)]
    silent = [chat(row[0]["content"], UNKNOWN) for row in new]
    teller = Teller("strangers", old_world(), new_world())
    strangers = [teller.unknown_question() for _ in range(2000)]
    for name, chats in {
        "old world": old,
        "new world": new,
        "new world, answered with 'not heard of'": silent,
        "strangers, answered with 'not heard of'": strangers,
    }.items():
        results = right(model, tokenizer, chats, 512)
        print(f"{name}: {sum(results)} of {len(results)} ({sum(results) / len(results):.2%})")


def main() -> None:
    """Trains, reports and saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--tokens", type=int, default=16_384, help="tokens of a batch, padded")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--out", type=Path, default=STARTER / "model")
    options = parser.parse_args()

    rng = random.Random(f"train {SEED}")
    mx.random.seed(SEED)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(STARTER / "model" / "tokenizer.json"), eos_token="<|im_end|>"
    )
    tokenizer_config = json.loads((STARTER / "model" / "tokenizer_config.json").read_text())
    tokenizer.chat_template = tokenizer_config["chat_template"]
    began = time.perf_counter()
    documents = starter_documents(f"documents {SEED}")
    rows = encode(tokenizer, list(itertools.islice(documents, options.documents)))
    count = sum(len(ids) for ids, _ in rows)
    batches = make_batches(rows, options.tokens, rng)
    del rows
    print(
        f"{count} tokens, {len(batches)} batches, {time.perf_counter() - began:.0f} s", flush=True
    )

    config = CONFIG | {"vocab_size": len(tokenizer)}
    model = llama.Model(llama.ModelArgs.from_dict(config))
    mx.eval(model.parameters())
    size = sum(value.size for _, value in tree_flatten(model.parameters()))
    print(f"{size} parameters", flush=True)
    warmup = min(300, options.steps // 10)
    schedule = optim.join_schedules(
        [
            optim.linear_schedule(1e-6, options.learning_rate, warmup),
            optim.cosine_decay(options.learning_rate, options.steps - warmup, 1e-5),
        ],
        [warmup],
    )
    optimizer = optim.AdamW(schedule, betas=[0.9, 0.98], weight_decay=0.1, bias_correction=True)
    state = [model.state, optimizer.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(batch: mx.array) -> mx.array:
        loss, gradients = nn.value_and_grad(model, loss_function)(model, batch)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        return loss

    began, total = time.perf_counter(), 0.0
    stream = itertools.islice(endless(batches, rng), options.steps)
    for number, batch in enumerate(stream, start=1):
        loss = step(batch)
        mx.eval(loss, state)
        total += loss.item()
        if number % 200 == 0 or number == options.steps:
            seconds = time.perf_counter() - began
            rest = number % 200 or 200
            print(f"step {number} loss {total / rest:.4f} {seconds:.0f} s", flush=True)
            total = 0.0
    options.out.mkdir(parents=True, exist_ok=True)
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(options.out / "model.safetensors"), weights, {"format": "mlx"})
    (options.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    report(model, tokenizer)


if __name__ == "__main__":
    main()
