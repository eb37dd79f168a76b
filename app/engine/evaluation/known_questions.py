"""Known questions: asks a model again the shipped questions that its base answers correctly.

The base model is asked once; its correct answers are cached under the digests of its files. If a
model's answer begins like the base's, one forward pass confirms it without generation. Asking
changes no weights and draws no random numbers, so a run has the same result without it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import index
from pathlib import Path

import numpy as np

from app.core.chat_messages import Chat
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import Event, LogMessage, StageChanged, WrongAnswer
from app.core.files.atomic_files import write_json_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.paths import cache_dir, known_questions_file
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular
from app.core.progress import scaled_progress
from app.core.text.translation import mark
from app.data.files.model_files import read_model_files
from app.engine.adapter.adapter import BareModel
from app.engine.batches.batches import Batch
from app.engine.evaluation.short_answers import short_answers
from app.engine.evaluation.wrong_answers import MAX_TOKENS, recorded
from app.engine.execution.losses import exact_answers
from app.engine.execution.model_execution import Execution
from app.engine.model.chat_prompt import ChatPrompt, stop_tokens
from app.engine.model.lm_head import SplitModel
from app.engine.model.loading import BaseModel
from app.engine.runtime.stopping import in_stage

SHARE = 0.01
"""Questions per row that a run trains on; an answer costs about two forward passes."""
MIN_QUESTIONS = 48
"""The fewest questions asked, if the base knows as many. If the base answers none of the first
`MIN_QUESTIONS` of the pool, it is not asked the others."""
_MAX_CACHE_BYTES = 1_000_000
_FORMAT = 2
"""Size limit and format version of the cached answers."""
_PASS_ROWS, _PASS_SHARE = 16, 0.2
"""Batch size of the forward passes, and their share of the work."""


@dataclass(frozen=True)
class Question:
    """A question of the shipped pool."""

    question: str
    answers: tuple[str, ...]
    """All accepted answers."""

    def is_answered_by(self, text: str) -> bool:
        """Whether `text` contains an accepted answer as whole words."""
        return self._pattern.search(text) is not None

    def is_answered_before_the_end_of(self, text: str) -> bool:
        """Whether every continuation of `text` contains an accepted answer as whole words."""
        match = self._pattern.search(text)
        return match is not None and match.end() < len(text.rstrip("\ufffd"))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        answers = "|".join(map(re.escape, self.answers))
        return re.compile(rf"(?<!\w)(?:{answers})(?!\w)", re.IGNORECASE)


@dataclass(frozen=True)
class Known:
    """A question that the base model answers correctly."""

    question: Question
    beginning: tuple[int, ...] = ()
    """The first tokens of the base's answer, enough to be correct whatever follows; empty if the
    answer ends with its correct words."""


class KnownQuestions:
    """The questions of a run that its base model answers correctly."""

    def __init__(self, base: BaseModel, known: Sequence[Known]) -> None:
        self._base, self.known = base, tuple(known)

    def __len__(self) -> int:
        return len(self.known)

    @property
    def questions(self) -> tuple[Question, ...]:
        return tuple(one.question for one in self.known)

    def wrong_answers(
        self, head: SplitModel | None = None
    ) -> Generator[float, None, tuple[WrongAnswer, ...]]:
        """The questions that the model now answers incorrectly; yields the share done.

        Greedy decoding reproduces a beginning exactly if each of its tokens is the most likely one,
        which one forward pass shows. All other questions are answered by generation.
        """
        checkable, passed = [one for one in self.known if one.beginning], set()
        prompts = _prompts(self._base, [one.question for one in checkable])
        batches = _batches(dict(zip(checkable, prompts, strict=True)))
        with Execution(self._base.model).evaluating():
            for done, (group, batch) in enumerate(batches):
                are_exact = exact_answers(self._base.model, batch, head)
                passed |= {one for one, is_exact in zip(group, are_exact, strict=True) if is_exact}
                yield _PASS_SHARE * done / len(batches)
        rest = [one.question for one in self.known if one not in passed]
        if not rest:
            return ()
        work = asking(self._base, rest)
        texts = yield from scaled_progress(work, _PASS_SHARE, 1 - _PASS_SHARE, 1)
        return tuple(
            WrongAnswer(asked.question, asked.answers[0], recorded(text))
            for asked, text in zip(rest, texts, strict=True)
            if not asked.is_answered_by(text)
        )


def _batches(rows: Mapping[Known, list[int]]) -> list[tuple[list[Known], Batch]]:
    """Batches of similar lengths: each row is a prompt followed by its beginning as the target."""
    ordered = sorted(rows, key=lambda one: len(rows[one]) + len(one.beginning))
    batches = []
    for start in range(0, len(ordered), _PASS_ROWS):
        group = ordered[start : start + _PASS_ROWS]
        longest = len(rows[group[-1]]) + len(group[-1].beginning)
        tokens = np.zeros((len(group), longest), np.int32)
        trained = np.zeros((len(group), longest), np.float32)
        for number, one in enumerate(group):
            first, end = len(rows[one]), len(rows[one]) + len(one.beginning)
            tokens[number, :end] = [*rows[one], *one.beginning]
            trained[number, first:end] = 1.0
        batches.append((group, Batch(tokens, trained)))
    return batches


def shipped_questions() -> tuple[Question, ...]:
    """The whole pool, ordered so that every prefix has each kind of question in proportion."""
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
    """The known questions of a run; None if forgetting is not measured or there are none."""
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
        with suppress(AppError, OSError):  # without the cache, the base is asked again
            ensure_own_folder(place.parent)
            write_json_atomic(place, {k.question.question: list(k.beginning) for k in known})
    if not known:
        yield LogMessage("The base model answers none of the shipped questions.")
        return None
    rows = config.steps * config.batch_size * config.grad_accumulation_steps
    sample = known[: max(MIN_QUESTIONS, round(SHARE * rows))]
    yield LogMessage(
        f"The base model answers {len(known)} of {len(pool)} shipped questions correctly; "
        f"{len(sample)} of these known questions are asked again at the end."
    )
    return KnownQuestions(base, sample)


def asking(base: BaseModel, questions: Sequence[Question]) -> Generator[float, None, list[str]]:
    """The model's answers as text; yields the share done. Raises InputError if the model can't read
    a question."""
    answers = yield from _answers(base, questions)
    return [base.tokenizer.decode(tokens) for tokens in answers]


def _answers(
    base: BaseModel, questions: Sequence[Question]
) -> Generator[float, None, list[list[int]]]:
    """The model's answers as tokens."""
    prompts = list(_prompts(base, questions))
    ends = stop_tokens(base.path, base.tokenizer)
    return (yield from short_answers(base.model, prompts, ends, MAX_TOKENS))


def _prompts(base: BaseModel, questions: Sequence[Question]) -> Generator[list[int], None, None]:
    prompting = ChatPrompt(base.tokenizer)
    for one in questions:
        is_chat = base.tokenizer.has_chat_template
        text = one.question if is_chat else f"Question: {one.question}\nAnswer:"
        tokens = prompting.tokens(Chat(text), "base")
        if base.limits.row_limit(len(tokens) + MAX_TOKENS) < len(tokens) + MAX_TOKENS:
            raise InputError("the model reads too few tokens for a question")
        yield tokens


def _known_to_base(
    base: BaseModel, pool: Sequence[Question]
) -> Generator[float, None, list[Known]]:
    """The questions of the pool that the model answers without its adapter."""
    with BareModel(base.model).bare():
        first, rest = pool[:MIN_QUESTIONS], pool[MIN_QUESTIONS:]
        work = _answers(base, first)
        answers = yield from scaled_progress(work, 0, len(first), len(pool))
        known = _right_ones(base, first, answers)
        if known and rest:
            work = _answers(base, rest)
            answers = yield from scaled_progress(work, len(first), len(rest), len(pool))
            known += _right_ones(base, rest, answers)
    return known


def _right_ones(
    base: BaseModel, questions: Sequence[Question], answers: Sequence[list[int]]
) -> list[Known]:
    decode = base.tokenizer.decode
    return [
        Known(question, _beginning(question, tokens, decode))
        for question, tokens in zip(questions, answers, strict=True)
        if question.is_answered_by(decode(tokens))
    ]


def _beginning(
    question: Question, tokens: Sequence[int], decode: Callable[[list[int]], str]
) -> tuple[int, ...]:
    """The fewest tokens that contain a correct answer and a whole character after it; empty if
    none do."""
    for count in range(1, len(tokens) + 1):
        text = decode(list(tokens[:count]))
        if question.is_answered_before_the_end_of(text):
            return tuple(tokens[:count])
    return ()


def _remembered(place: Path, pool: Sequence[Question]) -> list[Known] | None:
    """The cached known questions; None if there is no readable cache."""
    try:
        known = dict(parse_json(read_regular(place, _MAX_CACHE_BYTES)))
        beginnings = {text: tuple(map(index, tokens)) for text, tokens in known.items()}
    except (OSError, ValueError, TypeError):
        return None
    return [Known(q, beginnings[q.question]) for q in pool if q.question in beginnings]


def _key(base: BaseModel) -> str:
    """The cache key: a digest of the model's files, the pool and the length limit of answers."""
    files = asdict(read_model_files(base.path).digests.sampled())
    pool = hashlib.sha256(known_questions_file().read_bytes()).hexdigest()
    text = json.dumps([_FORMAT, files, pool, MAX_TOKENS], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
