"""The token store: made once, complete or absent, never stale, resumed where it stopped."""

import copy
import gzip
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from math import inf
from pathlib import Path

import numpy as np
import pytest

from app.core.column_mapping import ColumnMapping
from app.core.errors import AppError, InputError, RunError
from app.data.chat.template_trial import template_problem
from app.data.chat.tokenization import ExampleTokenizer
from app.data.chat.tokenizer import PlainTokenizer, plain_tokenizer
from app.data.readers import byte_source
from app.data.row_values import RowIssue
from app.data.tokenizing import parallel
from app.data.tokenizing import token_store as store
from app.data.tokenizing.token_store import RowSettings, open_or_build_store
from app.data.tokens import cache, store_files
from app.data.tokens.block_file import BLOCK_BYTES
from app.data.tokens.cache import stores_dir
from app.data.tokens.token_view import TokenView
from tests.patience import PATIENCE_SECONDS

MASKED = RowSettings(mask_prompt=True)


def chats(count, start=0):
    return [
        {"messages": [{"role": "user", "content": f"the fox {i}"},
                      {"role": "assistant", "content": f"hello {i} " * (i % 5 + 1)}]}
        for i in range(start, start + count)
    ]  # fmt: skip


def made(path, tokenizer, settings=MASKED):
    building = open_or_build_store(path, tokenizer, settings)
    while True:
        try:
            next(building)
        except StopIteration as ended:
            return ended.value


def examples_of(store):
    view = TokenView(store.rows, np.arange(len(store.rows)), 2**31)
    return [view[i] for i in range(len(view))]


def expected(path, tokenizer):
    from app.data.rows.row_validation import read_examples

    return [
        made
        for row in read_examples(path)
        for made in ExampleTokenizer(tokenizer, True).tokenize(row)
    ]


@pytest.fixture
def tokenizer(tokenizer_with):
    """Its template was tried: while it is, a build yields as often as that takes."""
    made = tokenizer_with("chatml")
    assert template_problem(made.chat_template) == ""
    return made


@pytest.fixture
def counted(monkeypatch):
    """How many rows were tokenised, as a list of lots."""
    lots = []
    tokenize_batch = ExampleTokenizer.tokenize_batch

    def counting(self, examples):
        lots.append(len(examples))
        return tokenize_batch(self, examples)

    monkeypatch.setattr(ExampleTokenizer, "tokenize_batch", counting)
    monkeypatch.setattr(store, "_CHUNK_ROWS", 10)
    return lots


# -- made once -------------------------------------------------------------------------------


def test_a_store_holds_the_tokens_of_each_row(write_rows, tokenizer):
    path = write_rows(*chats(40), {"text": "hello"})
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)


def test_opening_the_same_file_again_tokenises_nothing(write_rows, tokenizer, counted):
    path = write_rows(*chats(25))
    first = examples_of(made(path, tokenizer))
    assert sum(counted) == 25
    assert examples_of(made(path, tokenizer)) == first
    assert sum(counted) == 25


def test_a_copy_of_a_file_has_the_same_store(write_rows, tokenizer, counted, tmp_path):
    path = write_rows(*chats(25))
    made(path, tokenizer)
    made(Path(shutil.copy(path, tmp_path / "copy.jsonl")), tokenizer)
    assert sum(counted) == 25


def test_a_changed_file_never_has_the_old_store(write_rows, tokenizer):
    path = write_rows(*chats(5))
    made(path, tokenizer)
    facts = path.stat()
    changed = path.read_bytes().replace(b"fox 3", b"fox 8")
    path.write_bytes(changed)
    # As many bytes, and the time set back.
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)


@pytest.mark.parametrize(
    "change",
    [
        lambda tokenizer, build: (build("headers"), MASKED),
        lambda tokenizer, build: (build("chatml", splits="gpt2"), MASKED),
        lambda tokenizer, build: (tokenizer, RowSettings(mask_prompt=False)),
        lambda tokenizer, build: (tokenizer, RowSettings(True, ColumnMapping(messages="messages"))),
    ],
)
def test_settings_that_change_tokens_make_another_store(
    write_rows, tokenizer, tokenizer_with, change, counted
):
    path = write_rows(*chats(5))
    made(path, tokenizer)
    made(path, *change(tokenizer, tokenizer_with))
    assert sum(counted) == 10


def test_a_tokenizer_that_was_used_to_cut_texts_has_the_same_store(write_rows, tokenizer, counted):
    path = write_rows(*chats(5))
    made(path, tokenizer)
    tokenizer("hello world", truncation=True, max_length=1)
    made(path, tokenizer)
    assert sum(counted) == 5


def test_rows_that_can_not_be_tokenised_are_kept_as_problems(write_rows, tokenizer_with):
    bad = {"messages": [{"role": "assistant", "content": "hello"}]}
    path = write_rows(bad, *chats(2), bad)
    for _ in range(2):
        store = made(path, tokenizer_with("chatml"))
        assert store.problem_count == 2
        assert [str(problem) for problem in store.problems(path)] == [
            f"train.jsonl, line {line}: its only assistant turn comes first, before any question"
            for line in (1, 4)
        ]
        assert store.rows.places.tolist() == [[2, 0], [3, 0]]


def test_bad_rows_are_left_out_on_request(write_rows, tokenizer):
    path = write_rows(chats(1)[0], b"{", *chats(1, 5))
    store = made(path, tokenizer, RowSettings(True, leave_out_bad_rows=True))
    assert store.rows.places.tolist() == [[1, 0], [3, 0]]
    assert [type(problem) for problem in store.problems(path)] == [RowIssue]
    with pytest.raises(InputError, match="1 bad row: line 2"):
        made(path, tokenizer)


# -- complete or absent ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*store_files._TYPES, "problems", "sums", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_store_is_rebuilt(write_rows, tokenizer, name, damage, counted):
    bad = {"messages": [{"role": "assistant", "content": "hello"}]}
    path = write_rows(*chats(20), bad)
    whole = examples_of(made(path, tokenizer))
    (folder,) = [entry for entry in stores_dir().iterdir() if entry.is_dir()]
    content = (folder / name).read_bytes()
    if damage == "gone":
        (folder / name).unlink()
    else:
        changed = bytes([content[0] ^ 1]) + content[1:]
        (folder / name).write_bytes(content[: len(content) // 2] if damage == "cut" else changed)
    assert examples_of(made(path, tokenizer)) == whole
    assert sum(counted) == 42


def test_a_store_under_anothers_name_is_not_used(write_rows, tokenizer, counted):
    made(write_rows(*chats(5)), tokenizer)
    (foreign,) = [entry for entry in stores_dir().iterdir() if entry.is_dir()]
    other = write_rows(*chats(5, 50), name="other.jsonl")
    right = examples_of(made(other, tokenizer))
    (own,) = [entry for entry in stores_dir().iterdir() if entry.is_dir() and entry != foreign]
    shutil.rmtree(own)
    shutil.copytree(foreign, own)
    assert examples_of(made(other, tokenizer)) == right


def test_a_store_with_files_of_another_version_is_rebuilt(write_rows, tokenizer, counted):
    path = write_rows(*chats(5))
    folder = made(path, tokenizer).folder
    (folder / "manifest.json").write_text("{}")
    (folder / "of another version").write_text("")
    assert len(made(path, tokenizer).rows.lengths) == 5
    assert sum(counted) == 10
    left = [entry.name for entry in stores_dir().rglob("of another version")]
    assert left == ["of another version"]


def test_a_file_that_changes_while_it_is_read_leaves_no_store(write_rows, tokenizer, counted):
    path = write_rows(*chats(30))
    building = open_or_build_store(path, tokenizer, MASKED)
    next(building), next(building)
    with path.open("ab") as file:
        file.write(json.dumps(chats(1)[0]).encode() + b"\n")
    with pytest.raises(InputError, match=r"train\.jsonl changed while it was read"):
        list(building)
    assert not [entry for entry in stores_dir().iterdir() if entry.is_dir()]


def test_a_file_that_disappears_while_it_is_read_leaves_no_store(write_rows, tokenizer, counted):
    path = write_rows(*chats(30))
    building = open_or_build_store(path, tokenizer, MASKED)
    next(building), next(building)
    path.unlink()
    with pytest.raises(InputError, match=r"train\.jsonl disappeared while it was read"):
        list(building)
    assert not [entry for entry in stores_dir().iterdir() if entry.is_dir()]


@pytest.fixture
def small_disk(own_home):
    """The stores' folder on a disk of 200 KB."""
    stores_dir().mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(stores_dir())]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield
    subprocess.run(["umount", str(stores_dir())], check=True)


def test_a_full_disk_is_reported_and_leaves_no_store(write_rows, tokenizer, small_disk):
    path = write_rows(*chats(3000))
    with pytest.raises(AppError, match="The disk is full"):
        made(path, tokenizer)
    assert [entry.name for entry in stores_dir().iterdir()] == ["lock"]


def test_a_build_stopped_on_a_full_disk_ends_quietly_and_starts_over(
    write_rows, tokenizer, small_disk, monkeypatch
):
    monkeypatch.setattr(store_files, "_SECONDS_BETWEEN_ENTRIES", inf)  # no entry lies there yet
    path = write_rows(*chats(600))
    building = open_or_build_store(path, tokenizer, MASKED)
    next(building), next(building)
    other = (stores_dir() / "another program's").open("wb", buffering=0)
    with other, suppress(OSError):
        while True:
            other.write(bytes(512))
    building.close()
    assert not [entry for entry in stores_dir().iterdir() if entry.is_dir()]
    (stores_dir() / "another program's").unlink()
    assert len(made(path, tokenizer).rows) == 600


def test_the_least_recently_used_stores_are_removed(write_rows, tokenizer, monkeypatch, counted):
    monkeypatch.setattr(cache, "KEPT_STORES", 2)
    paths = [write_rows(*chats(5, start), name=f"{start}.jsonl") for start in (0, 10, 20)]
    for days, path in zip((3, 4), paths, strict=False):
        folder = made(path, tokenizer).folder
        then = folder.stat().st_mtime - days * 24 * 3600
        os.utime(folder / "manifest.json", (then, then))
    made(paths[2], tokenizer)
    made(paths[0], tokenizer)
    assert sum(counted) == 15
    made(paths[1], tokenizer)
    assert sum(counted) == 20


def test_the_stores_of_a_dataset_with_many_files_are_all_kept(
    write_rows, tokenizer, monkeypatch, counted
):
    monkeypatch.setattr(cache, "KEPT_STORES", 2)
    paths = [write_rows(*chats(5, start), name=f"{start}.jsonl") for start in range(0, 50, 10)]
    for _ in range(2):
        for path in paths:
            made(path, tokenizer)
    assert sum(counted) == 25


def test_only_stores_are_removed_from_the_cache_and_none_with_a_file_of_the_user_s(
    write_rows, tokenizer, monkeypatch, counted
):
    monkeypatch.setattr(cache, "KEPT_STORES", 1)
    monkeypatch.setattr(cache, "KEPT_SECONDS", -1000)
    kept = [stores_dir() / name for name in ("mine", "mine.unfinished", "a" * 32, "b" * 32)]
    for folder in kept:
        folder.mkdir(parents=True)
        (folder / "thesis.txt").write_text("years of work")
        os.utime(folder, (0, 0))
    old = stores_dir() / f"{'c' * 32}.77.unfinished"
    old.mkdir()
    (old / "tokens").write_text("")
    os.utime(old, (0, 0))
    kept.append(made(write_rows(*chats(5)), tokenizer).folder)
    there = sorted(entry.name for entry in stores_dir().iterdir() if entry.is_dir())
    assert there == sorted(folder.name for folder in kept)
    assert all((folder / "thesis.txt").is_file() for folder in kept[:-1])


# -- stopped and resumed -----------------------------------------------------------------------


@pytest.mark.parametrize("lots", [1, 2, 4])
def test_a_stopped_tokenisation_resumes_where_it_was(write_rows, tokenizer, counted, lots):
    path = write_rows(*chats(45))
    building = open_or_build_store(path, tokenizer, MASKED)
    for _ in range(lots + 1):
        next(building)
    building.close()
    assert sum(counted) == 10 * lots
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)
    assert sum(counted) == 45


def test_a_killed_tokenisation_resumes_from_its_last_entry(
    write_rows, tokenizer, counted, monkeypatch
):
    path = write_rows(*chats(45))
    monkeypatch.setattr(store_files, "_SECONDS_BETWEEN_ENTRIES", 0.0)
    append = store_files.StoreWriter.append

    def dies(self, *arguments):
        if self.rows_read == 30:
            self._write("tokens", b"half a lot")
            self._files["tokens"].flush()
            raise SystemError("killed")
        append(self, *arguments)

    monkeypatch.setattr(store_files.StoreWriter, "append", dies)
    with pytest.raises(SystemError):
        made(path, tokenizer)
    monkeypatch.setattr(store_files.StoreWriter, "append", append)
    del counted[:]
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)
    assert sum(counted) == 15


def test_a_damaged_journal_starts_over(write_rows, tokenizer, counted):
    path = write_rows(*chats(45))
    building = open_or_build_store(path, tokenizer, MASKED)
    next(building), next(building)
    building.close()
    (aside,) = [entry for entry in stores_dir().iterdir() if entry.is_dir()]
    (aside / "journal.jsonl").write_bytes(b"{}\n")
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)


def test_two_builders_of_the_same_store_both_get_it(write_rows, tokenizer, counted):
    path = write_rows(*chats(25))
    first, second = (open_or_build_store(path, tokenizer, MASKED) for _ in range(2))
    next(first), next(second)
    with pytest.raises(StopIteration) as ended:
        while True:
            next(second)
    with pytest.raises(StopIteration) as ended_too:
        while True:
            next(first)
    assert examples_of(ended.value.value) == expected(path, tokenizer)
    assert ended.value.value.folder == ended_too.value.value.folder
    assert len([entry for entry in stores_dir().iterdir() if entry.is_dir()]) == 1


# -- several processes -------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(store, "_LARGE_BYTES", 0)
    monkeypatch.setattr(store, "_CHUNK_ROWS", 10)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)


def test_there_are_as_many_processes_as_memory_allows(tokenizer, monkeypatch):
    plain = plain_tokenizer(tokenizer)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 16)

    def count(gigabytes, vocabulary_bytes=0):
        monkeypatch.setattr(parallel, "machine_bytes", lambda: gigabytes * 2**30)
        options = {**plain.template_options, "large": "x" * vocabulary_bytes}
        return parallel.worker_count(PlainTokenizer(plain.inner, options, plain.eos_token_ids))

    assert count(64) == parallel.MAX_WORKERS
    assert count(1) == 1
    # Of the size of Gemma 3's, 0.8 GB a process: on 8 cores it took 5.8 GB.
    assert [count(gigabytes, 18 * 2**20) for gigabytes in (4, 8, 16, 32)] == [1, 1, 2, 5]


def test_processes_give_what_one_gives_in_the_same_order(
    write_rows, tokenizer, large, spawned_processes
):
    path = write_rows(*chats(95))
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)


def test_stopping_ends_the_processes_and_keeps_finished_work(write_rows, tokenizer, large):
    path = write_rows(*chats(195))
    building = open_or_build_store(path, tokenizer, MASKED)
    for _ in range(4):
        next(building)
    building.close()
    assert not list(stores_dir().rglob(store_files.MANIFEST)), "it was stopped on its way"
    assert not multiprocessing.active_children()
    assert next(open_or_build_store(path, tokenizer, MASKED)) == 0.0
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)


SLOW = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture
def within_limit():
    """An endless wait ends with a TimeoutError."""

    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_stopping_does_not_wait_for_work_in_progress(
    write_rows, tokenizer_with, large, within_limit
):
    tokenizer = copy.deepcopy(tokenizer_with("chatml"))
    slow = "{% if messages[0].content == 'slow' %}" + SLOW + "{% endif %}"
    tokenizer.chat_template = slow + tokenizer.chat_template
    endless = [{"role": "user", "content": "slow"}, {"role": "assistant", "content": "hello"}]
    path = write_rows(*chats(10), {"messages": endless}, *chats(95, start=10))
    building = open_or_build_store(path, tokenizer, MASKED)
    while next(building) == 0.0:
        pass
    building.close()
    assert not multiprocessing.active_children()
    journals = [path.read_text() for path in stores_dir().rglob("journal.jsonl")]
    assert [json.loads(text.splitlines()[-1])["taken"] for text in journals] == [10]


def test_a_killed_process_is_reported_and_nothing_is_lost(write_rows, tokenizer, large):
    path = write_rows(*chats(195))
    building = open_or_build_store(path, tokenizer, MASKED)
    next(building), next(building)
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(AppError, match="ended before it was done"):
        list(building)
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)


@pytest.mark.parametrize("name", ["one-line.json", "packed.jsonl.gz"])
def test_progress_follows_the_bytes_read_where_lines_are_unknown(
    tmp_path, tokenizer, large, monkeypatch, name
):
    monkeypatch.setattr(byte_source, "READ_BYTES", 2**16)
    path = tmp_path / name
    # Long random words, so that packing leaves several blocks to read.
    rows = [{"text": os.urandom(2000).hex()} for _ in range(400)]
    if name.endswith(".json"):
        path.write_text(json.dumps(rows))
    else:
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode(), 1))
    shares = list(open_or_build_store(path, tokenizer, MASKED))
    between = [share for share in shares if 0 < share < 0.9]
    assert len(set(between)) >= 3, shares
    assert shares == sorted(shares)
    assert shares[-1] == 1


# -- damaged while it is open ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tokens", "problems"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_store_damaged_while_open_says_so_and_is_rebuilt(
    write_rows, tokenizer, name, damage, counted
):
    bad = {"messages": [{"role": "assistant", "content": "hello"}]}
    path = write_rows(*chats(20), bad)
    store = made(path, tokenizer)
    whole = examples_of(store)
    content = (store.folder / name).read_bytes()
    if damage == "cut":
        os.truncate(store.folder / name, 0)
    else:
        (store.folder / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(RunError, match=f"is damaged: .*{name}.* Resume the run"):
        examples_of(store) if name == "tokens" else list(store.problems(path))
    assert examples_of(made(path, tokenizer)) == whole
    assert sum(counted) == 42


def test_a_store_removed_while_open_is_still_read(write_rows, tokenizer):
    path = write_rows(*chats(20))
    store = made(path, tokenizer)
    shutil.rmtree(store.folder)
    assert examples_of(store) == expected(path, tokenizer)


def test_a_damaged_unfinished_store_is_not_resumed(write_rows, tokenizer, counted):
    path = write_rows(*chats(45))
    building = open_or_build_store(path, tokenizer, MASKED)
    for _ in range(3):
        next(building)
    building.close()
    (tokens,) = stores_dir().glob("*.unfinished/tokens")
    tokens.write_bytes(bytes(len(tokens.read_bytes())))
    assert examples_of(made(path, tokenizer)) == expected(path, tokenizer)
    assert sum(counted) == 65


def test_only_the_kept_part_of_a_cut_row_is_read(write_rows, tokenizer, monkeypatch):
    store = made(write_rows({"text": "hello " * 4000}), tokenizer)
    read = []
    pread = os.pread
    monkeypatch.setattr(
        os, "pread", lambda *arguments: read.append(arguments[1]) or pread(*arguments)
    )
    tokens, _ = TokenView(store.rows, np.arange(1), 10).row_arrays(0)
    assert len(tokens) == 10
    assert read == [min(BLOCK_BYTES, 4 * len(store.rows.tokens))]
