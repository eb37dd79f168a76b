"""Settings of a run's files: base model, datasets, output. Does not look at the disk."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Literal

from app.core.column_mapping import parse_columns
from app.core.config.setting import Problem, number, setting
from app.core.errors import InputError
from app.core.events import KNOWN_QUESTIONS
from app.core.files.data_formats import question_set_name
from app.core.files.paths import starter_model_dir
from app.core.text.sanitize import visible_line
from app.core.text.translation import mark, tr

BadRows = Literal["stop", "skip"]
MAX_MIXED_SHARE = 0.95
"""At this share an epoch has 20 rows for each row of the dataset itself."""


@dataclass(frozen=True)
class MixedDataset:
    """A further dataset, mixed into the run's own."""

    data: Path
    share: float
    """Share of an epoch's training rows that come from this dataset."""
    columns: str = ""
    """Its column mapping, in the same form as the run's own."""

    def __str__(self) -> str:
        return f"{self.data.name} {self.share * 100:.3g} %"


_setting = partial(setting, section="files")


@dataclass(frozen=True)
class DataSettings:
    model: Path = _setting(
        factory=starter_model_dir,
        label=mark("Base model"),
        help=mark("Folder of an MLX model (config.json, *.safetensors, tokenizer)."),
    )
    adapter: Path | None = _setting(
        label=mark("Start from"),
        help=mark(
            "An adapter to continue: a run, one of its checkpoints, or a folder that mlx-lm "
            "wrote. It brings its own method, rank, scale, layers and modules."
        ),
        advanced=True,
    )
    data: Path | None = _setting(
        label=mark("Dataset"),
        help=mark(
            "A file of examples (.jsonl, .json, .csv, .tsv, .parquet, .arrow, .txt, .md, also "
            ".gz), or a folder with a train and optionally a valid file."
        ),
    )
    mix: tuple[MixedDataset, ...] = _setting(
        (),
        label=mark("Mixed in"),
        help=mark(
            "Further datasets, each with its share of the training rows, like old.jsonl=0.25. "
            "Mixing in the data of earlier runs rehearses it. An epoch stays one pass over "
            "the dataset itself."
        ),
        advanced=True,
    )
    valid: Path | None = _setting(
        label=mark("Validation set"),
        help=mark("A file to validate on. Default: the validation split of the dataset."),
    )
    eval_sets: tuple[Path, ...] = _setting(
        (),
        label=mark("Question sets"),
        help=mark(
            "Chat files with questions to ask before and after training. An "
            "answer is right if greedy decoding gives exactly the expected reply."
        ),
        advanced=True,
    )
    retention_set: Path | None = _setting(
        label=mark("Retention set"),
        help=mark(
            "Prompts and answers the model should keep. They are asked like a question set and "
            "never trained on. With Measure forgetting, their loss is plotted along the run."
        ),
        advanced=True,
    )
    output: Path | None = _setting(
        label=mark("Output folder"),
        help=mark("The run's folder. Default: a new folder in the library."),
    )
    name: str = _setting(
        "",
        label=mark("Name"),
        help=mark("The run's name in the library. Default: the dataset's name."),
    )

    columns: str = _setting(
        "",
        label=mark("Columns"),
        help=mark(
            "Roles of columns that the dataset's own names don't reveal, like prompt=q, "
            "completion=a; or text=body. Roles: prompt, completion, system, text, messages, tools."
        ),
        advanced=True,
    )
    bad_rows: BadRows = _setting(
        "stop",
        label=mark("Invalid rows"),
        help=mark(
            "stop: a row that can't be used stops the run: before it starts, or at a checkpoint "
            "if the run has begun. skip: the run trains on the other rows, and the log names "
            "those left out."
        ),
        advanced=True,
    )

    @property
    def question_files(self) -> tuple[Path, ...]:
        """All question files asked before and after training, the retention set last."""
        retention = (self.retention_set,) if self.retention_set else ()
        return tuple(dict.fromkeys((*self.eval_sets, *retention)))

    def file_problems(self) -> list[Problem]:
        problems = self._path_problems() + _column_problems(self.columns) + _mix_problems(self.mix)
        if message := name_shared_by_two(self.question_files):
            problems.append(Problem("eval_sets", message))
        return problems

    def _path_problems(self) -> list[Problem]:
        """Problems of paths that no disk can have; a settings file can hold them."""
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
                name,
                tr(
                    "{path} can't be a path: it contains a NUL character.",
                    path=visible_line(str(path)),
                ),
            )
            for name, paths in (alone | several).items()
            for path in paths
            if "\0" in str(path)
        ]


def name_shared_by_two(questions: Iterable[Path]) -> str:
    """Names two question sets that share a name, as scores are stored by name; empty if all names
    differ."""
    named = {KNOWN_QUESTIONS: Path(KNOWN_QUESTIONS)}
    for path in questions:
        name = question_set_name(path)
        if named.setdefault(name, path) != path:
            return tr(
                "Two question sets are named “{name}”: rename the file {path}.",
                name=visible_line(name),
                path=visible_line(str(path)),
            )
    return ""


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
                    tr(
                        "The share of {dataset} must be above 0 and below 1, like {quarter:g} for "
                        "a quarter; it is {share}.",
                        dataset=mixed.data.name,
                        quarter=0.25,
                        share=number(mixed.share),
                    ),
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
                tr(
                    "The mixed-in datasets make up {percent:.4g} % of the rows; at most {most:g} % "
                    "are allowed, as the rest is the dataset itself.",
                    percent=total * 100,
                    most=MAX_MIXED_SHARE * 100,
                ),
            )
        ]
    return []
