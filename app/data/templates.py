"""A model's chat template: a chat as tokens or as text, with the template's own refusals."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from app.core.error_text import error_text
from app.core.errors import InputError
from app.data.examples import Message
from app.data.render_limit import RenderingTooLong, limited
from app.data.template_trial import template_problem
from app.data.tokenizer import Tokenizer
from app.data.tool_arguments import as_objects, as_texts, has_arguments, shows_python

Tools = Sequence[dict[str, Any]] | None

_PLAIN_KEYS = {"role", "content"}


class TemplateError(Exception):
    """A chat this template can't render, or in which no reply can be told from its prompt."""


class ChatTemplate:
    """One tokenizer's template."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        has_template = getattr(tokenizer, "has_chat_template", None)
        if has_template is None:
            has_template = getattr(tokenizer, "chat_template", None) is not None
        self._has_template = bool(has_template)
        self._compiled: Callable[..., str] | None = None
        self._is_to_compile = False

    def require(self) -> None:
        """Raise InputError if the model has no template to render a chat with, or a bad one."""
        if not self._has_template:
            raise InputError(
                "This model has no chat template, so it can't be trained on chats or on "
                "prompt and completion rows.",
                "Choose a chat model (often named Instruct or Chat), or a dataset of text rows.",
            )
        if problem := template_problem(getattr(self._tokenizer, "chat_template", None)):
            raise InputError(problem, "Fix the template, or choose another base model.")

    def tokens(self, messages: Sequence[Message], tools: Tools, prompted: bool) -> list[int]:
        """The tokens of a chat, with the prompt for a reply if `prompted`.

        Raises TemplateError with the template's own words.
        """
        return list(self._applied(messages, tools, prompted))

    def text(self, messages: Sequence[Message], tools: Tools, prompted: bool) -> str:
        """The same as text."""
        return self.texts(messages, tools)(len(messages), prompted)

    def texts(self, messages: Sequence[Message], tools: Tools) -> Callable[[int, bool], str]:
        """The same as text for the chat's first messages, so many; asked several times."""
        if self._is_to_compile:
            self._compile()
        compiled = self._compiled
        if compiled is None or tools or not all(map(_is_plain, messages)):
            return lambda count, prompted: str(
                self._applied(messages[:count], tools, prompted, tokenize=False)
            )
        plain = list(messages)

        def text(count: int, prompted: bool) -> str:
            try:
                with limited:
                    return compiled(messages=plain[:count], add_generation_prompt=prompted)
            except RenderingTooLong:
                raise
            except Exception as error:  # as below
                raise _refusal(error) from error

        return text

    def with_arguments(self, messages: Sequence[Message], tools: Tools) -> Sequence[Message]:
        """The chat with its calls' arguments as this template writes them: as objects, or as text
        where it refuses objects or prints them as Python does.
        """
        if not has_arguments(messages):
            return messages
        for formed in (as_objects(messages), as_texts(messages)):
            with suppress(TemplateError):
                if not shows_python(formed, self.text(formed, tools, False)):
                    return formed
        return messages

    def compile(self) -> None:
        """Render plain chats from now on without the checks that transformers makes each time.

        Only for who compares samples with `tokens`: this goes by how transformers works inside.
        """
        self._is_to_compile = True

    def _compile(self) -> None:
        self._is_to_compile = False
        self.require()
        library = sys.modules.get("transformers.utils.chat_template_utils")
        compiling = getattr(library, "_compile_jinja_template", None)
        source = getattr(self._tokenizer, "chat_template", None)
        if compiling is None or not isinstance(source, str):
            return
        options = {
            **getattr(self._tokenizer, "special_tokens_map", {}),
            **getattr(self._tokenizer, "template_options", {}),
        }
        template = compiling(source)
        # A chain of dictionaries is walked through at every rendering; one dictionary is not.
        template.globals = dict(template.globals)
        render = template.render
        self._compiled = lambda **given: render(tools=None, documents=None, **options, **given)

    def _applied(
        self, messages: Sequence[Message], tools: Tools, prompted: bool, **options: Any
    ) -> Any:
        self.require()
        try:
            with limited:
                # Templates may write into what they are given.
                return self._tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    tools=list(tools) if tools else None,
                    add_generation_prompt=prompted,
                    return_dict=False,
                    **options,
                )
        except RenderingTooLong:
            raise
        except Exception as error:  # a template is a foreign program: anything can come out of it
            raise _refusal(error) from error


def _is_plain(message: Message) -> bool:
    """Whether there is nothing in a message that transformers would change before rendering."""
    return message.keys() == _PLAIN_KEYS and type(message["content"]) is str


def _refusal(error: Exception) -> TemplateError:
    return TemplateError(f"the model's chat template refuses it: {error_text(error)}")
