"""When a run is validated, kept and ended early."""

from dataclasses import dataclass
from typing import Literal

from app.core.settings.setting import setting

Keep = Literal["all", "best and last"]


@dataclass(frozen=True)
class WatchingSettings:
    validation_share: float = setting(
        0.1,
        label="Validation split",
        help="Share of the dataset held out for validation where no validation set is given; "
        "0 turns validation off.",
        section="watching",
        minimum=0.0,
        maximum=0.5,
    )
    steps_per_eval: int = setting(
        50, label="Validate every (steps)", help="Steps between validations.", section="watching",
        minimum=1, maximum=10_000_000, advanced=True,
    )  # fmt: skip
    validation_rows: int = setting(
        0,
        label="Validation rows",
        help="Held-out rows that each validation reads, the same ones every time. 0 takes as many "
        "as cost about 4 % of the training between. When the run ends all are read once; with 0, "
        "as many as cost about 4 % of the run.",
        section="watching",
        minimum=0,
        maximum=10_000_000,
        advanced=True,
    )
    questions_asked: int = setting(
        0,
        label="Questions asked",
        help="Questions of each set that are asked before and after the run, the same ones. 0 "
        "takes as many as cost about 4 % of the training, and at least 128.",
        section="watching",
        minimum=0,
        maximum=10_000_000,
        advanced=True,
    )
    measure_forgetting: bool = setting(
        False,
        label="Measure forgetting",
        help="At each validation and at the end, the KL divergence from the base model on "
        "everyday text. It changes no weight.",
        section="watching",
        advanced=True,
    )
    steps_per_save: int = setting(
        100, label="Save every (steps)", help="Steps between checkpoints.", section="watching",
        minimum=1, maximum=10_000_000, advanced=True,
    )  # fmt: skip
    early_stop_evals: int = setting(
        0,
        label="Early stopping",
        help="Validations in a row without a new best after which the run ends; 0 never ends it.",
        section="watching",
        minimum=0,
        maximum=10_000,
        advanced=True,
    )
    keep_checkpoints: Keep = setting(
        "all",
        label="Keep checkpoints",
        help="all, or only the one with the best validation loss and the last one.",
        section="watching",
        advanced=True,
    )
