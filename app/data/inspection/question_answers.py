"""The questions of question sets, each with the answer that is expected."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from app.core.errors import AppError
from app.core.files.paths import known_questions_file
from app.data.files.dataset_files import find_files
from app.data.row_values import ChatExample
from app.data.rows.row_validation import read_examples

MAX_QUESTIONS = 500
"""Of a set."""

Questions = dict[str, str]
"""Question → expected answer, in the order of the set."""


def set_questions(path: Path) -> Questions:
    """Those of a set's file; none where it can't be read."""
    found: Questions = {}
    with suppress(AppError, OSError):
        found.update(islice(_pairs(path), MAX_QUESTIONS))
    return found


def known_questions() -> Questions:
    """Those that Nestling ships."""
    lines = known_questions_file().read_text(encoding="utf-8").splitlines()
    return {row["question"]: row["answers"][0] for row in map(json.loads, lines)}


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for file in find_files(path).train_files:
        for example in read_examples(file):
            if isinstance(example, ChatExample) and (question := example.last_question):
                yield question, str(example.messages[-1]["content"])
