"""The date that a chat template writes: one per run, also when the run resumes on another day.

A template asks for it with `strftime_now`, which formats the present moment.
"""

from datetime import date, datetime, time
from typing import Any

from app.data.chat.tokenizer import PlainTokenizer, Tokenizer, plain_tokenizer

DAY_OPTION = "nestling_day"
"""The template variable that holds the date in ISO form if it is not today's."""
_ASKS = "strftime_now"


def date_text(form: str, day: str | None) -> str:
    """The result of `strftime_now` for a day in ISO form, or for today.

    The time is midnight, so that tokens depend on the day and not on the minute.
    """
    shown = date.fromisoformat(day) if day else date.today()
    return datetime.combine(shown, time()).strftime(form)


def asks_for_the_date(tokenizer: Tokenizer) -> bool:
    return _ASKS in str(getattr(tokenizer, "chat_template", None))


def with_day(tokenizer: Tokenizer, day: date) -> Tokenizer:
    """The tokenizer whose template writes this day; unchanged if the template asks for no date."""
    plain = plain_tokenizer(tokenizer)
    if plain is None or not asks_for_the_date(tokenizer):
        return tokenizer
    options = plain.template_options | {DAY_OPTION: day.isoformat()}
    return PlainTokenizer(plain.inner, options, plain.eos_token_ids)


def day_of(tokenizer: Tokenizer) -> str:
    """The day that the tokenizer's template writes, in ISO form; empty if it asks for none."""
    if not asks_for_the_date(tokenizer):
        return ""
    options: dict[str, Any] = getattr(tokenizer, "template_options", {})
    return str(options.get(DAY_OPTION) or date.today().isoformat())


def options_but_the_day(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != DAY_OPTION}


def run_note(day: date) -> str:
    """The run log's note about the date."""
    return (
        f"The model's chat template asks for the date: chats are rendered with {day}, also when "
        "the run resumes on another day."
    )


def check_note(tokenizer: Tokenizer) -> str:
    """The note about the date before a run; empty if the template asks for none."""
    if not (day := day_of(tokenizer)):
        return ""
    return (
        f"The model's chat template asks for the date: chats are rendered with today's ({day}). "
        "A run keeps the date on which it begins."
    )
