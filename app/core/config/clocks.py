"""Settings of the slow and the lasting clock. The fast clock is AdamW itself.

After "The three clocks": the slow clock keeps the base model's own knowledge, the lasting clock
keeps the lessons of earlier runs.
"""

from dataclasses import dataclass
from pathlib import Path

from app.core.config.setting import setting
from app.core.text.translation import mark


@dataclass(frozen=True)
class ClockSettings:
    slow_every: int = setting(
        0,
        label=mark("Slow clock every (steps)"),
        help=mark(
            "Steps between lessons: rows of general text on which the model is drawn to its base "
            "model's own predictions. 0 turns the slow clock off."
        ),
        section="clocks",
        bounds=(0, 1_000_000),
        advanced=True,
    )
    slow_weight: float = setting(
        4.0,
        label=mark("Slow clock weight"),
        help=mark(
            "Weight of a lesson beside the loss: of the mean KL divergence from the base model, "
            "at the steps that have a lesson."
        ),
        section="clocks",
        bounds=(0.0, 1e4),
        exclusive_minimum=True,
        advanced=True,
    )
    slow_text: Path | None = setting(
        label=mark("General text"),
        help=mark(
            "A dataset whose rows stand for what the base model is to keep; without one, everyday "
            "chats in seven languages that come with Nestling."
        ),
        section="files",
        advanced=True,
    )
    lasting_pull: float = setting(
        0.0,
        label=mark("Lasting pull"),
        help=mark(
            "How strongly a run that starts from an adapter is pulled back to it after every "
            "update, most where earlier runs depend on a weight. 0 turns it off; a run that starts "
            "without an adapter has none."
        ),
        section="clocks",
        bounds=(0.0, 1e6),
        advanced=True,
    )
