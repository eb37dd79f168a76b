"""Jobs of the compute thread that load a checkpoint, keep it in memory and let it answer."""

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from app.core.chat_messages import Chat
from app.core.errors import RunError
from app.core.events import Event
from app.core.generation_events import AnswerEvent, CheckpointRef, Sampling
from app.library.run.layout import ADAPTER_FILE
from app.workers.background_job import JobFunction

if TYPE_CHECKING:
    from app.engine.generation.adapted_model import TunedModel


class LoadedCheckpoint:
    """The loaded checkpoint, if any. Only its jobs use it, on the compute thread."""

    def __init__(self) -> None:
        self._model: TunedModel | None = None
        self._file: tuple[int, ...] = ()

    def answer_job(
        self, checkpoint: CheckpointRef, chat: Chat, sampling: Sampling
    ) -> JobFunction[Event | AnswerEvent]:
        """Yields StageChanged while it loads, CheckpointLoaded, then the answers' events.

        The model stays in memory for the next question, unless MLX raised an error.
        """

        def work(should_stop: Callable[[], bool]) -> Iterator[Event | AnswerEvent]:
            from app.core.system.interruption import StoppedEarly
            from app.engine.generation.generation import answer
            from app.engine.runtime.stopping import until_stopped

            try:
                loading = until_stopped(self._loading(checkpoint), should_stop)
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

    def unload_job(self) -> JobFunction[Event | AnswerEvent]:
        """Yields nothing; frees the memory."""

        def work(_should_stop: Callable[[], bool]) -> Iterator[Event | AnswerEvent]:
            if self._model is not None:
                self._drop()
            return iter(())

        return work

    def _loading(self, checkpoint: CheckpointRef) -> "Generator[Event, None, TunedModel]":
        """The loaded model; loads it again if the requested checkpoint or its file changed."""
        from app.engine.generation.adapted_model import loading_tuned_model

        file = _identity(checkpoint)
        if self._model is None or self._model.loaded.checkpoint != checkpoint or self._file != file:
            self._drop()  # never two models in memory
            self._model = yield from loading_tuned_model(checkpoint)
            self._file = file
        return self._model

    def _drop(self) -> None:
        from app.engine.runtime.mlx_runtime import clear_cache

        self._model = None
        clear_cache()


def _identity(checkpoint: CheckpointRef) -> tuple[int, ...]:
    """A value that changes if the adapter's file is rewritten; empty if the file is missing."""
    try:
        stat_result = (checkpoint.adapter_dir / ADAPTER_FILE).stat()
    except OSError:
        return ()
    return stat_result.st_ino, stat_result.st_size, stat_result.st_mtime_ns
