"""Tokenizes examples one by one or in batches, marks the trained positions, and finds rows with
tokens that have no embedding.

In batches, texts are encoded together, and the tokens of prefixes are taken from the whole chat.
This relies on how a tokenizer splits texts, so samples are compared with RowTokenizer. A tokenizer
can have tokens that were never added to the model; the model would read their embeddings out of
bounds.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from app.core.config.optimization import Replies
from app.core.text.sanitize import single_line
from app.data.chat.assistant_mask import trainable_turns
from app.data.chat.chat_template import Chat, TemplateError
from app.data.chat.prefix_tokenization import FastEncoder, PrefixTokenizer, fast_encoder_for
from app.data.chat.row_tokenization import ChatContext, RowTokenizer, Tokenized, render_issue
from app.data.chat.template_omissions import TextOf
from app.data.chat.template_process import RenderingTooCostly
from app.data.chat.template_server import Call
from app.data.chat.tokenizer import Tokenizer, plain_tokenizer
from app.data.row_values import NO_EMBEDDING, ChatExample, Example, RowIssue, TextExample
from app.data.tokens.tokenized_examples import TokenizedExample


class FastExampleTokenizer(RowTokenizer):
    """Tokenizes a batch of examples fast; `tokenize` is still RowTokenizer's."""

    def __init__(
        self, tokenizer: Tokenizer, encoder: FastEncoder, mask_prompt: bool, replies: Replies
    ) -> None:
        super().__init__(tokenizer, mask_prompt, replies)
        self._encoder = encoder

    def tokenize_batch(self, examples: Sequence[Example]) -> list[list[Tokenized]]:
        rows: dict[int, list[Tokenized]] = {}
        texts: dict[int, str] = {}
        contexts: dict[int, ChatContext] = {}
        for index, example in enumerate(examples):
            if isinstance(example, TextExample):
                texts[index] = example.text
                continue
            try:
                contexts[index] = self._context(example)
            except (TemplateError, RenderingTooCostly) as error:
                rows[index] = [render_issue(example, error)]
        encode_batch = self._encoder.encode_batch(list(texts.values()), add_special_tokens=True)
        for index, tokens in zip(texts, encode_batch, strict=True):
            rows[index] = [self._text_row(examples[index], tokens)]  # type: ignore[arg-type]
        rows |= self._chats(examples, contexts)
        return [rows[index] for index in range(len(examples))]

    def _chats(
        self, examples: Sequence[Example], contexts: dict[int, ChatContext]
    ) -> dict[int, list[Tokenized]]:
        rows: dict[int, list[Tokenized]] = {}
        chats: dict[int, tuple[TextOf, str]] = {}
        for index, text_of in zip(contexts, self._rendered(examples, contexts), strict=True):
            try:
                chats[index] = text_of, text_of(len(contexts[index].messages), False)
            except (TemplateError, RenderingTooCostly) as error:
                rows[index] = [render_issue(examples[index], error)]
        encode_batch = self._encoder.encode_batch([text for _, text in chats.values()])
        for (index, (text_of, text)), tokens in zip(chats.items(), encode_batch, strict=True):
            context = contexts[index]
            render = PrefixTokenizer(self._encoder, text_of, (text, tokens), len(context.messages))
            rows[index] = self._chat_rows(examples[index], context, render, text_of)  # type: ignore[arg-type]
        return rows

    def _rendered(
        self, examples: Sequence[Example], contexts: dict[int, ChatContext]
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

    def _calls(self, context: ChatContext) -> tuple[Call, ...]:
        """The renderings that are needed to find the replies."""
        messages = context.messages
        calls = [Call(len(messages), False)]
        turns: Sequence[int] = sorted(context.untrained)
        if self._mask_prompt:
            turns = trainable_turns(messages, context.untrained)
            turns = turns[-1:] if self._replies == "last" else turns
        for turn in turns:
            calls += [Call(turn, True), Call(turn + 1, False)]
        return tuple(dict.fromkeys(call for call in calls if 0 < call.turns <= len(messages)))


__all__ = ["ExampleTokenizer", "TokenizedExample", "tokenize"]

_COMPARED_ROWS = 8
"""Rows of each of the first batches that are compared."""
_BATCHES_COMPARED_WELL = 4


def tokenize(example: Example, tokenizer: Tokenizer, mask_prompt: bool) -> Tokenized:
    """Tokenize one row as one example, not truncated; an issue with an empty path if it can't be
    trained.

    Raises InputError for a chat if the model has no chat template.
    """
    (tokenized,) = ExampleTokenizer(tokenizer, mask_prompt).tokenize(example)
    return tokenized


class ExampleTokenizer(RowTokenizer):
    """Tokenizes the examples of one dataset, one by one or in batches."""

    def __init__(
        self, tokenizer: Tokenizer, mask_prompt: bool, replies: Replies = "whole-chat"
    ) -> None:
        super().__init__(tokenizer, mask_prompt, replies)
        self._fast: FastExampleTokenizer | None = None
        self._fast_is_known = False
        self._batches_compared = 0

    def tokenize_batch(self, examples: Sequence[Example]) -> list[list[Tokenized]]:
        """The examples of each row; every text is encoded once.

        A sample is compared with `tokenize`; if the two differ, `tokenize` is used for all rows.
        """
        fast = self._fast_tokenizer()
        if fast is not None:
            rows = fast.tokenize_batch(examples)
            sample = self._sample(examples)
            if all(self.tokenize(examples[index]) == rows[index] for index in sample):
                return rows
        return [self.tokenize(example) for example in examples]

    def _sample(self, examples: Sequence[Example]) -> Iterable[int]:
        """Indexes of rows to compare: in the first batches, rows spread over the batch; later, the
        first row and the one with the most turns, which is most likely to differ.
        """
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


_MAX_TOKEN_CHARACTERS = 40


def rows_to_check(tokenizer: object, embedding_rows: int | None) -> int | None:
    """`embedding_rows` if the tokenizer has ids beyond them; None if no row can contain one."""
    vocabulary = getattr(getattr(tokenizer, "inner", tokenizer), "get_vocab", None)
    if embedding_rows is None or vocabulary is None:
        return embedding_rows
    return embedding_rows if max(vocabulary().values(), default=0) >= embedding_rows else None


def check_embeddings(
    rows: Sequence[TokenizedExample | RowIssue], tokenizer: object, embedding_rows: int | None
) -> list[TokenizedExample | RowIssue]:
    """Replace each row with a token beyond the embedding by an issue."""
    if embedding_rows is None:
        return list(rows)
    return [
        row if isinstance(row, RowIssue) else _checked(row, tokenizer, embedding_rows)
        for row in rows
    ]


def token_beyond(tokens: Iterable[int], tokenizer: object, embedding_rows: int | None) -> str:
    """Describe the first token without an embedding, as part of a sentence; "" if there is none."""
    if embedding_rows is None:
        return ""
    token = next((token for token in tokens if token >= embedding_rows), None)
    if token is None:
        return ""
    return (
        f"the token {token_text(token, tokenizer)!r} (id {token}), and this model has embeddings "
        f"for {embedding_rows:,} tokens only"
    )


def token_text(token: int, tokenizer: Any) -> str:
    """The text of a token, shortened."""
    inner = getattr(tokenizer, "inner", tokenizer)
    naming = getattr(inner, "convert_ids_to_tokens", None)
    return single_line(
        str(naming(token) if naming else inner.decode([token])), _MAX_TOKEN_CHARACTERS
    )


def _checked(
    row: TokenizedExample, tokenizer: object, embedding_rows: int
) -> TokenizedExample | RowIssue:
    beyond = token_beyond(row.tokens, tokenizer, embedding_rows)
    return RowIssue(Path(), row.place, f"contains {beyond}", NO_EMBEDDING) if beyond else row
