"""Renders chats with a model's chat template, as tokens or as text.

A Jinja template is rendered in its own process; a template that is Python code of mlx-lm is
rendered in this one.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import compress
from typing import Any

from app.core.errors import InputError
from app.core.text.sanitize import error_text
from app.data.chat.template_process import RenderingTooCostly, limited, template_process
from app.data.chat.template_server import Call, Refusal, Request, Text, TooMuch
from app.data.chat.template_trial import template_problem
from app.data.chat.tokenizer import Tokenizer, plain_tokenizer
from app.data.row_values import Message
from app.data.rows.messages import as_objects, as_texts, has_arguments, shows_python

Tools = Sequence[dict[str, Any]] | None

_PLAIN_KEYS = {"role", "content"}


class TemplateError(Exception):
    """The template can't render a chat, or a reply can't be separated from its prompt."""


class TemplateRefusal(TemplateError):
    """The template raises an error for a chat; the message includes its text."""


class ChatTemplate:
    """The chat template of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        has_template = getattr(tokenizer, "has_chat_template", None)
        if has_template is None:
            has_template = getattr(tokenizer, "chat_template", None) is not None
        self._has_template = bool(has_template)
        self._plain_source = ""
        self._plain_options: dict[str, Any] = {}

    def require(self) -> None:
        """Raise InputError if the model has no usable chat template."""
        if not self._has_template:
            raise InputError(
                "This model has no chat template, so it can't be trained on chats or on "
                "prompt and completion rows.",
                "Choose a chat model (often named Instruct or Chat), or a dataset of text rows.",
            )
        if problem := template_problem(getattr(self._tokenizer, "chat_template", None)):
            raise InputError(problem, "Fix the template, or choose another base model.")

    def tokens(self, messages: Sequence[Message], tools: Tools, prompted: bool) -> list[int]:
        """The tokens of a chat, with the generation prompt if `prompted`.

        Raises TemplateError.
        """
        return list(self._apply(messages, tools, prompted))

    def text(self, messages: Sequence[Message], tools: Tools, prompted: bool) -> str:
        """The text of a chat, with the generation prompt if `prompted`. Raises TemplateError."""
        return self.texts(messages, tools)(len(messages), prompted)

    def texts(self, messages: Sequence[Message], tools: Tools) -> Callable[[int, bool], str]:
        """A function that renders the first `count` messages of the chat as text."""
        if not self._renders_plainly(messages, tools):
            return lambda count, prompted: str(
                self._apply(messages[:count], tools, prompted, tokenize=False)
            )

        def text(count: int, prompted: bool) -> str:
            (texts,) = self._render_apart([Chat(messages, tools, (Call(count, prompted),))])
            return texts(count, prompted)

        return text

    def texts_of(self, chats: "Sequence[Chat]") -> "list[ChatTexts]":
        """A function like that of `texts` for each chat; renders all `calls` of the chats now."""
        is_plain = [self._renders_plainly(chat.messages, chat.tools) for chat in chats]
        plain = iter(list(self._render_apart(list(compress(chats, is_plain)))))
        texts = [next(plain) if is_one else ChatTexts({}) for is_one in is_plain]
        for chat, rendered in zip(chats, texts, strict=True):
            rendered.otherwise = self.texts(chat.messages, chat.tools)
        return texts

    def with_arguments(self, messages: Sequence[Message], tools: Tools) -> Sequence[Message]:
        """The chat with its tool calls' arguments as objects, or as JSON text if the template
        rejects objects or writes them in Python's syntax.
        """
        if not has_arguments(messages):
            return messages
        for formed in (as_objects(messages), as_texts(messages)):
            with suppress(TemplateError):
                if not shows_python(formed, self.text(formed, tools, False)):
                    return formed
        return messages

    def render_plainly(self) -> None:
        """From now on, render plain chats without transformers' checks.

        This relies on transformers' internals, so callers must compare samples with `tokens`.
        """
        self.require()
        source = getattr(self._tokenizer, "chat_template", None)
        if isinstance(source, str):
            self._plain_source = source
            self._plain_options = {
                **getattr(self._tokenizer, "special_tokens_map", {}),
                **getattr(self._tokenizer, "template_options", {}),
                "tools": None,
                "documents": None,
            }

    def _renders_plainly(self, messages: Sequence[Message], tools: Tools) -> bool:
        return bool(self._plain_source) and not tools and all(map(_is_plain, messages))

    def _render_apart(self, chats: "Sequence[Chat]") -> "Iterator[ChatTexts]":
        """Render plain chats in the template's process."""
        requests = [Request(list(chat.messages), self._plain_options, chat.calls) for chat in chats]
        answers = template_process(self._plain_source).answers(requests)
        for chat, answer in zip(chats, answers, strict=True):
            if isinstance(answer, TooMuch):
                yield ChatTexts(dict.fromkeys(chat.calls, answer))
                continue
            texts: dict[Call, str | Refusal | TooMuch] = {}
            first = ""
            for call, rendered in zip(chat.calls, answer, strict=True):
                if isinstance(rendered, Text):
                    texts[call] = text = first[: rendered.shared] + rendered.rest
                    first = first or text
                else:
                    texts[call] = rendered
            yield ChatTexts(texts)

    def _apply(
        self, messages: Sequence[Message], tools: Tools, prompted: bool, **options: Any
    ) -> Any:
        self.require()
        try:
            with _rendering_apart() if self._is_foreign() else limited:
                # Templates may modify their arguments.
                return self._tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    tools=list(tools) if tools else None,
                    add_generation_prompt=prompted,
                    return_dict=False,
                    **options,
                )
        except RenderingTooCostly:
            raise
        except Exception as error:  # third-party template code can raise anything
            raise _refusal(error_text(error)) from error

    def _is_foreign(self) -> bool:
        """Whether the template belongs to the model and is not Python code of mlx-lm."""
        return plain_tokenizer(self._tokenizer) is not None


@dataclass(frozen=True)
class Chat:
    """A chat and the renderings that will probably be needed; the first is the whole chat."""

    messages: Sequence[Message]
    tools: Tools
    calls: tuple[Call, ...]


@dataclass
class ChatTexts:
    """The renderings of a chat as a function of the number of messages and of whether to add the
    generation prompt.
    """

    rendered: "dict[Call, str | Refusal | TooMuch]"
    otherwise: Callable[[int, bool], str] | None = None
    """Renders texts that were not rendered in advance."""

    def __call__(self, count: int, prompted: bool) -> str:
        """Raises TemplateError, or RenderingTooCostly."""
        call = Call(count, prompted)
        if call not in self.rendered and self.otherwise is not None:
            self.rendered[call] = self.otherwise(count, prompted)
        match self.rendered[call]:
            case TooMuch(excess):
                raise RenderingTooCostly(excess)
            case Refusal(reason):
                raise _refusal(reason)
            case text:
                return text


class _ApartTemplate:
    """Replaces transformers' compiled template."""

    def __init__(self, source: str) -> None:
        self._source = source

    def render(self, *, messages: Any, add_generation_prompt: bool, **options: Any) -> str:
        call = Call(len(messages), bool(add_generation_prompt))
        request = Request(messages, options, (call,))
        (answer,) = template_process(self._source).answers([request])
        if isinstance(answer, TooMuch):
            raise RenderingTooCostly(answer.excess)
        (rendered,) = answer
        if isinstance(rendered, Refusal):
            raise ValueError(rendered.reason)
        return rendered.rest


_apart = threading.Lock()


@contextmanager
def _rendering_apart() -> Iterator[None]:
    """Inside, transformers prepares chats as usual, but another process renders them."""
    library: Any = sys.modules["transformers.utils.chat_template_utils"]
    with _apart:
        compiling = library._compile_jinja_template
        library._compile_jinja_template = _ApartTemplate
        try:
            yield
        finally:
            library._compile_jinja_template = compiling


def _is_plain(message: Message) -> bool:
    """Whether transformers would render a message unchanged."""
    return message.keys() == _PLAIN_KEYS and type(message["content"]) is str


def _refusal(reason: str) -> TemplateRefusal:
    return TemplateRefusal(f"the model's chat template refuses it: {reason}")
