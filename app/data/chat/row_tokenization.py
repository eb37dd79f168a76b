"""Tokenizes one example and marks the trained positions (the loss mask).

With `mask_prompt`, mlx-lm trains only the last turn of a chat; here every assistant turn is trained
and nothing else. The tokens and the start of the last turn equal mlx-lm's. A text row that already
contains begin or end tokens gets no second ones.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from app.core.config.optimization import Replies
from app.data.chat.assistant_mask import (
    AssistantMaskFinder,
    Render,
    Rendering,
    Span,
    cut_after_last_reply,
    opening_replies,
    special_ids,
    trainable_turns,
)  # fmt: skip
from app.data.chat.chat_template import ChatTemplate, TemplateError, TemplateRefusal, Tools
from app.data.chat.template_omissions import TextOf, find_left_out, has_other_keys
from app.data.chat.template_process import RenderingTooCostly
from app.data.chat.tokenizer import Tokenizer
from app.data.row_values import (
    REFUSED,
    REFUSED_BY_TEMPLATE,
    TOO_COSTLY,
    ChatExample,
    Example,
    IssueKind,
    Message,
    RowIssue,
    TextExample,
    content_digest,
)
from app.data.rows.row_notes import RowNote, flags_of
from app.data.tokens.tokenized_examples import TokenizedExample


class SpecialWords:
    """The special tokens of one tokenizer, as text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        added = getattr(tokenizer, "added_tokens_decoder", None) or {}
        special = special_ids(tokenizer)
        words = [
            str(getattr(token, "content", token))
            for number, token in added.items()
            if number in special
        ]
        longest_first = sorted(filter(str.strip, words), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def are_in(self, messages: Iterable[Message]) -> bool:
        return any(self._pattern.search(message["content"]) for message in messages)


class TextEnds:
    """Adds begin and end tokens to text rows as the tokenizer does, unless they are present."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._eos = tokenizer.eos_token_id
        self._special = special_ids(tokenizer)
        self._added: tuple[int, int] | None = None

    def row(self, tokens: list[int]) -> tuple[list[int], bool]:
        """A text's tokens with one begin and one end token, and whether the text itself contains
        special tokens.

        `tokens` are the tokenizer's output.
        """
        before, after = self._added_tokens()
        begin, text = tokens[:before], tokens[before : len(tokens) - after]
        end = tokens[len(tokens) - after :]
        is_rendered = not self._special.isdisjoint(text)
        if is_rendered:
            begin = [] if text[:before] == begin else begin
            if self._is_closed(text):
                return begin + text, True
        row = [*begin, *text, *end]
        if self._eos is not None and (not row or row[-1] != self._eos):
            row.append(self._eos)
        return row, is_rendered

    def _is_closed(self, text: list[int]) -> bool:
        """Whether only white space follows the last special token."""
        last = max(place for place, token in enumerate(text) if token in self._special)
        rest = text[last + 1 :]
        return not rest or not self._tokenizer.decode(rest).strip()

    def _added_tokens(self) -> tuple[int, int]:
        """The numbers of tokens that the tokenizer adds before and after a text."""
        if self._added is None:
            tokens = list(self._tokenizer.encode("a"))
            words = [place for place, token in enumerate(tokens) if token not in self._special]
            self._added = (words[0], len(tokens) - 1 - words[-1]) if words else (0, 0)
        return self._added


Tokenized = TokenizedExample | RowIssue


class ChatContext(NamedTuple):
    """The part of a chat that is tokenized, in the form that the template needs."""

    messages: Sequence[Message]
    untrained: Collection[int]
    notes: RowNote
    """Notes about the parts that were left out or changed."""


class RowTokenizer:
    """Tokenizes examples one by one; renders and encodes every prefix of a chat separately.

    A chat becomes several examples if every reply is to be trained and the template changes earlier
    replies when more turns follow.
    """

    def __init__(
        self, tokenizer: Tokenizer, mask_prompt: bool, replies: Replies = "whole-chat"
    ) -> None:
        self._tokenizer = tokenizer
        self._mask_prompt = mask_prompt
        self._replies = replies
        self._template = ChatTemplate(tokenizer)
        self._mask_finder = AssistantMaskFinder(tokenizer)
        self._ends = TextEnds(tokenizer)
        self._special_words = SpecialWords(tokenizer)

    def tokenize(self, example: Example) -> list[Tokenized]:
        """The examples of one row, not truncated, or the issue that prevents training on it.

        The issue's path is empty. Raises InputError for a chat if the model has no chat template.
        """
        if isinstance(example, TextExample):
            return [self._text_row(example, list(self._tokenizer.encode(example.text)))]
        tools = example.tools
        try:
            context = self._context(example)
        except (TemplateError, RenderingTooCostly) as error:
            return [render_issue(example, error)]
        messages = context.messages

        @cache  # examples of one chat share prefixes
        def render(count: int, prompted: bool) -> list[int]:
            return self._template.tokens(messages[:count], tools, prompted)

        return self._chat_rows(example, context, render, self._template.texts(messages, tools))

    def _context(self, example: ChatExample) -> ChatContext:
        messages: Sequence[Message] = example.messages
        notes = RowNote(0)
        if self._mask_prompt:
            messages = cut_after_last_reply(messages, example.untrained)
            if len(messages) < len(example.messages):
                notes |= RowNote.NO_REPLY_FOLLOWS
            if messages[0]["role"] == "assistant" and 0 not in example.untrained:
                notes |= RowNote.OPENING_REPLY
        context = ChatContext(messages, example.untrained, notes)
        context = self._without_refused_opening(context, example.tools)
        messages = self._template.with_arguments(context.messages, example.tools)
        return context._replace(messages=messages)

    def _without_refused_opening(self, context: ChatContext, tools: Tools) -> ChatContext:
        """Leave out replies that open the chat, if the template rejects the chat with them."""
        messages, opening = context.messages, opening_replies(context.messages)
        if not opening:
            return context
        with suppress(TemplateError):
            self._template.text(messages, tools, False)
            return context
        rest = [*messages[: opening.start], *messages[opening.stop :]]
        untrained = {turn - len(opening) for turn in context.untrained if turn >= opening.stop}
        if not trainable_turns(rest, untrained):
            return context
        notes = context.notes & ~RowNote.OPENING_REPLY | RowNote.OPENING_LEFT_OUT
        return ChatContext(rest, untrained, notes)

    def _chat_rows(
        self, example: ChatExample, context: ChatContext, render: Render, text_of: TextOf
    ) -> list[Tokenized]:
        try:
            renderings, notes, last_only = self._renderings(context, render)
            notes |= context.notes
            notes |= self._notes(
                example, context, [rendering.turns for rendering in renderings], text_of
            )
        except (TemplateError, RenderingTooCostly) as error:
            return [render_issue(example, error)]
        rows = [_row(example, rendering.tokens, rendering.spans) for rendering in renderings]
        # Notes are put on one example per chat, so that they count chats.
        return _with_notes(rows, notes, last_only) if notes or last_only else rows

    def _renderings(
        self, context: ChatContext, render: Render
    ) -> tuple[list[Rendering], RowNote, bool]:
        """The renderings to train, their notes, and whether only the last reply is trained because
        the template changes the others.
        """
        none, messages = RowNote(0), context.messages
        if not self._mask_prompt:
            return [self._whole(context, render)], none, False
        turns = trainable_turns(messages, context.untrained)
        if self._replies == "every":
            renderings, lost = self._mask_finder.find_every(messages, render, turns)
            return renderings, RowNote.REPLY_NOT_FOUND if lost else none, False
        if self._replies == "last":
            turns = turns[-1:]
        tokens, spans = self._mask_finder.find(messages, render, turns)
        return [Rendering(len(messages), tokens, spans)], none, len(spans) < len(turns)

    def _whole(self, context: ChatContext, render: Render) -> Rendering:
        """A rendering with all tokens trained except the turns of weight 0."""
        messages = context.messages
        tokens = render(len(messages), False)
        untrained = self._mask_finder.turns(sorted(context.untrained), messages, render, tokens)
        return Rendering(len(messages), tokens, _between(untrained, len(tokens)))

    def _notes(
        self, example: ChatExample, context: ChatContext, counts: Sequence[int], text_of: TextOf
    ) -> RowNote:
        notes, messages = flags_of(example.notes), context.messages
        if has_other_keys(example.messages):
            notes &= ~RowNote.UNUSED_KEY  # the checks only guessed
        notes |= find_left_out(messages, example.tools, counts, text_of, self._template.texts)
        if self._special_words.are_in(messages):
            notes |= RowNote.SPECIAL_TOKENS
        return notes

    def _text_row(self, example: TextExample, tokens: list[int]) -> Tokenized:
        tokens, is_rendered = self._ends.row(tokens)
        notes = RowNote.SPECIAL_TOKENS if is_rendered else 0
        return _row(example, tokens, [(0, len(tokens))], notes=notes)


def _row(
    example: Example, tokens: Sequence[int], spans: Sequence[Span], notes: int = 0
) -> Tokenized:
    # The first token has no context to be predicted from.
    trained = tuple((max(start, 1), end) for start, end in spans if end > max(start, 1))
    if not trained:
        return _issue(example, "has no token to train on")
    return TokenizedExample(
        tuple(tokens), trained, example.place, False, content_digest(example), int(notes)
    )


def _with_notes(rows: Sequence[Tokenized], notes: RowNote, last_only: bool) -> list[Tokenized]:
    """The examples of one row, with the row's notes on the first."""
    first = next((row for row in rows if isinstance(row, TokenizedExample)), None)
    noted = first and replace(first, notes=int(notes), last_reply_only=last_only)
    return [noted if noted and row is first else row for row in rows]


def _between(spans: Sequence[Span], length: int) -> list[Span]:
    """The spans of `length` tokens that lie between the given ones, which are in order."""
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), length]
    return list(zip(starts, ends, strict=True))


def render_issue(example: Example, error: TemplateError | RenderingTooCostly) -> RowIssue:
    if isinstance(error, RenderingTooCostly):
        reason = f"the model's chat template {error.excess} on it"
        return _issue(example, reason, TOO_COSTLY)
    kind = REFUSED_BY_TEMPLATE if isinstance(error, TemplateRefusal) else REFUSED
    return _issue(example, str(error), kind)


def _issue(example: Example, reason: str, kind: IssueKind = REFUSED) -> RowIssue:
    return RowIssue(Path(), example.place, reason, kind)
