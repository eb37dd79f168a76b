"""Prints a run's events: as a progress bar with lines above it, or as JSON lines."""

import sys
from typing import assert_never

from app.cli.rich_output import Bar
from app.cli.terminal import json_line
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    MemoryEstimated,
    RetentionMeasured,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StageChanged,
    StepFinished,
    to_json,
)
from app.core.text.numbers import format_loss
from app.core.wording.memory import gigabytes, memory_sentence
from app.core.wording.results import (
    answers_by_set,
    event_line,
    result_sentences,
    wrong_question_lines,
)

PLAIN_LINES = 10
"""The number of progress lines if the output is not a terminal."""


def print_json(event: Event) -> None:
    """Print one JSON object per line to standard output."""
    json_line(to_json(event))


class TerminalProgress:
    """Shows a progress bar during the run, and prints lines that stay on the screen."""

    def __init__(self) -> None:
        self._bar = Bar(sys.stdout, counts=True)
        self._print = self._bar.line
        self._steps = 0
        self._before: dict[str, ScoreMeasured] = {}
        self._after: list[ScoreMeasured] = []
        self._best: CheckpointSaved | None = None
        self._best_by = "validation loss"
        self._evaluations: list[EvaluationFinished] = []
        self._retention: list[RetentionMeasured] = []

    def __call__(self, event: Event) -> None:
        match event:
            case StageChanged():
                self._stage(event)
            case RunStarted():
                self._started(event)
            case StepFinished():
                self._step(event)
            case ScoreMeasured():
                self._score(event)
            case EvaluationFinished():
                self._evaluations += [] if event.is_last else [event]
                if event.forgetting:
                    self._best_by = "sum of validation loss and forgetting"
                self._print(event_line(event))
            case RetentionMeasured():
                self._retention.append(event)
                self._print(event_line(event))
            case CheckpointSaved():
                self._best = event if event.is_best else self._best
                self._print(event_line(event))
            case MemoryEstimated():
                self._memory(event)
            case LogMessage():
                self._print(event.text)
            case RunFinished():
                self._finished(event)
            case _:
                assert_never(event)

    def _stage(self, event: StageChanged) -> None:
        if self._bar.is_shown:
            self._bar.show(event.text)
        elif not event.fraction:
            self._print(f"{event.stage} …")

    def _memory(self, event: MemoryEstimated) -> None:
        self._print(memory_sentence(event))
        for number, advice in enumerate(event.advice):
            lead = "It would fit with: " if number == 0 else "               or with: "
            self._print(f"{lead}{advice.text} ({gigabytes(advice.peak_bytes)})")

    def _started(self, event: RunStarted) -> None:
        self._steps = event.steps
        self._bar.show("Training", total=event.steps, completed=event.done)
        self._print(
            f"{event.train_examples:,} examples to train on, {event.valid_examples:,} to validate "
            f"on; {event.trainable_parameters:,} of {event.base_parameters:,} parameters train, "
            f"on {event.device}."
        )
        for index, tier in enumerate(event.tiers):
            every = "every step" if tier.period == 1 else f"every {tier.period} steps"
            self._print(
                f"  tier {index}: {every}, {tier.description}, {tier.parameters:,} parameters"
            )

    def _step(self, event: StepFinished) -> None:
        facts = (
            f"loss {format_loss(event.loss, 3)}  {event.tokens_per_second:,.0f} tokens/s  "
            f"{event.peak_memory_bytes / 1e9:.2f} GB"
        )
        self._bar.show("Training", completed=event.step, facts=facts)
        if not self._bar.is_shown and event.step % max(1, self._steps // PLAIN_LINES) == 0:
            moved = ", ".join(
                f"tier {k} moved {delta:.3g}" for k, delta in enumerate(event.deltas) if delta
            )
            self._print(f"step {event.step} of {self._steps}: {facts}; {moved or 'nothing moved'}")

    def _score(self, event: ScoreMeasured) -> None:
        if event.when == "before":
            self._before[event.name] = event
            self._print(event_line(event))
            return
        self._after.append(event)
        before = self._before.get(event.name)
        than = f" (before: {before.correct})" if before else ""
        self._print(f"{event_line(event)}{than}")

    def _finished(self, event: RunFinished) -> None:
        self._bar.close()
        if event.outcome != "failed":
            self._print(event.message)
            self._result(event.steps)
        if event.adapter_dir is not None:
            self._print(f"The adapter is in {event.adapter_dir}")
        best = self._best.path if self._best is not None else None
        if best is not None and best != event.adapter_dir and best.is_dir():
            self._print(f"The one with the lowest {self._best_by} is in {best}")

    def _result(self, steps: int) -> None:
        """Print the result in the same sentences as the run's page."""
        answers = answers_by_set([*self._before.values(), *self._after])
        if text := result_sentences(answers, self._evaluations, self._retention, steps):
            self._print(text)
        for text in wrong_question_lines(answers):
            self._print(text)
