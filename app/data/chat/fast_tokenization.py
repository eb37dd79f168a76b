"""Examples as tokens in batches: texts are encoded together, prefixes are cut from the whole.

Relies on how a tokenizer splits texts; the caller compares samples with RowTokenizer.
"""

from collections.abc import Sequence

from app.core.config.optimization import Replies
from app.data.chat.assistant_mask import (
    trainable_turns,
)  # fmt: skip
from app.data.chat.chat_template import Chat, TemplateError
from app.data.chat.prefix_tokenization import FastEncoder, PrefixTokenizer
from app.data.chat.row_tokenization import ChatContext, RowTokenizer, Tokenized, render_issue
from app.data.chat.template_omissions import TextOf
from app.data.chat.template_process import RenderingTooCostly
from app.data.chat.template_server import Call
from app.data.chat.tokenizer import Tokenizer
from app.data.row_values import (
    Example,
    TextExample,
)


class FastExampleTokenizer(RowTokenizer):
    """Tokenizes a batch of examples; `tokenize` stays the slow way."""

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
        """The renderings from which the replies are located."""
        messages = context.messages
        calls = [Call(len(messages), False)]
        turns: Sequence[int] = sorted(context.untrained)
        if self._mask_prompt:
            turns = trainable_turns(messages, context.untrained)
            turns = turns[-1:] if self._replies == "last" else turns
        for turn in turns:
            calls += [Call(turn, True), Call(turn + 1, False)]
        return tuple(dict.fromkeys(call for call in calls if 0 < call.turns <= len(messages)))
