"""Whether a run's manifest and its event log tell of the same lowest validation loss."""

import math
from collections.abc import Mapping
from typing import Any

from app.core.text.losses import format_loss
from app.core.text.odd_values import is_measurement
from app.library.reading.event_log import read_evaluations
from app.library.run.event_lines import EventLog
from app.library.run.layout import EVENTS_FILE, MANIFEST_FILE


def lost_best(manifest: Mapping[str, Any], log: EventLog) -> str:
    """What is wrong where they don't: a log that is whole line by line was cut off at its end, or
    the manifest was edited. Then nothing tells which checkpoint is the best. Empty while a run has
    not come to an end."""
    if manifest.get("outcome") not in ("finished", "stopped", "failed") or not log.is_sealed:
        return ""
    recorded = manifest.get("best_val_loss")
    losses = (evaluation.val_loss for evaluation in read_evaluations(log.events))
    least = min(filter(math.isfinite, losses), default=None)
    if least == recorded or not (recorded is None or is_measurement(recorded)):
        return ""
    recorded, measured = (
        "none" if loss is None else format_loss(loss, 4) for loss in (recorded, least)
    )
    return (
        f"The lowest validation loss is {recorded} in {MANIFEST_FILE} and {measured} in "
        f"{EVENTS_FILE}: one of them was changed or cut off."
    )
