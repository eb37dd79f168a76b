"""Rebuilds the Jinja environment in which transformers renders chat templates, without
transformers.
"""

import json
from typing import Any

from jinja2 import TemplateError, ext, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from app.data.chat.template_date import DAY_OPTION, date_text


class _Generation(ext.Extension):
    """The `generation` tag, which marks the assistant's text; its content is a block, as in
    transformers.
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
    def __init__(*args: Any, **items: Any) -> None:  # `self` may be a name in a template
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
    """Compile a chat template with the additions that transformers makes.

    Raises the errors of Jinja and Python for a template that can't be compiled.
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
    # One dictionary: Jinja would walk a chain of them at every rendering.
    template.globals = dict(template.globals)
    return template
