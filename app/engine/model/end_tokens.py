"""Tokens that end an answer: those that mlx-lm knows, and the one that the template writes."""

from pathlib import Path

from app.data.chat.tokenization import token_text
from app.data.files.fingerprint import FileStates
from app.data.files.model_files import tokenizer_states
from app.engine.model.chat_prompt import ChatPrompt
from app.engine.runtime.type_aliases import TokenizerWrapper
from app.models.model_folder import folder_end_tokens


def mlx_lm_stop_tokens(folder: Path, tokenizer: TokenizerWrapper) -> frozenset[int]:
    """The tokens at which `mlx_lm.generate` stops: the tokenizer's, and those of the folder's
    generation_config.json or config.json."""
    ends = getattr(tokenizer, "eos_token_ids", None)
    ends = [ends] if isinstance(ends, int) else ends or ()
    return folder_end_tokens(folder) | frozenset(ends)


def stop_tokens(folder: Path, tokenizer: TokenizerWrapper) -> frozenset[int]:
    """Those of mlx-lm, and the token with which the chat template ends a reply."""
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
    """The token with which the chat template ends a reply. Found once as long as the folder's files
    stay: rendering starts a process, which takes a quarter of a second."""
    template = getattr(tokenizer, "chat_template", None)
    key = (folder, str(template), tokenizer_states(folder))
    if key not in _turn_ends:
        while len(_turn_ends) >= _MOST_KEPT:
            del _turn_ends[next(iter(_turn_ends))]
        _turn_ends[key] = ChatPrompt(tokenizer).turn_end()
    return _turn_ends[key]


_MOST_KEPT = 16
_turn_ends: dict[tuple[Path, str, FileStates], int | None] = {}
