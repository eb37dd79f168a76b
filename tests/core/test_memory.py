"""The memory that Linux lets a group of processes have."""

import os
from pathlib import Path

import pytest

from app.core.system import memory
from app.core.system.memory import memory_limit

NO_LIMIT_V1 = 2**63 - 4096


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_the_narrowest_limit_of_the_groups_above_counts(tmp_path: Path) -> None:
    process, root = tmp_path / "cgroup", tmp_path / "fs"
    write(process, "0::/user.slice/run.scope")
    write(root / "user.slice" / "run.scope" / "memory.max", "max")
    write(root / "user.slice" / "memory.max", 3_000_000)
    write(root / "other" / "memory.max", 1)
    assert memory_limit(process, root) == 3_000_000
    write(root / "user.slice" / "run.scope" / "memory.max", 2_000_000)
    assert memory_limit(process, root) == 2_000_000


def test_the_older_hierarchy_is_read_and_its_root_where_the_path_is_the_host_s(
    tmp_path: Path,
) -> None:
    process, root = tmp_path / "cgroup", tmp_path / "fs"
    write(process, "9:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/")
    write(root / "cpu" / "docker" / "x" / "memory.limit_in_bytes", 1)
    write(root / "memory" / "memory.limit_in_bytes", 5_000_000)
    assert memory_limit(process, root) == 5_000_000


@pytest.mark.parametrize("text", ["", "nonsense", "0::", "0::/../../..", ":::\n4:memory"])
def test_without_a_limit_there_is_none(tmp_path: Path, text: str) -> None:
    write(tmp_path / "cgroup", text)
    assert memory_limit(tmp_path / "cgroup", tmp_path / "fs") is None
    assert memory_limit(tmp_path / "missing", tmp_path / "fs") is None


@pytest.mark.parametrize("limit", [10**6, NO_LIMIT_V1, None])
def test_the_process_gets_no_more_than_the_limit_and_no_more_than_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setattr(memory, "memory_limit", lambda: limit)
    assert memory.machine_bytes() == (10**6 if limit == 10**6 else installed)
