"""Opens the token store of a file, or builds it by tokenizing the file's rows.

The store's key covers everything that determines the tokens: the file's content, the tokenizer with
its template, and the settings that change tokens, but not the length limit and the batch size.
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
    """The settings that determine a row's tokens."""

    mask_prompt: bool
    columns: ColumnMapping | None = None
    leave_out_bad_rows: bool = False
    embedding_rows: int | None = None
    """Rows of the model's embedding, None if unknown; a row with a token id of that or more becomes
    an issue.
    """
    replies: Replies = "whole-chat"
    """Which replies are trained if the prompt is masked."""


_CHUNK_ROWS = 512
_CHUNK_CHARACTERS = 2**20
_LARGE_BYTES = 8 * 2**20
"""Smaller files are tokenized faster than other processes start."""
READING = 8
"""The version of the readers; raise it if the same file gives different rows than before."""
_LIBRARIES = ("transformers", "tokenizers", "jinja2")


def open_or_build_store(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, content: FileContent | None = None
) -> Generator[float, None, TokenStore]:
    """The store of a file's rows; yields the share done. `content` is the file's, if known.

    Closing it early saves the finished part for the next call. Raises InputError if the file can't
    be read, changes while it is read, or has invalid rows that are not skipped; and AppError if the
    disk is full.
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
    """Whether a file has a store; does not read the store."""
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
        except AppError:  # a full disk needs no report while cancelling
            remove_known_files(aside, STORE_FILES)
        raise
    except RunError:  # a process died; the next call continues from the last journal entry
        raise
    except AppError:
        # The store is no longer useful: the disk is full, or the file's invalid rows must change.
        remove_known_files(aside, STORE_FILES)
        raise
    finally:
        with suppress(OSError):
            writer.close()


def _fill(
    writer: StoreWriter, path: Path, tokenizer: Tokenizer, settings: RowSettings
) -> Iterator[float]:
    # Progress by bytes read, because compressed files, Parquet and one-line JSON have no lines.
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
    """Tokenizes chunks of a file's rows, in several processes if the file is large.

    Yields None now and then while it waits for a chunk. Unless invalid rows are skipped, raises
    InputError at the first row that is too costly to render, because each takes seconds.
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
    """Yield the chunks; append to `read` the share of the file read after each, because chunks are
    read ahead."""
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
    # The same bytes give different rows in another format or with another version of the readers.
    # Skipping invalid rows changes no tokens of other rows.
    facts = [content.digest, file_format(path), READING, _identity(tokenizer)]
    facts += [settings.mask_prompt]
    facts += [str(settings.columns or "")]
    if settings.embedding_rows is not None:
        facts += [settings.embedding_rows]
    if settings.mask_prompt and settings.replies != "whole-chat":
        facts += [settings.replies]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _identity(tokenizer: Tokenizer) -> list[object]:
    """Everything except the row that determines its tokens."""
    plain = plain_tokenizer(tokenizer)
    template = getattr(tokenizer, "chat_template", None)
    day = day_of(tokenizer)
    libraries = [package_version(name) for name in _LIBRARIES]
    if plain is None:
        # The tokenizer's code is unknown, so each process builds its own store.
        return [os.getpid(), id(tokenizer), day, libraries]
    # The part before the vocabulary contains the last truncation and padding, which don't matter.
    vocabulary = plain.backend_tokenizer.to_str().partition('"added_tokens"')[2]
    return [
        hashlib.sha256(vocabulary.encode()).hexdigest(),
        str(template),
        str(sorted(plain.special_tokens_map.items())),
        str(sorted(options_but_the_day(plain.template_options).items())),
        sorted(plain.eos_token_ids),
        type(plain.inner).__name__,
        day,
        libraries,
    ]
