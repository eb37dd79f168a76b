from PySide6.QtGui import QFontMetrics

from app.ui.plots.style import VALUE_AXIS_PX, small_font
from app.ui.plots.tick_labels import period_label, power_ticks, step_ticks, value_text, value_ticks


def test_tiers_are_named_with_their_period():
    assert period_label(1) == "every step"
    assert period_label(2) == "every 2 steps"


def test_steps_are_never_in_powers_of_ten():
    assert step_ticks([0, 500, 1_000]) == ["0", "500", "1,000"]
    assert step_ticks([0, 20_000, 40_000]) == ["0", "20k", "40k"]
    assert step_ticks([0, 500_000, 1_000_000]) == ["0", "0.5M", "1M"]
    assert step_ticks([10_001, 10_002]) == ["10,001", "10,002"]


def test_ticks_of_an_axis_have_the_same_decimals():
    assert value_ticks([0.0, 0.5, 1.0], 0.5) == ["0", "0.5", "1.0"]
    assert value_ticks([1.0, 2.0], 1.0) == ["1", "2"]
    assert value_ticks([0.0, 2e-5], 2e-5) == ["0", "2×10⁻⁵"]


def test_ticks_of_an_axis_leave_room_for_its_label(qapp):
    """A label lies on its side and stands 5 px from the ticks, these as far from the axis."""
    metrics = QFontMetrics(small_font())
    room = VALUE_AXIS_PX - metrics.height() - 5
    for spacing in (1e-6, 2e-5, 1e-4, 2e-4, 0.5, 50_000):
        for tick in value_ticks([spacing * n for n in range(1, 6)], spacing):
            assert metrics.horizontalAdvance(tick) <= room, tick


def test_values_have_three_digits():
    assert [value_text(v) for v in (2.3149, 0.0042, 1234.5)] == ["2.31", "0.00420", "1,234"]
    assert value_text(4.2e-5) == "4.2×10⁻⁵"
    assert value_text(0.0) == "0"
    assert value_text(float("nan")) == "–"


def test_logarithmic_ticks_are_all_plain_or_all_powers():
    assert power_ticks([0.02, 1.0, 100.0]) == ["0.02", "1", "100"]
    assert power_ticks([1e-5, 0.001, 0.1]) == ["10⁻⁵", "10⁻³", "10⁻¹"]
