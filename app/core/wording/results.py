"""A run's events as lines of text, and its result in sentences, for window, terminal and log."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from app.core.events import (
    KNOWN_QUESTIONS,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    RetentionMeasured,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    WrongAnswer,
)
from app.core.files.data_formats import question_set_name
from app.core.text.numbers import format_loss
from app.core.text.sanitize import single_line
from app.core.text.translation import decimal, mark, tr

_SINCE_START = (
    mark("Validation loss fell from {before} to {after}."),
    mark("Validation loss rose from {before} to {after}."),
)
_SINCE_STEP = (
    mark("Validation loss fell from {before} to {after} since step {step:,}."),
    mark("Validation loss rose from {before} to {after} since step {step:,}."),
)
_DIGITS = 3
_MOVED = 1e-3
"""In nats per token: a model further from its base was trained before."""
_MAX_NAME = 80
SHIPPED_SETS = (mark("New facts"), mark("Retention"))
"""The titles of the question sets that come with Nestling."""
MAX_LINES = 20
"""Wrong answers of a set that the terminal lists."""


FORGOTTEN = mark("Forgotten")
NOT_LEARNED = mark("Not learned")
WRONG = mark("Wrong")
"""For an answer that may have been right or wrong before."""


class WrongQuestion(NamedTuple):
    """A question that is answered incorrectly after training; its texts may have several lines."""

    kind: str
    """FORGOTTEN, NOT_LEARNED or WRONG."""
    question: str
    expected: str
    answer: str
    """The model's answer; empty if it was not recorded."""


class Answers(NamedTuple):
    """A question set's right answers; `before` is None where that was not measured."""

    name: str
    before: int | None
    after: int
    total: int
    wrong_questions: tuple[WrongQuestion, ...] = ()
    """Questions answered incorrectly after training, forgotten ones first."""


def answers_by_set(scores: Iterable[ScoreMeasured]) -> list[Answers]:
    """The answers to the sets that were asked after training."""
    found: dict[str, dict[str, ScoreMeasured]] = {}
    for score in scores:
        found.setdefault(score.name, {})[score.when] = score
    return [
        _compared(by_phase.get("before"), by_phase["after"])
        for by_phase in found.values()
        if "after" in by_phase
    ]


def _compared(before: ScoreMeasured | None, after: ScoreMeasured) -> Answers:
    wrong_questions = [
        WrongQuestion(_kind(one, before), one.question, one.expected, one.answer)
        for one in after.wrong
    ]
    wrong_questions.sort(key=lambda wrong: wrong.kind != FORGOTTEN)
    right = before.correct if before else None
    return Answers(after.name, right, after.correct, after.total, tuple(wrong_questions))


def _kind(wrong: WrongAnswer, before: ScoreMeasured | None) -> str:
    if before is None:
        return WRONG
    if before.correct in (0, before.total):
        return FORGOTTEN if before.correct else NOT_LEARNED
    if before.correct + len(before.wrong) < before.total:
        return WRONG
    # Two chats of a set may end in the same words.
    asked = (wrong.question, wrong.expected)
    was_wrong = asked in {(one.question, one.expected) for one in before.wrong}
    return NOT_LEARNED if was_wrong else FORGOTTEN


def wrong_question_lines(answers: Iterable[Answers]) -> Iterator[str]:
    """The questions answered incorrectly, for the terminal: at most `MAX_LINES` of each set."""
    for one in answers:
        for kind, *texts in one.wrong_questions[:MAX_LINES]:
            question, expected, answer = map(single_line, texts)
            line = f"{kind} ({set_title(one.name)}): {question} | expected: {expected}"
            yield f"{line} | answer: {answer}" if answer else line
        if (more := one.total - one.after - MAX_LINES) > 0 and one.wrong_questions:
            yield f"More wrong answers in {set_title(one.name)}: {more:,}."


def result_sentences(
    answers: Iterable[Answers],
    evaluations: Sequence[EvaluationFinished],
    retention: Sequence[RetentionMeasured],
    steps: int,
) -> str:
    """The results of a run of `steps` steps, questions first; empty if there are none."""
    asked = (score_sentence(*one[:4]) for one in answers)
    measured = _loss_and_distance(evaluations, retention, steps)
    return " ".join(filter(None, (*asked, measured, *kept_sentences(retention))))


def _loss_and_distance(
    evaluations: Sequence[EvaluationFinished], retention: Sequence[RetentionMeasured], steps: int
) -> str:
    if steps and not any(e.step for e in evaluations) and not any(r.step for r in retention):
        is_any = bool(evaluations or retention)
        return tr("Nothing was measured after the run's start.") if is_any else ""
    learned, kept = loss_sentence(evaluations), retention_sentence(retention, steps)
    if not learned or not kept:
        return learned or kept
    return f"{learned} {kept}"


def loss_sentence(evaluations: Sequence[EvaluationFinished]) -> str:
    """Compares the first and the last validation loss of the curve."""
    if not evaluations:
        return ""
    first, last = evaluations[0], evaluations[-1]
    if first.step == last.step:
        return tr("Validation loss: {loss} at step {step:,}.", loss=_loss(last), step=last.step)
    values = _loss(first), _loss(last)
    if values[0] == values[1]:
        return tr("Validation loss stayed at {loss}.", loss=values[0])
    fell, rose = _SINCE_START if first.step == 0 else _SINCE_STEP
    sentence = fell if last.val_loss < first.val_loss else rose
    return tr(sentence, before=values[0], after=values[1], step=first.step)


def retention_sentence(retention: Sequence[RetentionMeasured], steps: int) -> str:
    """The distance from the base model at the end of a run of `steps` steps, or where it was
    measured last."""
    if not retention:
        return ""
    first, last = retention[0], retention[-1]
    if last.step != steps:
        return tr(
            "Change from base at step {step:,}: {nats} nats per token on {texts:,} everyday "
            "texts.",
            step=last.step, nats=_nats(last), texts=last.texts,
        )  # fmt: skip
    if first.step < last.step and first.texts == last.texts and first.base_kl >= _MOVED:
        return tr(
            "Change from base: {nats} nats per token on {texts:,} everyday texts, {before} "
            "before.",
            nats=_nats(last), before=_nats(first), texts=last.texts,
        )  # fmt: skip
    return tr(
        "Change from base: {nats} nats per token on {texts:,} everyday texts.",
        nats=_nats(last),
        texts=last.texts,
    )


def kept_sentences(retention: Sequence[RetentionMeasured]) -> list[str]:
    """The change of loss of the retention set and of each earlier run's validation set."""
    measured = [one for one in retention if one.kept]
    if len(measured) < 2:
        return []
    before = {loss.name: loss.val_loss for loss in measured[0].kept}
    return [
        tr(
            "Loss of {name}: {before} before, {after} after.",
            name=single_line(loss.name, _MAX_NAME),
            before=decimal(format_loss(before[loss.name], _DIGITS)),
            after=decimal(format_loss(loss.val_loss, _DIGITS)),
        )
        for loss in measured[-1].kept
        if loss.name in before
    ]


def score_sentence(name: str, before: int | None, after: int, total: int) -> str:
    """A question set's right answers; `before` is None where that was not measured."""
    if name == KNOWN_QUESTIONS:
        return tr("Still answers {after:,} of {total:,} known questions.", after=after, total=total)
    shown = set_title(name)
    if before is None:
        return tr("{name}: {after:,} of {total:,} right.", name=shown, after=after, total=total)
    if before == 0:
        return tr("{name}: learned {after:,} of {total:,}.", name=shown, after=after, total=total)
    if before == total:
        return tr("{name}: still knows {after:,} of {total:,}.",
                  name=shown, after=after, total=total)  # fmt: skip
    return tr(
        "{name}: {after:,} of {total:,} right, {before:,} before.",
        name=shown, after=after, total=total, before=before,
    )  # fmt: skip


def set_title(name: str) -> str:
    """A question set's name as a title: "new_facts" is "New facts"."""
    if name == KNOWN_QUESTIONS:
        return tr("Known questions")
    title = single_line(name.replace("_", " ").capitalize(), _MAX_NAME)
    return tr(title) if title in SHIPPED_SETS else title


def question_set_title(path: Path) -> str:
    return set_title(question_set_name(path))


def _loss(evaluation: EvaluationFinished) -> str:
    value = evaluation.val_loss
    return decimal(format_loss(value, _DIGITS)) if math.isfinite(value) else "–"


def _nats(measured: RetentionMeasured) -> str:
    return decimal(format_loss(measured.base_kl, _DIGITS))


def event_line(event: Event) -> str:
    """The event's line without its time; empty for steps and stages."""
    match event:
        case RunStarted():
            return f"{event.steps} steps on {event.device}"
        case EvaluationFinished():
            return _evaluation(event)
        case RetentionMeasured():
            return f"Step {event.step:,}: {distance_text(event)}"
        case ScoreMeasured():
            return f"{event.name}, {event.when}: {event.correct} of {event.total} right"
        case CheckpointSaved():
            best = ", the best so far" if event.is_best else ""
            return f"Step {event.step}: checkpoint saved{best}"
        case LogMessage():
            return event.text
        case RunFinished():
            return event.message
        case _:
            return ""


def distance_text(event: RetentionMeasured) -> str:
    """ "change from base 0.0312"; the last measurement also has the number of texts."""
    over = f" on {event.texts} texts" if event.is_last else ""
    kept = "".join(f", loss of {one.name} {format_loss(one.val_loss, 4)}" for one in event.kept)
    return f"change from base{over} {event.base_kl:.4f}{kept}"


def _evaluation(event: EvaluationFinished) -> str:
    over = f" on {event.rows:,} validation rows" if event.is_last else ""
    losses = ", ".join(f"{data.name} {format_loss(data.val_loss, 3)}" for data in event.datasets)
    of_each = f" ({losses})" if losses else ""
    best = ", the best so far" if event.is_best and event.step else ""
    loss = format_loss(event.val_loss, 4)
    return f"Step {event.step}: validation loss{over} {loss}{of_each}{best}"
