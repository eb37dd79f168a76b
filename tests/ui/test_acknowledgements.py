"""The bundle's license texts are opened from the Help menu; an install has no such item."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtGui import QAction

from app.application import Nestling
from app.ui.system import file_manager


def items(nestling: Nestling) -> list[QAction]:
    actions = nestling.window.findChildren(QAction)
    return [action for action in actions if action.text() == "Acknowledgements"]


def test_the_texts_of_the_bundle_are_opened_from_the_help_menu(
    build: Callable[[], Nestling], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert items(build()) == []
    opened: list[Path] = []
    for module in ("menus", "commands"):
        monkeypatch.setattr(f"app.ui.window.{module}.bundled", tmp_path.joinpath)
    nestling = build()
    (item,) = items(nestling)
    monkeypatch.setattr(file_manager, "open_text", lambda path: opened.append(path) or True)
    item.trigger()
    assert opened == [tmp_path / "licenses.txt"]
    assert not nestling.window.notice.isVisibleTo(nestling.window)
    monkeypatch.setattr(file_manager, "open_text", lambda _: False)
    item.trigger()
    assert str(tmp_path / "licenses.txt") in nestling.window.notice.text.text()
