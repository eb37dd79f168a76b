"""Tokenizes chunks of examples in order, in this process or in one process per core.

The processes never import MLX: they get the pickled tokenizer, and they end with their parent.
"""

import os
import pickle
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic

from app.core.config.optimization import Replies
from app.core.errors import RunError
from app.core.system import child_processes
from app.core.system.child_processes import begin_child, end_with_parent, terminal_signals_blocked
from app.core.system.memory import machine_bytes
from app.data.chat.template_process import end_template_processes
from app.data.chat.template_trial import known_problem, set_known_problem, try_templates
from app.data.chat.tokenization import ExampleTokenizer, check_embeddings
from app.data.chat.tokenizer import PlainTokenizer, Tokenizer, plain_tokenizer
from app.data.row_values import Example, RowIssue
from app.data.tokens.tokenized_examples import TokenizedExample, TokenRows

MAX_WORKERS = 8
"""One process reads and checks rows, about eight times as fast as a worker tokenizes them."""
_SHARE_OF_MEMORY = 8
"""All processes together may use 1/`_SHARE_OF_MEMORY` of the machine's memory."""
_PROCESS_BYTES = 90 * 2**20
"""Memory of a process with a small tokenizer, measured."""
_BYTES_A_PICKLED_BYTE = 40
"""Memory of a tokenizer in a process per byte of its pickle; measured as 31 to 37."""
_CHUNKS_AHEAD = 2
_PATIENCE_SECONDS = 0.1
_SECONDS_TO_END = 0.5

Chunk = tuple[Example | RowIssue, ...]
"""Consecutive rows of a file."""


@dataclass(frozen=True)
class TokenizedChunk:
    rows: TokenRows
    problems: tuple[RowIssue, ...]
    """All rows of the chunk that can't be trained on, in order."""
    rows_read: int


class _ChunkTokenizer:
    """Tokenizes the chunks that one process gets."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        mask_prompt: bool,
        embedding_rows: int | None,
        replies: Replies,
    ) -> None:
        self._tokenizer, self._embedding_rows = tokenizer, embedding_rows
        self._examples = ExampleTokenizer(tokenizer, mask_prompt, replies)

    def tokenize(self, chunk: Chunk) -> TokenizedChunk:
        examples = [row for row in chunk if not isinstance(row, RowIssue)]
        tokenized = [row for rows in self._examples.tokenize_batch(examples) for row in rows]
        tokenized = check_embeddings(tokenized, self._tokenizer, self._embedding_rows)
        # A chat of several examples has at most one issue.
        refused = {row.place: row for row in tokenized[::-1] if isinstance(row, RowIssue)}
        problems = [row for row in chunk if isinstance(row, RowIssue)]
        return TokenizedChunk(
            TokenRows.of([row for row in tokenized if isinstance(row, TokenizedExample)]),
            tuple(sorted((*problems, *refused.values()), key=lambda problem: problem.place)),
            len(chunk),
        )


_worker: _ChunkTokenizer | None = None


def tokenize_chunks(
    chunks: Iterator[Chunk],
    tokenizer: Tokenizer,
    mask_prompt: bool,
    in_parallel: bool,
    embedding_rows: int | None = None,
    replies: Replies = "whole-chat",
) -> Generator[TokenizedChunk | None, None, None]:
    """Yield each chunk's tokens in order; reads a few chunks ahead. Closing it ends the processes.

    With `embedding_rows`, a row with a token id of that or more becomes an issue. Yields None now
    and then while it waits for a chunk, so that it can be closed. Raises RunError if a process
    died.
    """
    # Try the template once, before the workers start; otherwise each would try it.
    yield from try_templates(getattr(tokenizer, "chat_template", None))
    plain = plain_tokenizer(tokenizer)
    if in_parallel and plain is not None and (workers := worker_count(plain)) > 1:
        end_template_processes()  # each worker has its own
        yield from _in_processes(chunks, plain, (mask_prompt, embedding_rows, replies), workers)
        return
    here = _ChunkTokenizer(tokenizer, mask_prompt, embedding_rows, replies)
    try:
        for chunk in chunks:
            yield here.tokenize(chunk)
    finally:
        end_template_processes()


def worker_count(tokenizer: PlainTokenizer) -> int:
    """The number of processes that the machine's cores and memory allow; each has a tokenizer."""
    size = _PROCESS_BYTES + _BYTES_A_PICKLED_BYTE * len(pickle.dumps(tokenizer))
    affordable = machine_bytes() // _SHARE_OF_MEMORY // size
    return max(1, min(os.cpu_count() or 1, MAX_WORKERS, affordable))


def _in_processes(
    chunks: Iterator[Chunk],
    tokenizer: PlainTokenizer,
    settings: tuple[bool, int | None, Replies],
    workers: int,
) -> Iterator[TokenizedChunk | None]:
    ahead: deque[Future[TokenizedChunk]] = deque()
    problem = known_problem(tokenizer.chat_template)
    with _pool(pickle.dumps((problem, tokenizer, *settings)), workers) as pool:
        try:
            for chunk in chunks:
                with terminal_signals_blocked():  # submitting may start a process
                    ahead.append(pool.submit(_tokenize_in_worker, chunk))
                if len(ahead) > workers + _CHUNKS_AHEAD:
                    yield from _wait_for(ahead.popleft())
            while ahead:
                yield from _wait_for(ahead.popleft())
        except BrokenProcessPool as error:
            raise RunError(
                "A tokenizing process ended before it was done.",
                "Start again: the finished part is kept. If it happens again, memory may be short.",
            ) from error


def _wait_for(chunk: Future[TokenizedChunk]) -> Iterator[TokenizedChunk | None]:
    while not wait([chunk], _PATIENCE_SECONDS).done:
        yield None
    yield chunk.result()


@contextmanager
def _pool(payload: bytes, workers: int) -> Iterator[ProcessPoolExecutor]:
    context = child_processes.PROCESSES
    child_end, parent_end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, context, initializer=_initialize_worker, initargs=(payload, child_end)
    )
    try:
        yield pool
    finally:
        # Don't wait for their current chunks, which are no longer needed and would take seconds.
        running = list((pool._processes or {}).values())
        parent_end.close()
        _end_processes(running)
        pool.shutdown(wait=True, cancel_futures=True)
        child_end.close()


def _end_processes(processes: Sequence[BaseProcess]) -> None:
    """Wait briefly for processes to end, then kill those that are busy in one long operation."""
    ends = monotonic() + _SECONDS_TO_END
    for process in processes:
        if not connection.wait([process.sentinel], max(0.0, ends - monotonic())):
            process.kill()


def _initialize_worker(payload: bytes, lifeline: Connection) -> None:
    """Initialize a worker process, which ends at once when the parent closes `lifeline`."""
    global _worker
    begin_child()
    end_with_parent(lifeline)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    problem, tokenizer, *settings = pickle.loads(payload)
    set_known_problem(tokenizer.chat_template, problem)
    _worker = _ChunkTokenizer(tokenizer, *settings)


def _tokenize_in_worker(chunk: Chunk) -> TokenizedChunk:
    assert _worker is not None
    return _worker.tokenize(chunk)
