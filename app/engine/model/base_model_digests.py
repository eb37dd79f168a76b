"""Digests of a run's base model: computed when it starts, compared when it resumes.

Large weights are hashed during training, in a low-priority thread.
"""

import os
import sys
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from app.core.base_model import BaseModelDigests, compare_digests, read_digests
from app.core.errors import AppError, InputError, RunError
from app.core.events import Event, LogMessage
from app.core.text.translation import mark
from app.data.files.model_files import HASHED_FIRST_BYTES, ModelFiles, hash_weights
from app.engine.runtime.named_arrays import JsonObject
from app.engine.runtime.stopping import in_stage

_NICENESS = 10
_SAMPLED = (
    "When this run began, only blocks of the base model's weights were hashed; these blocks are "
    "the same."
)


def hash_before_training(files: ModelFiles) -> Generator[Event, None, BaseModelDigests]:
    """The digests of a run's base model; large weights are hashed completely later.

    Raises InputError if a file changes meanwhile.
    """
    digests = files.digests
    if digests.is_whole or digests.weights_bytes > HASHED_FIRST_BYTES:
        return digests
    whole = yield from in_stage(mark("Hashing the base model"), hash_weights(files))
    return digests.hashed_whole(whole, after_step=0)


def check_is_same(
    folder: Path, manifest: JsonObject, digests: BaseModelDigests
) -> list[LogMessage]:
    """Log messages on the base model in `folder`. Raises InputError if it is not the run's."""
    check = compare_digests(folder, read_digests(manifest), digests)
    if check.state == "changed":
        raise InputError(check.message, check.hint)
    return [LogMessage(text)] if (text := check.message or _unhashed(manifest)) else []


def merged(manifest: JsonObject, digests: BaseModelDigests, step: int) -> BaseModelDigests:
    """The digests of a run that resumes after `step`: the recorded ones, completed by new ones."""
    recorded = read_digests(manifest)
    if recorded is None:
        return replace(digests, after_step=step, whole_after_step=step)
    known = replace(recorded, after_step=min(recorded.after_step, step))
    if recorded.is_whole or not digests.is_whole:
        return replace(known, whole_after_step=min(recorded.whole_after_step, step))
    return replace(known, weights=digests.weights, whole_after_step=step)


def token_notes(manifest: JsonObject, tokens: str) -> list[LogMessage]:
    """A warning if the same texts now give different tokens; the run can resume all the same."""
    if manifest.get("tokens_sha256") in (None, tokens):
        return []
    return [
        LogMessage(
            "The dataset's files are the same as when this run began, but their tokens differ: the "
            "version of Nestling or of a library changed, or the chat template writes a date "
            "that the run didn't record. The result won't be bit-equal to a run that never "
            "stopped.",
            is_warning=True,
        )
    ]


class WeightsHashing:
    """Hashes all bytes of the weights while a run trains, and detects changed weights."""

    def __init__(
        self, files: ModelFiles, digests: BaseModelDigests, after_step: int, advice: str = ""
    ) -> None:
        """`digests` are those that the run has recorded; `advice` says how to resume if the weights
        have changed."""
        self._files, self._digests = files, digests
        self._after_step, self._advice = after_step, advice
        self._is_stopped = threading.Event()
        self._sha256: dict[str, str] | None = None
        self.problem = "The run ended before."
        """Why the hash is missing, if `result` returns None."""
        self._thread = threading.Thread(target=self._work, name="hashing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Stop the thread and wait for it: some hundredths of a second."""
        self._is_stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def result(self) -> BaseModelDigests | None:
        """The run's digests of the complete weights; None if hashing did not finish.

        Raises RunError if the weights changed since the run began.
        """
        if self._sha256 is None:
            return None
        current = self._files.digests.hashed_whole(self._sha256, self._after_step)
        check = compare_digests(self._files.folder, self._digests, current)
        if check.state == "changed":
            raise RunError(check.message, f"{check.hint} {self._advice}".strip())
        if self._digests.is_whole:
            return self._digests
        return self._digests.hashed_whole(self._sha256, self._after_step)

    def _work(self) -> None:
        _lower_priority()
        try:
            with closing(hash_weights(self._files)) as hashing:
                while not self._is_stopped.is_set():
                    next(hashing)
        except StopIteration as ended:
            self._sha256 = ended.value
        except AppError as error:
            self.problem = str(error)


def _lower_priority() -> None:
    """Lower this thread's priority below the training's."""
    with suppress(OSError, AttributeError):
        if sys.platform.startswith("linux"):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, _NICENESS)
        elif sys.platform == "darwin":
            # Python defines these from 3.12 on. They also lower the thread's disk priority.
            os.setpriority(os.PRIO_DARWIN_THREAD, 0, os.PRIO_DARWIN_BG)


def _unhashed(manifest: JsonObject) -> str:
    recorded = read_digests(manifest)
    is_known = recorded is not None and recorded.is_whole and not recorded.whole_after_step
    return "" if is_known else _SAMPLED
