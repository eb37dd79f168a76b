"""mlx-lm's LoRA layers with a leaner call: the same sum, in fewer passes and less memory.

An adapter is trained in float32, so mlx-lm's layers widen the activations of a bfloat16 model in
every adapted module, and keep the wide copies for the backward pass. Here the two small matrices
are narrowed instead, as mixed precision does it; gradients and updates are float32 as before. The
scale goes into the second small matrix and the sum into its product, where mlx-lm passes twice over
what the module puts out.
"""

from typing import Any

from app.engine.mlx_gateway import import_mlx


def make_lora_layers_lean(model: Any) -> None:
    """Give every LoRA layer over a linear module of `model` the leaner call.

    The layers stay mlx-lm's in everything else, with the same parameters at the same paths.
    """
    from mlx_lm.tuner.lora import LoRALinear

    kind = _lean_kind(LoRALinear)
    for _, module in model.named_modules():
        if type(module) is LoRALinear:
            module.__class__ = kind


def is_lean(module: Any) -> bool:
    """Whether `module` has the leaner call."""
    return getattr(type(module), "is_lean", False)


def _lean_kind(lora: Any) -> Any:
    """A subclass of mlx-lm's `LoRALinear`; made here, since mlx-lm may only be imported late."""
    mx = import_mlx()

    class LeanLoRALinear(lora):  # type: ignore[misc]
        is_lean = True

        def __call__(self, x: Any) -> Any:
            # float16 can overflow where float32 does not; bfloat16 has the same range.
            if x.dtype not in (mx.float32, mx.bfloat16):
                return super().__call__(x)
            # An AdapterInput has scaled and narrowed them already; then none of this does anything.
            scaled = self.lora_b if self.scale == 1 else self.scale * self.lora_b
            down, up = self.lora_a.astype(x.dtype), scaled.astype(x.dtype)
            return mx.addmm(self.linear(x), self.dropout(x) @ down, up)

    return LeanLoRALinear
