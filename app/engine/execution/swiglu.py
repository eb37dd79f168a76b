"""Memory-efficient SwiGLU for compiled training steps: the backward pass recomputes intermediates.

For the backward pass, MLX keeps the sigmoid and its product with the gate, each as large as the
gate. The kernels that compute the gradients can recompute both at no cost.
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
    """Inside, calls of mlx-lm's SwiGLU in the code of `model` keep only their two inputs.

    Without compilation nothing changes, because each operation is then a separate pass.
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
    """silu(gate) · x; memory-efficient if both arrays have the same shape and dtype."""
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
        # `depends` makes MLX see a new gate each time, so that it shares and keeps no sigmoid.
        again = mx.depends([gate], [error])[0]
        x_error = error * (again * mx.sigmoid(again))
        again = mx.depends([gate], [x_error])[0]
        sigmoid = mx.sigmoid(again)
        return error * x * (sigmoid * (1 + again * (1 - sigmoid))), x_error

    return gated(gate, x)
