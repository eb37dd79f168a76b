"""Finds the parts of a chat that its template leaves out: text, thoughts, tool calls, tools, keys.

A part is present if a rendering contains its text, in the order of the chat. Any other part is
tested by changing it: if no rendering changes, the template leaves it out. Works for any template.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.data.chat.chat_template import TemplateError, Tools
from app.data.row_values import Message
from app.data.rows.row_notes import RowNote
from app.data.rows.turns import FLAGS
from app.data.rows.value_checks import parse_json_text

TextOf = Callable[[int, bool], str]
"""Renders the first `count` messages of a chat as text, with or without the generation prompt."""
Texts = Callable[[Sequence[Message], Tools], TextOf]

_PLAIN_KEYS = frozenset({"role", "content"})
_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
_KNOWN_KEYS = FLAGS | _PLAIN_KEYS | {"tool_calls", "tool_call_id", *_THOUGHT_KEYS}
# Qwen3 and DeepSeek-R1 read a thought up to its closing tag, even without an opening one.
_THOUGHT = re.compile(r"(?:\A|<think>)((?:(?!<think>).)*?)</think>", re.DOTALL)
_OTHER = "xyzzy"
_DISTINCTIVE_CHARACTERS = 16
"""Text of this length does not occur by chance, unlike "start", which occurs in `<|im_start|>`."""


@dataclass(frozen=True, eq=False)
class _Part:
    note: RowNote
    turn: int
    """-1 for the tools, which belong to the whole chat."""
    words: tuple[str, ...]
    """Texts that prove in this order that the part is present; empty if only a trial can tell."""
    changed: tuple[Message, ...]
    """The message with this part changed in several ways; empty for the tools."""
    is_anywhere: bool = False
    """Whether the part may be anywhere, because some templates move the system message."""


def find_left_out(
    messages: Sequence[Message], tools: Tools, counts: Sequence[int], text_of: TextOf, texts: Texts
) -> RowNote:
    """The kinds of parts that none of a chat's renderings shows.

    `counts` are the numbers of messages of the renderings, the largest first. `text_of` renders the
    chat, `texts` a changed one.
    """
    if not tools and _stands_in_order(messages, text_of(counts[0], False)):
        return RowNote(0)
    parts = [part for turn, message in enumerate(messages) for part in _parts(turn, message)]
    parts += _tool_parts(tools)
    candidates = _candidates(parts, counts, text_of)
    trial = _Trial(messages, tools, counts, text_of, texts)
    omitted = [part for part in candidates if trial.leaves_out(part)]
    if any(part.words and part not in omitted for part in candidates):
        # The template changes these texts, so matching texts prove nothing.
        omitted = [part for part in parts if part in omitted or trial.leaves_out(part)]
    notes = RowNote(0)
    for part in omitted:
        notes |= part.note
    return notes


def has_other_keys(messages: Sequence[Message]) -> bool:
    """Whether a turn has keys that only some templates read."""
    return any(_other_keys(message) for message in messages)


def _stands_in_order(messages: Sequence[Message], text: str) -> bool:
    """Whether the text contains all messages of a chat in order, including thoughts.

    False for a chat that has more than roles and contents.
    """
    place = 0
    for message in messages:
        if message.keys() != _PLAIN_KEYS:
            return False
        words = message["content"].strip()
        if message["role"] == "system":
            if words not in text:
                return False
            continue
        start = text.find(words, place)
        if start < 0:
            return False
        place = start + len(words)
    return True


# -- the parts ------------------------------------------------------------------------------------
def _parts(turn: int, message: Message) -> Iterator[_Part]:
    for key in _THOUGHT_KEYS:
        if isinstance(words := message.get(key), str) and words.strip():
            changed = {**message, key: _OTHER + words.strip() + _OTHER}
            yield _Part(RowNote.THOUGHTS_LEFT_OUT, turn, _proof(words.strip()), (changed,))
    yield from _word_parts(turn, message)
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield _call_part(turn, message, number, call)
    for key in _other_keys(message):
        changed = {name: value for name, value in message.items() if name != key}
        yield _Part(RowNote.UNUSED_KEY, turn, (), (changed,))


def _word_parts(turn: int, message: Message) -> Iterator[_Part]:
    content: str = message["content"]
    for note, start, end in _segments(content):
        words = content[start:end].strip()
        if words:
            start = content.index(words, start)
            end = start + len(words)
            changed = (
                {**message, "content": content[:start] + _OTHER + content[start:]},
                {**message, "content": content[:end] + _OTHER + content[end:]},
            )
            proof = _proof(words) if note is RowNote.THOUGHTS_LEFT_OUT else (words,)
            yield _Part(note, turn, proof, changed, message["role"] == "system")


def _segments(content: str) -> Iterator[tuple[RowNote, int, int]]:
    place = 0
    for match in _THOUGHT.finditer(content) if "</think>" in content else ():
        yield RowNote.WORDS_LEFT_OUT, place, match.start()
        yield RowNote.THOUGHTS_LEFT_OUT, *match.span(1)
        place = match.end()
    yield RowNote.WORDS_LEFT_OUT, place, len(content)


def _call_part(turn: int, message: Message, number: int, call: dict[str, Any]) -> _Part:
    function = call.get("function", call)
    arguments = function.get("arguments")

    def changed(**fields: object) -> Message:
        new = {**function, **fields}
        calls = list(message["tool_calls"])
        calls[number] = {**call, "function": new} if "function" in call else new
        return {**message, "tool_calls": calls}

    ways = [changed(name=_OTHER + function["name"])]
    if arguments not in (None, "", {}, "{}"):
        more = {_OTHER: _OTHER}
        is_object = isinstance(arguments, dict)
        ways.append(changed(arguments=arguments | more if is_object else json.dumps(more)))
    words = _proof(function["name"], *_leaves(parse_json_text(arguments)))
    return _Part(RowNote.CALLS_LEFT_OUT, turn, words, tuple(ways))


def _proof(*words: str) -> tuple[str, ...]:
    """The texts, if they are long enough not to occur by chance; otherwise empty."""
    return words if sum(map(len, words)) >= _DISTINCTIVE_CHARACTERS else ()


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield value if isinstance(value, str) else json.dumps(value, default=str)


def _tool_parts(tools: Tools) -> Iterator[_Part]:
    if tools:
        described = [_description(tool) for tool in tools]
        are_distinctive = all(len(words) >= _DISTINCTIVE_CHARACTERS for words in described)
        words = tuple(described) if are_distinctive else ()
        yield _Part(RowNote.TOOLS_LEFT_OUT, -1, words, (), is_anywhere=True)


def _description(tool: dict[str, Any]) -> str:
    function = tool.get("function", tool)
    return str(function.get("description") or "") if isinstance(function, dict) else ""


def _other_keys(message: Message) -> list[str]:
    """Other keys of a message with a value, except the tool's name in a result, which repeats the
    call's."""
    known = _KNOWN_KEYS | {"name"} if message["role"] == "tool" else _KNOWN_KEYS
    keys = message.keys() - known
    return sorted(key for key in keys if message[key] not in (None, "", [], {}))


# -- their presence -------------------------------------------------------------------------------
def _candidates(parts: Sequence[_Part], counts: Sequence[int], text_of: TextOf) -> list[_Part]:
    """The parts whose text no rendering contains; all parts if the text of a message is missing."""
    shown: set[_Part] = set()
    for count in counts:
        included = [part for part in parts if part.turn < count]
        matched = set(_matched(text_of(count, False), included))
        if any(part.note is RowNote.WORDS_LEFT_OUT and part not in matched for part in included):
            return list(parts)  # a missing part may have matched other text
        shown |= matched
        if len(shown) == len(parts):
            break
    return [part for part in parts if part not in shown]


def _matched(text: str, parts: Sequence[_Part]) -> Iterator[_Part]:
    place = 0
    for part in parts:
        end = _end(part.words, text, 0 if part.is_anywhere else place)
        if part.words and end is not None:
            yield part
            place = place if part.is_anywhere else end


def _end(words: Sequence[str], text: str, place: int) -> int | None:
    """The end of the last of the words, if the text contains all of them in this order."""
    for word in words:
        for form in (word, json.dumps(word, ensure_ascii=False)[1:-1], json.dumps(word)[1:-1]):
            if (start := text.find(form, place)) >= 0:
                place = start + len(form)
                break
        else:
            return None
    return place


@dataclass(frozen=True)
class _Trial:
    messages: Sequence[Message]
    tools: Tools
    counts: Sequence[int]
    text_of: TextOf
    texts: Texts

    def leaves_out(self, part: _Part) -> bool:
        """Whether no rendering changes when the part changes."""
        if part.turn < 0:
            return self._is_same(self.messages, None, part.turn)
        before, after = self.messages[: part.turn], self.messages[part.turn + 1 :]
        return any(
            self._is_same([*before, changed, *after], self.tools, part.turn)
            for changed in part.changed
        )

    def _is_same(self, messages: Sequence[Message], tools: Tools, turn: int) -> bool:
        text_of = self.texts(messages, tools)
        try:
            return all(
                text_of(count, False) == self.text_of(count, False)
                for count in self.counts
                if turn < count
            )
        except TemplateError:  # the template reads the part
            return False
