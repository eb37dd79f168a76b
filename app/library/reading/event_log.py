"""Reads a run's event log back into events; invalid entries are skipped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, TypeVar

from app.core.events import (
    DatasetLoss,
    EvaluationFinished,
    RetentionMeasured,
    RunStarted,
    TierFacts,
    event_name,
)
from app.core.files.strict_parsing import typed
from app.core.text.numbers import is_measurement
from app.core.text.sanitize import single_line
from app.library.reading.run_summary import RunSummary
from app.library.run.lenient_fields import MAX_STEPS
from app.library.run.step_table import StepTable

_MAX_COUNT = 2**63
_LARGE_COUNTS = ("parameters", "base_parameters", "trainable_parameters", "train_examples",
                 "valid_examples", "slow_texts", "rows", "texts")  # fmt: skip
"""Fields with this limit; other whole numbers are steps, or indexes of layers."""
_MAX_DATASETS = 100
E = TypeVar("E", EvaluationFinished, RetentionMeasured, RunStarted)


def read_evaluations(events: Iterable[Mapping[str, Any]]) -> list[EvaluationFinished]:
    """The validations in order, without the run's last one, which read other rows."""
    return [evaluation for evaluation in _evaluations(events) if not evaluation.is_last]


def read_last_validation(events: Iterable[Mapping[str, Any]]) -> EvaluationFinished | None:
    """The validation at the run's end, on more rows than the others; None without one."""
    return next((evaluation for evaluation in _evaluations(events) if evaluation.is_last), None)


def read_retention(events: Iterable[Mapping[str, Any]]) -> list[RetentionMeasured]:
    """All measurements of the forgetting meter, in order."""
    found = _of_kind((_with_known_losses(event, "kept") for event in events), RetentionMeasured)
    return [replace(one, kept=_named(one.kept)) for one in found]


def read_started(
    events: Iterable[Mapping[str, Any]], summary: RunSummary, table: StepTable
) -> RunStarted:
    """The run's first event; if the log lacks it, rebuilt from manifest and measurements."""
    started = next(_of_kind(events, RunStarted), None)
    if started is not None and _fits(started, table):
        tiers = (replace(t, description=single_line(t.description)) for t in started.tiers)
        texts: dict[str, Any] = {
            name: single_line(getattr(started, name)) for name in ("name", "model", "device")
        }
        return replace(started, tiers=tuple(tiers), **texts)
    tiers = (TierFacts(period, 1.0, 0, (), "") for period in _periods(summary, table))
    layers = tuple(range(table.layers)) if len(table) else ()
    return RunStarted(
        summary.run_dir, summary.name, summary.model, max(1, summary.planned_steps), 0, 0,
        tuple(tiers), layers, 0, 0, 0, "",
    )  # fmt: skip


def _fits(started: RunStarted, table: StepTable) -> bool:
    """Whether the measured steps can belong to this run."""
    sizes = (len(started.tiers), len(started.adapted_layers))
    return not len(table) or sizes == (table.tiers, table.layers)


def _periods(summary: RunSummary, table: StepTable) -> Sequence[int]:
    """The update period of each measured tier; 1 if the manifest lacks it."""
    if not len(table) or len(summary.periods) == table.tiers:
        return summary.periods
    return (1,) * table.tiers


def _evaluations(events: Iterable[Mapping[str, Any]]) -> Iterator[EvaluationFinished]:
    known = (_with_known_losses(event, "datasets") for event in events)
    for evaluation in _of_kind(known, EvaluationFinished):
        yield replace(evaluation, datasets=_named(evaluation.datasets))


def _named(losses: Iterable[DatasetLoss]) -> tuple[DatasetLoss, ...]:
    return tuple(replace(loss, name=single_line(loss.name)) for loss in losses)


def _with_known_losses(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The measurement without datasets whose loss is NaN; the rest of it is valid."""
    datasets = event.get(key)
    if not isinstance(datasets, list):
        return event
    known = [d for d in datasets if isinstance(d, dict) and is_measurement(d.get("val_loss"))]
    return {**event, key: known[:_MAX_DATASETS]}


def _of_kind(events: Iterable[Mapping[str, Any]], kind: type[E]) -> Iterator[E]:
    name = event_name(kind)
    for event in events:
        if event["event"] == name:
            try:
                read = typed(dict(event), kind)
            except ValueError:
                continue
            if _is_possible(read):
                yield read


def _is_possible(value: object, name: str = "") -> bool:
    """Whether all its numbers are possible counts or measurements."""
    if is_dataclass(value):
        return all(_is_possible(item, name) for name, item in vars(value).items())
    if isinstance(value, tuple):
        return all(_is_possible(item, name) for item in value)
    if type(value) is int:
        return 0 <= value <= (_MAX_COUNT if name in _LARGE_COUNTS else MAX_STEPS)
    return not isinstance(value, float) or is_measurement(value)
