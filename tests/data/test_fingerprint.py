"""A file's content by its hash: read once while it stays untouched, and never taken for another."""

import hashlib
import os
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.core.progress import drain
from app.data.files import fingerprint
from app.data.files.fingerprint import file_content, hash_files, stream_fingerprints, unchanged

OLD_NS = 10**18


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were hashed; small ones are remembered too, and none is too new."""
    read = []
    hashed = fingerprint._hashed

    def counting(file, state):
        read.append(os.path.basename(file.name))
        return hashed(file, state)

    monkeypatch.setattr(fingerprint, "_hashed", counting)
    monkeypatch.setattr(fingerprint, "_SMALL_BYTES", -1)
    monkeypatch.setattr(fingerprint, "_CLOCK_NS", -(10**12))
    return read


def test_an_untouched_file_is_hashed_once(write_rows, reads):
    path = write_rows({"text": "a"})
    digests = [file_content(path).digest for _ in range(3)]
    assert set(digests) == {hashlib.sha256(path.read_bytes()).hexdigest()}
    assert reads == ["train.jsonl"]


def test_a_run_and_its_manifest_hash_a_file_once_between_them(write_rows, reads):
    path = write_rows({"text": "a"})
    assert drain(stream_fingerprints(path, None)) == {str(path): file_content(path).digest}
    assert len(reads) == 1


@pytest.mark.parametrize("restored", [True, False])
def test_a_file_written_to_is_hashed_again_even_with_its_time_set_back(write_rows, reads, restored):
    path = write_rows({"text": "a"})
    os.utime(path, ns=(OLD_NS, OLD_NS))
    before = file_content(path)
    path.write_bytes(path.read_bytes().replace(b"a", b"b"))
    if restored:
        os.utime(path, ns=(OLD_NS, OLD_NS))
    assert not before.is_still(path)
    assert file_content(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_put_in_anothers_place_is_hashed_again(write_rows, reads):
    path, other = write_rows({"text": "a"}), write_rows({"text": "b"}, name="other.jsonl")
    for file in (path, other):
        os.utime(file, ns=(OLD_NS, OLD_NS))
    file_content(path)
    other.replace(path)
    assert file_content(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_written_just_now_is_not_remembered(write_rows, reads, monkeypatch):
    monkeypatch.setattr(fingerprint, "_CLOCK_NS", 10**12)
    path = write_rows({"text": "a"})
    file_content(path)
    file_content(path)
    assert len(reads) == 2


@pytest.mark.parametrize("index", [b"", b"[]", b'{"x": 1}', b"\xff", b'{"PATH": ["a", "b", [1]]}'])
def test_a_damaged_index_only_costs_time(write_rows, reads, index):
    path = write_rows({"text": "a"})
    right = file_content(path).digest
    fingerprint._index_file().write_bytes(index.replace(b"PATH", str(path).encode()))
    assert file_content(path).digest == right


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no\.jsonl can't be read: No such file"):
        file_content(tmp_path / "no.jsonl")


@pytest.mark.parametrize("what", ["changed", "disappeared"])
@pytest.mark.parametrize("error", [None, InputError("What came of it.")])
def test_files_that_are_read_twice_must_not_change(tmp_path, what, error):
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    refusal = pytest.raises(InputError, match=rf"^a\.jsonl {what} while it was read")
    with refusal, unchanged([path]):
        path.write_text("{} {}") if what == "changed" else path.unlink()
        if error:
            raise error


def test_unchanged_files_hide_no_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    with unchanged([path]):
        pass
    with pytest.raises(InputError, match="Another"), unchanged([path]):
        raise InputError("Another.")


def test_hashing_many_bytes_reports_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "_SMALL_BYTES", 0)
    monkeypatch.setattr(fingerprint, "_BLOCK_BYTES", 10)
    monkeypatch.setattr(fingerprint, "_STEP_BYTES", 20)
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_bytes(b"1" * 60)
    other.write_bytes(b"2" * 20)
    reading = hash_files([one, other])
    shares = []
    while True:
        try:
            shares.append(next(reading))
        except StopIteration as ended:
            found = ended.value
            break
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert {path: content.digest for path, content in found.items()} == {
        path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, other)
    }
