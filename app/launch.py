"""Shows the window until it is closed: the process's own part, with one window for one library."""

from collections.abc import Sequence

from PySide6.QtCore import QTimer

from app.application import Nestling
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.files.paths import home_dir
from app.core.text.translation import tr
from app.ui.system import file_manager
from app.ui.system.language import translate_qt
from app.ui.system.qt_application import make_application
from app.ui.system.single_instance import SingleInstance
from app.ui.system.unix_signals import UnixSignals


def run_app(
    argv: Sequence[str], *, config: TrainingConfig | None = None, autostart: bool = False
) -> int:
    """Show the window until it is closed; with `autostart` the run begins by itself."""
    application = make_application(argv)
    translate_qt(application)
    one_window = SingleInstance(home_dir(), application)
    if not one_window.is_first:
        return _leave_to_the_first(one_window, config)
    nestling = Nestling(application, config)
    nestling.own_the_process()
    one_window.shown_again.connect(nestling.window.come_forward)
    interrupts = UnixSignals(nestling)
    interrupts.interrupted.connect(nestling.quitting.stop_and_quit)
    for returning in (
        nestling.desktop_status.note_application_state,
        nestling.quitting.note_application_state,
    ):
        application.applicationStateChanged.connect(returning)
    application.about_to_quit.connect(nestling.quitting.answer_quit)
    application.setQuitOnLastWindowClosed(not file_manager.HAS_DOCK)
    application.paths_opened.connect(lambda _: nestling.window.come_forward())
    application.paths_opened.connect(nestling.opening.open_paths)
    nestling.window.first_painted.connect(application.hand_over)
    nestling.errors.install()
    interrupts.install()
    nestling.window.show()
    if autostart:
        QTimer.singleShot(0, nestling.start)
    try:
        return application.exec()
    finally:
        interrupts.uninstall()
        nestling.shut_down()
        one_window.close()


def _leave_to_the_first(one_window: SingleInstance, config: TrainingConfig | None) -> int:
    """The library has a window already: that one comes forward. Raises InputError if it does
    not answer, or can't take these settings."""
    if not one_window.bring_first_forward():
        raise InputError(tr("Nestling is already open but isn't responding."), tr("Quit it first."))
    if config is not None:
        raise InputError(
            "Nestling's window is open already.", "Start the run there, or add --terminal."
        )
    return 0
