"""A base model with one thing changed: each decides a run's numbers, and each has its sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np


def copied_model(model: Path, folder: Path) -> Path:
    """A copy that is the test's own, with the template in a file of its own."""
    shutil.copytree(model, folder)
    assert (folder / "chat_template.jinja").is_file()
    return folder


def change_one_weight(model: Path) -> None:
    """+0.01 in the file's middle, with the file's time and size as they were."""
    path = model / "model.safetensors"
    before = path.stat()
    middle = before.st_size // 8 * 4
    with path.open("r+b") as file:
        file.seek(middle)
        weight = np.frombuffer(file.read(4), np.float32)
        file.seek(middle)
        file.write((weight + np.float32(0.01)).tobytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def change_template(model: Path) -> None:
    path = model / "chat_template.jinja"
    path.write_text(path.read_text().replace("<|im_start|>assistant", "<|im_start|>Assistant"))


def swap_two_tokens(model: Path) -> None:
    path = model / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(tokenizer))


def change_rope(model: Path) -> None:
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rope_theta": 20000.0}))


CHANGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "one weight": (
        change_one_weight,
        "The weights of the base model in {} are not those this run was trained with.",
        "model.safetensors differs: put the old files back, or start a new run.",
    ),
    "the template": (
        change_template,
        "The chat template of the base model in {} is not the one this run was trained with.",
        "chat_template.jinja differs: put the old files back, or start a new run.",
    ),
    "two tokens": (
        swap_two_tokens,
        "The tokenizer of the base model in {} is not the one this run was trained with.",
        "tokenizer.json differs: put the old files back, or start a new run.",
    ),
    "rope_theta": (
        change_rope,
        "The configuration of the base model in {} is not the one this run was trained with.",
        "config.json differs: put the old files back, or start a new run.",
    ),
}


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
