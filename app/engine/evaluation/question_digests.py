"""Whether a resumed run asks the questions that it began with: their scores are compared."""

from collections.abc import Mapping
from pathlib import Path

from app.core.events import LogMessage
from app.core.files.paths import at_shipped_places
from app.engine.runtime.arrays import ArrayMap

QUESTIONS_KEY = "question_data"
"""The manifest's entry: path → SHA-256 of each question set's files."""


def question_notes(manifest: ArrayMap, found: Mapping[str, str]) -> list[LogMessage]:
    """What a run that resumes says of its question sets. They train nothing, so that a run with
    others may go on."""
    if not found:
        return []
    began = at_shipped_places(manifest.get(QUESTIONS_KEY))
    if not isinstance(began, Mapping):
        return [
            LogMessage(
                "It is not known which questions this run began with, so its scores before and "
                "after may be of different ones."
            )
        ]
    changed = [Path(path).name for path, digest in found.items() if began.get(path) != digest]
    if not changed and began.keys() == found.keys():
        return []
    names = ", ".join(changed) or "its files"
    return [
        LogMessage(
            f"The question sets are not those that this run began with ({names} changed): its "
            "scores before and after are of different questions.",
            is_warning=True,
        )
    ]
