"""Which tokens of a rendered chat are the assistant's own, shown by rendering its beginnings too.

Knows the tokenizer only through a Protocol, and no template by name: a reply counts as the
assistant's where the rendering up to it is a beginning of the whole, and is left alone elsewhere.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from app.core.errors import InputError
from app.data.examples import Message

Span = tuple[int, int]
Tools = Sequence[dict[str, Any]] | None

# How many tokens a seam between prompt and reply may take: one merged token, or the bytes of one
# character.
_SEAM_TOKENS = 8

_THINKING_TAGS = re.compile(r"\A(\s|</?think>)+")


class Tokenizer(Protocol):
    """What is asked of a tokenizer; those of transformers and of mlx-lm both give it.

    Also looked at, where they exist: `has_chat_template`, `all_special_ids`, `eos_token_ids` and
    `added_tokens_decoder`.
    """

    @property
    def eos_token_id(self) -> int | None: ...

    @property
    def chat_template(self) -> Any: ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, token_ids: list[int]) -> str: ...

    def apply_chat_template(
        self,
        conversation: list[Message],
        *,
        tools: list[dict[str, Any]] | None = None,
        add_generation_prompt: bool = False,
        return_dict: bool = False,
    ) -> Any: ...


class TemplateError(Exception):
    """A chat this template can't render, or in which no reply can be told from its prompt."""


class ChatTemplate:
    """One tokenizer's template, and the tokens that can end a turn in it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        has_template = getattr(tokenizer, "has_chat_template", None)
        if has_template is None:
            has_template = getattr(tokenizer, "chat_template", None) is not None
        self._has_template = bool(has_template)
        self._special = _special_ids(tokenizer)
        self._always_prompts: bool | None = None

    def require(self) -> None:
        """Raise InputError if the model has no template to render a chat with."""
        if not self._has_template:
            raise InputError(
                "This model has no chat template, so it can't be trained on chats or on "
                "prompt and completion rows.",
                "Choose a chat model (often named Instruct or Chat), or a dataset of text rows.",
            )

    def render(
        self, messages: Sequence[Message], tools: Tools, *, add_generation_prompt: bool = False
    ) -> list[int]:
        """The tokens of a chat. Raises TemplateError with the template's own words."""
        self.require()
        try:
            # Templates may write into what they are given.
            copies = [dict(message) for message in messages]
            tokens = self._tokenizer.apply_chat_template(
                copies,
                tools=list(tools) if tools else None,
                add_generation_prompt=add_generation_prompt,
                return_dict=False,
            )
        except Exception as error:  # a template is a foreign program: anything can come out of it
            words = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
            raise TemplateError(f"the model's chat template refuses it: {words}") from error
        return list(tokens)

    def replies(self, messages: Sequence[Message], tools: Tools) -> tuple[list[int], list[Span]]:
        """The chat up to its last reply, and the spans of its replies in it, first to last.

        A reply's span begins after the generation prompt and ends with the token that ends the
        turn. Only the last reply is given where the template renders an earlier one differently
        once more follows. A reply that opens the chat has no prompt and is context only. Raises
        TemplateError if not even the last can be told from its prompt.
        """
        turns = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        answered = [i for i in turns if i > 0]
        if not answered:
            raise TemplateError("its only assistant turn comes first and answers nothing")
        last = answered[-1]
        # What follows the last reply can teach nothing: no later token is a target.
        messages = messages[: last + 1]
        whole = self.render(messages, tools)
        spans: list[Span] = []
        for turn in answered[:-1]:
            span = self._earlier_reply(messages, turn, tools, whole)
            if span is None:
                spans = []
                break
            spans.append(span)
        spans.append(self._last_reply(messages, tools, whole))
        for start, end in spans:
            words = [token for token in whole[start:end] if token not in self._special]
            if not self._tokenizer.decode(words).strip():
                raise TemplateError("the model's chat template leaves a reply's words out")
        return whole, spans

    def _earlier_reply(
        self, messages: Sequence[Message], turn: int, tools: Tools, whole: list[int]
    ) -> Span | None:
        try:
            prompt = self.render(messages[:turn], tools, add_generation_prompt=True)
            through = self.render(messages[: turn + 1], tools)
        except TemplateError:
            return None
        start = self._end_of_text(prompt, whole)
        shared = _common(through, whole)
        rest = through[shared:]
        # What ends every rendering, such as an end-of-text token, doesn't follow an inner turn.
        ended = self._are_special(rest) or self._end_of_text(through, whole) is not None
        if start is None or shared <= start or not ended:
            return None
        return self._closed((start, shared), whole)

    def _last_reply(self, messages: Sequence[Message], tools: Tools, whole: list[int]) -> Span:
        before = messages[:-1]
        prompt = self.render(before, tools, add_generation_prompt=True)
        start = self._end_of_text(prompt, whole)
        if start is None:
            start = self._start_of_words(prompt, messages, tools, whole)
        if start is None or start >= len(whole):
            raise TemplateError(
                "the model's chat template renders the prompt differently once the reply "
                "follows, so the reply can't be told from it"
            )
        if self._always_prompts is None:
            prompted = self.render(messages, tools, add_generation_prompt=True)
            self._always_prompts = prompted == whole
        end = len(whole)
        if self._always_prompts:
            # A generation prompt may stand at the end of everything, so of prompt and whole alike:
            # the reply is over with the first special token of what they share.
            alike = _common(prompt[::-1], whole[start:][::-1])
            shared = range(len(whole) - alike, len(whole))
            end = next((i + 1 for i in shared if whole[i] in self._special), end)
        return self._closed((start, end), whole)

    def _start_of_words(
        self, prompt: list[int], messages: Sequence[Message], tools: Tools, whole: list[int]
    ) -> int | None:
        """Where the reply begins if the generation prompt says more than the finished turn does.

        So it is where a template opens a thinking block for the model to fill. The place counts
        only if all before it stands in both, and the reply's own words come right after it, or
        after the tags of an empty thinking block.
        """
        bare = self.render(messages[:-1], tools)
        start = _common(prompt, whole)
        if _common(bare, whole) < len(bare) or start <= len(bare):
            return None
        content = str(messages[-1]["content"])
        said = _THINKING_TAGS.sub("", self._tokenizer.decode(whole[start:]))
        # Some templates leave the thoughts of a finished turn out.
        for words in (content, content.split("</think>")[-1]):
            words = _THINKING_TAGS.sub("", words).strip()
            if words and said.startswith(words):
                return start
        return None

    def _end_of_text(self, part: list[int], whole: list[int]) -> int | None:
        """The first position of `whole` by which all of `part` has been said; None if it isn't.

        Where the last characters of a prompt merge with the first of a reply into one token, that
        token still belongs to the prompt.
        """
        shared = _common(part, whole)
        if shared == len(part):
            return shared
        missing = self._tokenizer.decode(part[shared:])
        for end in range(shared + 1, min(shared + _SEAM_TOKENS, len(whole)) + 1):
            if self._tokenizer.decode(whole[shared:end]).startswith(missing):
                return end
        return None

    def _closed(self, span: Span, whole: list[int]) -> Span:
        """The span up to its last special token, if only white space comes after that."""
        start, end = span
        for position in range(end - 1, start - 1, -1):
            if whole[position] in self._special:
                tail = whole[position + 1 : end]
                blank = not tail or not self._tokenizer.decode(tail).strip()
                return (start, position + 1) if blank else span
        return span

    def _are_special(self, tokens: Iterable[int]) -> bool:
        return all(token in self._special for token in tokens)


def _special_ids(tokenizer: Tokenizer) -> frozenset[int]:
    ids = set(getattr(tokenizer, "all_special_ids", None) or ())
    # A set in mlx-lm's wrapper, one number in transformers.
    ends = getattr(tokenizer, "eos_token_ids", None)
    ids.update([ends] if isinstance(ends, int) else ends or ())
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    ids.update(token for token, facts in added.items() if getattr(facts, "special", False))
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    return frozenset(ids)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences share from the start."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(i for i in range(length) if one[i] != other[i])
