"""Real tokenizers, trained in a moment, with chat templates that stand for families of models."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATES = Path(__file__).parent / "templates"
ENDS = {
    "headers": "<|eot_id|>",
    "always_prompts": "<|eot_id|>",
    "alternating": "<|endoftext|>",
    "ends_twice": "<|endoftext|>",
    "plain_words": "<|endoftext|>",
}
NEW_SPLITS = (
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|eot_id|>", "<|user|>", "<|assistant|>", "<|end|>",
]  # fmt: skip
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


@cache
def build_tokenizer(
    template: str | None = "chatml", splits: Literal["new", "gpt2", "spm"] = "new"
) -> Any:
    """A byte-level BPE of 400 tokens, with `<think>` and `</think>` as tokens that aren't special.

    Text is split into words as by Llama 3 and Qwen, or as by GPT-2, which splits line breaks
    differently before a word and at the end; "spm" has no bytes but in need and puts a space in
    front of a text, as SentencePiece does for Llama 2 and Mistral.
    """
    bpe = Tokenizer(models.BPE(byte_fallback=splits == "spm", unk_token=None))
    if splits == "gpt2":
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(NEW_SPLITS), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if splits == "spm":
        bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        bpe.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
        alphabet = []
    corpus = ["user assistant system the quick brown fox says hello world\n\n\nand good day"] * 20
    trainer = trainers.BpeTrainer(
        vocab_size=700 if splits == "spm" else 400,
        special_tokens=SPECIAL + (BYTES if splits == "spm" else []),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    bpe.train_from_iterator(corpus, trainer)
    if splits == "spm":
        bpe = _without_special_bytes(bpe)
    bpe.add_tokens([AddedToken(word, special=False) for word in ("<think>", "</think>")])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=ENDS.get(template or "", "<|im_end|>")
    )
    if template:
        text = (TEMPLATES / f"{template}.jinja").read_text(encoding="utf-8")
        tokenizer.chat_template = text.rstrip("\n")
    return tokenizer


def _without_special_bytes(bpe: Tokenizer) -> Tokenizer:
    """The same with its byte tokens in the vocabulary only, not cut out of texts."""
    facts = json.loads(bpe.to_str())
    facts["added_tokens"] = [t for t in facts["added_tokens"] if t["content"] not in BYTES]
    return Tokenizer.from_str(json.dumps(facts))


@pytest.fixture(scope="session")
def tokenizer_with() -> Callable[..., Any]:
    """A tokenizer with the named template of `templates/`, or with none."""
    return build_tokenizer


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Write rows, as values or as raw lines, to a .jsonl file in the test's folder."""

    def write(*rows: object, name: str = "train.jsonl") -> Path:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return write
