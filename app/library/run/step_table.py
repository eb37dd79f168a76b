"""A step as a record of fixed size, and a table of such records. Knows no files.

Numbers are stored exactly, except for a layer's change, which is stored to within 5 %: one byte
on a logarithmic scale, enough for its color in a heat map and a quarter of the size.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.core.events import StepFinished

MAX_PENDING = 65_535
_MIN_POWER, _MAX_POWER, _CODES = -8.0, 2.0, 253
_CODE_WIDTH = (_MAX_POWER - _MIN_POWER) / _CODES
_NOT_A_NUMBER = 255


def record_type(tiers: int, layers: int, *, has_clocks: bool = False) -> np.dtype[Any]:
    """The columns for a number of tiers and adapted layers; little-endian, no padding."""
    clocks = [("pulls", "<f4", (tiers,)), ("base_kl", "<f4")]
    return np.dtype(
        [
            ("step", "<u4"),
            ("fired", "u1"),  # a bit for each tier, tier 0 the lowest
            ("void", "u1"),
            ("seconds", "<f4"),  # since the run began, without pauses
            ("loss", "<f4"),
            ("learning_rate", "<f4"),
            ("gradient_norm", "<f4"),
            ("tokens_per_second", "<f4"),
            ("trained_tokens", "<u8"),
            ("peak_memory_bytes", "<u8"),
            ("deltas", "<f4", (tiers,)),
            ("drifts", "<f4", (tiers,)),
            ("pending", "<u2", (tiers,)),  # at most 65,535
            ("layer_codes", "u1", (layers,)),  # 0, or 10^(code · 10/253 - 8)
            *(clocks if has_clocks else ()),
            ("crc", "<u4"),  # CRC-32 of the bytes before it
        ]
    )


def encode(kind: np.dtype[Any], event: StepFinished, seconds: float) -> bytes:
    """The record of one step."""
    row = np.zeros((), kind)
    for name in ("step", "void", "loss", "learning_rate", "gradient_norm", "tokens_per_second",
                 "trained_tokens", "peak_memory_bytes", "deltas", "drifts"):  # fmt: skip
        row[name] = getattr(event, name)
    row["seconds"] = seconds
    row["fired"] = sum(1 << tier for tier in event.fired)
    row["pending"] = np.minimum(event.pending, MAX_PENDING)
    row["layer_codes"] = _layer_codes(event.layer_deltas)
    if "pulls" in (kind.names or ()):
        row["pulls"], row["base_kl"] = event.pulls or 0.0, event.base_kl
    content = row.tobytes()[:-4]
    return content + zlib.crc32(content).to_bytes(4, "little")


@dataclass(frozen=True)
class StepTable:
    """The readable steps, in ascending order."""

    rows: npt.NDArray[Any]
    """Of `record_type`."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def steps(self) -> npt.NDArray[np.int32]:
        return self.rows["step"].astype(np.int32)

    @property
    def tiers(self) -> int:
        return int(self.rows.dtype["deltas"].shape[0])

    @property
    def layers(self) -> int:
        return int(self.rows.dtype["layer_codes"].shape[0])

    @property
    def has_clocks(self) -> bool:
        """Whether the columns `pulls` and `base_kl` are there."""
        return "pulls" in (self.rows.dtype.names or ())

    def up_to(self, step: int) -> "StepTable":
        return StepTable(self.rows[self.rows["step"] <= step])

    def fired(self, tier: int) -> npt.NDArray[Any]:
        """For each step, whether the tier moved."""
        moved: npt.NDArray[Any] = (self.rows["fired"] >> tier) & 1 == 1
        return moved

    def layer_deltas(self, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """[steps, layers]; NaN where the change was not finite."""
        deltas: npt.NDArray[Any] = _DECODED[self.rows["layer_codes"][start:stop]]
        return deltas


def decode(content: bytes | memoryview, kind: np.dtype[Any]) -> StepTable:
    """The intact records of `content`; others are left out."""
    size = kind.itemsize
    count = len(content) // size
    rows = np.frombuffer(content, kind, count)
    view = memoryview(content)
    sums = [zlib.crc32(view[at : at + size - 4]) for at in range(0, count * size, size)]
    is_intact = rows["crc"] == np.array(sums, np.uint32)
    steps = rows["step"].astype(np.int64)
    is_intact[1:] &= steps[1:] > np.maximum.accumulate(np.where(is_intact, steps, 0))[:-1]
    return StepTable(rows if is_intact.all() else rows[is_intact])


def empty_table() -> StepTable:
    return StepTable(np.zeros(0, record_type(1, 0)))


def _layer_codes(values: tuple[float, ...]) -> npt.NDArray[np.uint8]:
    deltas = np.asarray(values, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = np.rint((np.log10(deltas) - _MIN_POWER) / _CODE_WIDTH)
    codes = np.where(deltas > 0, np.clip(codes, 1, _CODES), 0)
    return np.where(np.isfinite(deltas), codes, _NOT_A_NUMBER).astype(np.uint8)


def _decoded() -> npt.NDArray[Any]:
    values = 10 ** (_MIN_POWER + _CODE_WIDTH * np.arange(256))
    values[0], values[_CODES + 1 :] = 0, np.nan
    return values.astype(np.float32)


_DECODED = _decoded()
"""The value each code stands for."""
