"""Opens general text as tokens: everyday text of no task, to compare a model with its base."""

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from app.core.errors import InputError
from app.core.events import Event, LogMessage
from app.core.files.paths import general_text_file
from app.core.text.translation import mark
from app.data.files.dataset_files import find_files
from app.data.tokenizing.token_store import RowSettings
from app.data.tokens.token_view import TokenView
from app.data.training_set.training_data import DataSettings, TrainingData, open_data_stream
from app.engine.model.loading import BaseModel
from app.engine.runtime.stopping import in_stage

MOST_TOKENS = 128
"""The most tokens of a text; most tokenizers need about 100."""


def open_general_text(
    base: BaseModel, use: str, path: Path | None = None
) -> Generator[Event, None, TokenView]:
    """The rows of `path`, or Nestling's own rows for a `use`: "lessons" or "meter".

    In a chat, the replies are trained tokens. Rows that can't be used are skipped, with a log
    message for rows of `path`. If the model can't use Nestling's chats, its passages replace them.
    Raises AppError if no row can be used.
    """
    if path is not None:
        try:
            data = yield from _opened(base, path)
        except InputError as error:
            problem = f"The slow clock can't use {path.name}: {error.message}"
            raise InputError(problem, error.hint) from error
        for note in data.notes:
            yield LogMessage(f"{path.name}: {note}")
        return data.train
    if base.tokenizer.has_chat_template:
        with suppress(InputError):  # for example, all prompts are too long for the model
            return (yield from _opened(base, general_text_file(use, is_chat=True))).train
    return (yield from _opened(base, general_text_file(use, is_chat=False))).train


def _opened(base: BaseModel, file: Path) -> Generator[Event, None, TrainingData]:
    limits = base.limits
    rows = RowSettings(
        mask_prompt=True, leave_out_bad_rows=True, embedding_rows=limits.embedding_rows
    )
    settings = DataSettings(
        rows,
        max_seq_length=limits.row_limit(MOST_TOKENS),
        batch_size=1,
        context_tokens=limits.context_tokens,
        may_cut_all=True,
    )
    opening = open_data_stream(find_files(file), base.tokenizer, settings)
    return (yield from in_stage(mark("Reading the general text"), opening))
