"""Marks on a turn that say whether it is trained: OpenAI's weight, and other names for it."""

from collections.abc import Collection, Mapping
from typing import Any

from app.data.examples import Note
from app.data.rows.value_checks import RowError, type_name

_IS_TRAINED = {
    "weight": True, "train": True, "training": True, "trainable": True, "loss": True,
    "masked": False,
}  # fmt: skip
"""By name: whether a 1 means that the turn is trained."""
FLAGS = frozenset(_IS_TRAINED)


def is_trained(turn: Mapping[str, Any], where: str) -> bool | None:
    """What a turn's marks say; None without any. Raises Wrong at an odd one, or at two that differ.

    `where` names the turn.
    """
    flags: dict[str, bool] = {}
    for name in turn.keys() & FLAGS:
        if turn[name] is not None:
            flags[name] = _checked(turn[name], name, where) is _IS_TRAINED[name]
    if len(set(flags.values())) > 1:
        names = " and ".join(sorted(flags))
        raise RowError(f"{where} has {names}, which contradict each other")
    return next(iter(flags.values()), None)


def row_flags(row: Mapping[str, Any], mapped: Collection[str] = ()) -> tuple[Note, ...]:
    """That a column says what only a turn's mark does; a 1 or a measured loss says nothing."""
    return tuple(
        ("row flag", f"has {name} {row[name]!r:.20} as a column, which is not read: it is trained")
        for name in sorted(FLAGS & row.keys() - set(mapped))
        if _says_untrained(row[name], name)
    )


def _says_untrained(value: object, name: str) -> bool:
    if not isinstance(value, int | float):
        return False
    if value in (0, 1):
        return bool(value) is not _IS_TRAINED[name]
    return name == "weight"


def _checked(value: object, name: str, where: str) -> bool:
    is_bool = isinstance(value, bool)
    if isinstance(value, int | float) and value in (0, 1) and not (is_bool and name == "weight"):
        return bool(value)
    shown = f"that is {type_name(value)}"
    if isinstance(value, int | float) and not is_bool:
        shown = f"{value!r:.20}"
    wanted = "0 or 1" if name == "weight" else "true or false"
    raise RowError(f"{where} has a {name} {shown}; it must be {wanted}")
