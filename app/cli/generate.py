"""`nestling generate`: a checkpoint answers in the terminal, alone or beside its base model."""

import argparse
import sys
from collections.abc import Generator
from contextlib import closing
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from app.cli.terminal import json_line, line, lines, note
from app.core.chat_messages import SIDES, Chat
from app.core.errors import InputError
from app.core.events import Event, StageChanged
from app.core.files.paths import runs_dir
from app.core.generation_events import (
    AnswerEnded,
    AnswerEvent,
    AnswersCompared,
    CheckpointLoaded,
    CheckpointRef,
    GenerationNotice,
    LogitsCompared,
    Sampling,
    TextAdded,
    answer_to_json,
)
from app.core.progress import drain, mapped
from app.core.text.sanitize import visible_line
from app.core.wording.display_names import model_name
from app.core.wording.generation import answer_figures, answers_sentence, logits_sentence

if TYPE_CHECKING:
    from app.engine.generation.adapted_model import TunedModel

_PATIENCE_SECONDS = 1.0


def add_generate(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    defaults = Sampling()
    parser.description = (
        "Let a run's checkpoint answer. The answer goes to standard output, the measurements to "
        "standard error."
    )
    parser.add_argument(
        "--run", required=True, metavar="RUN", help="The run's name, or its folder."
    )
    parser.add_argument(
        "--checkpoint", metavar="NAME",
        help="A checkpoint, like step-000100. Default: the best, or the last without validation.",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=Path, metavar="DIR",
        help="The base model's folder, if it was moved.",
    )  # fmt: skip
    parser.add_argument("--prompt", metavar="TEXT", help="The prompt. Default: standard input.")
    parser.add_argument(
        "--system",
        default="",
        metavar="TEXT",
        help="A system prompt.",
    )
    parser.add_argument(
        "--base", action="store_true",
        help="Let the base model answer too, with the same seed, and compare the answers.",
    )  # fmt: skip
    parser.add_argument(
        "--temperature", type=float, default=defaults.temperature, metavar="X",
        help="Sampling temperature. 0, the default, always takes the most likely token.",
    )  # fmt: skip
    parser.add_argument(
        "--top-p", type=float, default=defaults.top_p, metavar="X",
        help="Sample from the most likely tokens up to this total probability. Default: 1.",
    )  # fmt: skip
    parser.add_argument(
        "--max-tokens", type=int, default=defaults.max_tokens, metavar="N",
        help=f"Maximum length of the answer in tokens. Default: {defaults.max_tokens}.",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, metavar="N",
        help="Seed of the sampling; the same seed gives the same answer. Default: 0.",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="Print one JSON object per line.")


def generate(arguments: argparse.Namespace) -> int:
    """Print the answers; returns the exit code. Raises AppError."""
    from app.engine.runtime.mlx_runtime import close_thread

    show = _print_json if arguments.json else Text(has_both=arguments.base)
    try:
        # Closed on this thread, to which the model belongs.
        with closing(_answered(arguments)) as events:
            for event in events:
                show(event)
    finally:
        close_thread()
    return 0


def _answered(arguments: argparse.Namespace) -> Generator[AnswerEvent, None, None]:
    sampling = Sampling(
        arguments.temperature, arguments.top_p, arguments.max_tokens, arguments.seed
    )
    if problem := sampling.problem():
        raise InputError(problem)
    from app.library.reading.checkpoints import choose_checkpoint
    from app.library.reading.run_store import find_run

    checkpoint = choose_checkpoint(
        find_run(arguments.run, runs_dir()), arguments.checkpoint, arguments.model
    )
    chat = Chat(arguments.prompt if arguments.prompt is not None else _read(), arguments.system)
    if not chat.question.strip():
        raise InputError("There is no question.", "Give one with --prompt or on standard input.")
    from app.engine.generation.generation import answer

    tuned = _loaded(checkpoint)
    yield tuned.loaded
    yield from answer(tuned, chat, sampling, SIDES if arguments.base else ("tuned",))


def _loaded(checkpoint: CheckpointRef) -> "TunedModel":
    from app.data.chat.template_trial import TRYING
    from app.engine.generation.adapted_model import loading_tuned_model

    began, is_noted = inf, False

    def note_trial(event: Event) -> None:
        """Print a note once if trying the chat template takes long."""
        nonlocal began, is_noted
        if isinstance(event, StageChanged) and event.stage == TRYING:
            began = min(began, monotonic())
            if not is_noted and monotonic() - began > _PATIENCE_SECONDS:
                is_noted = True
                note(f"{TRYING} …")

    return drain(mapped(loading_tuned_model(checkpoint), note_trial))


def _read() -> str:
    if sys.stdin is None or sys.stdin.closed:
        return ""
    if sys.stdin.isatty():
        note("Write the question, then press Ctrl-D on a line of its own.")
    try:
        return sys.stdin.buffer.read().decode("utf-8").rstrip("\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"Standard input isn't UTF-8 text: byte {error.start + 1} can't be read."
        ) from error


def _print_json(event: AnswerEvent) -> None:
    json_line(answer_to_json(event))


class Text:
    """Prints a single answer as it is generated. With both models, the base model's answer streams,
    and the tuned model's follows.
    """

    def __init__(self, *, has_both: bool) -> None:
        self._has_both = has_both
        self._adapter, self._comparison = "", ""
        self._tuned_texts: list[str] = []
        self._ends: dict[str, AnswerEnded] = {}

    def __call__(self, event: AnswerEvent) -> None:
        match event:
            case CheckpointLoaded():
                self._loaded(event)
            case GenerationNotice():
                note(event.text)
            case TextAdded():
                self._add(event)
            case AnswerEnded():
                self._end(event)
            case LogitsCompared():  # printed after both answers
                self._comparison = logits_sentence(event)
            case AnswersCompared():
                note(self._comparison)
                note(answers_sentence(event))

    def _loaded(self, event: CheckpointLoaded) -> None:
        self._adapter = event.checkpoint.adapter_dir.name
        if event.base_model.message:
            note(event.base_model.message)
        if not event.has_template:
            note("This model has no chat template: it continues your text.")
        if self._has_both:
            line(f"Base, {model_name(event.checkpoint.model)}:")

    def _add(self, event: TextAdded) -> None:
        if self._has_both and event.side == "tuned":
            self._tuned_texts.append(event.text)
        else:
            lines(event.text)

    def _end(self, event: AnswerEnded) -> None:
        self._ends[event.side] = event
        if not self._has_both:
            line("")
            note(answer_figures(event))
        elif len(self._ends) == len(SIDES):
            lines(f"\n\nTuned, {visible_line(self._adapter)}:\n{''.join(self._tuned_texts)}\n")
            for side in SIDES:
                note(f"{side}: {answer_figures(self._ends[side])}")
