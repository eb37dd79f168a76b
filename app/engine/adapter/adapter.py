"""LoRA and DoRA adapters through mlx-lm's own layers, the config file they are saved with, and a
model with its adapter off: the base itself, module by module.
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
    """Freeze `model` and give its top `num_layers` layers adapters, seeded by the config.

    Returns the paths within a layer of the modules that must stay without. Raises InputError if
    the model can't carry adapters as the config asks.
    """
    from mlx_lm.tuner.utils import linear_to_lora_layers

    is_dora = config.fine_tune_type == "dora"
    count, parameters = adapted_layer_count(model, config), _sizes(config)
    there = adaptable(model.layers)
    keys = _chosen(config.keys, list(there)) if config.keys else list(there)
    with model_errors_as_input_errors(NO_ADAPTER):
        left_out = unfit(model, {path: there[path] for path in keys})
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
    """What `adapter_config.json` must hold for `mlx_lm.load(base, adapter_path=…)`.

    `model` carries its adapter already.
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
    found = (
        path
        for layer in layers
        for path, module in reversed(layer.named_modules())
        if "lora_a" in module
    )
    return list(dict.fromkeys(found))


def _is_bare_elsewhere(model: LanguageModel, adapted: Sequence[str]) -> bool:
    """Whether mlx-lm, given no names, would adapt more than carries an adapter now."""
    # An adapted module contains the one it replaces.
    return any(
        path not in adapted and path.rpartition(".")[0] not in adapted
        for path in adaptable(model.layers)
    )


def check_scale(model: LanguageModel, config: JsonObject) -> None:
    """Raise VerificationError unless an adapter's `config` has the scale of the model's layers."""
    scale = config["lora_parameters"]["scale"]
    for path, module in model.named_modules():
        if "lora_b" in module and module.scale != scale:
            raise VerificationError(
                f"The adapter's config has a scale of {scale:g}, but {path} has {module.scale:g}."
            )


def _sizes(config: TrainingConfig) -> dict[str, object]:
    return {"rank": config.rank, "scale": config.scale, "dropout": config.dropout}


def _chosen(keys: str, there: Sequence[str]) -> list[str]:
    """The modules that `keys` names, whole ("self_attn.q_proj") or by their end ("q_proj")."""
    chosen = set()
    for name in filter(None, (name.strip() for name in keys.split(","))):
        found = {path for path in there if path == name or path.endswith(f".{name}")}
        if not found:
            known = ", ".join(dict.fromkeys(path.rpartition(".")[2] for path in there))
            raise InputError(
                f"The model has no module named {name!r}.", f"Its modules are {known}."
            )
        chosen |= found
    return [path for path in there if path in chosen]


def _check_dora(there: Mapping[str, Sequence[CalledModule]], keys: Sequence[str]) -> None:
    """Raise InputError for what mlx-lm's DoRA can't do: experts, bits that don't divide 32."""
    for path, module in [(key, module) for key in keys for module in there.get(key, ())]:
        if not isinstance(module, nn.Linear | nn.QuantizedLinear):
            raise InputError(
                f"DoRA can't adapt {path}: it is a {type(module).__name__}.",
                "Use LoRA, or choose other modules.",
            )
        if isinstance(module, nn.QuantizedLinear) and 32 % module.bits:
            raise InputError(
                f"DoRA can't adapt a base quantised to {module.bits} bits.",
                "Use LoRA, or a base of 4 or 8 bits.",
            )


def largest_logit_change(model: Path, adapter: Path, text: str) -> float:
    """max |Δ logit| over all tokens of `text` and the whole vocabulary."""
    base = load_base_model(model)
    from mlx_lm.tuner.utils import load_adapters

    tokens = mx.array([base.tokenizer.encode(text)])
    before = base.model(tokens)
    mx.eval(before)
    load_adapters(base.model, str(adapter))
    base.model.eval()
    return number(mx.max(mx.abs(base.model(tokens) - before)))


_Place = tuple[Any, str | int, Any]
"""A module or list, a name or index in it, and the module there."""
_INNER = ("linear", "embedding")
"""By what mlx-lm's adapters call the module that they wrap."""


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
        """Inside, the model is its base."""
        try:
            self.take_off()
            yield
        finally:
            self.put_back()


def _adapters(model: LanguageModel) -> list[_Place]:
    """Each adapted module, with the module or list that holds it and its name there."""
    found: list[_Place] = []
    for _, owner in model.named_modules():
        for name, child in owner.items():
            if isinstance(child, list):
                found += [(child, i, member) for i, member in enumerate(child) if _is_one(member)]
            elif _is_one(child):
                found.append((owner, name, child))
    return found


def _is_one(module: object) -> bool:
    return isinstance(module, dict) and "lora_a" in module


def _inner(adapter: nn.Module) -> nn.Module:
    return next(adapter[name] for name in _INNER if name in adapter)
