"""A loss in words: as many decimals as usual, or three digits where that would show none."""


def format_loss(value: float, decimals: int) -> str:
    """2.31 is "2.310" with three decimals; 0.00012364 is "0.000124" and no "0.000"."""
    is_small = 0 < abs(value) < 10.0 ** (2 - decimals)
    return f"{value:.3g}" if is_small or abs(value) >= 1e6 else f"{value:.{decimals}f}"
