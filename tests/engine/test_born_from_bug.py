"""The bug Nestling was born from: correct updates that never reached the model."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_map_with_path

from app.core.config.training_config import TrainingConfig
from app.core.errors import VerificationError
from app.engine.adapter.adapter import add_adapter
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters


@pytest.fixture
def model(tiny_model: Path) -> Any:
    model = load_base_model(tiny_model).model
    add_adapter(model, TrainingConfig(rank=4))
    return model


def moved_updates(model: Any) -> dict[str, Any]:
    return {path: value + 1.0 for path, value in trainable_parameters(model).items()}


def logits(model: Any) -> Any:
    return model(mx.array([[5, 6, 7, 8]]))


def test_the_old_call_leaves_every_weight_as_it_was_and_says_nothing(model: Any) -> None:
    before = trainable_parameters(model)
    updates = moved_updates(model)
    # The path is a dotted string already: joining it gives "m.o.d.e.l…", which no key matches.
    model.update(
        tree_map_with_path(
            lambda path, value: updates.get(".".join(path), value), model.trainable_parameters()
        )
    )
    after = trainable_parameters(model)
    assert all(mx.array_equal(before[path], after[path]) for path in before)


def test_our_write_reaches_the_weights_and_the_logits(model: Any) -> None:
    before, old_logits = trainable_parameters(model), logits(model)
    updates = moved_updates(model)
    write_parameters(model, updates)
    after = trainable_parameters(model)
    assert all(mx.array_equal(after[path], before[path] + 1.0) for path in before)
    assert not mx.allclose(logits(model), old_logits)


def test_mlx_itself_lets_a_wrong_shape_pass(model: Any) -> None:
    """Why `write_parameters` checks shapes: if this fails, MLX has begun to check them itself."""
    path, value = next(iter(trainable_parameters(model).items()))
    from mlx.utils import tree_unflatten

    model.update(tree_unflatten([(path, mx.zeros((1, *value.shape)))]))
    assert trainable_parameters(model)[path].shape == (1, *value.shape)


@pytest.mark.parametrize("wrong", ["shape", "dtype", "name"])
def test_a_write_that_does_not_fit_is_refused_and_changes_nothing(model: Any, wrong: str) -> None:
    before = trainable_parameters(model)
    updates = moved_updates(model)
    path = next(iter(updates))
    match wrong:
        case "shape":
            updates[path] = mx.zeros((2, *updates[path].shape))
        case "dtype":
            updates[path] = updates[path].astype(mx.float16)
        case "name":
            updates[path + "_typo"] = updates.pop(path)
    with pytest.raises(VerificationError, match=r"lora_[ab]"):
        write_parameters(model, updates)
    after = trainable_parameters(model)
    assert all(mx.array_equal(before[path], after[path]) for path in before)


def test_a_write_that_is_lost_on_the_way_is_noticed(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(model), "update", lambda self, parameters: self)
    with pytest.raises(VerificationError, match="did not reach the model"):
        write_parameters(model, moved_updates(model))
