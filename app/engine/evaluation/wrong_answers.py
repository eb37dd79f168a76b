"""Lists the questions of a set that a model answers incorrectly, with the expected answer and the
model's."""

import math
from collections.abc import Generator
from contextlib import suppress

from app.core.events import MAX_WRONG, WrongAnswer
from app.core.progress import scaled_progress
from app.engine.evaluation.evaluation import find_wrong_answers
from app.engine.evaluation.question_sets import QuestionSet
from app.engine.evaluation.short_answers import ROWS, short_answers
from app.engine.model.chat_prompt import stop_tokens
from app.engine.model.lm_head import SplitModel
from app.engine.model.loading import BaseModel
from app.engine.runtime.distributed import Machines

MAX_TOKENS = 24
"""The most tokens of a generated answer."""
MAX_ANSWERS = 2 * ROWS
"""The most answers generated for one set; further questions are recorded without one."""
MAX_CHARACTERS = 2_000
"""The most characters of a recorded text."""
LONGEST_PROMPT = 1_024
"""In tokens. No answer is generated for a longer prompt, because the memory forecast of a run does
not include it."""
_CHECKING = 0.3
"""The share of the work that finds the wrong answers."""


def wrong_answers(
    base: BaseModel,
    questions: QuestionSet,
    head: SplitModel | None,
    machines: Machines,
    *,
    with_answers: bool,
) -> Generator[float, None, tuple[int, tuple[WrongAnswer, ...]]]:
    """The number of exact answers, and the questions that the model answers incorrectly.

    Yields the share done. Don't use the model meanwhile.
    """
    checking = find_wrong_answers(base.model, questions.batches, head, machines)
    share = _CHECKING if with_answers else 1
    numbers = yield from scaled_progress(checking, 0, share, 1)
    listed = [_last_reply(base, questions, number) for number in numbers[:MAX_WRONG]]
    answers: dict[int, str] = {}
    if with_answers:
        longest = min(LONGEST_PROMPT, (base.limits.position_rows or math.inf) - MAX_TOKENS)
        asked = [n for n, (prompt, _) in enumerate(listed) if len(prompt) <= longest][:MAX_ANSWERS]
        work = _answers(base, [listed[n][0] for n in asked])
        texts = yield from scaled_progress(work, share, 1 - share, 1)
        answers = dict(zip(asked, texts, strict=False))
    wrong = (
        WrongAnswer(recorded(questions.texts[number]), expected, answers.get(n, ""))
        for n, (number, (_, expected)) in enumerate(zip(numbers, listed, strict=False))
    )
    return questions.count - len(numbers), tuple(wrong)


def recorded(text: str, *, is_cut: bool = False) -> str:
    """`text` shortened to the recorded length, with "…" if it was cut."""
    text = text.strip()
    is_cut = is_cut or len(text) > MAX_CHARACTERS
    return f"{text[: MAX_CHARACTERS - 1].rstrip()}…" if is_cut else text


def _last_reply(base: BaseModel, questions: QuestionSet, number: int) -> tuple[list[int], str]:
    """The prompt of a question as tokens, and the expected reply as text."""
    row = questions.rows[number]
    start, end = row.trained[-1]
    reply = base.tokenizer.decode(row.tokens[start:end], skip_special_tokens=True)
    return list(row.tokens[:start]), recorded(reply)


def _answers(base: BaseModel, prompts: list[list[int]]) -> Generator[float, None, list[str]]:
    """The model's answers as text; empty if mlx-lm can't batch this model's cache."""
    ends, answers = stop_tokens(base.path, base.tokenizer), []
    with suppress(ValueError):
        answers = yield from short_answers(base.model, prompts, ends, MAX_TOKENS)
    decode = base.tokenizer.decode
    return [
        recorded(decode(tokens, skip_special_tokens=True), is_cut=len(tokens) == MAX_TOKENS)
        for tokens in answers
    ]
