"""Opens the token store of a file, or builds it by tokenizing the file's rows.

The store's key covers everything that decides the tokens: the file's content, the tokenizer with
its template, and the settings that change tokens. Length limit and batch size do not.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.core.config.optimization import Replies
from app.core.errors import AppError, InputError, RunError
from app.core.files.data_formats import file_format
from app.core.files.folders import remove_known_files
from app.core.system.interruption import StoppedEarly
from app.core.system.version import package_version
from app.data.chat.template_environment import day_of, options_but_the_day
from app.data.chat.tokenization import rows_to_check
from app.data.chat.tokenizer import Tokenizer, plain_tokenizer
from app.data.files.dataset_files import file_stat
from app.data.files.fingerprint import WAIT_AND_START, FileContent, file_content
from app.data.readers import ReadProgress
from app.data.row_values import MODEL_KINDS, TOO_COSTLY, ChatExample, Example, RowIssue, TextExample
from app.data.rows.bad_rows import raise_on_bad_rows, stopping_error
from app.data.rows.row_validation import read_examples
from app.data.tokenizing.parallel import Chunk, TokenizedChunk, tokenize_chunks
from app.data.tokens.cache import reserve_folder, stores_dir
from app.data.tokens.store_files import MANIFEST, STORE_FILES, StoreWriter, TokenStore, open_store


@dataclass(frozen=True)
class RowSettings:
    """The settings that decide a row's tokens."""

    mask_prompt: bool
    columns: ColumnMapping | None = None
    leave_out_bad_rows: bool = False
    embedding_rows: int | None = None
    """Rows of the model's embedding; a row with a token from this id on becomes an issue. None:
    unknown.
    """
    replies: Replies = "whole-chat"
    """The replies that are trained if the prompt is masked."""


_CHUNK_ROWS = 512
_CHUNK_CHARACTERS = 2**20
_LARGE_BYTES = 8 * 2**20
"""Smaller files are tokenized before other processes have started."""
READING = 8
"""To be raised if the same file gives other rows than before."""
_LIBRARIES = ("transformers", "tokenizers", "jinja2")


def open_or_build_store(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, content: FileContent | None = None
) -> Generator[float, None, TokenStore]:
    """The store of a file's rows; yields the share done. `content` is that of the file, if known.

    Closed early, it keeps what is done for the next time. Raises InputError if the file can't be
    read or changes while it is read, or if it has invalid rows that are not to be left out, and
    AppError if the disk is full.
    """
    content = content or file_content(path)
    checked = rows_to_check(tokenizer, settings.embedding_rows)
    settings = replace(settings, embedding_rows=checked)
    key = _key(path, content, tokenizer, settings)
    folder = _folder(key)
    store = open_store(folder, key)
    if store is None:
        with reserve_folder(folder) as aside:
            writer = StoreWriter(folder, key, aside)
            with _keep_or_remove(writer, aside):
                yield from _fill(writer, path, tokenizer, settings)
                if not content.is_still(path):
                    raise InputError(
                        f"{path.name} changed while it was read.",
                        WAIT_AND_START,
                    )
                store = writer.finish()
    elif store.bad_row_count and not settings.leave_out_bad_rows:
        bad = (problem for problem in store.problems(path) if problem.kind not in MODEL_KINDS)
        deque(raise_on_bad_rows(path, bad), maxlen=0)
    return replace(store, file_digest=content.digest)


def has_store(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, content: FileContent
) -> bool:
    """Whether a file has a store; the store itself is not read."""
    checked = rows_to_check(tokenizer, settings.embedding_rows)
    key = _key(path, content, tokenizer, replace(settings, embedding_rows=checked))
    return (_folder(key) / MANIFEST).is_file()


def _folder(key: str) -> Path:
    return stores_dir() / key[:32]


@contextmanager
def _keep_or_remove(writer: StoreWriter, aside: Path) -> Iterator[None]:
    """Journal an unfinished store, or remove it if it can't be continued."""
    try:
        yield
    except (GeneratorExit, StoppedEarly):
        try:
            writer.journal()
        except AppError:  # disk full while cancelling: nothing to report
            remove_known_files(aside, STORE_FILES)
        raise
    except RunError:  # a process died: the last journal entry allows to resume
        raise
    except AppError:
        # Frees the space of a full disk; a file with invalid rows will change anyway.
        remove_known_files(aside, STORE_FILES)
        raise
    finally:
        with suppress(OSError):
            writer.close()


def _fill(
    writer: StoreWriter, path: Path, tokenizer: Tokenizer, settings: RowSettings
) -> Iterator[float]:
    # By bytes read: lines mean nothing in packed files, Parquet or one-line JSON.
    share = ReadProgress()
    rows = read_examples(path, settings.columns, share)
    if not settings.leave_out_bad_rows:
        rows = raise_on_bad_rows(path, rows)
    read: deque[float] = deque()
    chunks = _with_progress(read, share, chunks_of(islice(rows, writer.rows_read, None)))
    done = 0.0
    yield done
    with tokenize_file_chunks(path, chunks, tokenizer, settings) as tokenized:
        for chunk in tokenized:
            if chunk is not None:
                writer.append(chunk.rows, chunk.problems, chunk.rows_read)
                done = read.popleft()
            yield done
    yield 1.0


@contextmanager
def tokenize_file_chunks(
    path: Path, chunks: Iterator[Chunk], tokenizer: Tokenizer, settings: RowSettings
) -> Iterator[Iterator[TokenizedChunk | None]]:
    """Chunks of a file's rows as tokens, in several processes if the file is large.

    Yields None now and then while it waits for a chunk. Raises InputError at once for a row that is
    too costly to render, unless such rows are left out: each takes seconds.
    """
    is_worth_processes = file_stat(path).st_size > _LARGE_BYTES
    tokenized = tokenize_chunks(
        chunks, tokenizer, settings.mask_prompt, is_worth_processes, settings.embedding_rows,
        settings.replies,
    )  # fmt: skip
    with closing(tokenized):
        yield tokenized if settings.leave_out_bad_rows else _stop_at_costly_rows(path, tokenized)


def _stop_at_costly_rows(
    path: Path, tokenized: Iterator[TokenizedChunk | None]
) -> Iterator[TokenizedChunk | None]:
    for chunk in tokenized:
        problems = chunk.problems if chunk else ()
        first = next((one for one in problems if one.kind == TOO_COSTLY), None)
        if refusal := stopping_error(first and replace(first, path=path)):
            raise refusal
        yield chunk


def _with_progress(
    read: deque[float], share: ReadProgress, chunks: Iterator[Chunk]
) -> Iterator[Chunk]:
    """Yield the chunks and record the share of the file read by each, as some are read ahead."""
    for chunk in chunks:
        read.append(share.done)
        yield chunk


def chunks_of(rows: Iterator[Example | RowIssue]) -> Iterator[Chunk]:
    chunk: list[Example | RowIssue] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += count_characters(row)
        if len(chunk) == _CHUNK_ROWS or characters > _CHUNK_CHARACTERS:
            yield tuple(chunk)
            chunk, characters = [], 0
    if chunk:
        yield tuple(chunk)


def count_characters(row: Example | RowIssue) -> int:
    if isinstance(row, ChatExample):
        return sum(len(message.get("content") or "") for message in row.messages)
    return len(row.text) if isinstance(row, TextExample) else 0


def _key(path: Path, content: FileContent, tokenizer: Tokenizer, settings: RowSettings) -> str:
    # The same bytes are other rows in another format or with another version of the readers.
    # Leaving out invalid rows changes no token of the others.
    facts = [content.digest, file_format(path), READING, _identity(tokenizer)]
    facts += [settings.mask_prompt]
    facts += [str(settings.columns or "")]
    if settings.embedding_rows is not None:
        facts += [settings.embedding_rows]
    if settings.mask_prompt and settings.replies != "whole-chat":
        facts += [settings.replies]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _identity(tokenizer: Tokenizer) -> list[object]:
    """Everything that decides a row's tokens besides the row."""
    plain = plain_tokenizer(tokenizer)
    template = getattr(tokenizer, "chat_template", None)
    day = day_of(tokenizer)
    libraries = [package_version(name) for name in _LIBRARIES]
    if plain is None:
        # Its code is unknown, so every process builds its own store.
        return [os.getpid(), id(tokenizer), day, libraries]
    # The part before the vocabulary holds the last truncation and padding.
    words = plain.backend_tokenizer.to_str().partition('"added_tokens"')[2]
    return [
        hashlib.sha256(words.encode()).hexdigest(),
        str(template),
        str(sorted(plain.special_tokens_map.items())),
        str(sorted(options_but_the_day(plain.template_options).items())),
        sorted(plain.eos_token_ids),
        type(plain.inner).__name__,
        day,
        libraries,
    ]
