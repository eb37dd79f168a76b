"""Rows with a bad answer: preference pairs, and labelled answers. A bad answer is never trained."""

from collections.abc import Collection

from app.data.column_names import PROMPTS
from app.data.row_values import Note
from app.data.rows.schema_hints import UNKNOWN, Row, is_turn_list
from app.data.rows.value_checks import RowError, is_blank

_LABELS = ("label", "kto_tag")
_WORDS = {"true": True, "false": False}


def preference_error(row: Row) -> RowError | None:
    """The error of a row with a better and a worse answer; None for other rows."""
    if not (keys := _better_and_worse(row)):
        return None
    better, worse = keys
    what = f"is a preference ({better}, {worse}), which Nestling does not train"
    return RowError(f"{what}: {_advice(row, better)}", UNKNOWN)


def check_label(row: Row, mapped: Collection[str] = ()) -> tuple[Note, ...]:
    """The note about an answer labelled good. Raises RowError for a bad one.

    Numbers are labels only in `kto_tag`: elsewhere they number classes.
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
