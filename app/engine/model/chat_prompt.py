"""Encodes a conversation as a prompt with the model's chat template, if it has one, and finds the
tokens that end an answer: mlx-lm's stop tokens, and the one that the template writes.
"""

from collections.abc import Sequence
from pathlib import Path

from app.core.chat_messages import Chat, Side
from app.core.errors import InputError
from app.data.chat.assistant_mask import AssistantMaskFinder, special_ids
from app.data.chat.chat_template import ChatTemplate, TemplateError
from app.data.chat.tokenization import token_text
from app.data.files.fingerprint import FileStates
from app.data.files.model_files import tokenizer_states
from app.engine.runtime.named_arrays import TokenizerWrapper
from app.models.model_folder import folder_end_tokens

NO_SYSTEM_ROLE = (
    "This model's chat template has no system role: the system prompt is put before the first "
    "message."
)

Messages = list[dict[str, str]]


class ChatPrompt:
    """Encodes conversations for one tokenizer."""

    def __init__(self, tokenizer: TokenizerWrapper) -> None:
        self._tokenizer = tokenizer
        self._template = ChatTemplate(tokenizer)

    def check(self, chat: Chat) -> None:
        """Raise InputError if there is no question."""
        if not chat.question.strip():
            raise InputError("There is no question.", "Write something first.")

    def takes_system(self, chat: Chat) -> bool:
        """Whether the template writes the system prompt; True if there is none, or no template."""
        if not chat.system or not self._tokenizer.has_chat_template:
            return True
        messages = _clean(chat.messages("tuned"))
        try:
            return messages[0]["content"].strip() in self._template.text(messages, None, True)
        except TemplateError:
            return False

    def turn_end(self) -> int | None:
        """The token with which the template ends a reply, as in training; None without one.

        It can differ from the tokenizer's end-of-text token.
        """
        if not self._tokenizer.has_chat_template:
            return None
        sample = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
        try:
            tokens, spans = AssistantMaskFinder(self._tokenizer).find(
                sample,
                lambda count, prompted: self._template.tokens(sample[:count], None, prompted),
                turns=[1],
            )
        except TemplateError:
            return None
        last = tokens[spans[-1][1] - 1]
        return last if last in special_ids(self._tokenizer) else None

    def tokens(self, chat: Chat, side: Side) -> list[int]:
        """The prompt for the model of this side. Raises InputError if its template refuses."""
        messages = _clean(chat.messages(side))
        if not self._tokenizer.has_chat_template:
            return list(self._tokenizer.encode("\n".join(m["content"] for m in messages)))
        if not self.takes_system(chat):
            messages = _folded(messages)
        try:
            return self._template.tokens(messages, None, True)
        except TemplateError as error:
            raise InputError(
                f"This model's chat template refuses the conversation: {error}."
            ) from error


def _clean(messages: Sequence[dict[str, str]]) -> Messages:
    """The messages without lone surrogates, which tokenizers reject."""
    return [message | {"content": _whole(message["content"])} for message in messages]


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _folded(messages: Messages) -> Messages:
    """The messages with the first one's content merged into the second."""
    system, first, *rest = messages
    return [first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest]


def mlx_lm_stop_tokens(folder: Path, tokenizer: TokenizerWrapper) -> frozenset[int]:
    """The tokens at which `mlx_lm.generate` stops: those of the tokenizer and of the folder's
    generation_config.json or config.json."""
    ends = getattr(tokenizer, "eos_token_ids", None)
    ends = [ends] if isinstance(ends, int) else ends or ()
    return folder_end_tokens(folder) | frozenset(ends)


def stop_tokens(folder: Path, tokenizer: TokenizerWrapper) -> frozenset[int]:
    """mlx-lm's stop tokens, and the token with which the chat template ends a reply."""
    turn_end = _turn_end(folder, tokenizer)
    return mlx_lm_stop_tokens(folder, tokenizer) | ({turn_end} if turn_end is not None else set())


def stop_token_note(folder: Path, tokenizer: TokenizerWrapper) -> str:
    """A note if only Nestling stops where the template ends a reply; empty if mlx-lm does too."""
    turn_end = _turn_end(folder, tokenizer)
    if turn_end is None or turn_end in (known := mlx_lm_stop_tokens(folder, tokenizer)):
        return ""
    names = ", ".join(f"{token_text(token, tokenizer)!r}" for token in sorted(known)) or "none"
    return (
        f"This model's chat template ends a reply with {token_text(turn_end, tokenizer)!r} (id "
        f"{turn_end}), which its folder does not name as an end token (it names {names}): Nestling "
        f"stops there, mlx_lm.generate does not. Add {turn_end} to eos_token_id in "
        "generation_config.json."
    )


def _turn_end(folder: Path, tokenizer: TokenizerWrapper) -> int | None:
    """The token with which the chat template ends a reply; None without one.

    Cached until the folder's files change, because rendering starts a process (0.25 s).
    """
    template = getattr(tokenizer, "chat_template", None)
    key = (folder, str(template), tokenizer_states(folder))
    if key not in _turn_ends:
        while len(_turn_ends) >= _MAX_KEPT:
            del _turn_ends[next(iter(_turn_ends))]
        _turn_ends[key] = ChatPrompt(tokenizer).turn_end()
    return _turn_ends[key]


_MAX_KEPT = 16
_turn_ends: dict[tuple[Path, str, FileStates], int | None] = {}
