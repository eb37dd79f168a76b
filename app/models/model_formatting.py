"""Formats facts about models, for window and terminal."""

from typing import TYPE_CHECKING

from app.core.events import MemoryVerdict
from app.core.text.translation import decimal, mark, tr
from app.core.wording.memory import gigabytes

if TYPE_CHECKING:
    from app.models.model_description import ModelDescription
from app.models.training_memory import USUAL_ROWS, TrainingMemory

UNKNOWN = "–"
VERDICTS: dict[str, str] = {
    "fits": mark("Fits"),
    "tight": mark("Tight"),
    "won't fit": mark("Won't fit"),
}
HOW_RATED = mark(
    "Estimated from the shapes of the weights, for LoRA of rank 8 on all layers. New Run estimates "
    "memory for your data and settings."
)

_MEMORY: dict[MemoryVerdict, str] = {
    "fits": mark(
        "Fits. {rows} examples of {tokens:,} tokens at a time need about {usual}; {available} is "
        "available."
    ),
    "tight": mark(
        "Tight. One example of {tokens:,} tokens at a time with gradient checkpointing needs about "
        "{smallest}, {rows} examples about {usual}; {available} is available."
    ),
    "won't fit": mark(
        "Won't fit. Even one example of {tokens:,} tokens at a time with gradient checkpointing "
        "needs about {smallest}; only {available} is available."
    ),
}


def parameters_text(count: int | None) -> str:
    """A count such as "135 M"; with three digits from a billion on, such as "1.24 B"."""
    if not count:
        return UNKNOWN
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        amount = count / size
        if amount >= 0.9995:
            return decimal(f"{amount:.{_places(amount, size)}f} {unit}")
    return str(count)


def _places(amount: float, size: int) -> int:
    if amount >= 99.95 or (amount >= 9.995 and size < 10**9):
        return 0
    return 1 if amount >= 9.995 else 2


def context_text(tokens: int | None) -> str:
    """Multiples of 1,024 as "128K", others in full."""
    if not tokens:
        return UNKNOWN
    return decimal(f"{tokens // 1024:,}K" if tokens % 1024 == 0 else f"{tokens:,}")


def state_text(model: "ModelDescription", available_bytes: int) -> str:
    """Whether the model can be trained here, in one to three words."""
    if not model.is_read:
        return tr("Reading…")
    if model.problem:
        return tr("Can't be used")
    return tr(VERDICTS.get(model.verdict(available_bytes), UNKNOWN))


def problem_text(model: "ModelDescription") -> str:
    """The problem as a sentence that names the model."""
    is_named = model.name in model.problem
    return model.problem if is_named or not model.problem else f"{model.name}: {model.problem}"


def memory_text(memory: TrainingMemory, available_bytes: int) -> str:
    """The verdict with its figures: one or two sentences."""
    verdict: MemoryVerdict = memory.verdict(available_bytes)
    return tr(
        _MEMORY[verdict],
        rows=USUAL_ROWS,
        tokens=memory.tokens,
        smallest=gigabytes(memory.smallest_bytes),
        usual=gigabytes(memory.usual_bytes),
        available=gigabytes(available_bytes),
    )
