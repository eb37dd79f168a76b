"""The day that a run's chat template writes into its rows, as its manifest keeps it."""

from collections.abc import Mapping
from datetime import date

from app.data.chat.template_day import asks_for_the_date
from app.engine.runtime.untyped import TokenizerWrapper
from app.library.reading.run_summary import parse_timestamp
from app.library.run.manifest import TEMPLATE_DAY


def template_day(tokenizer: TokenizerWrapper, saved: Mapping[str, object] | None) -> date | None:
    """Today for a new run; for a run that resumes, the day on which it began.

    None where the template asks for no date.
    """
    if not asks_for_the_date(tokenizer):
        return None
    return date.today() if saved is None else _kept(saved)


def _kept(saved: Mapping[str, object]) -> date:
    try:
        return date.fromisoformat(str(saved[TEMPLATE_DAY]))
    except (KeyError, ValueError):
        pass
    try:  # runs of older versions keep only when they began
        return parse_timestamp(str(saved.get("created"))).astimezone().date()
    except (ValueError, OverflowError):
        return date.today()
