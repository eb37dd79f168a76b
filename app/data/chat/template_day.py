"""The date that a chat template asks for: one for all rows of a run, also where it resumes later.

A template asks with `strftime_now`, which gives a format's text for the present moment.
"""

from datetime import date, datetime, time
from typing import Any

from app.data.chat.tokenizer import PlainTokenizer, Tokenizer, plain_tokenizer

DAY_OPTION = "nestling_day"
"""What templates are given in ISO's form, where the date is not today's."""
_ASKS = "strftime_now"


def date_text(form: str, day: str | None) -> str:
    """What `strftime_now` gives on a day in ISO's form, or today.

    At midnight: a row's tokens depend on the day, and not on the minute in which it is rendered.
    """
    shown = date.fromisoformat(day) if day else date.today()
    return datetime.combine(shown, time()).strftime(form)


def asks_for_the_date(tokenizer: Tokenizer) -> bool:
    return _ASKS in str(getattr(tokenizer, "chat_template", None))


def with_day(tokenizer: Tokenizer, day: date) -> Tokenizer:
    """The tokenizer whose template writes this day; the same one where it asks for none."""
    plain = plain_tokenizer(tokenizer)
    if plain is None or not asks_for_the_date(tokenizer):
        return tokenizer
    options = plain.template_options | {DAY_OPTION: day.isoformat()}
    return PlainTokenizer(plain.inner, options, plain.eos_token_ids)


def day_of(tokenizer: Tokenizer) -> str:
    """The day that its template writes, in ISO's form; empty where it asks for none."""
    if not asks_for_the_date(tokenizer):
        return ""
    options: dict[str, Any] = getattr(tokenizer, "template_options", {})
    return str(options.get(DAY_OPTION) or date.today().isoformat())


def options_but_the_day(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != DAY_OPTION}


def run_note(day: date) -> str:
    """What a run says of the date."""
    return (
        f"The model's chat template asks for the date: chats are rendered with {day}, also when "
        "the run resumes on another day."
    )


def check_note(tokenizer: Tokenizer) -> str:
    """What is to be known of the date before a run; empty where the template asks for none."""
    if not (day := day_of(tokenizer)):
        return ""
    return (
        f"The model's chat template asks for the date: chats are rendered with today's ({day}). "
        "A run keeps the date on which it begins."
    )
