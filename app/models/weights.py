"""Reads tensors' names, dtypes, shapes and sizes from the headers of safetensors files.

A file may come from anyone, so reads are bounded and headers are checked. Needs no MLX.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from app.core.files.strict_parsing import parse_flat_json
from app.core.files.untrusted_files import open_regular

WEIGHTS = "model*.safetensors"
"""The files that mlx-lm loads."""
MAX_HEADER_BYTES = 100 * 10**6
"""The limit of the safetensors format."""
_LENGTH_BYTES = 8
_ITEM_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16, "I16": 16,
    "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
    "F4": 4, "C64": 64,
}  # fmt: skip


class Tensor(NamedTuple):
    dtype: str
    """The name in safetensors, such as "BF16" or "U32"."""
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def size(self) -> int:
        """The number of items; packed numbers count as the words that contain them."""
        return prod(self.shape)


@dataclass(frozen=True)
class WeightsHeader:
    tensors: Mapping[str, Tensor]
    needed_bytes: int
    """The file size that the header requires."""
    file_bytes: int
    """The actual file size."""

    @property
    def is_cut_off(self) -> bool:
        return self.file_bytes < self.needed_bytes


def read_weights_header(file: Path, max_bytes: int = MAX_HEADER_BYTES) -> WeightsHeader:
    """The header of a safetensors file. Raises OSError, or ValueError with a clause as its message.

    Links are followed, as in mlx-lm, because the Hugging Face cache consists of links.
    """
    with open_regular(file, follow_links=True) as opened:
        file_bytes = os.fstat(opened.fileno()).st_size
        header, length = _read(opened, max_bytes)
    tensors, data_bytes = _tensors(header)
    return WeightsHeader(tensors, _LENGTH_BYTES + length + data_bytes, file_bytes)


def _read(opened: BufferedReader, max_bytes: int) -> tuple[dict[str, Any], int]:
    try:
        (length,) = struct.unpack("<Q", opened.read(_LENGTH_BYTES))
    except struct.error:
        raise ValueError("it is empty or incomplete") from None
    if length > max_bytes:
        raise ValueError(f"its header claims to have {length:,} bytes")
    text = opened.read(length)
    if len(text) < length:
        raise ValueError("its header is incomplete")
    header = parse_flat_json(text)
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return header, length


def _tensors(header: dict[str, Any]) -> tuple[dict[str, Tensor], int]:
    """The tensors, and the number of bytes from the first to the end of the last."""
    tensors: dict[str, Tensor] = {}
    last = 0
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        try:
            begin, end = facts["data_offsets"]
            shape = tuple(facts["shape"])
            is_valid = all(type(number) is int and number >= 0 for number in (begin, end, *shape))
            bits = _ITEM_BITS[facts["dtype"]]
        except (KeyError, TypeError, ValueError):
            is_valid = False
        if not is_valid or 8 * (end - begin) != bits * prod(shape):
            raise ValueError("its header contradicts itself")
        tensors[name] = Tensor(facts["dtype"], shape, end - begin)
        last = max(last, end)
    return tensors, last
