"""Suggested prompts for the playground: the first questions of a run's validation file."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from app.core.column_mapping import parse_columns
from app.core.config.serialization import current_names
from app.core.errors import AppError
from app.data.files.dataset_files import find_files
from app.data.row_values import ChatExample
from app.data.rows.example_reader import read_examples

MAX_PROMPTS = 3
ROWS = 50
"""The number of rows that are searched."""
MOST_CHARACTERS = 300
"""Longer questions are not suggested."""


def sample_prompts(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Up to three distinct questions; none without a validation file.

    `settings` are a run's, as in its manifest.
    """
    prompts: dict[str, None] = {}
    with suppress(AppError, OSError, ValueError, TypeError):
        for question in _questions(settings):
            prompts[question] = None
            if len(prompts) == MAX_PROMPTS:
                break
    return tuple(prompts)


def _questions(settings: Mapping[str, object]) -> Iterator[str]:
    valid = settings.get("valid")
    file = find_files(Path(str(settings.get("data"))), Path(str(valid)) if valid else None).valid
    if file is None:
        return
    columns = parse_columns(str(current_names(settings).get("columns") or ""))
    for example in islice(read_examples(file, columns), ROWS):
        question = _question(example)
        if question and len(question) <= MOST_CHARACTERS:
            yield question


def _question(example: object) -> str:
    """The first message of a chat, if only a system message precedes it."""
    if not isinstance(example, ChatExample):
        return ""
    spoken = [message for message in example.messages if message["role"] != "system"]
    opens_with_user = bool(spoken) and spoken[0]["role"] == "user"
    return str(spoken[0]["content"]).strip() if opens_with_user else ""
