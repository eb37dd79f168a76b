"""Known questions: shipped ones that the base model answers rightly, and those still answered.

The base model is asked once; which it answers is remembered by the digests of its files. Asking
changes no weight and draws no random number: a run is the same with and without it.
"""

import hashlib
import json
import re
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import Event, LogMessage, StageChanged
from app.core.files.atomic_files import write_json_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.paths import cache_dir, known_questions_file
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular
from app.core.generation_events import Chat
from app.core.text.translation import mark
from app.core.work_in_steps import scaled_progress
from app.data.files.model_files import read_model_files
from app.engine.adapter.adapter import BareModel
from app.engine.evaluation.short_answers import short_answers
from app.engine.model.chat_prompt import ChatPrompt, stop_tokens
from app.engine.model.loading import BaseModel
from app.engine.runtime.stopping import in_stage

MOST_TOKENS = 24
"""Of an answer."""
SHARE = 0.01
"""Of the rows that a run trains on; an answer costs about two forward passes of a question."""
FEWEST = 48
"""Asked in any case, where the base knows as many; and of these it must know one, or none of the
others is asked."""
_MOST_CACHE_BYTES = 1_000_000


@dataclass(frozen=True)
class Question:
    """One of the shipped pool."""

    question: str
    answers: tuple[str, ...]
    """Any of them is right."""

    def is_answered_by(self, text: str) -> bool:
        """Whether `text` has a right answer as whole words."""
        return self._pattern.search(text) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        right = "|".join(map(re.escape, self.answers))
        return re.compile(rf"(?<!\w)(?:{right})(?!\w)", re.IGNORECASE)


class KnownQuestions:
    """The questions of a run that its base model answers rightly."""

    def __init__(self, base: BaseModel, questions: Sequence[Question]) -> None:
        self._base, self.questions = base, tuple(questions)

    def __len__(self) -> int:
        return len(self.questions)

    def counting_right(self) -> Generator[float, None, int]:
        """How many the model, as it is now, answers rightly; yields the share done."""
        right = yield from asking(self._base, self.questions)
        return sum(right)


def shipped_questions() -> tuple[Question, ...]:
    """The pool, every kind from the beginning on."""
    kinds: dict[str, list[Question]] = {}
    for line in known_questions_file().read_text(encoding="utf-8").splitlines():
        row = parse_json(line)
        kinds.setdefault(row["kind"], []).append(Question(row["question"], tuple(row["answers"])))
    ranked = [
        (place / len(kind), question)
        for kind in kinds.values()
        for place, question in enumerate(kind)
    ]
    return tuple(question for _, question in sorted(ranked, key=lambda pair: pair[0]))


def open_known_questions(
    config: TrainingConfig, base: BaseModel
) -> Generator[Event, None, KnownQuestions | None]:
    """None where forgetting is not measured, or where this base model answers none of them."""
    if not config.measure_forgetting:
        return None
    pool = shipped_questions()
    place = cache_dir() / "known_questions" / f"{_key(base)}.json"
    known = _remembered(place, pool)
    if known is None:
        yield StageChanged(mark("Asking the base model"))
        try:
            known = yield from in_stage(mark("Asking the base model"), _known_to_base(base, pool))
        except (AppError, ValueError) as error:
            yield LogMessage(f"Known questions are not asked: {error}.", is_warning=True)
            return None
        with suppress(AppError, OSError):  # a cache: without it the base is asked again
            ensure_own_folder(place.parent)
            write_json_atomic(place, [question.question for question in known])
    if not known:
        yield LogMessage("The base model answers none of the shipped questions.")
        return None
    rows = config.steps * config.batch_size * config.grad_accumulation_steps
    sample = known[: max(FEWEST, round(SHARE * rows))]
    yield LogMessage(
        f"The base model answers {len(known)} of {len(pool)} shipped questions rightly; "
        f"{len(sample)} of these known questions are asked again at the end."
    )
    return KnownQuestions(base, sample)


def asking(base: BaseModel, questions: Sequence[Question]) -> Generator[float, None, list[bool]]:
    """For each question whether the model answers it rightly."""
    prompts = list(_prompts(base, questions))
    ends = stop_tokens(base.path, base.tokenizer)
    answers = yield from short_answers(base.model, prompts, ends, MOST_TOKENS)
    texts = [base.tokenizer.decode(tokens) for tokens in answers]
    return [q.is_answered_by(text) for q, text in zip(questions, texts, strict=True)]


def _prompts(base: BaseModel, questions: Sequence[Question]) -> Generator[list[int], None, None]:
    prompting = ChatPrompt(base.tokenizer)
    for one in questions:
        is_chat = base.tokenizer.has_chat_template
        text = one.question if is_chat else f"Question: {one.question}\nAnswer:"
        tokens = prompting.tokens(Chat(text), "base")
        if base.limits.row_limit(len(tokens) + MOST_TOKENS) < len(tokens) + MOST_TOKENS:
            raise InputError("the model reads too few tokens for a question")
        yield tokens


def _known_to_base(
    base: BaseModel, pool: Sequence[Question]
) -> Generator[float, None, list[Question]]:
    """The questions of the pool that the model answers without its adapter."""
    with BareModel(base.model).bare():
        first, rest = pool[:FEWEST], pool[FEWEST:]
        right = yield from scaled_progress(asking(base, first), 0, len(first), len(pool))
        if any(right) and rest:
            right += yield from scaled_progress(
                asking(base, rest), len(first), len(rest), len(pool)
            )
    return [question for question, is_right in zip(pool, right, strict=False) if is_right]


def _remembered(place: Path, pool: Sequence[Question]) -> list[Question] | None:
    """None where nothing is remembered that can be read."""
    try:
        known = set(parse_json(read_regular(place, _MOST_CACHE_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
    return [question for question in pool if question.question in known]


def _key(base: BaseModel) -> str:
    """Of all that decides the answers: the model's files, the pool, the length of an answer."""
    files = asdict(read_model_files(base.path).digests.sampled())
    pool = hashlib.sha256(known_questions_file().read_bytes()).hexdigest()
    text = json.dumps([files, pool, MOST_TOKENS], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
