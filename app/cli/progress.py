"""Events on the terminal: for people with a progress bar, for programs as JSON lines."""

import json
import sys
from typing import assert_never

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    MemoryEstimated,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StageChanged,
    StepFinished,
    to_json,
)
from app.core.loss_words import loss_words
from app.core.memory_words import gigabytes, memory_sentence

PLAIN_LINES = 10
"""How often a run reports itself where the output is no terminal."""


class JsonLines:
    """One JSON object a line on standard output."""

    def __call__(self, event: Event) -> None:
        sys.stdout.write(json.dumps(to_json(event), ensure_ascii=False) + "\n")
        sys.stdout.flush()


class TerminalProgress:
    """A progress bar while it runs, and lines for what should stay on the screen."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("Training", total=None, facts="", visible=False)
        self._steps = 0
        self._before: dict[str, ScoreMeasured] = {}
        self._best: CheckpointSaved | None = None

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
                mark = "  best so far" if event.is_best and event.step else ""
                self._print(
                    f"step {event.step}: validation loss {loss_words(event.val_loss, 4)}"
                    f"{event.of_each}{mark}"
                )
            case CheckpointSaved():
                self._best = event if event.is_best else self._best
                self._print(f"step {event.step}: checkpoint saved")
            case MemoryEstimated():
                self._memory(event)
            case LogMessage():
                self._print(event.text)
            case RunFinished():
                self._finished(event)
            case _:
                assert_never(event)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _stage(self, event: StageChanged) -> None:
        if self._console.is_terminal:
            self._progress.start()
            self._progress.update(self._task, description=event.text, visible=True)
        elif not event.fraction:
            self._print(f"{event.stage} …")

    def _memory(self, event: MemoryEstimated) -> None:
        self._print(memory_sentence(event))
        for number, advice in enumerate(event.advice):
            lead = "It would fit with: " if number == 0 else "               or with: "
            self._print(f"{lead}{advice.text} ({gigabytes(advice.peak_bytes)})")

    def _started(self, event: RunStarted) -> None:
        self._steps = event.steps
        self._progress.update(self._task, total=event.steps)
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
            f"loss {loss_words(event.loss, 3)}  {event.tokens_per_second:,.0f} tokens/s  "
            f"{event.peak_memory_bytes / 1e9:.2f} GB"
        )
        self._progress.update(
            self._task, description="Training", completed=event.step, facts=facts, visible=True
        )
        if not self._console.is_terminal and event.step % max(1, self._steps // PLAIN_LINES) == 0:
            moved = ", ".join(
                f"tier {k} moved {delta:.3g}" for k, delta in enumerate(event.deltas) if delta
            )
            self._print(f"step {event.step} of {self._steps}: {facts}; {moved or 'nothing moved'}")

    def _score(self, event: ScoreMeasured) -> None:
        if event.when == "before":
            self._before[event.name] = event
            self._print(f"{event.name}, before: {event.correct} of {event.total} right")
            return
        before = self._before[event.name]
        self._print(
            f"{event.name}, after: {event.correct} of {event.total} right "
            f"(before: {before.correct})"
        )

    def _finished(self, event: RunFinished) -> None:
        if self._console.is_terminal:
            self._progress.stop()
        if event.outcome != "failed":
            self._print(event.message)
        if event.adapter_dir is not None:
            self._print(f"The adapter is in {event.adapter_dir}")
        best = self._best.path if self._best is not None else None
        if best is not None and best != event.adapter_dir and best.is_dir():
            self._print(f"The one with the lowest validation loss is in {best}")
