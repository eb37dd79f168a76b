"""mlx-lm's LoRA layers with a leaner call: the same sum, in fewer passes and less memory.

An adapter is trained in float32, so mlx-lm's layers widen the activations of a bfloat16 model in
every adapted module, and keep the wide copies for the backward pass. Here the two small matrices
are narrowed instead, as mixed precision does it; gradients and updates are float32 as before. The
scale goes into the second small matrix and the sum into its product, where mlx-lm passes twice over
what the module puts out.
"""

from collections.abc import Iterator, Set
from contextlib import AbstractContextManager, contextmanager

import mlx.core as mx

from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.model_structure import reclassed
from app.engine.runtime.custom_gradients import custom_function
from app.engine.runtime.named_arrays import ModuleClass


def use_efficient_lora(model: LanguageModel) -> None:
    """Give every LoRA layer over a linear module of `model` the leaner call.

    The layers stay mlx-lm's in everything else, with the same parameters at the same paths.
    """
    from mlx_lm.tuner.lora import LoRALinear

    kind = _lean_kind(LoRALinear)
    for _, module in model.named_modules():
        if type(module) is LoRALinear:
            module.__class__ = kind


def restore_lora_layers(model: LanguageModel) -> None:
    """Undo `use_efficient_lora`."""
    for _, module in model.named_modules():
        if is_efficient(module):
            module.__class__ = type(module).__base__


def plain_lora_layers(model: LanguageModel) -> AbstractContextManager[None]:
    """Inside, lean layers have mlx-lm's own call."""
    lean = [module for _, module in model.named_modules() if is_efficient(module)]
    return reclassed(lean, lambda kind: kind.__base__)


def has_efficient_layers(model: LanguageModel) -> bool:
    return any(is_efficient(module) for _, module in model.named_modules())


def is_efficient(module: CalledModule) -> bool:
    """Whether `module` has the leaner call."""
    return getattr(type(module), "is_efficient", False)


@contextmanager
def eager_lora_gradients(model: LanguageModel, trained: Set[str]) -> Iterator[None]:
    """Inside, a lean layer gives its own gradients before the one of its input.

    MLX would leave them for when it has passed the layers below, and keep for them what went into
    the layer and came back. `trained` are the paths of the parameters that take a gradient: layers
    of which none does are left alone.
    """
    lean = {
        id(module): module  # once, though it may stand at two places
        for path, module in model.named_modules()
        if is_efficient(module) and {f"{path}.lora_a", f"{path}.lora_b"} <= trained
    }
    eager = list(lean.values())
    try:
        for module in eager:
            module.is_eager = True
        yield
    finally:
        for module in eager:
            del module.is_eager


def _lean_kind(lora: ModuleClass) -> ModuleClass:
    """A subclass of mlx-lm's `LoRALinear`; made here, since mlx-lm may only be imported late."""

    class LeanLoRALinear(lora):  # type: ignore[misc]
        is_efficient = True
        is_eager = False

        def __call__(self, x: mx.array) -> mx.array:
            # float16 can overflow where float32 does not; bfloat16 has the same range.
            if x.dtype not in (mx.float32, mx.bfloat16):
                return super().__call__(x)
            # If a FlatAdapter has scaled and narrowed them already, this does nothing.
            scaled = self.lora_b if self.scale == 1 else self.scale * self.lora_b
            down, up = self.lora_a.astype(x.dtype), scaled.astype(x.dtype)
            dropped = self.dropout(x)
            if self.is_eager and dropped is x:
                return _sum_with_gradients_at_once(self.linear, x, down, up)
            return mx.addmm(self.linear(x), dropped @ down, up)

    return LeanLoRALinear


def _sum_with_gradients_at_once(
    linear: CalledModule, x: mx.array, down: mx.array, up: mx.array
) -> mx.array:
    """linear(x) + x · down · up; `linear` is constant."""
    rows = x.reshape(-1, x.shape[-1])
    # Outside, so that gradients reach it, and unused parts of the sum are not computed.
    low = mx.stop_gradient(rows @ down)

    @custom_function
    def both(rows: mx.array, _down: mx.array, up: mx.array, low: mx.array) -> mx.array:
        return mx.addmm(linear(rows), low, up)

    @both.vjp
    def _(primals: tuple[mx.array, ...], error: mx.array, _: mx.array) -> tuple[mx.array, ...]:
        rows, down, up, low = primals
        low_error = error @ up.T
        own = [rows.T @ low_error, low.T @ error]
        error, low_error = mx.depends([error, low_error], own)
        below = mx.vjp(linear, [rows], [error])[1][0]
        gradients = (mx.addmm(below, low_error, down.T), *own, low_error)
        # Where `linear` gives more than it is given, as with a wider bias, `error` is wide.
        return tuple(g.astype(p.dtype) for g, p in zip(gradients, primals, strict=True))

    return both(rows, down, up, low).reshape(*x.shape[:-1], up.shape[-1])
