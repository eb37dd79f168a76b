"""Examples as tokens, with the positions that are trained. Knows no model, no batch and no MLX.

mlx-lm trains only the last turn of a chat with `mask_prompt`; here every assistant turn is trained
and nothing else. Tokens and the start of the last turn are mlx-lm's own.
"""

import hashlib
import json
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
    trainable_turns,
)  # fmt: skip
from app.data.chat.chat_template import Chat, ChatTemplate, TemplateError, TemplateRefusal, Tools
from app.data.chat.left_out import TextOf, find_left_out, has_other_keys
from app.data.chat.prefix_tokenization import FastEncoder, PrefixTokenizer, fast_encoder_for
from app.data.chat.render_limit import RenderingTooCostly
from app.data.chat.rendered_text import SpecialWords, TextEnds
from app.data.chat.template_server import Call
from app.data.chat.tokenizer import Tokenizer, plain_tokenizer
from app.data.examples import (
    REFUSED,
    REFUSED_BY_TEMPLATE,
    TOO_COSTLY,
    ChatExample,
    Example,
    Message,
    ProblemKind,
    RowIssue,
    TextExample,
)
from app.data.rows.row_notes import RowNote, flags_of
from app.data.tokens.rows import TokenizedExample

__all__ = ["ExampleTokenizer", "TokenizedExample", "tokenize"]

_COMPARED_ROWS = 8
"""So many of a lot of rows are tokenised both ways to begin with."""
_BATCHES_COMPARED_WELL = 4

Tokenized = TokenizedExample | RowIssue


class _Context(NamedTuple):
    """The part of a chat that is tokenised, as the template takes it."""

    messages: Sequence[Message]
    untrained: Collection[int]
    notes: RowNote
    """What is to be known of the rest."""


def tokenize(example: Example, tokenizer: Tokenizer, mask_prompt: bool) -> Tokenized:
    """One row as one example, uncut, or why it can't be trained; the problem's path is empty.

    Raises InputError for a chat if the model has no chat template.
    """
    (tokenized,) = ExampleTokenizer(tokenizer, mask_prompt).tokenize(example)
    return tokenized


class ExampleTokenizer:
    """Tokenises the examples of one dataset, one at a time or many at once.

    A chat becomes several examples where its template changes earlier replies once more follows,
    and every reply is to be trained.
    """

    def __init__(
        self, tokenizer: Tokenizer, mask_prompt: bool, replies: Replies = "whole chat"
    ) -> None:
        self._tokenizer = tokenizer
        self._mask_prompt = mask_prompt
        self._replies = replies
        self._template = ChatTemplate(tokenizer)
        self._mask_finder = AssistantMaskFinder(tokenizer)
        self._ends = TextEnds(tokenizer)
        self._special_words = SpecialWords(tokenizer)
        self._fast: FastExampleTokenizer | None = None
        self._fast_is_known = False
        self._batches_compared = 0

    def tokenize(self, example: Example) -> list[Tokenized]:
        """One row the plain way: every beginning of a chat is rendered and split anew."""
        if isinstance(example, TextExample):
            return [self._text_row(example, list(self._tokenizer.encode(example.text)))]
        tools = example.tools
        try:
            context = self._context(example)
        except (TemplateError, RenderingTooCostly) as error:
            return [_render_issue(example, error)]
        messages = context.messages

        @cache  # a chat of many examples asks for the same beginnings again
        def render(count: int, prompted: bool) -> list[int]:
            return self._template.tokens(messages[:count], tools, prompted)

        return self._chat_rows(example, context, render, self._template.texts(messages, tools))

    def tokenize_batch(self, examples: Sequence[Example]) -> list[list[Tokenized]]:
        """The same of each, a text split only once; a sample is compared with the plain way.

        Where the two differ, the plain way is taken for all.
        """
        fast = self._fast_tokenizer()
        if fast is not None:
            rows = fast.tokenize_batch(examples)
            sample = self._sample(examples)
            if all(self.tokenize(examples[index]) == rows[index] for index in sample):
                return rows
        return [self.tokenize(example) for example in examples]

    def _sample(self, examples: Sequence[Example]) -> Iterable[int]:
        """Some rows all over the first lots; then of each lot the first and the one of most turns,
        in which most could differ."""
        if not examples:
            return ()
        self._batches_compared += 1
        if self._batches_compared <= _BATCHES_COMPARED_WELL:
            return range(0, len(examples), max(1, len(examples) // _COMPARED_ROWS))
        turns = [
            len(example.messages) if isinstance(example, ChatExample) else 1 for example in examples
        ]
        return {0, turns.index(max(turns))}

    def _fast_tokenizer(self) -> "FastExampleTokenizer | None":
        if not self._fast_is_known:
            self._fast_is_known = True
            plain = plain_tokenizer(self._tokenizer)
            encoder = fast_encoder_for(plain)
            if plain is not None and encoder is not None:
                self._fast = FastExampleTokenizer(plain, encoder, self._mask_prompt, self._replies)
        return self._fast

    def _context(self, example: ChatExample) -> _Context:
        messages: Sequence[Message] = example.messages
        notes = RowNote(0)
        if self._mask_prompt:
            messages = cut_after_last_reply(messages, example.untrained)
            if len(messages) < len(example.messages):
                notes |= RowNote.NO_REPLY_FOLLOWS
            if messages[0]["role"] == "assistant" and 0 not in example.untrained:
                notes |= RowNote.OPENING_REPLY
        context = _Context(messages, example.untrained, notes)
        context = self._without_refused_opening(context, example.tools)
        messages = self._template.with_arguments(context.messages, example.tools)
        return context._replace(messages=messages)

    def _without_refused_opening(self, context: _Context, tools: Tools) -> _Context:
        """Some templates refuse a chat in which a reply comes first, and take the rest of it."""
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
        return _Context(rest, untrained, notes)

    def _chat_rows(
        self, example: ChatExample, context: _Context, render: Render, text_of: TextOf
    ) -> list[Tokenized]:
        try:
            renderings, notes, last_only = self._renderings(context, render)
            notes |= context.notes
            notes |= self._notes(
                example, context, [rendering.turns for rendering in renderings], text_of
            )
        except (TemplateError, RenderingTooCostly) as error:
            return [_render_issue(example, error)]
        rows = [_row(example, rendering.tokens, rendering.spans) for rendering in renderings]
        # Once for all examples of a chat, so that chats are counted.
        return _with_notes(rows, notes, last_only) if notes or last_only else rows

    def _renderings(
        self, context: _Context, render: Render
    ) -> tuple[list[Rendering], RowNote, bool]:
        """What is trained of a chat, what is to be known of it, and whether that is its last reply
        alone, since the template changes the others."""
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

    def _whole(self, context: _Context, render: Render) -> Rendering:
        """Trained from its first token to its last, but for the turns of weight 0."""
        messages = context.messages
        tokens = render(len(messages), False)
        untrained = self._mask_finder.turns(sorted(context.untrained), messages, render, tokens)
        return Rendering(len(messages), tokens, _between(untrained, len(tokens)))

    def _notes(
        self, example: ChatExample, context: _Context, counts: Sequence[int], text_of: TextOf
    ) -> RowNote:
        notes, messages = flags_of(example.notes), context.messages
        if has_other_keys(example.messages):
            notes &= ~RowNote.UNUSED_KEY  # the checks went by which keys are rare
        notes |= find_left_out(messages, example.tools, counts, text_of, self._template.texts)
        if self._special_words.are_in(messages):
            notes |= RowNote.SPECIAL_TOKENS
        return notes

    def _text_row(self, example: TextExample, tokens: list[int]) -> Tokenized:
        tokens, is_rendered = self._ends.row(tokens)
        notes = RowNote.SPECIAL_TOKENS if is_rendered else 0
        return _row(example, tokens, [(0, len(tokens))], notes=notes)


class FastExampleTokenizer(ExampleTokenizer):
    """Splits the texts of all examples at once, and takes beginnings from the whole."""

    def __init__(
        self, tokenizer: Tokenizer, encoder: FastEncoder, mask_prompt: bool, replies: Replies
    ) -> None:
        super().__init__(tokenizer, mask_prompt, replies)
        self._encoder = encoder

    def tokenize_batch(self, examples: Sequence[Example]) -> list[list[Tokenized]]:
        rows: dict[int, list[Tokenized]] = {}
        texts: dict[int, str] = {}
        contexts: dict[int, _Context] = {}
        for index, example in enumerate(examples):
            if isinstance(example, TextExample):
                texts[index] = example.text
                continue
            try:
                contexts[index] = self._context(example)
            except (TemplateError, RenderingTooCostly) as error:
                rows[index] = [_render_issue(example, error)]
        encode_batch = self._encoder.encode_batch(list(texts.values()), add_special_tokens=True)
        for index, tokens in zip(texts, encode_batch, strict=True):
            rows[index] = [self._text_row(examples[index], tokens)]  # type: ignore[arg-type]
        rows |= self._chats(examples, contexts)
        return [rows[index] for index in range(len(examples))]

    def _chats(
        self, examples: Sequence[Example], contexts: dict[int, _Context]
    ) -> dict[int, list[Tokenized]]:
        rows: dict[int, list[Tokenized]] = {}
        chats: dict[int, tuple[TextOf, str]] = {}
        for index, text_of in zip(contexts, self._rendered(examples, contexts), strict=True):
            try:
                chats[index] = text_of, text_of(len(contexts[index].messages), False)
            except (TemplateError, RenderingTooCostly) as error:
                rows[index] = [_render_issue(examples[index], error)]
        encode_batch = self._encoder.encode_batch([text for _, text in chats.values()])
        for (index, (text_of, text)), tokens in zip(chats.items(), encode_batch, strict=True):
            context = contexts[index]
            render = PrefixTokenizer(self._encoder, text_of, (text, tokens), len(context.messages))
            rows[index] = self._chat_rows(examples[index], context, render, text_of)  # type: ignore[arg-type]
        return rows

    def _rendered(
        self, examples: Sequence[Example], contexts: dict[int, _Context]
    ) -> Sequence[TextOf]:
        if not contexts:
            return ()
        self._template.render_plainly()
        return self._template.texts_of(
            [
                Chat(context.messages, examples[index].tools, self._calls(context))  # type: ignore[union-attr]
                for index, context in contexts.items()
            ]
        )

    def _calls(self, context: _Context) -> tuple[Call, ...]:
        """The renderings by which the replies are rows."""
        messages = context.messages
        calls = [Call(len(messages), False)]
        turns: Sequence[int] = sorted(context.untrained)
        if self._mask_prompt:
            turns = trainable_turns(messages, context.untrained)
            turns = turns[-1:] if self._replies == "last" else turns
        for turn in turns:
            calls += [Call(turn, True), Call(turn + 1, False)]
        return tuple(dict.fromkeys(call for call in calls if 0 < call.turns <= len(messages)))


def _row(
    example: Example, tokens: Sequence[int], spans: Sequence[Span], notes: int = 0
) -> Tokenized:
    # The first token is predicted from nothing.
    trained = tuple((max(start, 1), end) for start, end in spans if end > max(start, 1))
    if not trained:
        return _issue(example, "has no token to train on")
    return TokenizedExample(
        tuple(tokens), trained, example.place, False, content_digest(example), int(notes)
    )


def _with_notes(rows: Sequence[Tokenized], notes: RowNote, last_only: bool) -> list[Tokenized]:
    """The examples of one row with its notes on the first."""
    first = next((row for row in rows if isinstance(row, TokenizedExample)), None)
    noted = first and replace(first, notes=int(notes), last_reply_only=last_only)
    return [noted if noted and row is first else row for row in rows]


def _between(spans: Sequence[Span], length: int) -> list[Span]:
    """What is left of so many tokens without the spans, which are in order."""
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), length]
    return list(zip(starts, ends, strict=True))


def _render_issue(example: Example, error: TemplateError | RenderingTooCostly) -> RowIssue:
    if isinstance(error, RenderingTooCostly):
        reason = f"the model's chat template {error.excess} on it"
        return _issue(example, reason, TOO_COSTLY)
    kind = REFUSED_BY_TEMPLATE if isinstance(error, TemplateRefusal) else REFUSED
    return _issue(example, str(error), kind)


def _issue(example: Example, reason: str, kind: ProblemKind = REFUSED) -> RowIssue:
    return RowIssue(Path(), example.place, reason, kind)


def content_digest(example: Example) -> int:
    """64 bits of a hash of what a row holds, wherever it stands."""
    if isinstance(example, ChatExample):
        content: object = [example.messages, example.tools]
        if example.untrained:  # others keep the digest they had, by which they are held out
            content = [example.messages, example.tools, example.untrained]
    else:
        content = example.text
    text = json.dumps(content, sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
