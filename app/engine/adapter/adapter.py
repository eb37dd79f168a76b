"""Adds LoRA and DoRA adapters with mlx-lm's layers, writes their config file, and takes an adapter
off to get the base model back.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError, VerificationError
from app.engine.adapter.adaptable_modules import adaptable, unfit
from app.engine.adapter.efficient_lora import use_efficient_lora
from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.mlx_errors import NO_ADAPTER, model_errors_as_input_errors
from app.engine.runtime.named_arrays import JsonObject, number


def add_adapter(model: LanguageModel, config: TrainingConfig) -> tuple[str, ...]:
    """Freeze `model` and add adapters to its top `num_layers` layers, with the config's seed.

    Returns the paths, within a layer, of modules that can't carry an adapter. Raises InputError if
    the model can't carry the adapter that the config describes.
    """
    from mlx_lm.tuner.utils import linear_to_lora_layers

    is_dora = config.fine_tune_type == "dora"
    count, parameters = adapted_layer_count(model, config), _sizes(config)
    candidates = adaptable(model.layers)
    keys = _chosen(config.keys, list(candidates)) if config.keys else list(candidates)
    with model_errors_as_input_errors(NO_ADAPTER):
        left_out = unfit(model, {path: candidates[path] for path in keys})
    keys = [path for path in keys if path not in left_out]
    if config.keys or left_out:
        parameters["keys"] = keys
    if is_dora:
        _check_dora(adaptable(model.layers[-count:]), keys)
    mx.random.seed(config.seed)
    with model_errors_as_input_errors(NO_ADAPTER):
        model.freeze()
        linear_to_lora_layers(model, count, parameters, use_dora=is_dora)
    use_efficient_lora(model)
    if not trainable_parameters(model):
        where = f" in its top {count} layers" if count < len(model.layers) else ""
        raise InputError(f"This model has no modules{where} that can carry such an adapter.")
    return tuple(left_out)


def adapted_layer_count(model: LanguageModel, config: TrainingConfig) -> int:
    total = len(model.layers)
    if config.num_layers > total:
        raise InputError(
            f"Layers is set to {config.num_layers}, but the model has only {total}.",
            "Use -1 for all layers.",
        )
    return total if config.num_layers == -1 else config.num_layers


def adapter_config(model: LanguageModel, config: TrainingConfig) -> JsonObject:
    """The contents of `adapter_config.json` for `mlx_lm.load(base, adapter_path=…)`.

    `model` already carries its adapter.
    """
    parameters = _sizes(config)
    adapted = _adapted(model.layers)
    if config.keys or _is_bare_elsewhere(model, adapted):
        parameters["keys"] = adapted
    return {
        "fine_tune_type": config.fine_tune_type,
        "num_layers": adapted_layer_count(model, config),
        "lora_parameters": parameters,
        "model": str(config.model),
    }


def _adapted(layers: Sequence[CalledModule]) -> list[str]:
    """Paths within a layer of the modules that carry an adapter."""
    paths = (
        path
        for layer in layers
        for path, module in reversed(layer.named_modules())
        if "lora_a" in module
    )
    return list(dict.fromkeys(paths))


def _is_bare_elsewhere(model: LanguageModel, adapted: Sequence[str]) -> bool:
    """Whether mlx-lm, without a list of names, would adapt more modules than these."""
    # An adapted module contains the one it replaces.
    return any(
        path not in adapted and path.rpartition(".")[0] not in adapted
        for path in adaptable(model.layers)
    )


def check_scale(model: LanguageModel, config: JsonObject) -> None:
    """Raise VerificationError if the scale in `config` differs from that of the model's layers."""
    scale = config["lora_parameters"]["scale"]
    for path, module in model.named_modules():
        if "lora_b" in module and module.scale != scale:
            raise VerificationError(
                f"The adapter's config has a scale of {scale:g}, but {path} has {module.scale:g}."
            )


def _sizes(config: TrainingConfig) -> dict[str, object]:
    return {"rank": config.rank, "scale": config.scale, "dropout": config.dropout}


def _chosen(keys: str, paths: Sequence[str]) -> list[str]:
    """The modules named in `keys`, by path ("self_attn.q_proj") or by its end ("q_proj")."""
    chosen = set()
    for name in filter(None, (name.strip() for name in keys.split(","))):
        matches = {path for path in paths if path == name or path.endswith(f".{name}")}
        if not matches:
            known = ", ".join(dict.fromkeys(path.rpartition(".")[2] for path in paths))
            raise InputError(
                f"The model has no module named {name!r}.", f"Its modules are {known}."
            )
        chosen |= matches
    return [path for path in paths if path in chosen]


def _check_dora(modules: Mapping[str, Sequence[CalledModule]], keys: Sequence[str]) -> None:
    """Raise InputError for modules that mlx-lm's DoRA can't adapt: experts, and quantized ones
    whose bits don't divide 32."""
    for path, module in [(key, module) for key in keys for module in modules.get(key, ())]:
        if not isinstance(module, nn.Linear | nn.QuantizedLinear):
            raise InputError(
                f"DoRA can't adapt {path}: it is a {type(module).__name__}.",
                "Use LoRA, or choose other modules.",
            )
        if isinstance(module, nn.QuantizedLinear) and 32 % module.bits:
            raise InputError(
                f"DoRA can't adapt a base model quantized to {module.bits} bits.",
                "Use LoRA, or a base model with 4 or 8 bits.",
            )


def largest_logit_change(model: Path, adapter: Path, text: str) -> float:
    """The adapter's largest change of a logit, over all tokens of `text` and the vocabulary."""
    base = load_base_model(model)
    from mlx_lm.tuner.utils import load_adapters

    tokens = mx.array([base.tokenizer.encode(text)])
    before = base.model(tokens)
    mx.eval(before)
    load_adapters(base.model, str(adapter))
    base.model.eval()
    return number(mx.max(mx.abs(base.model(tokens) - before)))


_Place = tuple[Any, str | int, Any]
"""A module or list, a name or index in it, and the adapted module there."""
_INNER = ("linear", "embedding")
"""The names of the wrapped module in mlx-lm's adapters."""


class BareModel:
    """Takes a model's adapters off and puts them back."""

    def __init__(self, model: LanguageModel) -> None:
        self._places = [
            (owner, key, module, _inner(module)) for owner, key, module in _adapters(model)
        ]

    def take_off(self) -> None:
        for owner, key, _, inner in self._places:
            owner[key] = inner

    def put_back(self) -> None:
        for owner, key, adapter, _ in self._places:
            owner[key] = adapter

    @contextmanager
    def bare(self) -> Iterator[None]:
        """Inside, the model has no adapter and equals its base."""
        try:
            self.take_off()
            yield
        finally:
            self.put_back()


def _adapters(model: LanguageModel) -> list[_Place]:
    """Each adapted module, with the module or list that holds it and its name there."""
    places: list[_Place] = []
    for _, owner in model.named_modules():
        for name, child in owner.items():
            if isinstance(child, list):
                places += [(child, i, item) for i, item in enumerate(child) if _is_adapter(item)]
            elif _is_adapter(child):
                places.append((owner, name, child))
    return places


def _is_adapter(module: object) -> bool:
    return isinstance(module, dict) and "lora_a" in module


def _inner(adapter: nn.Module) -> nn.Module:
    return next(adapter[name] for name in _INNER if name in adapter)
