"""The application's style sheet and palette, made from a theme."""

from PySide6.QtCore import QDir
from PySide6.QtGui import QColor, QPalette

from app.core.files.paths import resources_dir
from app.ui.look.theme import Theme

SCROLL_BAR_PX = 10
STYLE_PATHS = "style"
"""The search path prefix of the images in the style sheet, which can't contain every file path."""


def stylesheet(theme: Theme) -> str:
    """The application's style sheet; all colors come from `theme`."""
    QDir.setSearchPaths(STYLE_PATHS, [str(resources_dir() / "style")])
    return "\n".join(
        (_surfaces(theme), _text(theme), _buttons(theme), _fields(theme), _lists(theme))
    )


def palette(theme: Theme) -> QPalette:
    """The palette, for parts that the style sheet doesn't cover: dialogs, selections, disabled
    text.
    """
    roles = QPalette.ColorRole
    colors = {
        roles.Window: theme.window,
        roles.WindowText: theme.text,
        roles.Base: theme.surface,
        roles.AlternateBase: theme.raised,
        roles.Text: theme.text,
        roles.Button: theme.raised,
        roles.ButtonText: theme.text,
        roles.ToolTipBase: theme.raised,
        roles.ToolTipText: theme.text,
        roles.PlaceholderText: theme.secondary_text,
        roles.Highlight: theme.accent,
        roles.HighlightedText: theme.on_accent,
        roles.Link: theme.accent,
        roles.Accent: theme.accent,
        roles.Light: theme.raised,
        roles.Mid: theme.border,
        roles.Dark: theme.border,
    }
    made = QPalette()
    for role, color in colors.items():
        made.setColor(role, QColor(color))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.disabled_text))
    return made


def _surfaces(t: Theme) -> str:
    return f"""
    QMainWindow, QDialog, QMessageBox {{ background: {t.window}; }}
    QWidget#page, QWidget#column, QScrollArea#column {{ background: {t.window}; border: none; }}
    QWidget#clear, QScrollArea#clear {{ background: transparent; border: none; }}
    QScrollArea#clear:focus {{ border: 1px solid {t.accent}; border-radius: 12px; }}
    QFrame#sidebar {{ background: {t.sidebar}; border: none; border-right: 1px solid {t.border}; }}
    QFrame#card {{ background: {t.surface}; border: 1px solid {t.border}; border-radius: 12px; }}
    QFrame#hero {{ background: {t.surface}; border: 2px dashed {t.border}; border-radius: 16px; }}
    QFrame#hero[drop="true"] {{ background: {t.selection}; border-color: {t.accent}; }}
    QFrame#card[drop="true"] {{ background: {t.selection}; border-color: {t.accent}; }}
    QFrame#bubble {{ background: {t.selection}; border: none; border-radius: 12px; }}
    QFrame#card[focused="true"] {{ border-color: {t.accent}; }}
    QFrame#notice {{ background: {t.raised}; border: 1px solid {t.secondary_text};
        border-radius: 10px; }}
    QFrame#notice[tone="danger"] {{ border: 1px solid {t.danger}; }}
    QFrame#rule {{ background: {t.border}; border: none; max-height: 1px; min-height: 1px; }}
    QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border};
        padding: 4px 8px; }}
    QMenuBar {{ background: {t.window}; color: {t.text}; }}
    QMenuBar::item {{ padding: 4px 8px; border-radius: 4px; background: transparent; }}
    QMenuBar::item:selected {{ background: {t.selection}; color: {t.text}; }}
    QMenu {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; padding: 4px; }}
    QMenu::item {{ padding: 4px 24px; border-radius: 4px; }}
    QMenu::item:selected {{ background: {t.accent}; color: {t.on_accent}; }}
    QMenu::item:disabled {{ color: {t.disabled_text}; background: transparent; }}
    QMenu::separator {{ height: 1px; background: {t.border}; margin: 4px 8px; }}
    QScrollBar:vertical {{ background: transparent; width: {SCROLL_BAR_PX}px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: {SCROLL_BAR_PX}px; margin: 0; }}
    QScrollBar::handle {{ background: {t.border}; border-radius: 3px; margin: 2px; }}
    QScrollBar::handle:vertical {{ min-height: 32px; }}
    QScrollBar::handle:horizontal {{ min-width: 32px; }}
    QScrollBar::handle:disabled {{ background: transparent; }}
    QScrollBar::handle:hover {{ background: {t.secondary_text}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: none; }}
    """


def _text(t: Theme) -> str:
    return f"""
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QLabel, QCheckBox {{ color: {t.text}; background: transparent; }}
    QLabel#qt_msgbox_label {{ font-weight: 600; }}
    QLabel#qt_msgbox_informativelabel {{ min-width: 300px; }}
    QLabel#title {{ font-size: 20px; font-weight: 600; min-height: 28px; }}
    QLabel#heading {{ font-size: 13px; font-weight: 600; }}
    QLabel#result {{ font-size: 15px; font-weight: 600; }}
    QLabel#strong {{ font-weight: 600; }}
    QLabel#secondary, QLabel#caption {{ color: {t.secondary_text}; }}
    QLabel#caption {{ font-size: 11px; }}
    QLabel#figure {{ font-size: 15px; font-weight: 600; }}
    QLabel#problem {{ color: {t.danger}; font-size: 12px; }}
    QLabel#details {{ color: {t.secondary_text}; font-size: 12px; }}
    QLabel#warning {{ color: {t.warning}; font-size: 12px; }}
    QLabel#note {{ color: {t.secondary_text}; font-size: 12px; }}
    QLabel#note[tone="warning"] {{ color: {t.warning}; }}
    QLabel#note[tone="danger"] {{ color: {t.danger}; }}
    QLabel#good {{ color: {t.success}; font-weight: 600; }}
    QLabel#pill {{ font-size: 11px; font-weight: 600; color: {t.secondary_text};
        background: {t.raised}; border: 1px solid {t.border}; border-radius: 10px;
        padding: 0 9px; min-height: 18px; max-height: 18px; }}
    QLabel#pill[tone="accent"] {{ color: {t.accent}; background: {t.selection};
        border-color: {t.selection}; }}
    QLabel#pill[tone="success"] {{ color: {t.success}; border-color: {t.success}; }}
    QLabel#pill[tone="warning"] {{ color: {t.warning}; border-color: {t.warning}; }}
    QLabel#pill[tone="danger"] {{ color: {t.danger}; border-color: {t.danger}; }}
    QTextEdit#rows {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.border};
        border-radius: 12px; selection-background-color: {t.accent};
        selection-color: {t.on_accent}; }}
    QTextEdit#rows:focus {{ border-color: {t.accent}; }}
    QPlainTextEdit {{ background: {t.surface}; color: {t.secondary_text}; border: none;
        font-size: 12px; selection-background-color: {t.accent};
        selection-color: {t.on_accent}; }}
    QTextEdit#answer, QPlainTextEdit#question {{ color: {t.text}; font-size: 13px; border: none;
        background: transparent; selection-background-color: {t.accent};
        selection-color: {t.on_accent}; }}
    """


def _buttons(t: Theme) -> str:
    style, tone = STYLE_PATHS, "dark" if t.is_dark else "light"
    return f"""
    QPushButton {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border};
        border-radius: 6px; padding: 0 12px; min-height: 26px; }}
    QPushButton:hover {{ border-color: {t.secondary_text}; }}
    QPushButton:pressed {{ background: {t.border}; }}
    QPushButton:focus {{ border: 1px solid {t.accent}; }}
    QPushButton:disabled {{ color: {t.disabled_text}; background: transparent; }}
    QPushButton#primary, QMessageBox QPushButton:default {{ background: {t.accent};
        color: {t.on_accent}; border: 1px solid {t.accent}; }}
    /* Not bold for a dialog's default button: Qt measures it before it is the default. */
    QPushButton#primary {{ font-weight: 600; }}
    QPushButton#primary:focus {{ border: 1px solid {t.text}; }}
    QPushButton#primary:disabled {{ background: {t.raised}; color: {t.disabled_text};
        border-color: {t.border}; }}
    QPushButton#link, QPushButton#menu_link {{ background: transparent;
        border: 1px solid transparent; padding: 0 4px; min-height: 22px; color: {t.accent}; }}
    QPushButton#link:hover, QPushButton#menu_link:hover {{ color: {t.text}; }}
    QPushButton#link:focus, QPushButton#menu_link:focus {{ border-color: {t.accent}; }}
    QPushButton#link:disabled, QPushButton#menu_link:disabled {{ color: {t.disabled_text}; }}
    QPushButton#menu_link {{ padding-right: 18px; }}
    QPushButton#menu_link::menu-indicator {{ image: url({style}:chevron-{tone}.svg); width: 10px;
        height: 10px; subcontrol-origin: padding; subcontrol-position: right center; right: 4px; }}
    QRadioButton#place {{ background: transparent; border: 1px solid transparent;
        border-radius: 6px; padding: 0 10px; min-height: 30px; spacing: 0; }}
    QRadioButton#place::indicator, QRadioButton#dataset::indicator {{ width: 0; height: 0;
        border: none; }}
    QRadioButton#place:hover {{ background: {t.raised}; }}
    QPushButton#starter {{ background: {t.surface}; text-align: left; padding: 0 14px;
        min-height: 32px; border-radius: 10px; }}
    QPushButton#starter:hover, QPushButton#starter:focus {{ border-color: {t.accent}; }}
    QTabBar#tabs {{ background: transparent; }}
    QTabBar#tabs::tab {{ background: transparent; color: {t.text}; border: 1px solid transparent;
        border-radius: 6px; padding: 0 10px; min-height: 26px; margin-right: 4px; }}
    QTabBar#tabs::tab:hover {{ background: {t.raised}; }}
    QTabBar#tabs::tab:selected {{ background: {t.selection}; }}
    QTabBar#tabs::tab:selected:focus {{ border-color: {t.accent}; }}
    QPushButton#tab {{ background: transparent; border: 1px solid transparent;
        border-radius: 6px; padding: 0 10px; }}
    QPushButton#tab:hover {{ background: {t.raised}; }}
    QPushButton#tab:checked {{ background: {t.selection}; }}
    QPushButton#tab:focus {{ border-color: {t.accent}; }}
    QRadioButton#dataset {{ background: {t.surface}; color: {t.text}; spacing: 0; padding: 0 12px;
        border: 1px solid {t.field_border}; border-radius: 6px; min-height: 26px; }}
    QRadioButton#dataset:checked {{ background: {t.selection}; border-color: {t.accent}; }}
    QRadioButton#dataset:focus {{ border-color: {t.text}; }}
    QRadioButton#dataset[tone="danger"] {{ color: {t.danger}; }}
    QPushButton::menu-indicator {{ image: url({style}:chevron-{tone}.svg); width: 10px;
        height: 10px; subcontrol-origin: padding; subcontrol-position: right center; right: 8px; }}
    QPushButton#menu {{ padding-right: 24px; }}
    QRadioButton#place:checked {{ background: {t.selection}; color: {t.text}; font-weight: 600; }}
    QRadioButton#place:focus {{ border-color: {t.accent}; }}
    QToolButton {{ background: transparent; border: 1px solid transparent; border-radius: 6px;
        color: {t.secondary_text}; padding: 2px; }}
    QToolButton:hover {{ background: {t.raised}; color: {t.text}; }}
    QToolButton:focus {{ border-color: {t.accent}; }}
    QToolButton#disclosure {{ color: {t.text}; font-weight: 600; padding: 2px 4px 2px 0; }}
    QToolButton#disclosure:hover {{ background: transparent; color: {t.accent}; }}
    QProgressBar {{ background: {t.border}; border: none; border-radius: 3px; max-height: 6px;
        min-height: 6px; }}
    QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
    """


def _fields(t: Theme) -> str:
    style, tone = STYLE_PATHS, "dark" if t.is_dark else "light"
    return f"""
    QLineEdit, QSpinBox, QComboBox {{ background: {t.raised}; color: {t.text};
        border: 1px solid {t.field_border}; border-radius: 6px; padding: 0 8px; min-height: 26px;
        selection-background-color: {t.accent}; selection-color: {t.on_accent}; }}
    QSpinBox {{ max-height: 26px; }}
    QLineEdit:focus, QSpinBox:focus, QComboBox:focus {{ border: 1px solid {t.accent}; }}
    QLineEdit[wrong="true"], QSpinBox[wrong="true"] {{ border: 1px solid {t.danger}; }}
    QLineEdit#title_field {{ background: transparent; border: 1px solid transparent;
        font-size: 20px; font-weight: 600; padding: 0 4px; }}
    QLineEdit#title_field:hover {{ border-color: {t.border}; }}
    QLineEdit#title_field:focus {{ border-color: {t.accent}; background: {t.raised}; }}
    QLineEdit:disabled, QSpinBox:disabled, QComboBox:disabled {{ color: {t.secondary_text};
        background: {t.surface}; }}
    QSpinBox::up-button, QSpinBox::down-button {{ background: transparent; border: none;
        width: 18px; subcontrol-origin: border; }}
    QSpinBox::up-button {{ subcontrol-position: top right; margin: 2px 2px 0 0; }}
    QSpinBox::down-button {{ subcontrol-position: bottom right; margin: 0 2px 2px 0; }}
    QSpinBox::up-arrow {{ image: url({style}:chevron-up-{tone}.svg); width: 10px; height: 10px; }}
    QSpinBox::down-arrow {{ image: url({style}:chevron-{tone}.svg); width: 10px; height: 10px; }}
    QComboBox::drop-down {{ border: none; width: 24px; }}
    QComboBox::down-arrow {{ image: url({style}:chevron-{tone}.svg); width: 12px; height: 12px; }}
    QComboBox QAbstractItemView {{ background: {t.raised}; color: {t.text};
        border: 1px solid {t.border}; selection-background-color: {t.accent};
        selection-color: {t.on_accent}; outline: none; padding: 4px; }}
    QSlider {{ border: 1px solid transparent; border-radius: 6px; min-height: 22px; }}
    QSlider:focus {{ border-color: {t.accent}; }}
    QCheckBox {{ spacing: 8px; min-height: 22px; }}
    QCheckBox::indicator {{ width: 14px; height: 14px; border: 1px solid {t.secondary_text};
        border-radius: 4px; background: {t.raised}; }}
    QCheckBox::indicator:checked {{ background: {t.accent}; border-color: {t.accent};
        image: url({style}:check-{tone}.svg); }}
    QCheckBox::indicator:focus {{ border: 1px solid {t.accent}; }}
    QCheckBox::indicator:checked:focus {{ border: 1px solid {t.text}; }}
    QCheckBox:disabled {{ color: {t.disabled_text}; }}
    QCheckBox::indicator:disabled {{ border-color: {t.border}; }}
    QCheckBox::indicator:checked:disabled {{ background: {t.secondary_text}; }}
    QRadioButton {{ color: {t.text}; background: transparent; spacing: 8px; min-height: 22px; }}
    QRadioButton::indicator {{ width: 12px; height: 12px; border: 1px solid {t.secondary_text};
        border-radius: 7px; background: {t.raised}; }}
    QRadioButton::indicator:checked {{ background: {t.surface}; border: 4px solid {t.accent};
        width: 6px; height: 6px; }}
    QRadioButton::indicator:focus {{ border-color: {t.accent}; }}
    QRadioButton::indicator:checked:focus {{ border-color: {t.text}; }}
    """


def _lists(t: Theme) -> str:
    style, tone = STYLE_PATHS, "dark" if t.is_dark else "light"
    return f"""
    QTableView {{ background: {t.surface}; alternate-background-color: {t.raised};
        color: {t.text}; border: 1px solid {t.border}; border-radius: 12px; outline: none;
        gridline-color: transparent; selection-background-color: {t.selection};
        selection-color: {t.text}; }}
    RunView QPlainTextEdit, ProblemRow QPlainTextEdit {{ border: 1px solid {t.border};
        border-radius: 12px; padding: 10px; }}
    RunView QPlainTextEdit:focus, ProblemRow QPlainTextEdit:focus {{ border-color: {t.accent}; }}
    QWidget#guide_pages {{ background: {t.sidebar}; border-right: 1px solid {t.border}; }}
    QListWidget#guide_pages {{ background: transparent; color: {t.text}; border: none;
        outline: none; }}
    QListWidget#guide_pages::item {{ padding: 0 10px; border: 1px solid transparent;
        border-radius: 6px; min-height: 28px; }}
    QListWidget#guide_pages::item:hover {{ background: {t.raised}; }}
    QListWidget#guide_pages::item:selected {{ background: {t.selection}; color: {t.text}; }}
    QListWidget#guide_pages::item:selected:focus {{ border-color: {t.accent}; }}
    QTextBrowser#guide {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.surface};
        selection-background-color: {t.accent}; selection-color: {t.on_accent}; }}
    QTextBrowser#guide:focus {{ border-color: {t.accent}; }}
    QTableView::item {{ padding: 0 10px; border: none; }}
    QTableView:focus {{ border-color: {t.accent}; }}
    QTableView[drop="true"] {{ background: {t.selection}; border-color: {t.accent}; }}
    QHeaderView {{ background: transparent; border: none; }}
    QHeaderView::section {{ background: {t.surface}; color: {t.secondary_text}; border: none;
        border-bottom: 1px solid {t.border}; padding: 0 13px; min-height: 32px; font-size: 11px;
        font-weight: 600; }}
    /* As on a Mac, the arrow points down for descending order; Fusion's points up. */
    QHeaderView::up-arrow {{ image: url({style}:chevron-up-{tone}.svg); width: 10px; height: 10px;
        subcontrol-origin: padding; subcontrol-position: center right; right: 6px; }}
    QHeaderView::down-arrow {{ image: url({style}:chevron-{tone}.svg); width: 10px; height: 10px;
        subcontrol-origin: padding; subcontrol-position: center right; right: 6px; }}
    QHeaderView::section:first {{ border-top-left-radius: 12px; }}
    QHeaderView::section:last {{ border-top-right-radius: 12px; }}
    QAbstractScrollArea::corner {{ background: transparent; border: none; }}
    QTableCornerButton::section {{ background: {t.surface}; border: none; }}
    """
