"""The command line's grammar. Flags and their help come from TrainingConfig."""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from app.cli.generate import add_generate
from app.cli.help import add_help
from app.cli.models import add_models
from app.cli.setting_flags import add_check, add_setting
from app.cli.terminal import line, note
from app.core.config.learning_methods import LEARN_AND_KEEP, TIERS, with_learning_method
from app.core.config.presets import PRESETS, Preset, preset
from app.core.config.serialization import load_toml, parse_tiers, with_settings
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.files.paths import expanded, runs_dir
from app.core.system.version import version_line
from app.core.text.sanitize import single_line

_MAX_MESSAGE = 400
_RUN_HELP = "The run's name, or its folder."
_HELP_COLUMNS, _NAME_COLUMNS = 78, 24


class _Parser(argparse.ArgumentParser):
    """Reports an error in one sentence instead of printing the usage first."""

    def error(self, message: str) -> NoReturn:
        shown = single_line(message.removesuffix("."), _MAX_MESSAGE)
        self.exit(2, f"{self.prog}: {shown}. See {self.prog} --help.\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit with a message on one line; control characters from the command line are escaped."""
        if message:
            note(message.removesuffix("\n"))
        sys.exit(status)


class _Version(argparse.Action):
    """Reads the versions only when they are requested."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        line(f"nestling {version_line()}")
        parser.exit()


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; `command` is None for the window. Exits with code 2 on bad ones."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.self_test and arguments.command:
        parser.error(f"--self-test can't be combined with {arguments.command}")
    if arguments.self_test_json and not arguments.self_test:
        parser.error("--json requires --self-test or a command before it")
    return arguments


def training_config(arguments: argparse.Namespace) -> TrainingConfig:
    """The settings of a new plan or of the TOML file, then of the preset, then of the flags. Raises
    InputError.
    """
    config = load_toml(arguments.config) if "config" in arguments else _new_plan(arguments)
    if "preset" in arguments:
        config = preset(arguments.preset).applied_to(config)
    settings = {f.name: getattr(arguments, f.name) for f in fields(config) if f.name in arguments}
    extras = ("tier_factors", "tier_pending")
    if "tiers" in settings or any(name in arguments for name in extras):
        periods = settings.pop("tiers", ",".join(str(tier.period) for tier in config.tiers))
        tiers = parse_tiers(periods, *(getattr(arguments, name, "") for name in extras))
        settings["tiers"] = [vars(tier) for tier in tiers]
    if "adapter" in settings:
        settings["adapter"] = str(_adapter_named(settings["adapter"]))
    config = with_settings(config, settings, where="the command line")
    if config.data is None:
        raise InputError("No dataset is given.", "Add --data with a file or a folder.")
    return config.checked()


def _new_plan(arguments: argparse.Namespace) -> TrainingConfig:
    """The default preset, as in the window, unless the command line sets tiers, a clock or a
    preset.
    """
    own = (*TIERS, "slow_every", "lasting_pull", "tier_factors", "tier_pending", "preset")
    config = TrainingConfig()
    if any(name in arguments for name in own):
        return config
    return with_learning_method(config, LEARN_AND_KEEP)


def _adapter_named(named: str) -> Path:
    """A folder, or the folder of the run with that name in the library."""
    from app.library.reading.run_store import find_run

    path = expanded(Path(named))
    return path if path.is_dir() else find_run(named, runs_dir())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nestling",
        description="Fine-tune a language model on this computer, on several clocks. Without a "
        "command, the window opens.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="Print Nestling's version, commit and MLX's."
    )
    parser.add_argument(
        "--self-test", action="store_true",
        help="Check that this copy works on this computer, without network or window. The exit "
        "code is 0 or 1.",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", dest="self_test_json",
        help="With --self-test: print one JSON object for each check.",
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_demo(commands.add_parser("demo", help="train the starter model on the sample data"))
    _add_train(commands.add_parser("train", help="train from the terminal"))
    add_check(commands.add_parser("check", help="name every row of a dataset that can't be used"))
    _add_resume(commands.add_parser("resume", help="resume a run that was stopped"))
    runs = commands.add_parser("runs", help="list the runs in the library")
    runs.description = "List the runs in the library, the newest first."
    runs.add_argument("--json", action="store_true", help="Print one JSON object per line.")
    add_models(commands.add_parser("models", help="list the base models on this computer"))
    _add_show(commands.add_parser("show", help="show one run: its settings, results and log"))
    _add_study(commands.add_parser("study", help="measure what settings forget, task after task"))
    add_generate(commands.add_parser("generate", help="let a run's checkpoint answer"))
    add_help(commands.add_parser("help", help="list the topics of the guide, or show one"))
    return parser


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show one run: its settings, results, checkpoints and log."
    parser.add_argument("run", metavar="RUN", help=_RUN_HELP)
    form = parser.add_mutually_exclusive_group()
    parser.add_argument(
        "--whole", action="store_true",
        help="Compare every byte of the base model's weights, whatever their size.",
    )  # fmt: skip
    form.add_argument("--json", action="store_true", help="Print one JSON object.")
    form.add_argument(
        "--toml", action="store_true",
        help="Print the run's settings as nestling train --config takes them.",
    )  # fmt: skip


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Teach the starter model the sample's new facts, and ask it before and after. Opens the "
        "window where there is a display."
    )
    parser.add_argument("--steps", type=int, default=None, metavar="N", help=_help("steps"))
    _add_output(parser)
    parser.add_argument(
        "--terminal", action="store_true", help="Stay in the terminal even if there is a display."
    )


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train from the terminal. Flags override the settings file. Without tiers, clocks,\n"
        "preset or settings file, --preset learn-and-keep applies."
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "presets:\n" + "\n".join(map(_preset_help, PRESETS))
    parser.add_argument(
        "--config", type=Path, default=argparse.SUPPRESS, metavar="FILE",
        help="A TOML file of settings. Keys are the flags' names with _ instead of -.",
    )  # fmt: skip
    parser.add_argument(
        "--preset", choices=[p.name for p in PRESETS], default=argparse.SUPPRESS, metavar="NAME",
        help="Ready-made settings; see below.",
    )  # fmt: skip
    for f in fields(TrainingConfig):
        if f.name != "output":
            add_setting(parser, f)
    parser.add_argument(
        "--tier-factors", default=argparse.SUPPRESS, metavar="F,F,…",
        help="One learning-rate factor for each tier.",
    )  # fmt: skip
    parser.add_argument(
        "--tier-pending", default=argparse.SUPPRESS, metavar="W,W,…",
        help="accumulate or skip for each tier. Default: --pending for all.",
    )  # fmt: skip
    _add_output(parser)
    _add_stop_after(parser)


def _preset_help(shown: Preset) -> str:
    """The list of presets, formatted like argparse's flags, with names in full."""
    lines = textwrap.wrap(shown.description, _HELP_COLUMNS - _NAME_COLUMNS, break_on_hyphens=False)
    indent = " " * _NAME_COLUMNS
    return f"  {shown.name:<{_NAME_COLUMNS - 2}}" + f"\n{indent}".join(lines)


def _add_resume(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Resume a run from its last checkpoint. On a CPU the result is bit-equal to that of a run "
        "that never stopped."
    )
    parser.add_argument("run", metavar="RUN", help=_RUN_HELP)
    parser.add_argument(
        "--checkpoint",
        default=None,
        metavar="NAME",
        help="An earlier checkpoint, like step-000100.",
    )
    _add_output(parser, "Copy the run to this folder and resume the copy. Default: the run itself.")
    _add_stop_after(parser)


def _add_stop_after(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stop-after", type=int, default=None, metavar="N",
        help="Stop after this step with a checkpoint; nestling resume continues from it.",
    )  # fmt: skip


def _add_output(parser: argparse.ArgumentParser, text: str = "") -> None:
    parser.add_argument(
        "--output", default=argparse.SUPPRESS, metavar="DIR", help=text or _help("output")
    )
    parser.add_argument(
        "--json", action="store_true", help="Print one JSON object per line instead of progress."
    )


def _help(name: str) -> str:
    field = next(f for f in fields(TrainingConfig) if f.name == name)
    return str(field.metadata["help"])


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Learn tasks in turn, by several settings and with several seeds, and measure what each "
        "forgets. A study that was stopped resumes where it was."
    )
    parser.add_argument("file", type=Path, metavar="FILE.toml", help="The study.")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="Base model, instead of the one in the file."
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR",
        help="Folder for runs and report. Default: a folder beside the file, with its name.",
    )  # fmt: skip
    parser.add_argument(
        "--most-runs", type=int, metavar="N", help="Stop after N runs; resume later."
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object for each run.")
