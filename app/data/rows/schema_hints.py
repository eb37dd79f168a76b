"""Explains why a row has no known schema or is marked as a bad answer, and what to do about it.

Bad answers, in a preference pair or with a label, are never trained.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeGuard

from app.data.row_values import PROMPTS, Note, is_turn
from app.data.rows.value_checks import RowError, is_blank

Row = Mapping[str, Any]

UNKNOWN: Literal["unknown shape"] = "unknown shape"
_SHOWN_KEYS = 6
_SHOWN_LETTERS = 40


def unknown_schema_error(row: Row, outer: str | None) -> RowError:
    """The error of a row without a known schema; `outer` is a column with a whole example."""
    if not row:
        return RowError("is an empty object", "empty")
    if problem := _looks_like(row):
        return RowError(problem, UNKNOWN)
    if outer is not None:
        return RowError(_inside(row[outer], outer))  # no column mapping can help
    return RowError(_has_none(row), UNKNOWN)


def _looks_like(row: Row) -> str | None:
    if is_turn(row):
        whole = 'all turns of a chat must be in one row, as {"messages": [ … ]}'
        return f"is one turn of a chat: {whole}"
    if lists := [name for name, value in row.items() if _is_list_of_objects(value)]:
        return _is_whole_file(row, lists)
    for present, absent in (("prompt", "completion"), ("completion", "prompt")):
        if present in row:
            return f"has a {present} but no {absent}"
    return None


def _is_whole_file(row: Row, lists: Sequence[str]) -> str:
    if len(lists) > 1:
        problem = f"several lists of objects ({_named(lists)}): save each as its own .json file"
        return f"is one object with {problem}"
    count, name = len(row[lists[0]]), str(lists[0])[:_SHOWN_LETTERS]
    objects = "1 object" if count == 1 else f"{count:,} objects"
    problem = f"is one object with a list of {objects}, {name!r}"
    return f"{problem}: if these are the rows, save the list alone as .json"


def _inside(whole: Row, name: str) -> str:
    each = "it" if len(whole) == 1 else "each"
    inside = _named(list(whole))
    return f"has {inside} inside {name[:_SHOWN_LETTERS]!r}: give {each} its own column"


def _has_none(row: Row) -> str:
    more = ", …" if len(row) > _SHOWN_KEYS else ""
    known = "messages, prompt and completion, or text"
    return f"needs {known}; found {_named(list(row))}{more}"


def _named(keys: Sequence[object]) -> str:
    return ", ".join(str(key)[:_SHOWN_LETTERS] for key in keys[:_SHOWN_KEYS])


def is_turn_list(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a value is a list of turns."""
    return _is_list_of_objects(value) and all("role" in v or "from" in v for v in value)


def _is_list_of_objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


_LABELS = ("label", "kto_tag")
_WORDS = {"true": True, "false": False}


def preference_error(row: Row) -> RowError | None:
    """The error of a row with a better and a worse answer; None for other rows."""
    if not (keys := _better_and_worse(row)):
        return None
    better, worse = keys
    problem = f"is a preference ({better}, {worse}), which Nestling does not train"
    return RowError(f"{problem}: {_advice(row, better)}", UNKNOWN)


def check_label(row: Row, mapped: Collection[str] = ()) -> tuple[Note, ...]:
    """A note about an answer labelled as good. Raises RowError for one labelled as bad.

    Numbers are labels only in `kto_tag`; in other columns they are class numbers.
    """
    for name, value in row.items():
        label = str(name).strip().lower()
        if label not in _LABELS or name in mapped:
            continue
        if isinstance(value, str):
            value = _WORDS.get(value.strip().lower())
        if value is False or (label == "kto_tag" and value == 0):
            raise RowError(
                f"has the {name} false, which marks a bad answer: leave the row out, or remove "
                f"{name} if it means something else",
                "marked bad",
            )
        if value is True or (label == "kto_tag" and value == 1):
            return (("marked good", f"has the {name} true: it is trained as a good answer"),)
    return ()


def _better_and_worse(row: Row) -> tuple[str, str] | None:
    names = {str(key).strip().lower(): str(key) for key in row}
    for name, better in names.items():
        worse = name.replace("chosen", "rejected")
        if name.startswith("preferred"):
            worse = f"non_{name}"
        if worse != name and worse in names:
            return better, names[worse]
    return None


def _advice(row: Row, better: str) -> str:
    alone = "to train on the better answer alone"
    answer = row[better]
    has_prompt = is_turn_list(answer) and any(
        turn.get("role", turn.get("from")) in ("user", "human") for turn in answer
    )
    if has_prompt:
        return f"map messages={better} {alone}"
    prompts = [name for name in PROMPTS if not is_blank(row.get(name))]
    is_text = isinstance(answer, str) or is_turn_list(answer)
    if len(prompts) == 1 and is_text and not isinstance(row[prompts[0]], dict):
        return f"map prompt={prompts[0]}, completion={better} {alone}"
    return f"write the chat with the better answer as messages {alone}"
