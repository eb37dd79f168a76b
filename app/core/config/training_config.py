"""A run's configuration: one frozen dataclass with the help text that forms, flags and docs show.

Its settings are in the modules of this folder, section by section, each with its checks. Does not
look at the disk.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from app.core.config.adapter import AdapterSettings, FineTuneType
from app.core.config.data import BadRows, DataSettings, MixedDataset
from app.core.config.evaluation import CheckpointRetention, EvaluationSettings
from app.core.config.optimization import ClockSettings, OptimizationSettings, Replies, Schedule
from app.core.config.setting import Problem, range_problem
from app.core.config.tiers import Assignment, FastEnd, Pending, TierConfig, TierSettings
from app.core.errors import InputError
from app.core.files.paths import expanded

__all__ = ["CHOICES", "MixedDataset", "TierConfig", "TrainingConfig", "config_field"]


# Fields of the last base class come first: the order of the form.
@dataclass(frozen=True)
class TrainingConfig(
    EvaluationSettings,
    AdapterSettings,
    OptimizationSettings,
    ClockSettings,
    TierSettings,
    DataSettings,
):
    """Everything that decides a run: the same config on the same machine gives the same losses."""

    def problems(self) -> list[Problem]:
        """All invalid settings, in the order of the form; empty if there are none."""
        problems = [p for f in fields(self) if (p := range_problem(f, getattr(self, f.name)))]
        problems += self.evaluation_problems()
        return problems + self.file_problems() + self.tier_problems(self.rank)

    def located(self) -> "TrainingConfig":
        """This config with absolute paths, so that a run means the same from anywhere."""
        places: dict[str, Any] = {
            f.name: _absolute(value)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Path)
        }
        mix = tuple(replace(mixed, data=_absolute(mixed.data)) for mixed in self.mix)
        questions = tuple(map(_absolute, self.eval_sets))
        return replace(self, **places, mix=mix, eval_sets=questions)

    def checked(self) -> "TrainingConfig":
        """This config, or InputError with the first problem's sentence."""
        if problems := self.problems():
            raise InputError(problems[0].message)
        return self


CHOICES: Mapping[str, tuple[str, ...]] = {
    "assign": get_args(Assignment),
    "bad_rows": get_args(BadRows),
    "fastest_first": get_args(FastEnd),
    "fine_tune_type": get_args(FineTuneType),
    "keep_checkpoints": get_args(CheckpointRetention),
    "pending": get_args(Pending),
    "replies": get_args(Replies),
    "lr_schedule": get_args(Schedule),
}


def config_field(name: str) -> Field[Any]:
    """The dataclass field of a setting, with its label and help in `metadata`."""
    return next(f for f in fields(TrainingConfig) if f.name == name)


def _absolute(path: Path) -> Path:
    return expanded(path).absolute()
