"""How a run remembers: the slow and the lasting clock beside the fast one, which is AdamW itself.

After "The three clocks": the slow clock keeps the base model's own knowledge, the lasting clock
keeps the lessons of earlier runs.
"""

from dataclasses import dataclass
from pathlib import Path

from app.core.settings.setting import setting


@dataclass(frozen=True)
class ClockSettings:
    slow_every: int = setting(
        0,
        label="Base knowledge every",
        help="Steps between two lessons of the slow clock: some rows of general text, on which the "
        "model is drawn to the base model's own predictions. 0 turns it off.",
        section="clocks",
        minimum=0,
        maximum=1_000_000,
        advanced=True,
    )
    slow_weight: float = setting(
        4.0,
        label="Base knowledge weight",
        help="Weight of the KL divergence from the base model beside the loss, at the steps at "
        "which it is taken.",
        section="clocks",
        minimum=0.0,
        maximum=1e4,
        exclusive_minimum=True,
        advanced=True,
    )
    slow_text: Path | None = setting(
        label="General text",
        help="A dataset whose rows stand for what the base model is to keep; without one, everyday "
        "chats in seven languages that come with Nestling.",
        section="files",
        advanced=True,
    )
    lasting_pull: float = setting(
        0.0,
        label="Hold on earlier runs",
        help="How strongly a run that starts from an adapter is pulled back to it, most where "
        "earlier runs depend on a weight. 0 turns it off.",
        section="clocks",
        minimum=0.0,
        maximum=1e6,
        advanced=True,
    )
