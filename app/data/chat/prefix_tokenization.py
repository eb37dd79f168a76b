"""Tokenizes the prefixes of a chat by reusing the tokens of the whole chat.

A tokenizer splits a text at its special tokens first, so texts with a common prefix have the same
tokens up to the last special token in it. Only the rest is encoded again. If text and tokens don't
have the same special tokens, the whole prefix is encoded.
"""

import re
from bisect import bisect_right
from collections.abc import Callable

from app.data.chat.template_server import shared_length
from app.data.chat.tokenizer import PlainTokenizer

_KEPT_SUFFIXES = 4096
_LONGEST_KEPT_SUFFIX = 120


class FastEncoder:
    """Encodes batches of texts on all cores, and finds special tokens in text."""

    def __init__(self, tokenizer: PlainTokenizer) -> None:
        self._backend = type(tokenizer.backend_tokenizer).from_str(
            tokenizer.backend_tokenizer.to_str()
        )
        self._backend.no_truncation()
        self._backend.no_padding()
        added = tokenizer.added_tokens_decoder
        words = [token.content for token in added.values()]
        # Leaves out a token that is a part of another one, because in a text it can be either.
        self.special = {
            token.content: number
            for number, token in added.items()
            if token.special and not token.normalized and not token.single_word
            if sum(token.content in word for word in words) == 1
        }  # fmt: skip
        longest_first = sorted(self.special, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._suffixes: dict[str, list[int]] = {}

    def encode_batch(self, texts: list[str], add_special_tokens: bool = False) -> list[list[int]]:
        """The tokens of each text, exactly as the tokenizer gives them."""
        encode_batch = self._backend.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
        return [encoding.ids for encoding in encode_batch]

    def encode_suffix(self, text: str) -> list[int]:
        """The tokens of a text that will probably recur, such as the end of a prompt; cached."""
        if (known := self._suffixes.get(text)) is not None:
            return known
        tokens: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        if len(text) <= _LONGEST_KEPT_SUFFIX and len(self._suffixes) < _KEPT_SUFFIXES:
            self._suffixes[text] = tokens
        return tokens


class PrefixTokenizer:
    """The tokens of one chat's prefixes as a function of the number of messages and of whether to
    add the generation prompt.
    """

    def __init__(
        self,
        encoder: FastEncoder,
        text_of: Callable[[int, bool], str],
        whole: tuple[str, list[int]],
        count: int,
    ) -> None:
        self._encoder = encoder
        self._text_of = text_of
        self._text, self._tokens = whole
        self._known: dict[tuple[int, bool], list[int]] = {(count, False): self._tokens}
        self._marks: tuple[list[int], list[int]] | None = None

    def __call__(self, count: int, prompted: bool) -> list[int]:
        if (count, prompted) not in self._known:
            text = self._text_of(count, prompted)
            self._known[count, prompted] = self._tokens_of(text)
        return self._known[count, prompted]

    def _tokens_of(self, text: str) -> list[int]:
        if text == self._text:
            return self._tokens
        ends, places = self._special_places()
        last = bisect_right(ends, shared_length(text, self._text)) - 1
        if last < 0:
            return self._encoder.encode_suffix(text)
        # Encode the special token again too: a tokenizer may treat the start of a text specially.
        start, place = self._starts[last], places[last]
        rest = self._encoder.encode_suffix(text[start:])
        return self._tokens[:place] + rest

    def _special_places(self) -> tuple[list[int], list[int]]:
        """The ends of the special tokens in the text, and their positions among the tokens."""
        if self._marks is None:
            special = self._encoder.special
            matches = list(self._encoder.pattern.finditer(self._text))
            places = _places([special[match[0]] for match in matches], self._tokens)
            matches = matches if places else []
            self._starts = [match.start() for match in matches]
            self._marks = ([match.end() for match in matches], places)
        return self._marks


def _places(expected: list[int], tokens: list[int]) -> list[int]:
    """The positions of the expected tokens, if they occur in this order and not more often; else
    []."""
    if any(tokens.count(token) != expected.count(token) for token in set(expected)):
        return []
    places, place = [], -1
    try:
        for token in expected:
            place = tokens.index(token, place + 1)
            places.append(place)
    except ValueError:
        return []
    return places


def fast_encoder_for(tokenizer: object) -> FastEncoder | None:
    """The encoder of a tokenizer; None if it doesn't split texts at special tokens this way."""
    if not isinstance(tokenizer, PlainTokenizer):
        return None
    facts = tokenizer.added_tokens_decoder.values()
    return None if any(token.single_word for token in facts) else FastEncoder(tokenizer)
