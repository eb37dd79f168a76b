"""What everyone can perceive and use: names, roles, contrast of both themes, a focus that shows."""

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible, QColor
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import runs_dir
from app.ui.look.theme import DARK, LIGHT, Theme
from app.ui.plots.style import RAW_ALPHA
from app.ui.state.window_pages import Place
from tests.conftest import write_chats

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
TEXT, MARK = 4.5, 3.0
SEEN_APART = 12
"""CIE76; below it two colours are taken for one."""
INTERACTIVE = (
    QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QAbstractItemView, QPlainTextEdit,
    QTextEdit,
)  # fmt: skip
QT_S_OWN = ("qt_spinbox_lineedit", "qt_menubar_ext_button", "qt_tableview_cornerbutton")


def linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def channels(value: str) -> tuple[float, float, float]:
    color = QColor(value)
    return linear(color.redF()), linear(color.greenF()), linear(color.blueF())


def contrast(one: str, other: str) -> float:
    """WCAG 2: from 1 to 21."""
    weights = (0.2126, 0.7152, 0.0722)
    lights = (sum(w * c for w, c in zip(weights, channels(v), strict=True)) for v in (one, other))
    low, high = sorted(lights)
    return (high + 0.05) / (low + 0.05)


def over(front: str, back: str, alpha: float) -> str:
    pairs = zip(QColor(front).getRgb()[:3], QColor(back).getRgb()[:3], strict=True)  # type: ignore[index]
    return QColor(*(round(alpha * f + (1 - alpha) * b) for f, b in pairs)).name()


def lab(value: str) -> tuple[float, float, float]:
    red, green, blue = channels(value)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@THEMES
def test_text_can_be_read_on_everything_it_stands_on(theme: Theme) -> None:
    inks = ("text", "secondary_text", "accent", "success", "warning", "danger")
    papers = ("window", "sidebar", "surface", "raised", "selection")
    faint = {
        f"{ink} on {paper}": round(contrast(getattr(theme, ink), getattr(theme, paper)), 2)
        for ink, paper in itertools.product(inks, papers)
        if contrast(getattr(theme, ink), getattr(theme, paper)) < TEXT
    }
    assert not faint
    assert contrast(theme.on_accent, theme.accent) >= TEXT


@THEMES
def test_marks_and_borders_that_mean_something_are_seen(theme: Theme) -> None:
    marks = {f"tier {number}": color for number, color in enumerate(theme.tiers)}
    marks |= {f"run {number}": color for number, color in enumerate(theme.runs)}
    marks |= {"each step": over(theme.accent, theme.surface, RAW_ALPHA)}
    marks |= {name: getattr(theme, name) for name in ("accent", "warning", "danger")}
    faint = {name: round(contrast(color, theme.surface), 2) for name, color in marks.items()
             if contrast(color, theme.surface) < MARK}  # fmt: skip
    assert not faint
    for paper in (theme.surface, theme.raised, theme.window):
        assert contrast(theme.field_border, paper) >= MARK
        assert contrast(theme.accent, paper) >= MARK  # the ring of the focus


@THEMES
def test_no_run_that_is_compared_looks_like_a_tier_or_another_run(theme: Theme) -> None:
    pairs = [*itertools.product(theme.runs, theme.tiers), *itertools.combinations(theme.runs, 2)]
    assert min(math.dist(lab(one), lab(other)) for one, other in pairs) >= SEEN_APART


def spoken_name(widget: QWidget) -> str:
    """As a screen reader has it: a combo box is named by the label beside it alone."""
    facts = QAccessible.queryAccessibleInterface(widget)
    if isinstance(widget, QComboBox):
        labels = facts.relations(QAccessible.RelationFlag.Label)
        return " ".join(one.text(QAccessible.Text.Name) for one, _ in labels)
    return facts.text(QAccessible.Text.Name)


def places(nestling: Nestling) -> Iterator[str]:
    """Every place, and every view of those that have some."""
    for place in Place:
        nestling.window.show_place(place)
        yield place.title
    nestling.window.show_place(Place.DATA)
    for view in range(nestling.data.tabs.count()):
        nestling.data.show_view(view)
        yield nestling.data.tabs.tabText(view)
    nestling.data.show_view(0)


def interactive(nestling: Nestling) -> Iterator[QWidget]:
    for widget in nestling.window.findChildren(QWidget):
        is_ours = widget.objectName() not in QT_S_OWN
        is_inside = any(isinstance(widget.parent(), kind) for kind in (QComboBox, QAbstractSpinBox))
        if isinstance(widget, INTERACTIVE) and is_ours and not is_inside:
            yield widget


def test_the_line_of_a_problem_looks_as_if_it_had_the_keyboard_once_it_has(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "a", "completion": "b"}\n{"question": 1}\n', encoding="utf-8")
    nestling.commands.open_path(bad)
    problems = nestling.data.problems
    qtbot.waitUntil(lambda: problems.model.rowCount() > 0)
    problems.table.select_rows([0])
    problems.table.doubleClicked.emit(problems.model.index(0, 0))
    dialog = problems.opened
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.text.toPlainText() != "")
    with qtbot.waitActive(dialog):
        dialog.activateWindow()
    clear_focus()
    before = surroundings(dialog.text)
    dialog.text.setFocus(Qt.FocusReason.TabFocusReason)
    assert surroundings(dialog.text) != before
    dialog.close()


def tab_stops(nestling: Nestling) -> list[tuple[QWidget, QRect]]:
    """Controls in sight, in the order of the Tab key, with their places in the window."""
    window = nestling.window
    stops = []
    widget = window.nextInFocusChain()
    while widget is not window and widget is not None:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible():
            stops.append((widget, QRect(widget.mapTo(window, QPoint()), widget.size())))
        widget = widget.nextInFocusChain()
    return stops


def is_read_before(one: QRect, other: QRect) -> bool:
    """Whether `one` stands above `other` in its column, or left of it in its line."""
    is_in_line = one.top() < other.center().y() < one.bottom()
    is_above = one.bottom() <= other.top() and one.left() < other.right()
    return one.right() <= other.left() if is_in_line else is_above


def test_the_tab_key_follows_the_order_of_reading(
    nestling: Nestling, chat_file: Path, make_run: Callable[..., Path], qtbot: QtBot
) -> None:
    make_run(runs_dir() / "a", saves=(4, 8))
    nestling.commands.open_path(chat_file)
    nestling.window.resize(1440, 900)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    for place in Place:
        nestling.window.show_place(place)
        qtbot.waitUntil(lambda: not nestling.background.is_busy)
        stops = tab_stops(nestling)
        assert len(stops) > len(Place)
        against = [
            f"{name_of(later)} comes after {name_of(earlier)}"
            for (earlier, at), (later, then) in itertools.pairwise(stops)
            if is_read_before(then, at)
        ]
        assert (place, against) == (place, [])


def name_of(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return f"{type(widget).__name__} {widget.accessibleName() or text}"


@pytest.fixture(scope="module")
def filled(shared: Nestling, tmp_path_factory: pytest.TempPathFactory) -> Nestling:
    """With a dataset that is being read."""
    write_chats(data := tmp_path_factory.mktemp("data") / "chats.jsonl", 40)
    shared.commands.open_path(data)
    return shared


def test_nothing_that_can_be_used_is_nameless_or_a_tick_box_that_is_none(
    filled: Nestling, qtbot: QtBot
) -> None:
    qtbot.waitUntil(filled.actions.start.isEnabled)
    nameless, ticks = set(), set()
    for place in places(filled):
        for widget in interactive(filled):
            if not widget.isVisible():
                continue
            if not spoken_name(widget).strip():
                nameless.add(f"{place}: {widget!r}")
            role = QAccessible.queryAccessibleInterface(widget).role()
            if role is QAccessible.Role.CheckBox:
                ticks.add(widget.objectName() or widget.metaObject().className())
    assert not nameless
    assert ticks <= {"QCheckBox", "disclosure"}
    tabs = QAccessible.queryAccessibleInterface(filled.data.tabs)
    assert tabs.role() is QAccessible.Role.PageTabList
    sidebar = filled.window.sidebar.places[Place.DATA]
    assert QAccessible.queryAccessibleInterface(sidebar).role() is QAccessible.Role.RadioButton


def test_what_has_the_keyboard_looks_so(filled: Nestling, qtbot: QtBot) -> None:
    qtbot.waitUntil(filled.actions.start.isEnabled)
    with qtbot.waitActive(filled.window):
        filled.window.activateWindow()
    unmarked, seen = set(), 0
    for place in places(filled):
        for widget in filled.window.findChildren(QWidget):
            takes = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
            if not (takes and widget.isVisible() and widget.isEnabled()):
                continue
            clear_focus()
            before = surroundings(widget)
            widget.setFocus(Qt.FocusReason.TabFocusReason)
            seen += 1
            if widget.hasFocus() and surroundings(widget) == before:
                unmarked.add(f"{place}: {widget!r}")
    assert seen > 60
    assert not unmarked


def clear_focus() -> None:
    if (focused := QApplication.focusWidget()) is not None:
        focused.clearFocus()


def surroundings(widget: QWidget) -> object:
    """How the widget and the frame it stands in are drawn."""
    frame = widget.parentWidget() or widget
    place = QRect(widget.mapTo(frame, widget.rect().topLeft()), widget.size())
    return frame.grab(place.adjusted(-4, -4, 4, 4)).toImage()
