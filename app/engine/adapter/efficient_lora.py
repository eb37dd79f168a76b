"""A more efficient call for mlx-lm's LoRA layers: the same result in fewer passes and less memory.

An adapter is trained in float32, so mlx-lm's layers cast the activations of a bfloat16 model to
float32 in every adapted module and keep the copies for the backward pass. Here the two LoRA
matrices are cast to bfloat16 instead, as in mixed precision; gradients and updates stay float32.
The scale is multiplied into `lora_b`, and one fused product adds the result, where mlx-lm makes two
more passes over the module's output.
"""

from collections.abc import Iterator, Set
from contextlib import AbstractContextManager, contextmanager

import mlx.core as mx

from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.model_structure import reclassed
from app.engine.runtime.custom_gradients import custom_function
from app.engine.runtime.named_arrays import ModuleClass


def use_efficient_lora(model: LanguageModel) -> None:
    """Give every LoRA layer over a linear module of `model` the efficient call.

    Everything else stays mlx-lm's, with the same parameters at the same paths.
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
    """Inside, efficient layers use mlx-lm's call."""
    lean = [module for _, module in model.named_modules() if is_efficient(module)]
    return reclassed(lean, lambda kind: kind.__base__)


def has_efficient_layers(model: LanguageModel) -> bool:
    return any(is_efficient(module) for _, module in model.named_modules())


def is_efficient(module: CalledModule) -> bool:
    """Whether `module` has the efficient call."""
    return getattr(type(module), "is_efficient", False)


@contextmanager
def eager_lora_gradients(model: LanguageModel, trained: Set[str]) -> Iterator[None]:
    """Inside, an efficient layer computes the gradients of its parameters before that of its input.

    MLX would compute them after the backward pass through the layers below, and would keep the
    layer's input and output gradient until then. `trained` are the paths of the parameters that
    take a gradient; a layer is affected only if both its matrices do.
    """
    lean = {
        id(module): module  # by id, because a module can occur at two paths
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
    """A subclass of mlx-lm's `LoRALinear`; created late, because importing mlx-lm is slow."""

    class LeanLoRALinear(lora):  # type: ignore[misc]
        is_efficient = True
        is_eager = False

        def __call__(self, x: mx.array) -> mx.array:
            # float16 can overflow where float32 does not; bfloat16 has float32's range.
            if x.dtype not in (mx.float32, mx.bfloat16):
                return super().__call__(x)
            # Does nothing if a FlatAdapter has already scaled and cast them.
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
    """linear(x) + x · down · up, with `linear` frozen; the parameters' gradients come first."""
    rows = x.reshape(-1, x.shape[-1])
    # Computed outside `both`, so that gradients reach it and unused parts are not computed.
    low = mx.stop_gradient(rows @ down)

    @custom_function
    def both(rows: mx.array, _down: mx.array, up: mx.array, low: mx.array) -> mx.array:
        return mx.addmm(linear(rows), low, up)

    @both.vjp
    def _(primals: tuple[mx.array, ...], error: mx.array, _: mx.array) -> tuple[mx.array, ...]:
        rows, down, up, low = primals
        low_error = error @ up.T
        matrix_gradients = [rows.T @ low_error, low.T @ error]
        error, low_error = mx.depends([error, low_error], matrix_gradients)
        through_linear = mx.vjp(linear, [rows], [error])[1][0]
        gradients = (mx.addmm(through_linear, low_error, down.T), *matrix_gradients, low_error)
        # If `linear` returns a wider dtype than its input's, as with a wider bias, so is `error`.
        return tuple(g.astype(p.dtype) for g, p in zip(gradients, primals, strict=True))

    return both(rows, down, up, low).reshape(*x.shape[:-1], up.shape[-1])
