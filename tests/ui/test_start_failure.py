"""A start that fails shows what and where, if nobody reads the standard error."""

import io
import signal
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox

from app import __main__ as program
from app.core.errors import InputError
from app.core.files.paths import logs_dir
from app.core.system.version import has_reader
from app.ui.system import start_failure


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, qapp: QApplication) -> list[tuple[str, str]]:
    """What dialogs say; each is closed once it is seen."""
    texts: list[tuple[str, str]] = []

    def close() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        texts.append((box.text(), box.informativeText()))
        assert {signal.getsignal(one) for one in start_failure._ENDING} == {signal.SIG_DFL}
        box.accept()

    run = QMessageBox.exec

    def exec_(box: QMessageBox) -> int:
        QTimer.singleShot(0, close)
        return run(box)

    monkeypatch.setattr(QMessageBox, "exec", exec_)
    return texts


@pytest.fixture
def clicked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the bundle is started from Finder."""
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(start_failure, "log_crashes", lambda: None)


def test_an_install_and_a_terminal_have_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_reader()
    monkeypatch.setattr(sys, "_MEIPASS", "/", raising=False)
    monkeypatch.setattr(sys, "stderr", None)
    assert not has_reader()


def test_an_unforeseen_fault_is_shown_with_its_log(
    clicked: None, shown: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("app.launch.run_app", fail)
    with pytest.raises(ZeroDivisionError):
        program._open_window(None)
    log = logs_dir() / "start.log"
    assert shown == [
        (
            "Nestling can't start.",
            f"ZeroDivisionError: by zero.\n\nThe details are in {log}.",
        )
    ]
    assert "in fail" in log.read_text()


def test_a_foreseen_fault_is_shown_in_its_own_words(
    clicked: None, shown: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise InputError("The disk Big is not connected.", "Connect it.")

    monkeypatch.setattr("app.launch.run_app", fail)
    with pytest.raises(InputError):
        program._open_window(None)
    assert shown == [("The disk Big is not connected.", "Connect it.")]


@pytest.mark.parametrize("arguments", [(), ("runs",)])
def test_a_program_whose_commands_can_not_be_imported_says_so_where_the_window_was_asked_for(
    clicked: None, shown: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "app.cli.commands", None)
    monkeypatch.setattr(sys, "argv", ["nestling", *arguments])
    with pytest.raises(ImportError):
        program.main()
    assert [title for title, _ in shown] == ([] if arguments else ["Nestling can't start."])


def test_an_unwritable_log_folder_hides_no_fault(
    own_home: Path, shown: list[tuple[str, str]]
) -> None:
    own_home.write_text("in the way")
    start_failure.show_start_failure(KeyError("lost"))
    assert shown == [("Nestling can't start.", "KeyError: 'lost'.")]
