"""What tables and choices of runs have in common: a run's tiers, and its date."""

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import QLocale

from app.core.text.translation import language, tr


def periods_text(periods: Sequence[int]) -> str:
    """Each tier's update period: "1 · 2 · 4"."""
    return " · ".join(map(str, periods)) or "–"


def day_text(created: datetime | None) -> str:
    """Day and time; the year only where it is not this one."""
    if created is None:
        return "–"
    local = created.astimezone()
    month = QLocale(language()).monthName(local.month, QLocale.FormatType.ShortFormat)
    time, day = f"{local:%H:%M}", local.day
    if local.year == datetime.now().year:
        return tr("{day} {month}, {time}", day=day, month=month, time=time)
    return tr("{day} {month} {year}, {time}", day=day, month=month, year=local.year, time=time)
