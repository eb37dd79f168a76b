"""Trying a checkpoint: its jobs for the compute thread, and the model that stays there between
questions."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import RunError
from app.core.events import Event
from app.core.generation_events import Chat, Sampling, Tried
from app.library.run.layout import ADAPTER_FILE
from app.workers.job import JobFunction

if TYPE_CHECKING:
    from app.engine.generation.adapted_model import TunedModel
    from app.library.reading.checkpoint_choices import TryChoices


class HeldModel:
    """The one checkpoint that is loaded, if one is. Only its jobs touch it, on their thread."""

    def __init__(self) -> None:
        self._model: TunedModel | None = None
        self._file: tuple[int, ...] = ()

    def answering(self, tried: Tried, chat: Chat, sampling: Sampling) -> JobFunction:
        """Yields StageChanged while it loads, CheckpointLoaded, then the answers' events.

        The model stays for the next question, unless MLX gave up on it.
        """

        def work(should_stop: Callable[[], bool]) -> Iterator[object]:
            from app.core.system.interruption import StoppedEarly
            from app.engine.generation.generation import answer
            from app.engine.runtime.stopping import until_stopped

            try:
                loading = until_stopped(self._loading(tried), should_stop)
                model = yield from loading
            except StoppedEarly:
                return
            yield model.loaded
            try:
                yield from answer(model, chat, sampling, should_stop=should_stop)
            except RunError:
                del model
                self._drop()
                raise

        return work

    def freeing(self) -> JobFunction:
        """Yields nothing; the memory is given back."""

        def work(_should_stop: Callable[[], bool]) -> Iterator[object]:
            if self._model is not None:
                self._drop()
            return iter(())

        return work

    def _loading(self, tried: Tried) -> "Generator[Event, None, TunedModel]":
        """The checkpoint as it is on the disk now."""
        from app.engine.generation.adapted_model import loading_tuned_model

        file = _identity(tried)
        if self._model is None or self._model.loaded.tried != tried or self._file != file:
            self._drop()  # never two models in memory
            self._model = yield from loading_tuned_model(tried)
            self._file = file
        return self._model

    def _drop(self) -> None:
        from app.engine.runtime.mlx_gateway import free_unused

        self._model = None
        free_unused()


def _identity(tried: Tried) -> tuple[int, ...]:
    """Of the adapter's file: another one if it was written anew; none if it is gone."""
    try:
        found = (tried.adapter_dir / ADAPTER_FILE).stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class RunToTry:
    """A run's checkpoints, and questions of its validation file."""

    choices: "TryChoices"
    starters: tuple[str, ...]
    is_model_there: bool
    """The base model's folder is where it was."""


def reading_run_to_try(run_dir: Path) -> Callable[[], RunToTry]:
    """Raises InputError if the run can't be read."""

    def work() -> RunToTry:
        from app.data.inspection.sample_prompts import sample_prompts
        from app.library.reading.checkpoint_choices import read_choices

        choices = read_choices(run_dir)
        return RunToTry(choices, sample_prompts(choices.settings), choices.model.is_dir())

    return work
