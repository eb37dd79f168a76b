"""Rebuilds transformers' Jinja environment for chat templates without transformers, and sets the
date that a template writes.

A template gets the date from `strftime_now`, which normally formats the current time. Here the date
stays the same for a whole run, also when the run resumes on another day.
"""

import json
from datetime import date, datetime, time
from typing import Any

from jinja2 import TemplateError, ext, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from app.data.chat.tokenizer import PlainTokenizer, Tokenizer, plain_tokenizer


class _Generation(ext.Extension):
    """The `generation` tag, which marks the assistant's text; like transformers' tag, it renders
    its content.
    """

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_shown"), [], [], body).set_lineno(line)

    def _shown(self, caller: Any) -> Any:
        return caller()


class _Dict:
    def __call__(self, *args: Any, **items: Any) -> dict[Any, Any]:
        return dict(*args, **items)

    def fromkeys(self, *args: Any, **items: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **items)


class _Namespace(Namespace):
    def __init__(*args: Any, **items: Any) -> None:  # a template may use `self` as a name
        self, *rest = args
        attributes = dict(*rest, **items)
        for name in attributes:
            _check_name(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        Namespace.__setitem__(self, name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"Chat templates can't store {name!r} on a namespace.")


def _refuse(message: object) -> None:
    raise TemplateError(message)  # type: ignore[arg-type]


@pass_context
def _strftime_now(context: Context, form: str) -> str:
    return date_text(form, context.get(DAY_OPTION))


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None,
    sort_keys: bool = False,
) -> str:  # fmt: skip
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def template_of(source: str) -> Any:
    """Compile a chat template with the same extensions, filters and globals as transformers.

    Raises Jinja's and Python's errors for a template that can't be compiled.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _strftime_now
    environment.globals["dict"] = _Dict()
    environment.globals["namespace"] = _Namespace
    template = environment.from_string(source)
    # A single dictionary, because Jinja would walk a chain of dictionaries at every rendering.
    template.globals = dict(template.globals)
    return template


DAY_OPTION = "nestling_day"
"""The template variable for the date in ISO format, if it is not today's."""
_ASKS = "strftime_now"


def date_text(form: str, day: str | None) -> str:
    """The result of `strftime_now` for a day in ISO format, or for today.

    The time is midnight, so that tokens depend on the day only.
    """
    shown = date.fromisoformat(day) if day else date.today()
    return datetime.combine(shown, time()).strftime(form)


def asks_for_the_date(tokenizer: Tokenizer) -> bool:
    return _ASKS in str(getattr(tokenizer, "chat_template", None))


def with_day(tokenizer: Tokenizer, day: date) -> Tokenizer:
    """A tokenizer whose template writes this day; unchanged if the template uses no date."""
    plain = plain_tokenizer(tokenizer)
    if plain is None or not asks_for_the_date(tokenizer):
        return tokenizer
    options = plain.template_options | {DAY_OPTION: day.isoformat()}
    return PlainTokenizer(plain.inner, options, plain.eos_token_ids)


def day_of(tokenizer: Tokenizer) -> str:
    """The day that the tokenizer's template writes, in ISO format; "" if it uses no date."""
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
    """The note about the date before a run; "" if the template uses no date."""
    if not (day := day_of(tokenizer)):
        return ""
    return (
        f"The model's chat template asks for the date: chats are rendered with today's ({day}). "
        "A run keeps the date on which it begins."
    )
