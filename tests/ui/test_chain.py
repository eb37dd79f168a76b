"""A chain of runs is shown on the page of each: the runs before it, with links."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.library.reading.starting_adapter import (
    STARTED_FROM,
    EarlierRun,
    earlier_runs,
    starting_adapter,
)
from app.library.run.label import RunLabel, write_label
from app.library.run.manifest import read_manifest, write_manifest
from app.ui.run.run_chain_links import GONE, RunChainLinks
from app.ui.state.run_loading import read_run

MakeRun = Callable[..., Path]


def continuing(run_dir: Path, before: Path) -> Path:
    """As the run in `run_dir` would be recorded, had it begun with an adapter."""
    facts = read_manifest(run_dir) | {STARTED_FROM: starting_adapter(before).data()}
    write_manifest(run_dir, facts)
    return run_dir


def test_the_chain_is_read_from_the_oldest_run_on(make_run: MakeRun, tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", name="first")
    second = continuing(make_run(tmp_path / "second", name="second"), first)
    third = continuing(make_run(tmp_path / "third", name="third"), second)
    write_label(first, RunLabel("Chats", ""))
    assert read_run(third).chain == (EarlierRun("Chats", 8, first), EarlierRun("second", 8, second))
    assert read_run(first).chain == ()
    shutil.rmtree(second)
    assert read_run(third).chain == (EarlierRun("second", 8, None),)


def test_another_run_in_its_place_is_not_the_one_before(make_run: MakeRun, tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", name="first")
    second = continuing(make_run(tmp_path / "second"), first)
    shutil.rmtree(first)
    make_run(first, name="other")
    assert read_run(second).chain == (EarlierRun("first", 8, None),)


def test_a_chain_that_was_edited_into_a_ring_ends(make_run: MakeRun, tmp_path: Path) -> None:
    one, two = make_run(tmp_path / "one"), make_run(tmp_path / "two")
    continuing(one, two)
    continuing(two, one)
    assert [run.run_dir for run in earlier_runs(read_manifest(one))] == [one, two]


def test_an_adapter_from_elsewhere_has_no_run(make_run: MakeRun, tmp_path: Path) -> None:
    shutil.copytree(make_run(tmp_path / "a") / "checkpoints" / "step-000008", tmp_path / "lora")
    run = continuing(make_run(tmp_path / "b"), tmp_path / "lora")
    assert read_run(run).chain == (EarlierRun("lora", None, None),)


def test_each_run_that_is_here_is_a_link(qtbot: QtBot, tmp_path: Path) -> None:
    shown = RunChainLinks()
    qtbot.addWidget(shown)
    shown.show_runs(())
    assert shown.isHidden()
    shown.show_runs((EarlierRun("chats", 100, tmp_path), EarlierRun("poems", 50, None)))
    assert not shown.isHidden()
    link, gone = shown.parts
    assert isinstance(link, QPushButton)
    assert (link.text(), link.accessibleName()) == ("chats, step 100", "Open chats, step 100")
    assert gone.toolTip() == f"poems, step 50\n{GONE}"
    assert not gone.isEnabled()
    with qtbot.waitSignal(shown.run_requested) as asked:
        link.click()
    assert asked.args == [tmp_path]


def test_of_a_long_chain_the_last_runs_are_links(qtbot: QtBot, tmp_path: Path) -> None:
    shown = RunChainLinks()
    qtbot.addWidget(shown)
    shown.show_runs([EarlierRun(f"run {n}", n, tmp_path) for n in range(10)])
    assert [part.text() for part in shown.parts if isinstance(part, QPushButton)] == [
        "run 7, step 7", "run 8, step 8", "run 9, step 9",
    ]  # fmt: skip


@pytest.mark.parametrize("width_px", [380, 600, 1400])
def test_a_long_name_loses_its_middle_and_none_is_cut(
    qtbot: QtBot, tmp_path: Path, width_px: int
) -> None:
    names = [
        f"{n} poems of a rather long name, learned with a learning rate of 0.001" for n in "ab"
    ]
    shown = RunChainLinks()
    qtbot.addWidget(shown)
    shown.show_runs([EarlierRun(name, 100, tmp_path) for name in names])
    shown.resize(width_px, 30)
    shown.grab()
    for part, name in zip(shown.parts, names, strict=True):
        assert part.geometry().right() < width_px
        whole = f"{name}, step 100"
        text = part.shown_text()
        assert text == whole or (text.startswith(name[0]) and "…" in text and text.endswith("100"))
        assert (text == whole) == (part.width() >= part.sizeHint().width())
        assert whole in part.toolTip()
    assert any("…" in part.shown_text() for part in shown.parts) == (width_px < 1400)
