"""What a run's event file tells, as the events they were; what can't have been one is left out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from app.core.events import (
    ClockFacts,
    DatasetLoss,
    EvaluationFinished,
    RetentionMeasured,
    RunStarted,
    TierFacts,
)
from app.core.text.numbers import is_measurement
from app.core.text.sanitize import single_line
from app.library.reading.run_summary import RunSummary
from app.library.run.lenient_fields import MAX_STEPS
from app.library.run.step_table import StepTable

_MAX_COUNT = 2**63
_MAX_DATASETS = 100


def read_evaluations(events: Iterable[Mapping[str, Any]]) -> list[EvaluationFinished]:
    """In order, but for the last validation, which read other rows.

    A loss that is no number, or too large for one, is none.
    """
    return [evaluation for evaluation in _evaluations(events) if not evaluation.is_last]


def read_last_validation(events: Iterable[Mapping[str, Any]]) -> EvaluationFinished | None:
    """That of the run's end, on more rows than the others; None where there was none."""
    return next((evaluation for evaluation in _evaluations(events) if evaluation.is_last), None)


def read_retention(events: Iterable[Mapping[str, Any]]) -> list[RetentionMeasured]:
    """All measurements of the forgetting meter, in order."""
    return [measured for event in events if (measured := _retention(event)) is not None]


def _retention(event: Mapping[str, Any]) -> RetentionMeasured | None:
    step, kl, texts = event.get("step"), event.get("base_kl"), event.get("texts")
    if event["event"] != "retention_measured" or not is_measurement(kl):
        return None
    if type(step) is not int or not 0 <= step <= MAX_STEPS or type(texts) is not int:
        return None
    return RetentionMeasured(step, float(kl), texts, bool(event.get("is_last")))  # type: ignore[arg-type]


def _evaluations(events: Iterable[Mapping[str, Any]]) -> list[EvaluationFinished]:
    return [evaluation for event in events if (evaluation := _evaluation(event)) is not None]


def read_started(
    events: Iterable[Mapping[str, Any]], summary: RunSummary, table: StepTable
) -> RunStarted:
    """How the run began; what its manifest and its measurements say of that, if it isn't told."""
    event = next((event for event in events if event["event"] == "run_started"), None)
    try:
        started = _run_started(event) if event is not None else None
    except (KeyError, TypeError, ValueError, OverflowError):
        started = None
    if started is not None and _fits(started, table):
        return started
    tiers = tuple(TierFacts(period, 1.0, 0, (), "") for period in _periods(summary, table))
    layers = tuple(range(table.layers)) if len(table) else ()
    return RunStarted(
        summary.run_dir, summary.name, summary.model, max(1, summary.planned_steps), 0, 0,
        tiers, layers, 0, 0, 0, "",
    )  # fmt: skip


def _fits(started: RunStarted, table: StepTable) -> bool:
    """Whether the steps that were measured can be this run's."""
    sizes = (len(started.tiers), len(started.adapted_layers))
    return not len(table) or sizes == (table.tiers, table.layers)


def _periods(summary: RunSummary, table: StepTable) -> Sequence[int]:
    """Of each tier that was measured; 1 where the manifest doesn't say."""
    if not len(table) or len(summary.periods) == table.tiers:
        return summary.periods
    return (1,) * table.tiers


def _run_started(event: Mapping[str, Any]) -> RunStarted:
    """Raises what a value that can't be one raises."""
    counts = ("steps", "base_parameters", "trainable_parameters", "train_examples",
              "valid_examples", "steps_per_epoch")  # fmt: skip
    plain: dict[str, Any] = {name: _integer(event[name], _MAX_COUNT) for name in counts}
    plain |= {name: single_line(str(event[name])) for name in ("name", "model", "device")}
    return RunStarted(
        run_dir=Path(event["run_dir"]),
        tiers=tuple(map(_tier, event["tiers"])),
        adapted_layers=_layers(event["adapted_layers"]),
        clocks=_clocks(event.get("clocks")),
        **plain,
    )


def _clocks(value: Any) -> ClockFacts:
    if not isinstance(value, dict):  # of an older Nestling
        return ClockFacts()
    return ClockFacts(
        slow_every=_integer(value["slow_every"], MAX_STEPS),
        slow_weight=float(value["slow_weight"]),
        slow_texts=_integer(value["slow_texts"], _MAX_COUNT),
        lasting_pull=float(value["lasting_pull"]),
    )


def _tier(value: Mapping[str, Any]) -> TierFacts:
    if set(value) != {field.name for field in fields(TierFacts)}:
        raise KeyError
    return TierFacts(
        _integer(value["period"], MAX_STEPS),
        float(value["learning_rate_factor"]),
        _integer(value["parameters"], _MAX_COUNT),
        _layers(value["layers"]),
        single_line(str(value["description"])),
    )


def _layers(values: Sequence[Any]) -> tuple[int, ...]:
    return tuple(_integer(layer, MAX_STEPS) for layer in values)


def _integer(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError
    return value


def _evaluation(event: Mapping[str, Any]) -> EvaluationFinished | None:
    step, loss = event.get("step"), event.get("val_loss")
    if event["event"] != "evaluation_finished" or not _is_loss(loss):
        return None
    if type(step) is not int or not 0 <= step <= MAX_STEPS:
        return None
    rows = event.get("rows")
    return EvaluationFinished(
        step,
        float(loss),  # type: ignore[arg-type]
        bool(event.get("is_best")),
        _dataset_losses(event),
        rows if type(rows) is int and 0 <= rows < _MAX_COUNT else 0,
        bool(event.get("is_last")),
    )


def _dataset_losses(event: Mapping[str, Any]) -> tuple[DatasetLoss, ...]:
    """The losses of several datasets; those that can't be read are left out."""
    datasets = event.get("datasets")
    return tuple(
        DatasetLoss(single_line(str(dataset.get("name"))), float(dataset["val_loss"]))
        for dataset in (datasets[:_MAX_DATASETS] if isinstance(datasets, list) else [])
        if isinstance(dataset, dict) and _is_loss(dataset.get("val_loss"))
    )


def _is_loss(value: object) -> bool:
    return is_measurement(value)
