"""Reduces a model for a quick trial to a few layers of each kind, in float32, and restores it.

Two layers of a kind reveal a fault in the model's code as well as all layers do. In bfloat16,
rounding would hide it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import mlx.core as mx

from app.core.system.interruption import interruptible
from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.layer_tracing import identity_layer, layer_kinds, replaced_layers
from app.engine.model.model_structure import find_layers_path, get_module, parameters, put

OF_A_KIND = 2
MAX_WIDE_BYTES = 4 * 1024**3
"""Limit for weights in float32; a model that needs more keeps its own dtype in the trial."""


@contextmanager
def few_layers_in_float32(model: LanguageModel) -> Iterator[int]:
    """Inside, only some layers of `model` compute; yields their number.

    If the model's code fails with layers skipped, all layers compute.
    """
    with unchanged(model), ExitStack() as stack:
        count = _skip_layers(model, stack)
        _widen(model)
        yield count


@contextmanager
def unchanged(model: LanguageModel) -> Iterator[None]:
    """Restore the model's modules afterwards, including changes by the model's own code."""
    saved = [(module, dict(module), dict(vars(module))) for _, module in model.named_modules()]
    try:
        yield
    finally:
        for module, items, attributes in saved:
            dict.clear(module)
            dict.update(module, items)
            vars(module).clear()
            vars(module).update(attributes)


def _skip_layers(model: LanguageModel, stack: ExitStack) -> int:
    path = find_layers_path(model)
    count = len(model.layers)
    if path is None:
        return count
    layers = get_module(model, path)
    kept_indexes = {index for kind in _kinds(model, path) for index in kind[-OF_A_KIND:]}
    skipped = {i: identity_layer(layer) for i, layer in enumerate(layers) if i not in kept_indexes}
    try:
        with replaced_layers(model, path, skipped), interruptible:
            model(mx.zeros((1, 4), mx.int32))
    except Exception:  # third-party model code can raise anything
        return count
    stack.enter_context(replaced_layers(model, path, skipped))
    return count - len(skipped)


def _kinds(model: LanguageModel, path: str) -> list[list[int]]:
    """Groups of layers with the same structure and flags, such as sliding-window attention."""
    layers = get_module(model, path)
    kinds: dict[object, list[int]] = {}
    for number, alike in enumerate(layer_kinds(model, path)):
        for index in alike:
            kinds.setdefault((number, _switches(layers[index])), []).append(index)
    return list(kinds.values())


def _switches(layer: CalledModule) -> tuple[object, ...]:
    return tuple(
        (path, name, value)
        for path, module in layer.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, bool | str)
    )


def _widen(model: LanguageModel) -> None:
    narrow = {
        path: array
        for path, array in parameters(model).items()
        if array.dtype in (mx.bfloat16, mx.float16)
    }
    # If the whole model is too large, widen the layers alone: they compute in float32 even with
    # narrow embeddings, which can take more memory than the layers.
    start = f"{find_layers_path(model)}."
    in_layers = {path: array for path, array in narrow.items() if path.startswith(start)}
    for arrays in (narrow, in_layers):
        if sum(array.size * 4 for array in arrays.values()) <= MAX_WIDE_BYTES:
            put(model, {path: array.astype(mx.float32) for path, array in arrays.items()})
            return
