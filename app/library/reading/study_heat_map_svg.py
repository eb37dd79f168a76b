"""A study's heat maps as SVG: accuracy on each task (columns) after each task (rows), by arm."""

from collections.abc import Sequence
from html import escape

from app.core.text.sanitize import single_line
from app.library.reading.study_report import ArmResult

_CELL, _GAP, _SIDE, _TITLE, _FOOTER, _APART = 40, 2, 18, 24, 20, 28
_MIN_WIDTH, _PER_LINE, _MAX_NAME = 190, 4, 28
_LOW, _HIGH, _TEXT, _FAINT, _LIGHT = "#f1efec", "#0f6b5c", "#1d1c1a", "#66635c", "#ffffff"


def as_svg(arms: Sequence[ArmResult]) -> str:
    """Up to four maps side by side."""
    tasks = max(len(arm.matrix) for arm in arms)
    width = max(_MIN_WIDTH, _SIDE + tasks * _CELL) + _APART
    height = _TITLE + tasks * _CELL + _FOOTER + _APART
    lines, per_line = -(-len(arms) // _PER_LINE), min(_PER_LINE, len(arms))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{per_line * width}" '
        f'height="{lines * height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for number, arm in enumerate(arms):
        line, at = divmod(number, _PER_LINE)
        place = f"translate({at * width + _APART // 2},{line * height + _APART // 2})"
        parts += [f'<g transform="{place}">', *_map(arm), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _map(arm: ArmResult) -> list[str]:
    parts = [_words(0, 14, single_line(arm.arm, _MAX_NAME), _TEXT, "start")]
    middle = _CELL // 2 + 4
    for i, row in enumerate(arm.matrix):
        top = _TITLE + i * _CELL
        parts.append(_words(_SIDE - 10, top + middle, str(i + 1), _FAINT))
        for j, value in enumerate(row):
            left, side = _SIDE + j * _CELL, _CELL - _GAP
            parts.append(
                f'<rect x="{left}" y="{top}" width="{side}" height="{side}" rx="3" '
                f'fill="{_mixed(value)}"/>'
            )
            color = _LIGHT if value > 0.5 else _TEXT
            parts.append(_words(left + side // 2, top + middle, f"{100 * value:.0f}", color))
    baseline = _TITLE + len(arm.matrix) * _CELL + 14
    for j in range(len(arm.matrix)):
        parts.append(_words(_SIDE + j * _CELL + _CELL // 2, baseline, str(j + 1), _FAINT))
    return parts


def _words(x: int, y: int, text: str, color: str, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'


def _mixed(share: float) -> str:
    """A color between two others."""
    low, high = (bytes.fromhex(color[1:]) for color in (_LOW, _HIGH))
    share = min(1.0, max(0.0, share))
    mixed = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return "#" + bytes(mixed).hex()
