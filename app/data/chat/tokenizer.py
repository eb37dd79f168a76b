"""The interface of tokenizers, and a tokenizer that can be sent to a process without MLX."""

from typing import Any, Protocol

from app.data.row_values import Message


class Tokenizer(Protocol):
    """The methods shared by the tokenizers of transformers and mlx-lm.

    Optional attributes: `has_chat_template`, `all_special_ids`, `eos_token_ids` and
    `added_tokens_decoder`.
    """

    @property
    def eos_token_id(self) -> int | None: ...

    @property
    def chat_template(self) -> Any: ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, token_ids: list[int]) -> str: ...

    def apply_chat_template(
        self,
        conversation: list[Message],
        *,
        tools: list[dict[str, Any]] | None = None,
        add_generation_prompt: bool = False,
        return_dict: bool = False,
    ) -> Any: ...


class PlainTokenizer:
    """The transformers tokenizer from mlx-lm's wrapper, with the wrapper's template options and
    stop tokens.

    Unlike the wrapper, it can be pickled, and unpickling it does not import MLX.
    """

    def __init__(self, inner: Any, template_options: dict[str, Any], ends: frozenset[int]) -> None:
        self.inner = inner
        self.template_options = template_options
        self.eos_token_ids = ends

    @property
    def eos_token_id(self) -> int | None:
        return self.inner.eos_token_id  # type: ignore[no-any-return]

    @property
    def chat_template(self) -> Any:
        return self.inner.chat_template

    @property
    def all_special_ids(self) -> list[int]:
        return list(self.inner.all_special_ids)

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        return dict(self.inner.added_tokens_decoder)

    @property
    def backend_tokenizer(self) -> Any:
        return self.inner.backend_tokenizer

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        return dict(self.inner.special_tokens_map)

    def encode(self, text: str) -> list[int]:
        return list(self.inner.encode(text))

    def decode(self, token_ids: list[int]) -> str:
        return str(self.inner.decode(token_ids))

    def apply_chat_template(self, conversation: list[Message], **options: Any) -> Any:
        return self.inner.apply_chat_template(conversation, **self.template_options, **options)


def plain_tokenizer(tokenizer: Any) -> PlainTokenizer | None:
    """The tokenizer as one that can be pickled; None if that is impossible."""
    inner, options = tokenizer, {}
    if isinstance(tokenizer, PlainTokenizer):
        return tokenizer
    if hasattr(tokenizer, "_thinking_kwarg"):  # mlx-lm's wrapper
        if getattr(tokenizer, "_chat_template", None) is not None:
            return None  # the template is a Python function of mlx-lm
        inner = tokenizer._tokenizer
        options = {tokenizer._thinking_kwarg: tokenizer.has_thinking}
    if not hasattr(inner, "backend_tokenizer"):
        return None
    ends = getattr(tokenizer, "eos_token_ids", None)
    ends = [ends] if isinstance(ends, int) else ends or ()
    return PlainTokenizer(inner, options, frozenset(ends))
