"""A run's events as lines of text, shared by the log file and the terminal."""

from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    RetentionMeasured,
    RunFinished,
    RunStarted,
    ScoreMeasured,
)
from app.core.text.numbers import format_loss


def event_line(event: Event) -> str:
    """The event's line without its time; empty for steps and stages."""
    match event:
        case RunStarted():
            return f"{event.steps} steps on {event.device}"
        case EvaluationFinished():
            return _evaluation(event)
        case RetentionMeasured():
            return f"Step {event.step:,}: {distance_text(event)}"
        case ScoreMeasured():
            return f"{event.name}, {event.when}: {event.correct} of {event.total} right"
        case CheckpointSaved():
            best = ", the best so far" if event.is_best else ""
            return f"Step {event.step}: checkpoint saved{best}"
        case LogMessage():
            return event.text
        case RunFinished():
            return event.message
        case _:
            return ""


def distance_text(event: RetentionMeasured) -> str:
    """ "KL from the base model 0.0312"; of the last one also on how many texts."""
    over = f" on {event.texts} texts" if event.is_last else ""
    return f"KL from the base model{over} {event.base_kl:.4f}"


def _evaluation(event: EvaluationFinished) -> str:
    over = f" on {event.rows:,} held-out rows" if event.is_last else ""
    losses = ", ".join(f"{data.name} {format_loss(data.val_loss, 3)}" for data in event.datasets)
    of_each = f" ({losses})" if losses else ""
    best = ", the best so far" if event.is_best and event.step else ""
    loss = format_loss(event.val_loss, 4)
    return f"Step {event.step}: validation loss{over} {loss}{of_each}{best}"
