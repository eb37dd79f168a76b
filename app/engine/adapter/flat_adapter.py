"""Keeps the adapter as one vector per tier, and scales and casts it once for all layers.

A tier's numbers form one float32 vector; scaling and casting it takes two operations. In the
adapted modules it would take three small operations each, again for the gradients, and once more
with gradient checkpointing: a fifth of all operations of a step on a GPU.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn

from app.engine.adapter.efficient_lora import is_efficient
from app.engine.model.adapter_parameters import module_path, read_parameters
from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.model_structure import ModuleProxy, put, trainable_parameters
from app.engine.runtime.named_arrays import ArrayMap
from app.engine.tiers.plan import TierPlan


class FlatAdapter:
    """Converts each tier's vector into the arrays of a forward pass, and their gradients back."""

    def __init__(self, model: LanguageModel, plan: TierPlan) -> None:
        self._model, self._plan = model, plan
        parameters = trainable_parameters(model)
        self._paths = tuple(parameters)
        self._layers = _all_lean_layers(model, parameters)
        is_cut = any(slot.start is not None for slot in plan.slots)
        dtype = None if is_cut else activation_dtype(model)
        self._dtype = dtype
        if dtype is None:
            return
        # Only their shapes and dtypes are used; the zeros are never computed.
        self._forms = {path: mx.zeros(array.shape, dtype) for path, array in parameters.items()}
        scales = {path: mx.full(parameters[path].shape, self._scale(path)) for path in parameters}
        self._scales = [plan.flatten(tier, scales) for tier in range(len(plan.tiers))]
        mx.eval(self._scales)

    @property
    def is_flat(self) -> bool:
        """Whether vectors are scaled and cast here; otherwise each layer does it.

        The layers do it if tiers share a parameter, or unless all adapted modules are linear and
        have inputs of one dtype.
        """
        return self._dtype is not None

    @contextmanager
    def applied(self, vectors: Sequence[mx.array]) -> Iterator[ArrayMap]:
        """Inside, the model's layers use parameters made from `vectors`; yields them by path.

        `vectors` has one float32 vector, [numbers of the tier], for each tier. Unless `is_flat`,
        the layers use the model's own parameters. Afterwards the model has its own parameters
        again, and no tracers of a trace.
        """
        parameters = read_parameters(self._model, self._paths)
        arrays = parameters if self._dtype is None else self._arrays(vectors, self._dtype)
        scales = {path: layer.scale for path, layer in self._layers.items()}
        try:
            self._put(arrays, dict.fromkeys(scales, 1.0) if self.is_flat else scales)
            yield arrays
        finally:
            self._put(parameters, scales)

    def gradient(self, tier: int, gradients: ArrayMap) -> mx.array:
        """A tier's gradient as a float32 vector, [numbers of the tier], from the `gradients` of the
        arrays that `applied` yielded."""
        vector = self._plan.flatten(tier, gradients)
        return vector * self._scales[tier] if self.is_flat else vector

    def _arrays(self, vectors: Sequence[mx.array], dtype: mx.Dtype) -> ArrayMap:
        ready = {
            tier: (vector * scale).astype(dtype)
            for tier, (vector, scale) in enumerate(zip(vectors, self._scales, strict=True))
        }
        return self._plan.unflatten(ready, self._forms)

    def _put(self, arrays: ArrayMap, scales: Mapping[str, float]) -> None:
        put(self._model, arrays)
        for path, layer in self._layers.items():
            layer.scale = scales[path]

    def _scale(self, path: str) -> float:
        return float(self._layers[module_path(path)].scale) if path.endswith("lora_b") else 1.0


def _all_lean_layers(model: LanguageModel, paths: ArrayMap) -> dict[str, nn.Module]:
    """Path → module for the adapted modules; empty unless all are efficient LoRA layers."""
    modules = dict(model.named_modules())
    layers = {path: modules[path] for path in dict.fromkeys(map(module_path, paths))}
    return layers if all(map(is_efficient, layers.values())) else {}


def activation_dtype(model: LanguageModel) -> mx.Dtype | None:
    """The dtype of the adapted modules' inputs, float32 or bfloat16.

    None if modules have different dtypes, float16 (which can overflow where float32 does not), or
    no efficient LoRA layer. Computes nothing.
    """
    layers = list(_all_lean_layers(model, trainable_parameters(model)).values())
    dtypes: set[mx.Dtype] = set()
    linears = [layer["linear"] for layer in layers]

    def record(linear: CalledModule, x: mx.array) -> mx.array:
        dtypes.add(x.dtype)
        return linear(x)

    try:
        for layer, linear in zip(layers, linears, strict=True):
            layer["linear"] = ModuleProxy(linear, record)
        model(mx.zeros((1, 2), mx.int32))
    except Exception:  # third-party model code can raise anything
        return None
    finally:
        for layer, linear in zip(layers, linears, strict=True):
            layer["linear"] = linear
    return dtypes.pop() if len(dtypes) == 1 and dtypes <= {mx.float32, mx.bfloat16} else None
