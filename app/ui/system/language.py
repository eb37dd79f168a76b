"""Chooses the window's language: the one in Settings, else the system's."""

from PySide6.QtCore import QLibraryInfo, QLocale, QSettings, QTranslator
from PySide6.QtWidgets import QApplication

from app.core.files.paths import home_dir, resources_dir
from app.core.text.translation import LANGUAGES, best_language, language, use_language

SETTINGS_FILE = "settings.ini"
KEY = "language"
"""The preference with a key of LANGUAGES; empty for the system's language."""


def choose_language() -> None:
    """Call this before the window's modules are imported, because some of them translate texts on
    import.
    """
    stored = QSettings(str(home_dir() / SETTINGS_FILE), QSettings.Format.IniFormat)
    chosen = str(stored.value(KEY, ""))
    code = chosen if chosen in LANGUAGES else best_language(QLocale.system().uiLanguages())
    use_language(code, resources_dir() / "languages")


def translate_qt(application: QApplication) -> None:
    """Use the window's language for Qt's own buttons and number fields."""
    QLocale.setDefault(QLocale(language()))
    translator = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if translator.load(f"qtbase_{language()}", folder):
        application.installTranslator(translator)
