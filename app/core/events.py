"""The events of a run: frozen, picklable values, in the order in which they happen.

Every number here was measured by the engine; nothing downstream computes one again.
"""

import math
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["finished", "stopped", "failed"]
MemoryVerdict = Literal["fits", "tight", "won't fit"]


@dataclass(frozen=True)
class TierFacts:
    """One tier of a plan, as it stands in the model."""

    period: int
    learning_rate_factor: float
    parameters: int
    """Number of trained parameters."""
    layers: tuple[int, ...]
    """Indexes of the model's layers that hold parameters of this tier."""
    description: str
    """Its parameters in words: "layers 6-7", "attention"."""


@dataclass(frozen=True)
class ClockFacts:
    """The clocks beside the fast one; 0 for one that is off."""

    slow_every: int = 0
    """Steps from one lesson of the slow clock to the next."""
    slow_weight: float = 0.0
    slow_rate: float = 0.0
    """The learning rate of its own AdamW as a share of the task's; 0 without one."""
    slow_texts: int = 0
    """The number of its texts, which it reads in turn."""
    lasting_pull: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.slow_every or self.lasting_pull)


@dataclass(frozen=True)
class StageChanged:
    """The run is busy with something other than steps; `stage` is shown as it stands."""

    stage: str
    fraction: float | None = None
    """Share of the stage that is done, 0 to 1, if known."""

    @property
    def text(self) -> str:
        """ "Validating, 40 %", or the stage alone where nothing of it is done yet."""
        return (
            f"{self.stage}, {self.fraction:.0%}".replace("%", " %") if self.fraction else self.stage
        )


@dataclass(frozen=True)
class LogMessage:
    """A line for the run's log."""

    text: str
    is_warning: bool = False
    """It is shown as a warning."""


@dataclass(frozen=True)
class RunStarted:
    """Everything is loaded and checked; training begins."""

    run_dir: Path
    name: str
    model: str
    steps: int
    base_parameters: int
    trainable_parameters: int
    tiers: tuple[TierFacts, ...]
    adapted_layers: tuple[int, ...]
    """Indexes of the model's layers that carry an adapter: the rows of the heat map."""
    train_examples: int
    valid_examples: int
    steps_per_epoch: int
    device: str
    done: int = 0
    """Steps that a resumed run made before."""
    clocks: ClockFacts = ClockFacts()


@dataclass(frozen=True)
class MemoryAdvice:
    """A change with which a run would fit, by the same estimate."""

    text: str
    """The advice: "Gradient checkpointing." """
    settings: tuple[tuple[str, int], ...]
    """The changed settings by name; empty if another base model is needed."""
    peak_bytes: int
    """Memory that the run would then need."""


@dataclass(frozen=True)
class MemoryEstimated:
    """A run's memory, estimated before it starts."""

    model_bytes: int
    adapter_bytes: int
    """The adapter and its optimizer state."""
    work_bytes: int
    """Activations, loss and gradients of the largest batch."""
    cache_bytes: int
    """Additional cache, which MLX frees when memory is short."""
    peak_bytes: int
    """Model, adapter and work: the estimate of `StepFinished.peak_memory_bytes`."""
    available_bytes: int
    """Memory that a run can use on this machine."""
    length: int
    """Tokens of a row of the largest batch."""
    is_bound: bool
    """Batches may be smaller: the longest example isn't known yet, and `length` is the limit; or
    it is open whether examples share rows."""
    verdict: MemoryVerdict
    advice: tuple[MemoryAdvice, ...] = ()
    """Changes with which the run would fit; empty if it fits."""


KNOWN_QUESTIONS = "known questions"
"""The name of Nestling's own set: questions that the base model answers correctly."""


MAX_WRONG = 500
"""The most wrong answers of one set that are recorded; few sets have more questions."""


@dataclass(frozen=True)
class WrongAnswer:
    """A question that the model answered incorrectly."""

    question: str
    expected: str
    answer: str = ""
    """The model's answer; empty before training, and if it was not generated."""


@dataclass(frozen=True)
class ScoreMeasured:
    """Number of a set's questions that the model answers exactly, by greedy decoding."""

    name: str
    when: Literal["before", "after"]
    correct: int
    total: int
    wrong: tuple[WrongAnswer, ...] = ()
    """The wrong answers, in the order of the set, at most `MAX_WRONG`; empty in runs that did not
    record them."""


@dataclass(frozen=True)
class StepFinished:
    """One optimizer step, measured from the weights in the model."""

    step: int
    """1-based."""
    loss: float
    """Mean cross-entropy per trained token, in nats; NaN when the step is void."""
    learning_rate: float
    trained_tokens: int
    """Trained tokens since the run began."""
    tokens_per_second: float
    """Trained tokens per second, over the last steps."""
    peak_memory_bytes: int
    fired: tuple[int, ...]
    """Tiers whose weights moved in this step, read from the weights."""
    deltas: tuple[float, ...]
    """Per tier: L2 norm of the change in this step."""
    pending: tuple[int, ...]
    """Per tier: gradients accumulated and not yet applied."""
    drifts: tuple[float, ...]
    """Per tier: L2 norm of the distance from the start of the run."""
    layer_deltas: tuple[float, ...]
    """Per adapted layer: L2 norm of the change in this step."""
    gradient_norm: float
    """L2 norm over all tiers, before clipping."""
    void: bool
    """The loss or gradient was not finite: nothing was accumulated or applied."""
    pulls: tuple[float, ...] = ()
    """Per tier: how far the lasting clock pulled it back in this step, an L2 norm. Empty in a run
    without clocks."""
    base_kl: float = float("nan")
    """KL divergence from the base model on the slow clock's text, in nats per token, before this
    step's update; NaN where the step took none."""


@dataclass(frozen=True)
class DatasetLoss:
    """One dataset's own validation loss, where several are mixed."""

    name: str
    val_loss: float


@dataclass(frozen=True)
class EvaluationFinished:
    step: int
    val_loss: float
    """Mean cross-entropy per trained token over the rows that were read, in nats. Of several
    datasets, each counts by the tokens that an epoch trains of it."""
    is_best: bool
    datasets: tuple[DatasetLoss, ...] = ()
    """Each dataset's own loss, if several are mixed."""
    rows: int = 0
    """Number of validation rows that were read; 0 in runs that did not record it."""
    is_last: bool = False
    """Measured at the run's end on more rows than the others, so it is not on their curve."""
    forgetting: float = 0.0
    """The weighted KL divergence from the base model, if it counts beside the loss."""

    @property
    def score(self) -> float:
        """The best checkpoint has the lowest score."""
        return self.val_loss + self.forgetting


@dataclass(frozen=True)
class RetentionMeasured:
    """The model's KL divergence from its base on everyday text that it is not trained on."""

    step: int
    base_kl: float
    """KL(base ‖ tuned), the mean over all replies' tokens, in nats."""
    texts: int
    """Number of texts, the same ones each time."""
    is_last: bool = False
    """Measured at the run's end on more texts than the others, so it is not on their curve."""
    kept: tuple[DatasetLoss, ...] = ()
    """The loss of the retention set and of earlier runs' validation sets, always on the same
    rows."""


@dataclass(frozen=True)
class CheckpointSaved:
    step: int
    path: Path
    size_bytes: int
    is_best: bool = False
    """No checkpoint of the run so far has a lower validation loss."""


@dataclass(frozen=True)
class RunFinished:
    """The end of the run: always its last event."""

    outcome: Outcome
    run_dir: Path
    adapter_dir: Path | None
    """A folder that `mlx_lm.load(base, adapter_path=…)` takes; None when nothing was trained."""
    steps: int
    message: str
    """One sentence on how the run ended, with the reason if it failed."""


Event = (
    StageChanged
    | LogMessage
    | MemoryEstimated
    | RunStarted
    | ScoreMeasured
    | StepFinished
    | EvaluationFinished
    | RetentionMeasured
    | CheckpointSaved
    | RunFinished
)


def event_name(event: object) -> str:
    """The name in JSON of an event or its type: `StepFinished` is "step_finished"."""
    name = (event if isinstance(event, type) else type(event)).__name__
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def to_json(event: Event) -> dict[str, Any]:
    """One JSON object for a line of output or of metrics."""
    return {"event": event_name(event), **json_value(event)}


def json_value(value: Any) -> Any:
    """A value as JSON holds it: dataclasses as objects, non-finite numbers as null."""
    if is_dataclass(value):
        return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
