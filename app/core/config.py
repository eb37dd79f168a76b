"""A run's configuration: one frozen dataclass with the help text that forms, flags and docs show.

Defaults are those of the product; config_checks.py says in plain words what can't work. Whether
files exist and fit is not known here.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from app.core.columns import EXAMPLE as EXAMPLE_COLUMNS
from app.core.columns import ROLES
from app.core.config_checks import Problem, problems_of
from app.core.errors import InputError
from app.core.paths import starter_model_dir
from app.core.tier_patterns import EXAMPLE

Assignment = Literal["depth", "module", "rank", "importance", "manual"]
FastEnd = Literal["top", "bottom"]
Pending = Literal["accumulate", "skip"]
Schedule = Literal["constant", "linear", "cosine"]
FineTuneType = Literal["lora", "dora"]
Keep = Literal["all", "best and last"]
BadRows = Literal["stop", "leave out"]


@dataclass(frozen=True)
class TierConfig:
    """One tier: its update period in optimizer steps and its own learning-rate factor."""

    period: int
    learning_rate_factor: float = 1.0
    pending: Pending | None = None
    """What it does with gradients between firings; None: as the run's `pending` says."""


@dataclass(frozen=True)
class MixedDataset:
    """A further dataset, mixed into the run's own."""

    data: Path
    share: float
    """Of the training rows of an epoch, which of them are this dataset's."""
    map: str = ""
    """Its columns, as the setting of that name says those of the run's own dataset."""

    def __str__(self) -> str:
        return f"{self.data.name} {self.share * 100:.3g} %"


def setting(
    default: Any = None,
    *,
    label: str,
    help: str,
    section: str,
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive_minimum: bool = False,
    advanced: bool = False,
    factory: Callable[[], Any] | None = None,
) -> Any:
    """A dataclass field that carries what forms and flags need to present it."""
    metadata = {
        "label": label,
        "help": help,
        "section": section,
        "minimum": minimum,
        "maximum": maximum,
        "exclusive_minimum": exclusive_minimum,
        "advanced": advanced,
    }
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run: the same config on the same machine gives the same losses."""

    # -- what goes in and where it goes ------------------------------------------------------
    model: Path = setting(
        factory=starter_model_dir,
        label="Base model",
        help="Folder of an MLX model (config.json, *.safetensors, tokenizer).",
        section="files",
    )
    data: Path | None = setting(
        label="Dataset",
        help="A file of examples (.jsonl, .json, .csv, .tsv, .parquet, .txt, .md, also .gz), or a "
        "folder with a train and optionally a valid file.",
        section="files",
    )
    mix: tuple[MixedDataset, ...] = setting(
        (),
        label="Mixed in",
        help="Further datasets, each with the share of the training rows that it shall make up, "
        "like old.jsonl=0.25. Rows learned before, mixed in so, are rehearsed. An epoch is one "
        "pass over the dataset itself.",
        section="files",
        advanced=True,
    )
    valid: Path | None = setting(
        label="Validation set",
        help="A file to validate on; without one, a share of the dataset is held out.",
        section="files",
    )
    question_sets: tuple[Path, ...] = setting(
        (),
        label="Question sets",
        help="Chat files scored before and after training: an answer counts when greedy "
        "decoding gives exactly the expected reply.",
        section="files",
        advanced=True,
    )
    output: Path | None = setting(
        label="Output folder",
        help="The run's own folder; without one, a new folder in the library.",
        section="files",
    )
    name: str = setting(
        "",
        label="Name",
        help="What the run is called in the library; without one, the dataset's name.",
        section="files",
    )

    map: str = setting(
        "",
        label="Columns",
        help=f"Which column plays which role where the dataset's own names don't say, like "
        f"{EXAMPLE_COLUMNS}; or text=body. The roles are {', '.join(ROLES)}.",
        section="files",
        advanced=True,
    )
    bad_rows: BadRows = setting(
        "stop",
        label="Bad rows",
        help="stop: a dataset with a row that can't be used is not trained on. leave out: its "
        "other rows are, and the log names what was left out.",
        section="files",
        advanced=True,
    )

    # -- tiers -------------------------------------------------------------------------------
    tiers: tuple[TierConfig, ...] = setting(
        (TierConfig(1), TierConfig(2), TierConfig(4)),
        label="Tiers",
        help="Update periods, fastest first: a tier with period 4 collects gradients for four "
        "steps and then moves once.",
        section="tiers",
    )
    assign: Assignment = setting(
        "depth",
        label="Assignment",
        help="Which parameters go together: blocks of layers (depth), attention apart from the "
        "rest (module), slices of every adapter's rank (rank), modules by how strongly your data "
        "pulls at them (importance), or as your patterns say (manual).",
        section="tiers",
    )
    tier_patterns: str = setting(
        "",
        label="Patterns",
        help=f"For manual assignment: patterns over module paths, each with its tier, like "
        f"{EXAMPLE}. The first that fits wins; without *, ? or [ a part of the path is enough.",
        section="tiers",
        advanced=True,
    )
    calibration_batches: int = setting(
        8,
        label="Calibration batches",
        help="Batches on which assignment by importance measures gradients before the start.",
        section="tiers",
        minimum=1,
        maximum=10_000,
        advanced=True,
    )
    fast_end: FastEnd = setting(
        "top",
        label="Fastest",
        help="Which end is tier 0. By depth: the top layers (nearest the output) or the bottom "
        "ones. By module: attention (top) or the rest (bottom). By importance: the most active "
        "modules (top) or the least active (bottom).",
        section="tiers",
    )
    pending: Pending = setting(
        "accumulate",
        label="Between firings",
        help="accumulate: a tier that is not due averages its gradients until it fires. "
        "skip: they are dropped (the older design, for comparison).",
        section="tiers",
        advanced=True,
    )

    # -- training ----------------------------------------------------------------------------
    steps: int = setting(
        300, label="Steps", help="Optimizer steps.", section="training", minimum=1,
        maximum=10_000_000,
    )  # fmt: skip
    batch_size: int = setting(
        4, label="Batch size", help="Examples per forward pass.", section="training", minimum=1,
        maximum=4096,
    )  # fmt: skip
    learning_rate: float = setting(
        1e-4,
        label="Learning rate",
        help="Peak learning rate of AdamW.",
        section="training",
        minimum=0.0,
        maximum=1.0,
        exclusive_minimum=True,
    )
    max_seq_length: int = setting(
        2048,
        label="Longest example",
        help="Tokens; longer examples are cut at the end, and counted.",
        section="training",
        minimum=8,
        maximum=1_000_000,
    )
    mask_prompt: bool = setting(
        True,
        label="Train replies only",
        help="In chats and prompt/completion rows, learn the assistant's words and not the user's.",
        section="training",
    )
    schedule: Schedule = setting(
        "cosine",
        label="Schedule",
        help="How the learning rate falls after the warm-up.",
        section="training",
        advanced=True,
    )
    warmup_steps: int = setting(
        10,
        label="Warm-up steps",
        help="Steps over which the learning rate rises to its peak.",
        section="training",
        minimum=0,
        maximum=1_000_000,
        advanced=True,
    )
    gradient_accumulation: int = setting(
        1,
        label="Gradient accumulation",
        help="Batches per optimizer step, weighted by their trained tokens.",
        section="training",
        minimum=1,
        maximum=4096,
        advanced=True,
    )
    grad_checkpoint: bool = setting(
        False,
        label="Recompute layers",
        help="Gradient checkpointing: keep only each layer's input and compute the rest again in "
        "the backward pass. Less memory, about a third more time.",
        section="training",
        advanced=True,
    )
    weight_decay: float = setting(
        0.01,
        label="Weight decay",
        help="Decoupled; applied only when a tier fires.",
        section="training",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    max_norm: float = setting(
        1.0,
        label="Clip gradient norm",
        help="The gradient over all tiers is scaled down to this L2 norm; 0 turns it off.",
        section="training",
        minimum=0.0,
        maximum=1e6,
        advanced=True,
    )
    seed: int = setting(
        0, label="Seed", help="Decides adapter start, data order, split and dropout.",
        section="training", minimum=0, maximum=2**32 - 1, advanced=True,
    )  # fmt: skip

    # -- adapter -----------------------------------------------------------------------------
    fine_tune_type: FineTuneType = setting(
        "lora",
        label="Adapter",
        help="lora: a low-rank change of each weight. dora: the change's direction and the "
        "weight's magnitude apart; slower.",
        section="adapter",
        advanced=True,
    )
    keys: str = setting(
        "",
        label="Modules",
        help="Which modules of a layer carry an adapter, with commas between, like "
        "q_proj, v_proj; empty means all.",
        section="adapter",
        advanced=True,
    )
    rank: int = setting(
        8, label="Rank", help="Rank of each LoRA adapter.", section="adapter", minimum=1,
        maximum=1024,
    )  # fmt: skip
    scale: float = setting(
        20.0, label="Scale", help="Factor on the adapter's output, as mlx-lm uses it.",
        section="adapter", minimum=0.0, maximum=1e4, exclusive_minimum=True, advanced=True,
    )  # fmt: skip
    dropout: float = setting(
        0.0, label="Dropout", help="Share of the adapter's inputs dropped while training.",
        section="adapter", minimum=0.0, maximum=0.95, advanced=True,
    )  # fmt: skip
    num_layers: int = setting(
        -1,
        label="Layers",
        help="How many layers, counted from the top, carry an adapter; -1 means all.",
        section="adapter",
        minimum=-1,
        maximum=10_000,
        advanced=True,
    )

    # -- validation and checkpoints ----------------------------------------------------------
    validation_share: float = setting(
        0.1,
        label="Held out",
        help="Share of the dataset held out for validation where no validation set is given; "
        "0 turns validation off.",
        section="watching",
        minimum=0.0,
        maximum=0.5,
    )
    steps_per_eval: int = setting(
        50, label="Validate every", help="Steps between validations.", section="watching",
        minimum=1, maximum=10_000_000, advanced=True,
    )  # fmt: skip
    steps_per_save: int = setting(
        100, label="Save every", help="Steps between checkpoints.", section="watching",
        minimum=1, maximum=10_000_000, advanced=True,
    )  # fmt: skip
    early_stop_evals: int = setting(
        0,
        label="Stop early after",
        help="Validations in a row without a new best after which the run ends; 0 never ends it.",
        section="watching",
        minimum=0,
        maximum=10_000,
        advanced=True,
    )
    keep_checkpoints: Keep = setting(
        "all",
        label="Checkpoints kept",
        help="all, or only the one with the best validation loss and the last one.",
        section="watching",
        advanced=True,
    )

    def problems(self) -> list[Problem]:
        """Every setting that can't work, in the order of the form; empty when all can."""
        return problems_of(self)

    def located(self) -> "TrainingConfig":
        """This config with absolute paths, so that a run means the same from anywhere."""
        places: dict[str, Any] = {
            f.name: _absolute(value)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Path)
        }
        mix = tuple(replace(mixed, data=_absolute(mixed.data)) for mixed in self.mix)
        questions = tuple(map(_absolute, self.question_sets))
        return replace(self, **places, mix=mix, question_sets=questions)

    def checked(self) -> "TrainingConfig":
        """This config, or InputError with the first problem's sentence."""
        if found := self.problems():
            raise InputError(found[0].message)
        return self


CHOICES: Mapping[str, tuple[str, ...]] = {
    "assign": get_args(Assignment),
    "bad_rows": get_args(BadRows),
    "fast_end": get_args(FastEnd),
    "fine_tune_type": get_args(FineTuneType),
    "keep_checkpoints": get_args(Keep),
    "pending": get_args(Pending),
    "schedule": get_args(Schedule),
}


def config_field(name: str) -> Field[Any]:
    """The dataclass field of a setting, with its label and help in `metadata`."""
    return next(f for f in fields(TrainingConfig) if f.name == name)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()
