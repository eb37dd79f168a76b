"""A file's rows as tokens, made once and kept: opened where they are there, else made.

What decides the tokens decides the name of the store: the file's content, the tokenizer with its
template, and the settings that change tokens. A limit on the length or a batch size is none.
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
from app.core.files.folders import remove_known_files
from app.core.system.interruption import StoppedEarly
from app.core.system.version import package_version
from app.data.chat.embedded_tokens import rows_to_check
from app.data.chat.template_day import day_of, options_but_the_day
from app.data.chat.tokenizer import Tokenizer, plain_tokenizer
from app.data.examples import MODEL_KINDS, TOO_COSTLY, ChatExample, Example, RowProblem, TextExample
from app.data.files.dataset_files import facts_of
from app.data.files.fingerprint import FileContent, file_content
from app.data.readers import ShareRead
from app.data.readers.formats import file_format
from app.data.rows.bad_rows import refusing
from app.data.rows.example_reader import read_examples
from app.data.tokenizing.parallel import Lot, TokenizedLot, tokenized
from app.data.tokenizing.stopping_rows import stopping_refusal
from app.data.tokens.cache import place_to_fill, stores_dir
from app.data.tokens.store_files import MANIFEST, STORE_FILES, StoreWriter, TokenStore, open_store


@dataclass(frozen=True)
class RowSettings:
    """The settings that decide which tokens a row becomes."""

    mask_prompt: bool
    columns: ColumnMapping | None = None
    leave_out_bad_rows: bool = False
    embedding_rows: int | None = None
    """Of the model: rows with a token from this id on become problems. None: not known."""
    replies: Replies = "whole-chat"
    """Which replies are trained where the prompt is masked."""


_LOT_ROWS = 512
_LOT_CHARACTERS = 2**20
_LARGE_BYTES = 8 * 2**20
"""Smaller files are tokenised before other processes have started."""
READING = 7
"""To be raised when the same file gives other rows than before."""
_LIBRARIES = ("transformers", "tokenizers", "jinja2")


def opening_store(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, content: FileContent | None = None
) -> Generator[float, None, TokenStore]:
    """The rows of a file as tokens; yields the share done. `content` is the file's, if it is known.

    Closed early, it keeps what was done for the next time. Raises InputError when the file can't
    be read or changes while it is read, or when bad rows are in it and aren't to be left out, and
    AppError when the disk is full.
    """
    content = content or file_content(path)
    checked = rows_to_check(tokenizer, settings.embedding_rows)
    settings = replace(settings, embedding_rows=checked)
    key = _key(path, content, tokenizer, settings)
    folder = _folder(key)
    store = open_store(folder, key)
    if store is None:
        with place_to_fill(folder) as aside:
            writer = StoreWriter(folder, key, aside)
            with _kept_or_dropped(writer, aside):
                yield from _filling(writer, path, tokenizer, settings)
                if not content.is_still(path):
                    raise InputError(
                        f"{path.name} changed while it was read.",
                        "Start again when nothing writes to it any more.",
                    )
                store = writer.finish()
    elif store.bad_row_count and not settings.leave_out_bad_rows:
        bad = (problem for problem in store.problems(path) if problem.kind not in MODEL_KINDS)
        deque(refusing(path, bad), maxlen=0)
    return replace(store, file_digest=content.digest)


def is_made(path: Path, tokenizer: Tokenizer, settings: RowSettings, content: FileContent) -> bool:
    """Whether a file's rows are tokens already, as far as can be told without reading them."""
    checked = rows_to_check(tokenizer, settings.embedding_rows)
    key = _key(path, content, tokenizer, replace(settings, embedding_rows=checked))
    return (_folder(key) / MANIFEST).is_file()


def _folder(key: str) -> Path:
    return stores_dir() / key[:32]


@contextmanager
def _kept_or_dropped(writer: StoreWriter, aside: Path) -> Iterator[None]:
    """What becomes of a store that wasn't finished."""
    try:
        yield
    except (GeneratorExit, StoppedEarly):
        try:
            writer.journal()
        except AppError:  # the disk is full: who stops it needn't hear of it
            remove_known_files(aside, STORE_FILES)
        raise
    except RunError:  # a process died: go on from the last entry of the journal
        raise
    except AppError:
        # A full disk gets its space back; a file with bad rows will be another one.
        remove_known_files(aside, STORE_FILES)
        raise
    finally:
        with suppress(OSError):
            writer.close()


def _filling(
    writer: StoreWriter, path: Path, tokenizer: Tokenizer, settings: RowSettings
) -> Iterator[float]:
    # By what was read: the lines of a packed file, of Parquet or of one-line JSON tell nothing.
    share = ShareRead()
    rows = read_examples(path, settings.columns, share)
    if not settings.leave_out_bad_rows:
        rows = refusing(path, rows)
    read: deque[float] = deque()
    lots = _noting(read, share, lots_of(islice(rows, writer.taken, None)))
    done = 0.0
    yield done
    with tokenized_lots(path, lots, tokenizer, settings) as made:
        for lot in made:
            if lot is not None:
                writer.append(lot.rows, lot.problems, lot.taken)
                done = read.popleft()
            yield done
    yield 1.0


@contextmanager
def tokenized_lots(
    path: Path, lots: Iterator[Lot], tokenizer: Tokenizer, settings: RowSettings
) -> Iterator[Iterator[TokenizedLot | None]]:
    """Lots of a file's rows as tokens, in several processes where the file is large.

    Yields None now and then while a lot is waited for. Raises InputError at once for a row that
    takes too much to render, where such are not left out: each takes seconds.
    """
    made = tokenized(
        lots, tokenizer, settings.mask_prompt, _is_large(path), settings.embedding_rows,
        settings.replies,
    )  # fmt: skip
    with closing(made):
        yield made if settings.leave_out_bad_rows else _stopping(path, made)


def _stopping(path: Path, made: Iterator[TokenizedLot | None]) -> Iterator[TokenizedLot | None]:
    for lot in made:
        problems = lot.problems if lot else ()
        first = next((one for one in problems if one.kind == TOO_COSTLY), None)
        if refusal := stopping_refusal(first and replace(first, path=path)):
            raise refusal
        yield lot


def _noting(read: deque[float], share: ShareRead, lots: Iterator[Lot]) -> Iterator[Lot]:
    """The lots, each with how much of the file was read by then: some are read ahead."""
    for lot in lots:
        read.append(share.done)
        yield lot


def _is_large(path: Path) -> bool:
    """Whether it is worth starting processes to tokenise it."""
    return facts_of(path).st_size > _LARGE_BYTES


def lots_of(rows: Iterator[Example | RowProblem]) -> Iterator[Lot]:
    lot: list[Example | RowProblem] = []
    characters = 0
    for row in rows:
        lot.append(row)
        characters += characters_of(row)
        if len(lot) == _LOT_ROWS or characters > _LOT_CHARACTERS:
            yield tuple(lot)
            lot, characters = [], 0
    if lot:
        yield tuple(lot)


def characters_of(row: Example | RowProblem) -> int:
    if isinstance(row, ChatExample):
        return sum(len(message.get("content") or "") for message in row.messages)
    return len(row.text) if isinstance(row, TextExample) else 0


def _key(path: Path, content: FileContent, tokenizer: Tokenizer, settings: RowSettings) -> str:
    # The same bytes are other rows under another file format, or read by other code. Leaving bad
    # rows out changes no token of the others.
    facts = [content.digest, file_format(path), READING, _identity(tokenizer)]
    facts += [settings.mask_prompt]
    facts += [str(settings.columns or "")]
    if settings.embedding_rows is not None:
        facts += [settings.embedding_rows]
    if settings.mask_prompt and settings.replies != "whole-chat":
        facts += [settings.replies]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _identity(tokenizer: Tokenizer) -> list[object]:
    """All that decides which tokens a row becomes, beyond the row."""
    plain = plain_tokenizer(tokenizer)
    template = getattr(tokenizer, "chat_template", None)
    day = day_of(tokenizer)
    libraries = [package_version(name) for name in _LIBRARIES]
    if plain is None:
        # No telling what its code does, so that its rows are made anew by every process.
        return [os.getpid(), id(tokenizer), day, libraries]
    # What comes before the words is how texts were last cut or filled up.
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
