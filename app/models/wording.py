"""Formats facts of models, shared by window and terminal."""

from typing import TYPE_CHECKING

from app.core.events import MemoryVerdict
from app.core.wording.memory import gigabytes

if TYPE_CHECKING:
    from app.models.description import ModelDescription
from app.models.memory_rating import USUAL_ROWS, TrainingMemory

UNKNOWN = "–"
VERDICTS: dict[str, str] = {"fits": "Fits", "tight": "Tight", "won't fit": "Won't fit"}
HOW_RATED = (
    "Estimated from the shapes of the weights, for LoRA of rank 8 on all layers. New Run estimates "
    "memory for your data and settings."
)


def parameters_text(count: int | None) -> str:
    """Three figures from a billion on: "135 M", "1.24 B"."""
    if not count:
        return UNKNOWN
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        amount = count / size
        if amount >= 0.9995:
            return f"{amount:.{_places(amount, size)}f} {unit}"
    return str(count)


def _places(amount: float, size: int) -> int:
    if amount >= 99.95 or (amount >= 9.995 and size < 10**9):
        return 0
    return 1 if amount >= 9.995 else 2


def context_text(tokens: int | None) -> str:
    """ "128K" is 131,072 tokens; others in full."""
    if not tokens:
        return UNKNOWN
    return f"{tokens // 1024:,}K" if tokens % 1024 == 0 else f"{tokens:,}"


def state_text(model: "ModelDescription", available_bytes: int) -> str:
    """Whether it can be trained here, in a word or two."""
    if not model.is_read:
        return "Reading…"
    if model.problem:
        return "Can't be used"
    return VERDICTS.get(model.verdict(available_bytes), UNKNOWN)


def problem_text(model: "ModelDescription") -> str:
    """The problem as a sentence that names the model."""
    is_named = model.name in model.problem
    return model.problem if is_named or not model.problem else f"{model.name}: {model.problem}"


def memory_text(memory: TrainingMemory, available_bytes: int) -> str:
    """The verdict with its figures: one or two sentences."""
    verdict: MemoryVerdict = memory.verdict(available_bytes)
    smallest, usual = gigabytes(memory.smallest_bytes), gigabytes(memory.usual_bytes)
    available, tokens = gigabytes(available_bytes), f"{memory.tokens:,} tokens"
    batch = f"{USUAL_ROWS} examples of {tokens} at a time"
    alone = f"one example of {tokens} at a time with gradient checkpointing"
    match verdict:
        case "fits":
            return f"Fits. {batch} need about {usual}; {available} is available."
        case "tight":
            return (
                f"Tight. {alone[0].upper()}{alone[1:]} needs about {smallest}, {batch} about "
                f"{usual}; {available} is available."
            )
        case _:
            return f"Won't fit. Even {alone} needs about {smallest}; only {available} is available."
