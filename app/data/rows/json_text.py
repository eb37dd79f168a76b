"""Lists that stand in a table's cell, or in a row, as text that holds JSON."""

from app.data.readers.strict_json import BadJson, StrictJson


def parse_json_list(value: object) -> object:
    """The list that a text is in JSON; any other value as it is."""
    return parse_json_text(value, "[")


def parse_json_text(value: object, openings: str = "[{") -> object:
    """The value that a text is in JSON, where it begins with one of `openings`; else as it is."""
    if not isinstance(value, str) or not (bare := value.strip()) or bare[0] not in openings:
        return value
    try:
        return StrictJson().value(bare)
    except BadJson:
        return value
