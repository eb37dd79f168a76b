"""The window's colors, light and dark; the style sheet and the plots use them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colors as "#rrggbb". Text on `window` and `surface` has a contrast of at least 4.5:1."""

    is_dark: bool
    window: str
    """The background of the window."""
    sidebar: str
    surface: str
    """Cards, fields and plots."""
    raised: str
    """Buttons and chips on a surface."""
    border: str
    grid: str
    text: str
    secondary_text: str
    disabled_text: str
    """Text of disabled controls, fainter than other text."""
    field_border: str
    """Borders of fields; contrast of 3:1 on `surface` and `raised`."""
    accent: str
    on_accent: str
    selection: str
    success: str
    warning: str
    danger: str
    tiers: tuple[str, ...]
    """One color per tier, fastest first; the same in editor, raster, curves and heat map."""
    runs: tuple[str, ...]
    """Colors of compared runs; none looks like a tier's."""
    heat: tuple[str, ...]
    """The color scale of heat maps, from no change, which differs from `surface`, to the largest
    change.
    """


LIGHT = Theme(
    is_dark=False,
    window="#f4f3f0",
    sidebar="#eae8e3",
    surface="#ffffff",
    raised="#f7f6f4",
    border="#dcd9d2",
    grid="#e9e7e2",
    text="#1d1c1a",
    secondary_text="#66635c",
    disabled_text="#a19d95",
    field_border="#8b8780",
    accent="#0f6b5c",
    on_accent="#ffffff",
    selection="#d5e8e3",
    success="#1a6d35",
    warning="#8f5a00",
    danger="#b3261e",
    tiers=(
        "#d9480f", "#b07800", "#2b8a3e", "#0c8599", "#1c6dd0", "#6741d9", "#ae3ec9", "#6b6b6b",
    ),
    runs=(
        "#123f7a", "#8c1d40", "#4f6300", "#6b3f1d", "#00524a", "#c2185b", "#3f4856", "#5c2a7e",
    ),
    heat=("#f6ecdc", "#fbdcae", "#f8b26a", "#e3652b", "#8c2412"),
)  # fmt: skip

DARK = Theme(
    is_dark=True,
    window="#1c1c1e",
    sidebar="#242426",
    surface="#2a2a2d",
    raised="#37373b",
    border="#424247",
    grid="#38383c",
    text="#f2f1ef",
    secondary_text="#b0ada7",
    disabled_text="#75726d",
    field_border="#828288",
    accent="#3fb8a0",
    on_accent="#06231d",
    selection="#203c36",
    success="#5fce80",
    warning="#f0b429",
    danger="#ff7b72",
    tiers=(
        "#ff8a4c", "#f2c14e", "#6fd08c", "#4cc9dc", "#74aaff", "#a18bff", "#e58aff", "#b5b5b5",
    ),
    runs=(
        "#a9c7ff", "#ff9db5", "#d3e07a", "#d9b08c", "#8fe3d3", "#ffc4e6", "#eef1f6", "#c9b3ff",
    ),
    heat=("#3b322b", "#5a3d29", "#96502a", "#e0752d", "#ffd08a"),
)  # fmt: skip
