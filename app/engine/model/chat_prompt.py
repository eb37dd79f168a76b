"""Encodes a conversation as a prompt, by the model's own chat template where it has one."""

from collections.abc import Sequence

from app.core.errors import InputError
from app.core.generation_events import Chat, Side
from app.data.chat.assistant_mask import AssistantMaskFinder, special_ids
from app.data.chat.chat_template import ChatTemplate, TemplateError
from app.engine.runtime.type_aliases import TokenizerWrapper

NO_SYSTEM_ROLE = (
    "This model's chat template has no system role: the system prompt stands before the first "
    "message instead."
)

Messages = list[dict[str, str]]


class ChatPrompt:
    """How one tokenizer puts a conversation."""

    def __init__(self, tokenizer: TokenizerWrapper) -> None:
        self._tokenizer = tokenizer
        self._template = ChatTemplate(tokenizer)

    def check(self, chat: Chat) -> None:
        """Raise InputError if there is no question."""
        if not chat.question.strip():
            raise InputError("There is no question.", "Write something first.")

    def takes_system(self, chat: Chat) -> bool:
        """Whether the system prompt, if there is one, can have a role of its own."""
        if not chat.system or not self._tokenizer.has_chat_template:
            return True
        messages = _clean(chat.messages("tuned"))
        try:
            return messages[0]["content"].strip() in self._template.text(messages, None, True)
        except TemplateError:
            return False

    def turn_end(self) -> int | None:
        """The token with which the template ends a reply, which training has taught; None without.

        It need not be the tokenizer's own end of text.
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
    """The messages without halves of characters, which no tokenizer takes."""
    return [message | {"content": _whole(message["content"])} for message in messages]


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _folded(messages: Messages) -> Messages:
    """The first message's content put before the second one's."""
    system, first, *rest = messages
    return [first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest]
