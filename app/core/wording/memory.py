"""Sentences about a memory estimate, shared by window and terminal."""

from app.core.events import MemoryEstimated

PROCESS_BYTES = 150_000_000
"""Memory of a run outside MLX, before its data: 0.10 GB with the starter's tokenizer and
0.13 GB with SmolLM2's of 49,152 tokens, on Linux."""

NO_ESTIMATE = (
    "The memory that this run needs can't be estimated: the model's code can't be traced, or not "
    "in reasonable time."
)


def memory_sentence(estimate: MemoryEstimated) -> str:
    """Needed memory, available memory and the verdict, in one or two sentences."""
    needed, available = gigabytes(estimate.peak_bytes), gigabytes(estimate.available_bytes)
    about = "at most about" if estimate.is_bound else "about"
    match estimate.verdict:
        case "fits":
            more = gigabytes(PROCESS_BYTES + estimate.cache_bytes)
            return (
                f"Needs {about} {needed} of memory for training and up to {more} more; "
                f"{available} is available."
            )
        case "tight":
            lead = "May be tight" if estimate.is_bound else "Tight"
            return (
                f"{lead}: needs {about} {needed} of memory, and {available} is available. "
                "Close other apps, or use smaller batches or shorter examples."
            )
        case _:
            # What is needed at most says nothing of what is needed at least.
            lead = "May not fit" if estimate.is_bound else "Won't fit"
            return f"{lead}: needs {about} {needed} of memory, but only {available} is available."


def memory_parts(estimate: MemoryEstimated) -> str:
    """The parts of the needed memory."""
    sizes = {
        "base model": estimate.model_bytes,
        "adapter and optimizer": estimate.adapter_bytes,
        f"a batch of {estimate.length:,} tokens a row": estimate.work_bytes,
    }
    details = ", ".join(f"{name} {gigabytes(size)}" for name, size in sizes.items())
    details += (
        f". Python, its libraries and the tokenizer take about {gigabytes(PROCESS_BYTES)} more"
    )
    if not estimate.cache_bytes:
        return f"{details}."
    kept = gigabytes(estimate.cache_bytes)
    return (
        f"{details}; MLX may keep {kept} of what was freed, and gives it back where room is short."
    )


def gigabytes(size_bytes: int) -> str:
    """Two figures: "0.12 GB", "1.2 GB", "12 GB"."""
    size = size_bytes / 1e9
    return f"{size:.0f} GB" if size >= 9.95 else f"{size:.{1 if size >= 0.995 else 2}f} GB"
