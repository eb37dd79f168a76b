"""Sentences about a memory estimate, shared by window and terminal."""

from app.core.events import MemoryEstimated, MemoryVerdict
from app.core.text.translation import decimal, mark, tr

PROCESS_BYTES = 150_000_000
"""Memory of a run outside MLX, before its data: 0.10 GB with the starter's tokenizer and
0.13 GB with SmolLM2's of 49,152 tokens, on Linux."""

NO_ESTIMATE = mark(
    "This run's memory can't be estimated: tracing the model's code failed or took too long."
)


_SENTENCES: dict[MemoryVerdict, tuple[str, str]] = {
    "fits": (
        mark(
            "Needs about {needed} of memory to train, plus up to {more} of overhead ({available} "
            "available)."
        ),
        mark(
            "Needs up to {needed} of memory to train, plus {more} of overhead ({available} "
            "available)."
        ),
    ),
    "tight": (
        mark(
            "Tight: about {needed} of memory needed, {available} available. Close other apps, or "
            "use smaller batches or shorter examples."
        ),
        mark(
            "May be tight: up to {needed} of memory needed, {available} available. Close other "
            "apps, or use smaller batches or shorter examples."
        ),
    ),
    "won't fit": (
        mark("Won't fit: about {needed} of memory needed, {available} available."),
        mark("May not fit: up to {needed} of memory needed, {available} available."),
    ),
}
"""Sentences for an estimate and for an upper bound, which gives no lower one."""


def memory_sentence(estimate: MemoryEstimated) -> str:
    """Needed memory, available memory and the verdict, in one or two sentences."""
    needed, available = gigabytes(estimate.peak_bytes), gigabytes(estimate.available_bytes)
    more = gigabytes(PROCESS_BYTES + estimate.cache_bytes)
    if_exact, if_bound = _SENTENCES[estimate.verdict]
    sentence = if_bound if estimate.is_bound else if_exact
    return tr(sentence, needed=needed, available=available, more=more)


def memory_parts(estimate: MemoryEstimated) -> str:
    """The parts of the needed memory."""
    sizes = {
        tr("base model"): estimate.model_bytes,
        tr("adapter and optimizer"): estimate.adapter_bytes,
        tr("a batch of {tokens:,} tokens a row", tokens=estimate.length): estimate.work_bytes,
    }
    details = ", ".join(f"{name} {gigabytes(size)}" for name, size in sizes.items())
    more = gigabytes(PROCESS_BYTES)
    if not estimate.cache_bytes:
        return tr(
            "{parts}. Python, its libraries and the tokenizer take about {more} more.",
            parts=details,
            more=more,
        )
    return tr(
        "{parts}. Python, its libraries and the tokenizer take about {more} more; MLX may cache "
        "another {kept} and releases it when memory is low.",
        parts=details,
        more=more,
        kept=gigabytes(estimate.cache_bytes),
    )


def gigabytes(size_bytes: int) -> str:
    """A size with two digits: "0.12 GB", "1.2 GB", "12 GB"."""
    size = size_bytes / 1e9
    places = 0 if size >= 9.95 else 1 if size >= 0.995 else 2
    return decimal(f"{size:.{places}f} GB")
