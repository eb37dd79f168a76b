"""General text as tokens: everyday rows of no task, by which a model is compared with its base."""

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
"""Of a text: most tokenizers need about 100."""


def open_general_text(
    base: BaseModel, use: str, path: Path | None = None
) -> Generator[Event, None, TokenView]:
    """The rows of `path`, or those that come with Nestling for one `use`: "lessons" or "meter".

    Of a chat the replies are what counts. Rows that can't be used are left out; of those of `path`
    the log says so. Where no chat can be used, passages take their place. Raises AppError where no
    row of `path` can be used.
    """
    if path is not None:
        try:
            data = yield from _opened(base, path)
        except InputError as error:
            problem = f"{path.name} can't be the slow clock's text: {error.message}"
            raise InputError(problem, error.hint) from error
        for note in data.notes:
            yield LogMessage(f"{path.name}: {note}")
        return data.train
    if base.tokenizer.has_chat_template:
        with suppress(InputError):  # all prompts are longer than the model reads, say
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
