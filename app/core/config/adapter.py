"""Settings of the adapter: its kind, its size and its place in the model."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from app.core.config.setting import setting
from app.core.text.translation import mark

FineTuneType = Literal["lora", "dora"]

_setting = partial(setting, section="adapter")


@dataclass(frozen=True)
class AdapterSettings:
    fine_tune_type: FineTuneType = _setting(
        "lora",
        label=mark("Adapter"),
        help=mark(
            "lora: a low-rank change of each weight. dora: direction and magnitude are "
            "learned separately; slower."
        ),
        advanced=True,
    )
    keys: str = _setting(
        "",
        label=mark("Target modules"),
        help=mark(
            "The modules of a layer that carry an adapter, separated by commas, like q_proj, "
            "v_proj. Empty means all."
        ),
        advanced=True,
    )
    rank: int = _setting(
        8, label=mark("Rank"), help=mark("Rank of each LoRA adapter."),
        bounds=(1, 1024),
    )  # fmt: skip
    scale: float = _setting(
        20.0, label=mark("Scale"), help=mark("Factor on the adapter's output, as in mlx-lm."),
        bounds=(0.0, 1e4), exclusive_minimum=True, advanced=True,
    )  # fmt: skip
    dropout: float = _setting(
        0.0, label=mark("Dropout"),
        help=mark("Share of the adapter's inputs that are dropped during training."),
        bounds=(0.0, 0.95), advanced=True,
    )  # fmt: skip
    num_layers: int = _setting(
        -1,
        label=mark("Layers"),
        help=mark(
            "Number of layers, counted from the output, that carry an adapter. -1 means all."
        ),
        bounds=(-1, 10_000),
        advanced=True,
    )
