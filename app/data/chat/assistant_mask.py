"""Finds the assistant's tokens in a rendered chat by rendering its prefixes too.

Works for any template. A reply is found if the rendering up to it is a prefix of the whole
rendering; otherwise it is not trained. The caller supplies the renderings.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from app.data.chat.chat_template import TemplateError
from app.data.chat.tokenizer import Tokenizer
from app.data.row_values import Message

Span = tuple[int, int]
Render = Callable[[int, bool], list[int]]
"""Renders the first `count` messages of a chat as tokens, with or without the generation prompt."""

# A seam between prompt and reply is one merged token, or the bytes of one character.
_SEAM_TOKENS = 8

_THINKING_TAGS = re.compile(r"\A(\s|</?think>)+")


def trainable_turns(messages: Sequence[Message], untrained: Collection[int] = ()) -> list[int]:
    """The indexes of the replies to be trained, without a reply that opens the chat."""
    return [
        turn
        for turn, message in enumerate(messages)
        if turn and message["role"] == "assistant" and turn not in untrained
    ]


def cut_after_last_reply(
    messages: Sequence[Message], untrained: Collection[int] = ()
) -> Sequence[Message]:
    """Cut a chat after its last trained reply, because later messages are not trained.

    Raises TemplateError if no reply is trained.
    """
    if turns := trainable_turns(messages, untrained):
        return messages[: turns[-1] + 1]
    which = "only assistant turn to be trained" if untrained else "only assistant turn"
    raise TemplateError(f"its {which} comes first, before any question")


def opening_replies(messages: Sequence[Message]) -> range:
    """The indexes of replies at the start of a chat, after at most a system message."""
    start = next((n for n, turn in enumerate(messages) if turn["role"] != "system"), 0)
    ends = (n for n, turn in enumerate(messages) if n > start and turn["role"] != "assistant")
    is_reply = messages[start]["role"] == "assistant"
    return range(start, next(ends, len(messages)) if is_reply else start)


class Rendering(NamedTuple):
    """The first `turns` messages of a chat as tokens, with the trained spans."""

    turns: int
    tokens: list[int]
    spans: list[Span]


class AssistantMaskFinder:
    """Finds the replies in the chats of one tokenizer's template."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._special = special_ids(tokenizer)
        self._always_prompts: bool | None = None
        self._is_word = lru_cache(maxsize=65536)(self._decodes_to_words)
        self._is_blank = lru_cache(maxsize=1024)(self._blank)

    def find(
        self, messages: Sequence[Message], render: Render, turns: Sequence[int]
    ) -> tuple[list[int], list[Span]]:
        """The tokens of a chat, and the spans of the replies at `turns`, which include the last
        turn.

        A reply's span begins after the generation prompt and ends with the token that ends the
        turn. If the template changes an earlier reply when more turns follow, only the last reply
        is returned. Raises TemplateError if the last reply can't be separated from its prompt.
        """
        whole, spans = self._visible_replies(turns, messages, render)
        visible = [spans[turn] for turn in (turns if len(spans) == len(turns) else turns[-1:])]
        self._check_words(whole, visible)
        return whole, visible

    def find_every(
        self, messages: Sequence[Message], render: Render, turns: Sequence[int]
    ) -> tuple[list[Rendering], int]:
        """Renderings that together contain every reply at `turns` as the model sees it at its turn,
        and the number of replies that none contains.

        The first rendering is the whole chat, whose last turn is one of `turns`. Each further one
        ends with the last reply that no earlier rendering covers. Raises TemplateError if the last
        reply can't be separated from its prompt.
        """
        left = list(turns)
        renderings: list[Rendering] = []
        lost = 0
        while left:
            try:
                whole, spans = self._visible_replies(left, messages[: left[-1] + 1], render)
                visible = [spans[turn] for turn in left if turn in spans]
                self._check_words(whole, visible)
            except TemplateError:
                if not renderings:
                    raise
                lost += 1
                left.pop()
                continue
            renderings.append(Rendering(left[-1] + 1, whole, visible))
            left = [turn for turn in left if turn not in spans]
        return renderings, lost

    def _visible_replies(
        self, turns: Sequence[int], messages: Sequence[Message], render: Render
    ) -> tuple[list[int], dict[int, Span]]:
        """The tokens of a chat that ends with the last of `turns`, and the spans of the replies
        that it contains as the model sees them at their turn, which include the last reply.
        """
        whole = render(len(messages), False)
        spans = {
            turn: span
            for turn in turns[:-1]
            if (span := self._earlier_reply(turn, render, whole)) is not None
        }
        spans[turns[-1]] = self._last_reply(messages, render, whole)
        return whole, spans

    def _check_words(self, whole: list[int], spans: Sequence[Span]) -> None:
        if not all(self._has_words(whole[start:end]) for start, end in spans):
            raise TemplateError("the model's chat template leaves out all of a reply")

    def turns(
        self, turns: Sequence[int], messages: Sequence[Message], render: Render, whole: list[int]
    ) -> list[Span]:
        """The spans of these assistant turns. Raises TemplateError if one can't be found."""
        spans = []
        for turn in turns:
            is_last = turn == len(messages) - 1
            span = (
                self._last_reply(messages, render, whole)
                if is_last
                else self._earlier_reply(turn, render, whole)
            )
            if span is None:
                raise TemplateError(
                    f"message {turn + 1} is not to be trained, but its tokens can't be found in "
                    "the rendered chat"
                )
            spans.append(span)
        return spans

    def _has_words(self, tokens: list[int]) -> bool:
        if any(map(self._is_word, tokens)):
            return True
        words = [token for token in tokens if token not in self._special]
        return bool(self._tokenizer.decode(words).strip())

    def _decodes_to_words(self, token: int) -> bool:
        """Whether a single token decodes to text; a token for a part of a character doesn't."""
        text = self._tokenizer.decode([token]).strip()
        return token not in self._special and bool(text) and "\ufffd" not in text

    def _blank(self, tokens: tuple[int, ...]) -> bool:
        return not tokens or not self._tokenizer.decode(list(tokens)).strip()

    def _earlier_reply(self, turn: int, render: Render, whole: list[int]) -> Span | None:
        try:
            prompt = _prompt_of(turn, render)
            through = render(turn + 1, False)
        except TemplateError:
            return None
        start = self._end_of_prefix(prompt, whole)
        shared = _common(through, whole)
        rest = through[shared:]
        # A rendering can end with tokens, such as end-of-text, that don't follow an inner turn.
        ended = self._special.issuperset(rest) or self._end_of_prefix(through, whole) is not None
        if start is None or shared <= start or not ended:
            return None
        return self._trim_after_end_token((start, shared), whole)

    def _last_reply(self, messages: Sequence[Message], render: Render, whole: list[int]) -> Span:
        prompt = _prompt_of(len(messages) - 1, render)
        start = self._end_of_prefix(prompt, whole)
        if start is None:
            start = self._reply_start_by_content(prompt, messages, render, whole)
        if start is None or start >= len(whole):
            raise TemplateError(
                "the model's chat template renders the prompt differently once the reply "
                "follows, so the reply can't be distinguished from it"
            )
        if self._always_prompts is None:
            self._always_prompts = render(len(messages), True) == whole
        end = len(whole)
        if self._always_prompts:
            # If every rendering ends with a generation prompt, prompt and whole share a suffix, and
            # the reply ends with the first special token in it.
            alike = _common(prompt[::-1], whole[start:][::-1])
            shared = range(len(whole) - alike, len(whole))
            end = next((i + 1 for i in shared if whole[i] in self._special), end)
        return self._trim_after_end_token((start, end), whole)

    def _reply_start_by_content(
        self, prompt: list[int], messages: Sequence[Message], render: Render, whole: list[int]
    ) -> int | None:
        """The start of the reply if the generation prompt has more than the finished turn.

        This happens if a template opens a thinking block for the model to fill. The position counts
        only if prompt and whole agree up to it, and the reply's text follows directly or after the
        tags of an empty thinking block.
        """
        bare = render(len(messages) - 1, False)
        start = _common(prompt, whole)
        if _common(bare, whole) < len(bare) or start <= len(bare):
            return None
        content = str(messages[-1]["content"])
        text = _THINKING_TAGS.sub("", self._tokenizer.decode(whole[start:]))
        # Some templates drop the thoughts of a finished turn.
        for words in (content, content.split("</think>")[-1]):
            words = _THINKING_TAGS.sub("", words).strip()
            if words and text.startswith(words):
                return start
        return None

    def _end_of_prefix(self, part: list[int], whole: list[int]) -> int | None:
        """The position in `whole` after the prefix `part`; None if `part` is not a prefix.

        If the last characters of a prompt and the first of a reply merge into one token, the token
        belongs to the prompt.
        """
        shared = _common(part, whole)
        if shared == len(part):
            return shared
        missing = self._tokenizer.decode(part[shared:])
        for end in range(shared + 1, min(shared + _SEAM_TOKENS, len(whole)) + 1):
            if self._tokenizer.decode(whole[shared:end]).startswith(missing):
                return end
        return None

    def _trim_after_end_token(self, span: Span, whole: list[int]) -> Span:
        """The span up to its last special token if only white space follows that."""
        start, end = span
        for position in range(end - 1, start - 1, -1):
            if whole[position] in self._special:
                is_blank = self._is_blank(tuple(whole[position + 1 : end]))
                return (start, position + 1) if is_blank else span
        return span


def _prompt_of(turn: int, render: Render) -> list[int]:
    """The prompt before a turn; empty for the first turn, which has no messages to render."""
    return render(turn, True) if turn else []


def special_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids of the special tokens, such as those that begin and end turns."""
    ids = set(getattr(tokenizer, "all_special_ids", None) or ())
    # A set in mlx-lm's wrapper, a number in transformers.
    ends = getattr(tokenizer, "eos_token_ids", None)
    ids.update([ends] if isinstance(ends, int) else ends or ())
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    ids.update(token for token, facts in added.items() if getattr(facts, "special", False))
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    return frozenset(ids)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the common prefix of two token sequences."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(i for i in range(length) if one[i] != other[i])
