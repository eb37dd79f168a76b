"""LoRA layers that compute in the precision of the activations; their weights stay float32.

An adapter is trained in float32, so mlx-lm's layers widen the activations of a bfloat16 model in
every adapted module, and keep the wide copies for the backward pass. Here the two small matrices
are narrowed instead, as mixed precision does it: gradients and updates are float32 as before.
"""

from typing import Any

from app.engine.mlx_gateway import import_mlx


def compute_in_model_precision(model: Any) -> None:
    """Have every LoRA layer over a linear module narrow its adapter instead of widening its input.

    The layers stay mlx-lm's in everything but their call, with the same parameters at the same
    paths.
    """
    from mlx_lm.tuner.lora import LoRALinear

    kind = _mixed_precision_kind(LoRALinear)
    for _, module in model.named_modules():
        if type(module) is LoRALinear:
            module.__class__ = kind


def _mixed_precision_kind(lora: Any) -> Any:
    """A subclass of mlx-lm's `LoRALinear`; made here, since mlx-lm may only be imported late."""
    bfloat16 = import_mlx().bfloat16

    class MixedPrecisionLoRALinear(lora):  # type: ignore[misc]
        def __call__(self, x: Any) -> Any:
            # float16 can overflow where float32 does not; bfloat16 has the same range.
            if x.dtype != bfloat16:
                return super().__call__(x)
            down, up = self.lora_a.astype(bfloat16), (self.scale * self.lora_b).astype(bfloat16)
            return self.linear(x) + (self.dropout(x) @ down) @ up

    return MixedPrecisionLoRALinear
