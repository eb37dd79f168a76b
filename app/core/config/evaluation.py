"""Settings of validation, question sets, checkpoints and early stopping."""

from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

from app.core.config.setting import Problem, setting
from app.core.text.translation import mark, tr

CheckpointRetention = Literal["all", "best-and-last"]

_setting = partial(setting, section="watching")


@dataclass(frozen=True)
class EvaluationSettings:
    validation_split: float = _setting(
        0.1,
        label=mark("Validation split"),
        help=mark(
            "Share of the dataset used for validation if no validation set is "
            "given. 0 turns validation off."
        ),
        bounds=(0.0, 0.5),
        is_percent=True,
    )
    steps_per_eval: int = _setting(
        50, label=mark("Validate every (steps)"), help=mark("Steps between validations."),
        bounds=(1, 10_000_000), advanced=True,
    )  # fmt: skip
    validation_rows: int = _setting(
        0,
        label=mark("Validation rows"),
        help=mark(
            "Rows that each validation reads, the same ones every time. 0 means 5 % of "
            "the rows trained between two validations (3 % on a CPU). The last validation reads "
            "all validation rows; with 0, the same share of all rows trained."
        ),
        bounds=(0, 10_000_000),
        advanced=True,
    )
    eval_questions: int = _setting(
        0,
        label=mark("Questions asked"),
        help=mark(
            "Questions asked from each set, the same before and after the run. 0: as many as "
            "take about 4 % of the training time, at least 128."
        ),
        bounds=(0, 10_000_000),
        advanced=True,
    )
    target_score: float = _setting(
        0.0,
        label=mark("Stop at score"),
        help=mark(
            "Ends the run once the model answers this share of the first question set, 0 to 1. 0 "
            "turns it off."
        ),
        bounds=(0.0, 1.0),
        advanced=True,
    )
    steps_per_score: int = _setting(
        10,
        label=mark("Score every (steps)"),
        help=mark(
            "Steps between scores of the first question set, if there is a score to stop at."
        ),
        bounds=(1, 10_000_000),
        advanced=True,
    )
    measure_forgetting: bool = _setting(
        False,
        label=mark("Measure forgetting"),
        help=mark(
            "At each validation and at the end: the change from base, which is the KL divergence "
            "from the base model on everyday text, and the loss of the retention set and of the "
            "validation sets of the runs that this one continues. It changes no weight."
        ),
        advanced=True,
    )
    max_base_kl: float = _setting(
        0.0,
        label=mark("Stop at change from base"),
        help=mark(
            "Ends the run once the change from base is more than this, in nats per token. "
            "Requires Measure forgetting. 0 turns it off."
        ),
        bounds=(0.0, 1_000.0),
        advanced=True,
    )
    forgetting_weight: float = _setting(
        0.0,
        label=mark("Weight of forgetting"),
        help=mark(
            "The best checkpoint has the lowest sum of validation loss and this many times the "
            "change from base. Requires Measure forgetting. 0: only the loss counts."
        ),
        bounds=(0.0, 1_000.0),
        advanced=True,
    )
    steps_per_save: int = _setting(
        100, label=mark("Save every (steps)"), help=mark("Steps between checkpoints."),
        bounds=(1, 10_000_000), advanced=True,
    )  # fmt: skip
    early_stopping_patience: int = _setting(
        0,
        label=mark("Early stopping"),
        help=mark(
            "Ends the run after this many validations in a row without a new best. 0 turns it off."
        ),
        bounds=(0, 10_000),
        advanced=True,
    )
    keep_checkpoints: CheckpointRetention = _setting(
        "all",
        label=mark("Keep checkpoints"),
        help=mark("all, or only the last one and the one with the best validation loss."),
        advanced=True,
    )

    def evaluation_problems(self) -> list[Problem]:
        if self.measure_forgetting:
            return []
        labels = {field.name: field.metadata["label"] for field in fields(self)}
        return [
            Problem(name, tr("{setting} requires Measure forgetting.", setting=tr(labels[name])))
            for name in ("max_base_kl", "forgetting_weight")
            if getattr(self, name)
        ]
