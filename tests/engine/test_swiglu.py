"""SwiGLU whose gradient keeps only its inputs: mlx-lm's numbers, and nothing left behind."""

from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models import activations, llama

from app.engine.execution.swiglu import efficient_swiglu, memory_efficient_swiglu

SHAPE = (4, 32, 64)


@pytest.fixture
def model() -> Any:
    config = {
        "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64,
        "num_attention_heads": 2, "rms_norm_eps": 1e-5, "vocab_size": 64,
    }  # fmt: skip
    return llama.Model(llama.ModelArgs.from_dict(config))


@pytest.mark.parametrize(("dtype", "off"), [(mx.float32, 1e-6), (mx.bfloat16, 2e-2)])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_values_and_gradients_are_those_of_mlx_lm(
    dtype: Any, off: float, is_compiled: bool
) -> None:
    mx.random.seed(1)
    gate, x, error = (mx.random.normal(SHAPE).astype(dtype) * 3 for _ in range(3))

    def pulled(function: Any) -> Any:
        def both(gate: Any, x: Any, error: Any) -> Any:
            values, gradients = mx.vjp(function, [gate, x], [error])
            return [*values, *gradients]

        return (mx.compile(both) if is_compiled else both)(gate, x, error)

    for found, expected in zip(pulled(efficient_swiglu), pulled(activations.swiglu), strict=True):
        assert found.dtype == dtype
        wide, theirs = found.astype(mx.float32), expected.astype(mx.float32)
        assert (mx.linalg.norm(wide - theirs) / mx.linalg.norm(theirs)).item() < off


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 1, 64), mx.float32), ((4, 32, 1), mx.float32), (SHAPE, mx.bfloat16)]
)
def test_gradients_have_their_array_s_shape_and_dtype_if_the_gate_has_others(
    shape: tuple[int, ...], dtype: Any
) -> None:
    mx.random.seed(1)
    gate, x, error = mx.random.normal(shape).astype(dtype), *mx.random.normal((2, *SHAPE))
    _, found = mx.vjp(efficient_swiglu, [gate, x], [error])
    _, theirs = mx.vjp(activations.swiglu, [gate, x], [error])
    for ours, expected in zip(found, theirs, strict=True):
        assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)
        assert mx.allclose(ours, expected, rtol=2e-2, atol=2e-2).item()


def test_it_is_used_where_steps_are_compiled_and_put_back(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with memory_efficient_swiglu(model):
        assert llama.swiglu is activations.swiglu
    monkeypatch.setattr("app.engine.execution.swiglu.uses_compile", lambda: True)
    with pytest.raises(RuntimeError), memory_efficient_swiglu(model):
        assert llama.swiglu is efficient_swiglu
        raise RuntimeError
    assert llama.swiglu is activations.swiglu


def test_a_model_with_another_gate_is_left_alone(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(gate: Any, x: Any) -> Any:
        return gate * x

    monkeypatch.setattr("app.engine.execution.swiglu.uses_compile", lambda: True)
    monkeypatch.setattr(llama, "swiglu", own)
    with memory_efficient_swiglu(model):
        assert llama.swiglu is own
