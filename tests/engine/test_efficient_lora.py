"""The leaner call of LoRA layers: mlx-lm's sum, in the precision of the activations."""

from typing import Any

import mlx.core as mx
import pytest

from app.engine.adapter.efficient_lora import eager_lora_gradients, use_efficient_lora
from app.engine.runtime.mlx_runtime import import_mlx_lm

WIDTH, ROWS = 256, 512


@pytest.fixture(autouse=True)
def _mlx_lm_is_there() -> None:
    import_mlx_lm()


def build(dtype: str, lean: bool) -> Any:
    """Three adapted linear layers in a row, with adapters that do something."""
    import mlx.nn as nn
    from mlx_lm.tuner.lora import LoRALinear

    mx.random.seed(3)
    linears = [nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3)]
    model = nn.Sequential(*(LoRALinear.from_base(linear, r=8, scale=2.0) for linear in linears))
    for layer in model.layers:
        layer.lora_b = mx.random.normal(layer.lora_b.shape) * 0.1
        layer.linear.set_dtype(getattr(mx, dtype))
        layer.linear.freeze()
    if lean:
        use_efficient_lora(model)
    mx.eval(model.parameters())
    return model


def loss_and_gradients(model: Any, x: Any) -> tuple[Any, dict[str, Any]]:
    import mlx.nn as nn
    from mlx.utils import tree_flatten

    def loss(x: Any) -> Any:
        return model(x).astype(mx.float32).square().mean()

    value, gradients = nn.value_and_grad(model, loss)(x)
    mx.eval(value, gradients)
    return value, dict(tree_flatten(gradients))


def inputs(dtype: str) -> Any:
    mx.random.seed(5)
    return mx.random.normal((ROWS, WIDTH)).astype(getattr(mx, dtype))


@pytest.mark.parametrize(("dtype", "off"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_loss_and_gradients_are_those_of_mlx_lm_but_for_rounding(dtype: str, off: float) -> None:
    x = inputs(dtype)
    value, gradients = loss_and_gradients(build(dtype, lean=True), x)
    theirs, their_gradients = loss_and_gradients(build(dtype, lean=False), x)
    assert value.item() == pytest.approx(theirs.item(), rel=off)
    assert gradients.keys() == their_gradients.keys()
    for path, gradient in gradients.items():
        assert gradient.dtype == mx.float32
        apart = mx.linalg.norm(gradient - their_gradients[path]) / mx.linalg.norm(gradient)
        assert apart.item() < off, path


def test_in_float16_the_call_is_mlx_lms_own() -> None:
    x = inputs("float16")
    value, gradients = loss_and_gradients(build("float16", lean=True), x)
    theirs, their_gradients = loss_and_gradients(build("float16", lean=False), x)
    assert value.item() == theirs.item()
    assert all(mx.array_equal(gradients[path], their_gradients[path]) for path in gradients)


def test_no_wide_copies_of_the_activations_are_kept() -> None:
    x = inputs("bfloat16")
    peaks = []
    for lean in (True, False):
        model = build("bfloat16", lean)
        loss_and_gradients(model, x)
        mx.synchronize()
        active_before = mx.get_active_memory()
        mx.reset_peak_memory()
        loss_and_gradients(model, x)
        peaks.append(mx.get_peak_memory() - active_before)
    assert peaks[0] < 0.8 * peaks[1]


def test_the_layers_still_look_like_mlx_lms_own() -> None:
    from mlx.utils import tree_flatten
    from mlx_lm.tuner.lora import LoRALinear

    lean, plain = build("bfloat16", lean=True), build("bfloat16", lean=False)
    assert all(isinstance(layer, LoRALinear) for layer in lean.layers)
    names = [path for path, _ in tree_flatten(lean.trainable_parameters())]
    assert names == [path for path, _ in tree_flatten(plain.trainable_parameters())]


EVERY = frozenset(f"layers.{index}.lora_{half}" for index in range(3) for half in "ab")


@pytest.mark.parametrize("bits", [None, 4])
@pytest.mark.parametrize("shape", [(ROWS, WIDTH), (4, ROWS // 4, WIDTH)])
def test_eager_gradients_are_the_same_but_for_rounding(
    shape: tuple[int, ...], bits: int | None
) -> None:
    import mlx.nn as nn

    x = inputs("float32").reshape(shape)
    model = build("float32", lean=True)
    if bits:
        for layer in model.layers:
            layer.linear = nn.QuantizedLinear.from_linear(layer.linear, bits=bits)
            layer.linear.freeze()
    value, gradients = loss_and_gradients(model, x)
    with eager_lora_gradients(model, EVERY):
        at_once, found = loss_and_gradients(model, x)
    assert at_once.item() == pytest.approx(value.item(), rel=1e-6)
    assert found.keys() == gradients.keys() == EVERY
    for path, gradient in gradients.items():
        apart = mx.linalg.norm(gradient - found[path]) / mx.linalg.norm(gradient)
        assert apart.item() < 1e-6, path


def test_eager_gradients_match_where_a_layer_widens_its_input() -> None:
    """As where a checkpoint keeps its biases in float32."""
    x = inputs("bfloat16")
    model = build("bfloat16", lean=True)
    model.layers[0].linear.bias = mx.full(WIDTH, 0.1, mx.float32)
    model.layers[0].linear.freeze()
    _, gradients = loss_and_gradients(model, x)
    with eager_lora_gradients(model, EVERY):
        _, found = loss_and_gradients(model, x)
    for path, gradient in gradients.items():
        assert found[path].dtype == mx.float32
        apart = mx.linalg.norm(gradient - found[path]) / mx.linalg.norm(gradient)
        assert apart.item() < 2e-2, path


def test_a_layer_without_trained_parameters_is_left_alone() -> None:
    model = build("float32", lean=True)
    with eager_lora_gradients(model, EVERY - {"layers.1.lora_a", "layers.1.lora_b"}):
        assert [layer.is_eager for layer in model.layers] == [True, False, True]
    assert not any(layer.is_eager for layer in model.layers)


def test_a_layer_that_stands_at_two_places_is_put_back() -> None:
    model = build("float32", lean=True)
    model.layers[2] = model.layers[1]
    with eager_lora_gradients(model, EVERY):
        assert all(layer.is_eager for layer in model.layers)
    assert not any(layer.is_eager for layer in model.layers)


def test_with_dropout_eager_gradients_change_nothing() -> None:
    import mlx.nn as nn

    model = build("float32", lean=True)
    for layer in model.layers:
        layer.dropout = nn.Dropout(0.5)
    x = inputs("float32")
    mx.random.seed(7)
    _, gradients = loss_and_gradients(model, x)
    mx.random.seed(7)
    with eager_lora_gradients(model, EVERY):
        _, found = loss_and_gradients(model, x)
    assert all(mx.array_equal(found[path], gradients[path]) for path in gradients)
