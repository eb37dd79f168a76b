"""Compares loss and gradients of a run's fast paths with those of the model's own code.

The reference is mlx-lm's code, with mlx-lm's LoRA layers and MLX's attention, on one unpadded
example at a time. If a path's loss or gradients differ, the run does not use that path. The
examples are long enough to trigger every path that the run's own examples trigger.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import mlx.core as mx
import numpy as np

from app.core.errors import InputError
from app.core.system.interruption import interruptible
from app.engine.adapter.adapter import BareModel
from app.engine.adapter.efficient_lora import (
    has_efficient_layers,
    plain_lora_layers,
    restore_lora_layers,
)
from app.engine.adapter.flat_adapter import FlatAdapter
from app.engine.batches.batches import Batch
from app.engine.clocks.divergence import summed_divergence
from app.engine.execution.attention import MIN_LENGTH
from app.engine.execution.losses import loss_inputs, sum_cross_entropy
from app.engine.execution.model_execution import Execution, FastPaths, Objective
from app.engine.model.adapter_parameters import read_parameters
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import evaluating, put, trainable_parameters
from app.engine.model.shortened_model import few_layers_in_float32
from app.engine.runtime.mlx_errors import NO_GRADIENTS, model_errors_as_input_errors
from app.engine.runtime.named_arrays import ArrayMap, Arrays, number
from app.engine.runtime.tolerances import GRADIENTS
from app.engine.tiers.plan import TierPlan

_SHORT = (9, 5, 3)
_LONG = MIN_LENGTH + 88
"""Tokens: more than one chunk of attention, and not a multiple of the chunk."""
_SMALL = 1e-2
"""A gradient smaller than this, relative to the largest tensor's, is compared on that scale."""
_SPREAD = 0.01
"""Standard deviation of `lora_b` in the trial. At its initial 0, `lora_a` has no gradient."""

Gradients = ArrayMap


@dataclass(frozen=True)
class Compared:
    fast: FastPaths
    """The requested paths that agree with the model's own code."""
    left_out: tuple[str, ...] = ()
    """Names of the requested paths that don't."""
    is_finite: bool = True
    """False if the model's own loss or gradients are not finite: nothing was compared."""


def compare_with_own_code(
    model: LanguageModel, plan: TierPlan, requested: FastPaths, longest: int
) -> Compared:
    """Drop the paths of `requested` that don't agree with the model's own code.

    `longest` is the length of the run's longest example, in tokens. The model is unchanged
    afterwards, except that efficient LoRA layers become mlx-lm's if their gradients differ. Raises
    InputError for a model that can't be trained.
    """
    has_lean = requested.has_efficient_lora and has_efficient_layers(model)
    requested = replace(requested, has_efficient_lora=has_lean)
    with evaluating(model), model_errors_as_input_errors(NO_GRADIENTS), interruptible:
        mx.eval(model(mx.zeros((1, 4), mx.int32)))  # all layers, at the model's own precision
    with few_layers_in_float32(model), evaluating(model), interruptible:
        trial = _Trial(model, plan, longest)
        if not trial.is_finite():
            return Compared(requested, is_finite=False)
        agreeing = requested if trial.agrees(requested) else _agreeing_paths(trial, requested)
        agreeing = replace(agreeing, has_split_divergence=trial.agrees_on_divergence(agreeing))
    if requested.has_efficient_lora and not agreeing.has_efficient_lora:
        restore_lora_layers(model)
    left_out = [
        name for name, field in _PATHS.items() if _has(requested, field) > _has(agreeing, field)
    ]
    return Compared(agreeing, tuple(left_out))


_PATHS = {
    "packing": "is_packed",
    "attention in chunks": "cuts_attention",
    "gradient checkpointing": "recomputes_layers",
    "the loss in two halves": "head",
    "lean LoRA layers": "has_efficient_lora",
    "lean SwiGLU": "has_lean_gating",
}
"""Name in the log → the field of FastPaths."""


def _has(fast: FastPaths, field: str) -> bool:
    return bool(getattr(fast, field))


def _without(fast: FastPaths, fields: Iterable[str]) -> FastPaths:
    changes: dict[str, Any] = {field: None if field == "head" else False for field in fields}
    return replace(fast, **changes)


def _agreeing_paths(trial: "_Trial", requested: FastPaths) -> FastPaths:
    """`requested` without the paths that differ when used alone, or without any path.

    Raises InputError if, without any path, an example's gradients in a batch differ from its
    gradients alone.
    """
    fields = [field for field in _PATHS.values() if _has(requested, field)]
    differing = [
        field
        for field in fields
        if not trial.agrees(_without(requested, (other for other in fields if other != field)))
    ]
    for fast in (_without(requested, differing), _without(requested, fields)):
        if trial.agrees(fast):
            return fast
    raise InputError(
        "mlx-lm's code for this model gives an example in a batch other gradients than alone.",
        "Choose another base model.",
    )


class _Trial:
    """Random examples, with the results of the model's own code."""

    def __init__(self, model: LanguageModel, plan: TierPlan, longest: int) -> None:
        self._model, self._plan = model, plan.restricted_to(trainable_parameters(model))
        long = (min(_LONG, longest),) if longest >= MIN_LENGTH else ()
        self._lengths = (*long, *_SHORT)
        random = np.random.default_rng(0)
        with model_errors_as_input_errors(NO_GRADIENTS):
            logits = model(mx.zeros((1, 4), mx.int32))
        vocabulary, self._dtype = logits.shape[-1], logits.dtype
        # One token more than the input: the last is a target only.
        self._rows = [random.integers(0, vocabulary, n + 1).astype(np.int32) for n in self._lengths]
        self._check_order()
        for path, array in trainable_parameters(model).items():
            if path.endswith("lora_b"):
                values = random.normal(0, _SPREAD, array.shape).astype(np.float32)
                put(model, {path: mx.array(values, array.dtype)})
        self._short = _batch(self._rows[-len(_SHORT) :], is_packed=False)
        self._loss, self._gradients = self._by_own_code()

    def _check_order(self) -> None:
        """Raise InputError if a token's logits depend on later tokens."""
        tokens = mx.array(self._rows[0][None, : _SHORT[0]])
        half = tokens.shape[1] // 2
        others = mx.concatenate([tokens[:, :half], tokens[:, half:][:, ::-1]], axis=1)
        with model_errors_as_input_errors(NO_GRADIENTS):
            before, after = (_finite(self._model(t)[:, :half]) for t in (tokens, others))
            is_alike = _is_near(after, before, self._dtype)
        if not is_alike:
            raise InputError(
                "This model can't be trained: in mlx-lm's code for it, a token sees later tokens, "
                "so the model would learn to copy its targets.",
                "Choose another base model.",
            )

    def is_finite(self) -> bool:
        arrays = [self._loss, *self._gradients.values()]
        return all(mx.isfinite(array).all().item() for array in arrays)

    def agrees(self, fast: FastPaths) -> bool:
        try:
            loss, gradients = self._by(fast)
            return self._is_near_all(loss, gradients, (self._loss, self._gradients))
        except Exception:  # third-party model code can raise anything
            return False

    def agrees_on_divergence(self, fast: FastPaths) -> bool:
        """Whether the split head gives the same KL divergence from the base as all logits."""
        if fast.head is None:
            return True
        objective = partial(summed_divergence, BareModel(self._model))
        plain = FastPaths(
            cuts_attention=False,
            has_lean_gating=False,
            has_efficient_lora=fast.has_efficient_lora,
        )
        (loss, gradients), reference = (
            self._by_layers(paths, self._short, objective)
            for paths in (replace(fast, is_packed=False), plain)
        )
        return self._is_near_all(loss, gradients, reference)

    def _is_near_all(
        self, loss: mx.array, gradients: Gradients, reference: tuple[mx.array, Gradients]
    ) -> bool:
        reference_loss, reference_gradients = reference
        norms = [mx.linalg.norm(array) for array in reference_gradients.values()]
        floor = _SMALL * max(map(number, norms))
        return _is_near(loss, reference_loss, self._dtype) and all(
            _is_near(gradients[path], array, self._dtype, floor)
            for path, array in reference_gradients.items()
        )

    def _by_own_code(self) -> tuple[mx.array, Gradients]:
        model, parameters = self._model, trainable_parameters(self._model)
        total: Arrays = {}
        loss_sum = mx.array(0.0)

        def loss_of(parameters: Gradients, *inputs: mx.array) -> mx.array:
            put(model, parameters)
            return sum_cross_entropy(model, None, *inputs)

        with model_errors_as_input_errors(NO_GRADIENTS), plain_lora_layers(model):
            for row in self._rows:
                inputs = loss_inputs(_batch([row], is_packed=False), None)
                loss, found = mx.value_and_grad(loss_of)(parameters, *inputs)
                total = {path: total.get(path, 0) + found[path] for path in found}
                loss_sum = loss_sum + loss
                put(model, parameters)
                mx.eval(loss, total)
        return loss_sum, {path: array.astype(mx.float32) for path, array in total.items()}

    def _by(self, fast: FastPaths) -> tuple[mx.array, Gradients]:
        rows = self._rows
        # Padding to a long row costs as much as an example, so only one short row is padded to it.
        is_split = len(rows) > len(_SHORT) and not fast.is_packed
        parts = [rows[:2], rows[2:]] if is_split else [rows]
        batches = [_batch(part, fast.is_packed) for part in parts]
        with nullcontext() if fast.has_efficient_lora else plain_lora_layers(self._model):
            found = [self._by_layers(fast, batch) for batch in batches]
        losses, gradients = zip(*found, strict=True)
        return sum(losses), {path: sum(one[path] for one in gradients) for path in gradients[0]}

    def _by_layers(
        self, fast: FastPaths, batch: Batch, objective: Objective = sum_cross_entropy
    ) -> tuple[mx.array, Gradients]:
        parameters, tiers = trainable_parameters(self._model), range(len(self._plan.tiers))
        adapter = FlatAdapter(self._model, self._plan)
        function = Execution(self._model, fast).gradient_function(
            adapter, tuple(parameters), batch.input_lengths, objective
        )
        read = read_parameters(self._model, parameters)
        vectors = [self._plan.flatten(tier, read) for tier in tiers]
        loss, found = function(vectors, *loss_inputs(batch, fast.head))
        gradients = {tier: adapter.gradient(tier, found) for tier in tiers}
        arrays = self._plan.unflatten(gradients, parameters)
        mx.eval(loss, arrays)
        return loss, {path: array.astype(mx.float32) for path, array in arrays.items()}


def _is_near(value: mx.array, reference: mx.array, dtype: mx.Dtype, floor: float = 0.0) -> bool:
    """False if a number is NaN."""
    norm = mx.linalg.norm
    allowed = GRADIENTS.for_dtype(dtype)
    difference = number(norm((value - reference).reshape(-1)))
    return bool(difference <= allowed * max(number(norm(reference.reshape(-1))), floor))


def _finite(logits: mx.array) -> mx.array:
    """`logits` in float32, with 0 for infinities: some models rule out tokens with -inf."""
    return mx.nan_to_num(logits.astype(mx.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _batch(rows: Sequence[np.ndarray], is_packed: bool) -> Batch:
    """A batch in which two of three tokens are trained, so that the loss mask takes effect."""
    longest = max(map(len, rows))
    places = tuple(map(len, rows)) if is_packed else ()
    trained = [(np.arange(len(row)) % 3 > 0).astype(np.float32) for row in rows]
    if is_packed:
        return Batch(np.concatenate(rows)[None], np.concatenate(trained)[None], places)
    tokens, targets = (np.stack([_padded(r, longest) for r in part]) for part in (rows, trained))
    return Batch(tokens, targets)


def _padded(row: np.ndarray, length: int) -> np.ndarray:
    return np.pad(row, (0, length - len(row)))
