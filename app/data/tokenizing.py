"""Examples as tokens, with the positions that are trained. Knows no model, no batch and no MLX.

mlx-lm trains only the last turn of a chat with `mask_prompt`; here every assistant turn is trained
and nothing else. Tokens and the start of the last turn are mlx-lm's own.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from app.data.beginnings import Beginnings, TextSplitter, splitter_of
from app.data.examples import REFUSED, ChatExample, Example, Message, RowProblem, TextExample
from app.data.replies import Render, ReplyFinder, Span, through_last_reply
from app.data.templates import ChatTemplate, TemplateError
from app.data.token_rows import TokenizedExample
from app.data.tokenizer import Tokenizer, plain_tokenizer

__all__ = ["ExampleTokenizer", "TokenizedExample", "tokenize"]

_COMPARED_ROWS = 4
"""So many of every lot of rows are tokenised both ways."""

Tokenized = TokenizedExample | RowProblem


def tokenize(example: Example, tokenizer: Tokenizer, mask_prompt: bool) -> Tokenized:
    """One example, uncut, or why it can't be trained; the problem's path is empty.

    Raises InputError for a chat if the model has no chat template.
    """
    return ExampleTokenizer(tokenizer, mask_prompt).one(example)


class ExampleTokenizer:
    """Tokenises the examples of one dataset, one at a time or many at once."""

    def __init__(self, tokenizer: Tokenizer, mask_prompt: bool) -> None:
        self._tokenizer = tokenizer
        self._mask_prompt = mask_prompt
        self._template = ChatTemplate(tokenizer)
        self._finder = ReplyFinder(tokenizer)
        self._eos = tokenizer.eos_token_id
        self._fast: _Fast | None = None
        self._fast_is_known = False

    def one(self, example: Example) -> Tokenized:
        """One example the plain way: every beginning of a chat is rendered and split anew."""
        if isinstance(example, TextExample):
            return self._text_row(example, list(self._tokenizer.encode(example.text)))
        tools = example.tools
        try:
            messages = self._context(example)
        except TemplateError as error:
            return _refused(example, str(error))
        return self._chat_row(
            example,
            messages,
            lambda count, prompted: self._template.tokens(messages[:count], tools, prompted),
        )

    def many(self, examples: Sequence[Example]) -> list[Tokenized]:
        """The same, each text split only once; a sample is compared with the plain way.

        Where the two differ, the plain way is taken for all.
        """
        fast = self._fast_way()
        if fast is not None:
            found = fast.many(examples)
            step = max(1, len(examples) // _COMPARED_ROWS)
            if all(self.one(examples[i]) == found[i] for i in range(0, len(examples), step)):
                return found
        return [self.one(example) for example in examples]

    def _fast_way(self) -> "_Fast | None":
        if not self._fast_is_known:
            self._fast_is_known = True
            plain = plain_tokenizer(self._tokenizer)
            splitter = splitter_of(plain)
            if plain is not None and splitter is not None:
                self._fast = _Fast(plain, splitter, self._mask_prompt)
        return self._fast

    def _context(self, example: ChatExample) -> Sequence[Message]:
        """The part of a chat that is tokenised."""
        return through_last_reply(example.messages) if self._mask_prompt else example.messages

    def _chat_row(
        self, example: ChatExample, messages: Sequence[Message], render: Render
    ) -> Tokenized:
        replies = 0
        try:
            if self._mask_prompt:
                tokens, spans = self._finder.find(messages, render)
                replies = sum(message["role"] == "assistant" for message in messages[1:])
            else:
                tokens = render(len(messages), False)
                spans = [(0, len(tokens))]
        except TemplateError as error:
            return _refused(example, str(error))
        return _row(example, tokens, spans, last_reply_only=len(spans) < replies)

    def _text_row(self, example: TextExample, tokens: list[int]) -> Tokenized:
        if self._eos is not None and (not tokens or tokens[-1] != self._eos):
            tokens.append(self._eos)
        return _row(example, tokens, [(0, len(tokens))])


class _Fast(ExampleTokenizer):
    """Splits the texts of all examples at once, and takes beginnings from the whole."""

    def __init__(self, tokenizer: Tokenizer, splitter: TextSplitter, mask_prompt: bool) -> None:
        super().__init__(tokenizer, mask_prompt)
        self._splitter = splitter
        self._template.compile()

    def many(self, examples: Sequence[Example]) -> list[Tokenized]:
        found: dict[int, Tokenized] = {}
        texts: dict[int, str] = {}
        wholes: dict[int, tuple[Sequence[Message], str]] = {}
        for index, example in enumerate(examples):
            if isinstance(example, TextExample):
                texts[index] = example.text
                continue
            try:
                messages = self._context(example)
                wholes[index] = messages, self._template.text(messages, example.tools, False)
            except TemplateError as error:
                found[index] = _refused(example, str(error))
        split = self._splitter.split(list(texts.values()), add_special_tokens=True)
        for index, tokens in zip(texts, split, strict=True):
            found[index] = self._text_row(examples[index], tokens)  # type: ignore[arg-type]
        split = self._splitter.split([text for _, text in wholes.values()])
        for (index, (messages, text)), tokens in zip(wholes.items(), split, strict=True):
            found[index] = self._from_whole(examples[index], messages, (text, tokens))  # type: ignore[arg-type]
        return [found[index] for index in range(len(examples))]

    def _from_whole(
        self, example: ChatExample, messages: Sequence[Message], whole: tuple[str, list[int]]
    ) -> Tokenized:
        def text_of(count: int, prompted: bool) -> str:
            return self._template.text(messages[:count], example.tools, prompted)

        render = Beginnings(self._splitter, text_of, whole, len(messages))
        return self._chat_row(example, messages, render)


def _row(
    example: Example, tokens: Sequence[int], spans: Sequence[Span], last_reply_only: bool = False
) -> Tokenized:
    # The first token is predicted from nothing.
    trained = tuple((max(start, 1), end) for start, end in spans if end > max(start, 1))
    if not trained:
        return _refused(example, "has no token to train on")
    return TokenizedExample(tuple(tokens), trained, example.line, last_reply_only, _digest(example))


def _refused(example: Example, reason: str) -> RowProblem:
    return RowProblem(Path(), example.line, reason, REFUSED)


def _digest(example: Example) -> int:
    if isinstance(example, ChatExample):
        content: object = [example.messages, example.tools]
    else:
        content = example.text
    text = json.dumps(content, sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
