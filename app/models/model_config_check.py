"""Finds values in a model's config.json that its architecture can't be built from.

Called only if a model can't be loaded, so that harmless odd values don't reject a model. Needs no
MLX.
"""

import dataclasses
import json
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from app.core.errors import InputError
from app.core.text.numbers import digits
from app.core.text.sanitize import single_line

_MAX_SIZE = 2**31 - 1
"""MLX's sizes have 32 bits."""
_SHOWN_CHARACTERS = 40
_TEXT_PART = "text_config"
_SIZES = frozenset(
    {
        "vocab_size", "hidden_size", "hidden_dim", "intermediate_size", "d_model", "n_embd",
        "num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_attention_heads",
        "num_heads", "n_head", "n_heads", "num_key_value_heads",
    }
)  # fmt: skip
"""Keys that must be whole numbers above 0 if an architecture uses them."""
_OWN: dict[str, Any] = {
    "quantization": dict | None,
    "quantization_config": dict | None,
    "architectures": list[str] | str | None,
    "layer_types": list[str] | None,
}
"""Keys that mlx-lm reads beside an architecture's own arguments."""
_INSIDE: dict[str, dict[str, Any]] = {
    "quantization": {"group_size": int, "bits": int},
    "rope_scaling": {"factor": float, "original_max_position_embeddings": float},
    "rope_parameters": {"factor": float, "original_max_position_embeddings": float},
}
_WORDS = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a text", list: "a list",
    dict: "an object",
}  # fmt: skip
_MISSING_ARGUMENT = re.compile(r"missing \d+ required positional arguments?: (.+)$")
_UNKNOWN_KIND = re.compile(r"^'(\w+)' is not in list$")
"""The error of an architecture that doesn't find a layer type in `layer_types`."""
_NAME = re.compile(r"'(\w+)'")


def invalid_value(
    config: Mapping[str, Any], arguments: type | None = None, error: BaseException | None = None
) -> str | None:
    """A clause such as "vocab_size is "320", where a whole number is needed"; None if all values
    are valid.

    `arguments` is the architecture's dataclass, if known; `error` is the error of loading it.
    """
    hints = _hints(arguments)
    is_of_null = "None" in str(error)
    for place, part in (("", config), (f"{_TEXT_PART}.", config.get(_TEXT_PART))):
        for key, value in part.items() if isinstance(part, dict) else ():
            hint = hints.get(key)
            if not place and value is None and not is_of_null:
                continue
            if hint is None and (key not in _SIZES or arguments is not None or value is None):
                continue
            if words := _invalid(f"{place}{key}", key, value, hint or int):
                return words
    return _invalid_inside(config)


def missing_setting(config: Mapping[str, Any], error: BaseException) -> str | None:
    """A clause such as "lacks hidden_size" if `error` reports a missing setting; else None."""
    if kind := _UNKNOWN_KIND.search(str(error)):
        return f'lists no layer of the type "{single_line(kind[1])}", which this architecture needs'
    if match := _MISSING_ARGUMENT.search(str(error)):
        names = _NAME.findall(match[1])
        is_nested = isinstance(config.get(_TEXT_PART), dict) and all(n in config for n in names)
        return f"lacks {', '.join(names)}{f' in {_TEXT_PART}' if is_nested else ''}"
    if not isinstance(error, KeyError) or not error.args:
        return None
    key, quantization = error.args[0], config.get("quantization")
    is_inside = key in _INSIDE["quantization"] and isinstance(quantization, dict)
    return f"lacks {single_line(str(key))}{' in quantization' if is_inside else ''}"


def _hints(arguments: type | None) -> dict[str, Any]:
    if arguments is None or not dataclasses.is_dataclass(arguments):
        return dict(_OWN)
    try:
        hints = get_type_hints(arguments)
    except Exception:  # an architecture's own annotations
        return dict(_OWN)
    optional = {field.name for field in dataclasses.fields(arguments) if field.default is None}
    of_architecture = {key: hint | None if key in optional else hint for key, hint in hints.items()}
    return of_architecture | _OWN


def _invalid(name: str, key: str, value: Any, hint: Any) -> str | None:
    if not _fits(value, hint):
        return f"{name} is {shown_value(value)}, where {_needed(hint)} is needed"
    if key.endswith(("eps", "epsilon")) and value is not None and value <= 0:
        return f"{name} is {shown_value(value)}, where more than 0 is needed"
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    if key in _SIZES and value < 1:
        return f"{name} is {value}, where a whole number above 0 is needed"
    is_size = key in _SIZES or int in _alternatives(hint)
    if (is_size and value < -1) or abs(value) > (_MAX_SIZE if is_size else 10**300):
        return f"{name} is {shown_value(value)}, which no model has"
    return None


def _invalid_inside(config: Mapping[str, Any]) -> str | None:
    for outer, hints in _INSIDE.items():
        inside = config.get(outer)
        if not isinstance(inside, dict):
            continue
        for key, hint in hints.items():
            value = inside.get(key, 1)
            if not _fits(value, hint):
                return f"{key} in {outer} is {shown_value(value)}, where {_needed(hint)} is needed"
            if value <= 0:
                return f"{key} in {outer} is {shown_value(value)}, where more than 0 is needed"
    return None


def _fits(value: Any, hint: Any) -> bool:
    return any(_is_of(value, one) for one in _alternatives(hint))


def _alternatives(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        yield from get_args(hint)
    else:
        yield hint


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value has this type; True for unknown types."""
    origin = get_origin(kind) or kind
    if origin is type(None):
        return value is None
    if origin in (int, float):
        return not isinstance(value, bool) and isinstance(value, int | origin)
    if origin is list and isinstance(value, list):
        inner = get_args(kind)
        return not inner or all(_fits(item, inner[0]) for item in value)
    return isinstance(value, origin) if origin in _WORDS else True


def _needed(hint: Any) -> str:
    return " or ".join(dict.fromkeys(filter(None, map(_words, _alternatives(hint)))))


def _words(kind: Any) -> str:
    words = _WORDS.get(get_origin(kind) or kind, "")
    return f"{words} of texts" if get_args(kind) == (str,) else words


def shown_value(value: Any) -> str:
    """A value as JSON text, shortened."""
    if isinstance(value, int) and abs(value) >= 10**_SHOWN_CHARACTERS:
        return f"a number of {digits(value)} digits"
    return single_line(json.dumps(value, ensure_ascii=False), _SHOWN_CHARACTERS)


def config_error(path: Path, fault: str) -> InputError:
    """The error for the model in `path`, whose config.json has this `fault`."""
    return InputError(
        f"The model in {path} can't be loaded: in {path / 'config.json'}, {fault}.",
        "Download the model again, or choose another.",
    )
