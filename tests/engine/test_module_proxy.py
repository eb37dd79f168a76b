"""A stand-in answers for its module in everything but its call."""

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from app.engine.model.model_structure import ModuleProxy


def _proxy() -> tuple[nn.Linear, ModuleProxy]:
    linear = nn.Linear(4, 3, bias=False)
    return linear, ModuleProxy(linear, lambda module, x: (module, x))


def test_it_is_an_instance_of_its_modules_class() -> None:
    linear, proxy = _proxy()
    assert isinstance(proxy, nn.Linear)
    assert not isinstance(proxy, nn.Embedding)
    assert proxy.weight is linear.weight
    assert proxy["weight"] is linear["weight"]
    assert "weight" in proxy
    assert "bias" not in proxy


def test_a_call_receives_the_module() -> None:
    linear, proxy = _proxy()
    assert proxy(5) == (linear, 5)


def test_a_walk_over_the_model_finds_no_parameters_in_it() -> None:
    model = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Linear(4, 3, bias=False))
    model.layers[1] = ModuleProxy(model.layers[1], lambda module, x: x)
    assert [path for path, _ in tree_flatten(model.parameters())] == ["layers.0.weight"]
    assert [path for path, _ in tree_flatten(model.trainable_parameters())] == ["layers.0.weight"]
    assert model(mx.zeros((1, 2))).shape == (1, 4)
    model.update({"layers": [{"weight": mx.zeros((4, 2))}]})
    assert model.layers[0].weight.sum().item() == 0
