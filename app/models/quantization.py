"""Reads a model's quantization and its number of parameters from the weights' headers."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.models.weights import Tensor

Tensors = Mapping[str, Tensor]

_PLAIN = {"BF16": "bf16", "F16": "fp16", "F32": "fp32", "F64": "fp64"}
_WORDS = ("U32", "I32")
"""Dtypes of 32-bit words that contain packed quantized numbers."""
_BITS = (2, 3, 4, 5, 6, 8)
"""The bits that MLX can quantize to."""
_BESIDE = (
    ".scales", ".biases", ".zeros", ".qzeros", ".g_idx", ".weight_scale", ".weight_scale_2",
    ".weight_scale_inv", ".weight_zero_point", ".weight_shape", ".weight_global_scale",
    ".input_global_scale", ".input_scale", ".activation_scale", "_scales", ".rotary_emb.inv_freq",
)  # fmt: skip
"""Name endings of tensors that belong to packed numbers or are computed at loading. They don't
count as parameters."""


def quantization_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The quantization settings in config.json; empty if there are none."""
    parts = (config, config.get("text_config"))
    for part in parts:
        for key in ("quantization", "quantization_config"):
            if isinstance(part, dict) and isinstance(settings := part.get(key), dict):
                return settings
    return {}


def parameter_counts(tensors: Tensors, config: Mapping[str, Any]) -> dict[str, int]:
    """Each tensor's number of parameters; packed ones are counted unpacked."""
    settings = quantization_settings(config)
    return {
        name: _numbers(name, tensor, tensors, settings)
        for name, tensor in tensors.items()
        if not name.endswith(_BESIDE) or _is_plain(name, tensors)
    }


def quantization_text(tensors: Tensors, config: Mapping[str, Any]) -> str:
    """ "4-bit", "4- and 6-bit", "mxfp4", "AWQ 4-bit", or the dtype of plain weights, such as
    "bf16"."""
    settings = quantization_settings(config)
    method, mode = settings.get("quant_method"), settings.get("mode", "affine")
    packed = sorted(set(_packed_bits(tensors, settings)))
    if packed and isinstance(mode, str) and mode != "affine":
        return mode
    if packed:
        return f"{packed[0]}-bit" if len(packed) == 1 else _range(packed)
    if isinstance(method, str) and method:
        bits = settings.get("bits")
        return f"{method.upper()} {bits}-bit" if isinstance(bits, int) else method.upper()
    bytes_of: dict[str, int] = {}
    for tensor in tensors.values():
        bytes_of[tensor.dtype] = bytes_of.get(tensor.dtype, 0) + tensor.size_bytes
    most = max(bytes_of, key=lambda dtype: bytes_of[dtype], default="")
    return _PLAIN.get(most, most.lower())


def _range(bits: list[int]) -> str:
    if len(bits) == 2:
        return f"{bits[0]}- and {bits[1]}-bit"
    return f"{bits[0]}- to {bits[-1]}-bit"


def _is_plain(name: str, tensors: Tensors) -> bool:
    """Whether a tensor with one of the `_BESIDE` endings belongs to no packed numbers."""
    stem = name.rpartition(".")[0]
    packed = (f"{stem}.weight", f"{stem}.qweight", f"{stem}.weight_packed")
    is_beside = any(other in tensors for other in packed) or name.endswith(("_scales", "inv_freq"))
    return not is_beside


def _packed_bits(tensors: Tensors, settings: Mapping[str, Any]) -> Iterator[int]:
    for name, tensor in tensors.items():
        if _is_packed_by_mlx(name, tensor, tensors):
            yield _bits(name.removesuffix(".weight"), tensors, settings)


def _is_packed_by_mlx(name: str, tensor: Tensor, tensors: Tensors) -> bool:
    return (
        tensor.dtype in _WORDS
        and name.endswith(".weight")
        and f"{name.removesuffix('.weight')}.scales" in tensors
    )


def _numbers(name: str, tensor: Tensor, tensors: Tensors, settings: Mapping[str, Any]) -> int:
    if _is_packed_by_mlx(name, tensor, tensors):
        return tensor.size * 32 // _bits(name.removesuffix(".weight"), tensors, settings)
    bits = settings.get("bits")
    bits = bits if isinstance(bits, int) and bits in _BITS else 4
    if tensor.dtype in _WORDS and name.endswith((".qweight", ".weight_packed")):
        return tensor.size * 32 // bits
    if tensor.dtype == "U8" and settings.get("quant_method") == "bitnet":
        return 4 * tensor.size
    is_halves = tensor.dtype == "U8" and name.endswith(("_blocks", ".weight_packed"))
    return 2 * tensor.size if is_halves else tensor.size


def _bits(stem: str, tensors: Tensors, settings: Mapping[str, Any]) -> int:
    """The bits of one layer, from its shapes: each group of numbers has one scale."""
    of_layer = settings.get(stem)
    layer_settings = of_layer if isinstance(of_layer, dict) else settings
    group, bits = layer_settings.get("group_size"), layer_settings.get("bits")
    weight, scales = tensors[f"{stem}.weight"], tensors[f"{stem}.scales"]
    if isinstance(group, int) and group > 0 and weight.shape and scales.shape and scales.shape[-1]:
        by_shape = 32 * weight.shape[-1] / (scales.shape[-1] * group)
        if by_shape in _BITS:
            return int(by_shape)
    return bits if isinstance(bits, int) and bits in _BITS else 4
