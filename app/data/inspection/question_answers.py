"""Reads the questions of question sets with their expected answers."""

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
"""The most questions read from a set."""

Questions = dict[str, str]
"""Question → expected answer, in the order of the set."""


def set_questions(path: Path) -> Questions:
    """The questions of a set's file; empty if it can't be read."""
    questions: Questions = {}
    with suppress(AppError, OSError):
        questions.update(islice(_pairs(path), MAX_QUESTIONS))
    return questions


def known_questions() -> Questions:
    """The known questions that Nestling ships, with their first accepted answer."""
    lines = known_questions_file().read_text(encoding="utf-8").splitlines()
    return {row["question"]: row["answers"][0] for row in map(json.loads, lines)}


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for file in find_files(path).train_files:
        for example in read_examples(file):
            if isinstance(example, ChatExample) and (question := example.last_question):
                yield question, str(example.messages[-1]["content"])
