"""Trains the starter's byte-level BPE on its own world and writes tokenizer.json and its config.

Run: python resources/starter/make/make_tokenizer.py
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from telling import starter_documents
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from world import SEED

MODEL = Path(__file__).resolve().parents[1] / "model"
VOCABULARY = 1536
DOCUMENTS = 60_000
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def texts() -> Iterator[str]:
    """The texts that the merges are learned from."""
    for document in itertools.islice(starter_documents(f"tokenizer {SEED}"), DOCUMENTS):
        if isinstance(document, str):
            yield document
        else:
            for message in document:
                yield f"{message['role']}\n{message['content']}"


def main() -> None:
    """Writes both files into the model folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    tokenizer.save(str(MODEL / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": 512,
        "chat_template": CHAT_TEMPLATE,
    }
    (MODEL / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"{tokenizer.get_vocab_size()} tokens in {MODEL}")


if __name__ == "__main__":
    main()
