"""Reads a run's question sets and samples them by seed.

The same questions are asked before the first step and after the last, so the scores are comparable.
"""

import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import Event, LogMessage, StageChanged
from app.core.files.data_formats import question_set_name
from app.core.files.paths import at_shipped_places
from app.core.text.translation import mark
from app.data.files.dataset_files import find_files
from app.data.row_values import ChatExample, Example, RowIssue
from app.data.rows.row_validation import read_examples
from app.data.tokenizing.token_store import RowSettings
from app.data.tokens.token_view import TokenView
from app.data.training_set.training_data import DataSettings, TrainingData, open_data_stream
from app.engine.batches.batches import BatchLoader
from app.engine.evaluation.validation_sample import first_of_draw
from app.engine.model.loading import BaseModel
from app.engine.runtime.named_arrays import ArrayMap
from app.engine.runtime.stopping import in_stage

MIN_QUESTIONS = 128
"""The fewest questions of a set, whatever they cost: with fewer, the score is too coarse."""
_ROWS_AT_ONCE = 256
"""Rows read between two checks for a stop request."""
SHARE = 0.04
"""Share of the training's cost that questions may add; a forward pass costs a third of a step."""


@dataclass(frozen=True)
class QuestionSet:
    name: str
    batches: BatchLoader
    """Batches of the sampled questions."""
    rows: TokenView
    """Tokens of the sampled questions."""
    texts: tuple[str, ...]
    """Each row's question from its file, or its place there if the row is not a chat."""
    fingerprints: dict[str, str]
    """Path → SHA-256 of the files that the questions were read from."""

    @property
    def count(self) -> int:
        return len(self.rows)


def questions_asked(config: TrainingConfig, available: int) -> int:
    """How many of the `available` questions of one set are asked each time."""
    if config.eval_questions:
        return min(config.eval_questions, available)
    trained = config.steps * config.batch_size * config.grad_accumulation_steps
    times = 2 * max(1, len(config.question_files))
    return min(max(MIN_QUESTIONS, math.ceil(SHARE * 3 * trained / times)), available)


def read_question_sets(
    config: TrainingConfig, base: BaseModel, vocabulary: int
) -> Generator[Event, None, tuple[QuestionSet, ...]]:
    limits, read = base.limits, []
    for path in config.question_files:
        data = yield from open_questions(path, base)
        longest, name = int(data.train.lengths.max()), question_set_name(path)
        if limits.position_rows is not None and longest > limits.position_rows:
            raise InputError(
                f"A question in {path.name} has {longest:,} tokens with its answer, and this model "
                f"reads at most {limits.position_rows:,}.",
                "Leave it out, or make it shorter.",
            )
        if note := limits.beyond_sentence(data.beyond_context):
            yield LogMessage(f"In “{name}”: {note}")
        sample = first_of_draw(data.train, questions_asked(config, len(data.train)), config.seed)
        if len(sample) < len(data.train):
            yield LogMessage(
                f"“{name}” has {len(data.train):,} questions. The same {len(sample):,} of them are "
                "asked before and after the run."
            )
        batches = BatchLoader(sample, batch_size=32, vocabulary=vocabulary)
        reading = _question_texts(path, sample)
        texts = yield from in_stage(mark("Reading the questions"), reading)
        read.append(QuestionSet(name, batches, sample, texts, data.fingerprints))
    return tuple(read)


def _question_texts(path: Path, rows: TokenView) -> Generator[float, None, tuple[str, ...]]:
    """The questions of `rows` from their file; yields the share done.

    Stops reading after the last of these rows.
    """
    places = [rows.name(index) for index in range(len(rows))]
    left, texts = set(places), dict[str, str]()
    with suppress(AppError):  # only if the file changed since its rows were tokenized
        for number, (file, example) in enumerate(_examples(path)):
            place = f"{file.name}, {example.place}"
            if place in left:
                left.remove(place)
                if isinstance(example, ChatExample):
                    texts[place] = example.last_question
            if not left:
                break
            if number % _ROWS_AT_ONCE == 0:
                yield 1 - len(left) / len(places)
    return tuple(texts.get(place) or place for place in places)


def _examples(path: Path) -> Iterator[tuple[Path, Example | RowIssue]]:
    for file in find_files(path).train_files:
        for example in read_examples(file):
            yield file, example


def open_questions(path: Path, base: BaseModel) -> Generator[Event, None, TrainingData]:
    """All rows of a set as training rows, without truncation, which would change a question."""
    yield StageChanged(mark("Reading the questions"))
    settings = DataSettings(
        RowSettings(mask_prompt=True, replies="last", embedding_rows=base.limits.embedding_rows),
        max_seq_length=1_000_000,
        batch_size=1,
        context_tokens=base.limits.context_tokens,
    )
    opening = open_data_stream(find_files(path), base.tokenizer, settings)
    return (yield from in_stage(mark("Reading the questions"), opening))


QUESTIONS_KEY = "question_data"
"""The manifest's entry: path → SHA-256 of each question set's files."""


def question_notes(manifest: ArrayMap, fingerprints: Mapping[str, str]) -> list[LogMessage]:
    """Notes of a resumed run on changed question sets; they are not trained on, so it may resume.

    `fingerprints` maps each path to the SHA-256 of its file now.
    """
    if not fingerprints:
        return []
    began = at_shipped_places(manifest.get(QUESTIONS_KEY))
    if not isinstance(began, Mapping):
        return [
            LogMessage(
                "This run didn't record its questions, so its scores before and after may be for "
                "different questions."
            )
        ]
    current = fingerprints.items()
    changed = [Path(path).name for path, digest in current if began.get(path) != digest]
    if not changed and began.keys() == fingerprints.keys():
        return []
    names = ", ".join(changed) or "its files"
    return [
        LogMessage(
            f"The question sets changed since this run began ({names}), so its scores before "
            "and after are for different questions.",
            is_warning=True,
        )
    ]
