"""SwiGLU for compiled training steps: the inputs of its gradient are computed again.

MLX keeps the sigmoid, and the gate times it, for the backward pass, each as large as the gate.
Both cost nothing in the kernels that compute the gradients.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx

from app.engine.model.language_model import LanguageModel
from app.engine.runtime.custom_gradients import custom_function
from app.engine.runtime.mlx_runtime import uses_compile


@contextmanager
def memory_efficient_swiglu(model: LanguageModel) -> Iterator[None]:
    """Inside, where the code of `model` calls mlx-lm's SwiGLU, only the two inputs are kept.

    Nothing changes if steps are not compiled, as each operation is a separate pass then.
    """
    if not uses_compile():
        yield
        return
    from mlx_lm.models.activations import swiglu

    names = {type(module).__module__ for _, module in model.named_modules()}
    files = [sys.modules[name] for name in names]
    callers = [file for file in files if getattr(file, "swiglu", None) is swiglu]
    try:
        for caller in callers:
            vars(caller)["swiglu"] = efficient_swiglu
        yield
    finally:
        for caller in callers:
            vars(caller)["swiglu"] = swiglu


def efficient_swiglu(gate: mx.array, x: mx.array) -> mx.array:
    """silu(gate) · x; in the lean way where both arrays have one shape and dtype."""
    if gate.shape != x.shape or gate.dtype != x.dtype:
        return gate * mx.sigmoid(gate) * x

    @custom_function
    def gated(gate: mx.array, x: mx.array) -> mx.array:
        return gate * mx.sigmoid(gate) * x

    @gated.vjp
    def _(
        primals: tuple[mx.array, mx.array], error: mx.array, _: mx.array
    ) -> tuple[mx.array, mx.array]:
        gate, x = primals
        # To MLX another gate each time: so it finds no sigmoid to be kept from one for the other.
        again = mx.depends([gate], [error])[0]
        of_x = error * (again * mx.sigmoid(again))
        again = mx.depends([gate], [of_x])[0]
        opened = mx.sigmoid(again)
        return error * x * (opened * (1 + again * (1 - opened))), of_x

    return gated(gate, x)
