"""Settings of a run's files: base model, datasets, output. Does not look at the disk."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from app.core.column_mapping import EXAMPLE, ROLES, parse_columns
from app.core.config.setting import Problem, number, setting
from app.core.errors import InputError
from app.core.files.paths import starter_model_dir
from app.core.text.sanitize import visible_line

BadRows = Literal["stop", "skip"]
MAX_MIXED_SHARE = 0.95
"""An epoch then has 20 rows for each of the dataset itself."""


@dataclass(frozen=True)
class MixedDataset:
    """A further dataset, mixed into the run's own."""

    data: Path
    share: float
    """Share of an epoch's training rows that come from this dataset."""
    columns: str = ""
    """Its column mapping, written like the run's own."""

    def __str__(self) -> str:
        return f"{self.data.name} {self.share * 100:.3g} %"


@dataclass(frozen=True)
class DataSettings:
    model: Path = setting(
        factory=starter_model_dir,
        label="Base model",
        help="Folder of an MLX model (config.json, *.safetensors, tokenizer).",
        section="files",
    )
    adapter: Path | None = setting(
        label="Start from",
        help="An adapter to continue: a run, one of its checkpoints, or a folder that mlx-lm "
        "wrote. It brings its own method, rank, scale, layers and modules.",
        section="files",
        advanced=True,
    )
    data: Path | None = setting(
        label="Dataset",
        help="A file of examples (.jsonl, .json, .csv, .tsv, .parquet, .arrow, .txt, .md, also "
        ".gz), or a folder with a train and optionally a valid file.",
        section="files",
    )
    mix: tuple[MixedDataset, ...] = setting(
        (),
        label="Mixed in",
        help="Further datasets, each with its share of the training rows, like old.jsonl=0.25. "
        "Mixing in the data of earlier runs rehearses it. An epoch stays one pass over "
        "the dataset itself.",
        section="files",
        advanced=True,
    )
    valid: Path | None = setting(
        label="Validation set",
        help="A file to validate on. Default: a held-out share of the dataset.",
        section="files",
    )
    eval_sets: tuple[Path, ...] = setting(
        (),
        label="Question sets",
        help="Files of chats with questions that are asked before and after training. An "
        "answer is right if greedy decoding gives exactly the expected reply.",
        section="files",
        advanced=True,
    )
    output: Path | None = setting(
        label="Output folder",
        help="The run's folder. Default: a new folder in the library.",
        section="files",
    )
    name: str = setting(
        "",
        label="Name",
        help="The run's name in the library. Default: the dataset's name.",
        section="files",
    )

    columns: str = setting(
        "",
        label="Columns",
        help="The role of each column where the dataset's own names don't tell, like "
        f"{EXAMPLE}; or text=body. Roles: {', '.join(ROLES)}.",
        section="files",
        advanced=True,
    )
    bad_rows: BadRows = setting(
        "stop",
        label="Invalid rows",
        help="stop: a row that can't be used stops the run: before it starts, or at a checkpoint "
        "if the run has begun. skip: the run trains on the other rows, and the log names "
        "those left out.",
        section="files",
        advanced=True,
    )

    def file_problems(self) -> list[Problem]:
        return self._path_problems() + _column_problems(self.columns) + _mix_problems(self.mix)

    def _path_problems(self) -> list[Problem]:
        """A settings file can name what no disk can have."""
        alone = {
            f.name: [value]
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Path)
        }
        several = {
            "eval_sets": self.eval_sets,
            "mix": [dataset.data for dataset in self.mix],
        }
        return [
            Problem(
                name, f"{visible_line(str(path))} can't be a path: it holds a character of code 0."
            )
            for name, paths in (alone | several).items()
            for path in paths
            if "\0" in str(path)
        ]


def _column_problems(text: str) -> list[Problem]:
    try:
        parse_columns(text)
    except InputError as error:
        return [Problem("columns", str(error))]
    return []


def _mix_problems(mix: tuple[MixedDataset, ...]) -> list[Problem]:
    for mixed in mix:
        if not 0 < mixed.share < 1:
            return [
                Problem(
                    "mix",
                    f"The share of {mixed.data.name} must be above 0 and below 1, like 0.25 for "
                    f"a quarter; it is {number(mixed.share)}.",
                )
            ]
        try:
            parse_columns(mixed.columns)
        except InputError as error:
            return [Problem("mix", f"{mixed.data.name}: {error}")]
    total = sum(mixed.share for mixed in mix)
    if total > MAX_MIXED_SHARE:
        return [
            Problem(
                "mix",
                f"The mixed-in datasets make up {total * 100:.4g} % of the rows; at most "
                f"{MAX_MIXED_SHARE * 100:g} % are allowed, as the rest is the dataset itself.",
            )
        ]
    return []
