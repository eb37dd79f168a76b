"""The memory a run needs, shown near Start, and the changes that make it fit."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.core.events import MemoryAdvice, MemoryEstimated
from app.core.wording.memory import NO_ESTIMATE, memory_sentence
from app.ui.new_run.new_run_page import NewRunPage
from app.window_services import Services

ROOMY = MemoryEstimated(
    model_bytes=2_000_000_000,
    adapter_bytes=100_000_000,
    work_bytes=3_000_000_000,
    cache_bytes=0,
    peak_bytes=5_100_000_000,
    available_bytes=16_000_000_000,
    length=2048,
    is_bound=True,
    verdict="fits",
)
ADVICE = (
    MemoryAdvice("Gradient checkpointing.", (("grad_checkpoint", True),), 3_000_000_000),
    MemoryAdvice("A 4-bit version of this base model.", (), 2_500_000_000),
)
CROWDED = replace(ROOMY, available_bytes=4_000_000_000, verdict="won't fit", advice=ADVICE)


def test_the_estimate_appears_by_itself(
    services: Services, new_run_page: NewRunPage, qtbot: QtBot
) -> None:
    services.preview.refresh()
    note = new_run_page.header.memory
    qtbot.waitUntil(lambda: services.state.memory is not None)
    assert note.text.text().startswith("Needs up to")
    assert not note.ways


def test_a_missing_estimate_is_explained_in_one_sentence(
    services: Services, new_run_page: NewRunPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = services.state
    services.preview.refresh()
    qtbot.waitUntil(lambda: state.memory is not None)

    def untraceable(*_: object) -> None:
        raise TypeError("'NoneType' object is not subscriptable")

    monkeypatch.setattr("app.engine.memory.preflight.memory_need", untraceable)
    state.change_config(batch_size=16)
    qtbot.waitUntil(lambda: state.is_memory_unknown)
    note = new_run_page.header.memory
    assert note.text.text() == NO_ESTIMATE
    assert note.isVisibleTo(new_run_page.header)
    assert not note.ways
    monkeypatch.undo()
    state.change_config(batch_size=8)
    qtbot.waitUntil(lambda: state.memory is not None)
    assert note.text.text().startswith("Needs up to")


def test_a_changed_batch_is_estimated_again_and_the_tiers_stay(
    services: Services, qtbot: QtBot
) -> None:
    state = services.state
    services.data_work.begin()  # loads the tokenizer, so that the change does not
    services.preview.refresh()
    qtbot.waitUntil(lambda: state.memory is not None)
    before = state.memory
    state.change_config(batch_size=16)
    assert state.preview is not None
    qtbot.waitUntil(lambda: state.memory != before)
    assert before is not None
    assert state.memory is not None
    assert state.memory.peak_bytes > before.peak_bytes


def test_an_upper_bound_is_not_reported_as_too_much() -> None:
    assert memory_sentence(CROWDED).startswith("May not fit: up to 5.1 GB")
    assert memory_sentence(replace(CROWDED, verdict="tight")).startswith("May be tight: up to")
    known = replace(CROWDED, is_bound=False, verdict="tight")
    assert memory_sentence(known).startswith("Tight: about 5.1 GB")


def test_following_advice_changes_the_settings(
    services: Services, new_run_page: NewRunPage, qtbot: QtBot
) -> None:
    services.preview.refresh()
    qtbot.waitUntil(lambda: services.state.memory is not None)
    services.state.set_memory(replace(CROWDED, is_bound=False))
    note = new_run_page.header.memory
    assert note.text.text().startswith("Won't fit: about 5.1 GB of memory needed,")
    recompute, other_base = note.ways
    assert not other_base.isEnabled()
    qtbot.mouseClick(recompute, Qt.MouseButton.LeftButton)
    assert services.state.config.grad_checkpoint is True
