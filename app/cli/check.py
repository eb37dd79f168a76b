"""`nestling check`: what datasets hold and what is wrong with them, without training on them."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.check_report import as_data, as_lines
from app.cli.waiting import waited_for
from app.core.columns import parse_columns
from app.core.config import TrainingConfig
from app.core.config_text import with_settings
from app.data.dataset_files import find_files
from app.data.fingerprint import unchanged
from app.data.mixed_inspection import GivenDataset, MixedFacts, inspecting_mixed

if TYPE_CHECKING:
    from app.data.token_facts import TokenFacts

EXIT_BAD_ROWS = 2


def add_check(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.description = (
        "Read a dataset to its end and name every row that can't be used. The exit code is 0 when "
        "there is none, and 2 when there is."
    )
    parser.add_argument("data", type=Path, metavar="DATA", help=_help("data"))
    parser.add_argument("--valid", type=Path, metavar="PATH", help=_help("valid"))
    parser.add_argument(
        "--mix", action="append", default=[], metavar="PATH=SHARE",
        help="A further dataset, as nestling train takes it: also checked, and for rows that "
        "stand in both. May be given several times.",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=Path, metavar="DIR",
        help="Also turn every row into this model's tokens; its weights are not read.",
    )  # fmt: skip
    parser.add_argument("--map", default="", metavar="ROLE=COLUMN,…", help=_help("map"))
    parser.add_argument(
        "--max-seq-length", type=int, metavar="N", default=TrainingConfig().max_seq_length,
        help=_help("max_seq_length"),
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")


def check(arguments: argparse.Namespace) -> int:
    """Print the report; raises InputError when there is nothing to report on."""
    config = TrainingConfig(max_seq_length=arguments.max_seq_length, map=arguments.map)
    config = with_settings(config, {"mix": arguments.mix}, where="the command line").checked()
    main = GivenDataset(arguments.data, arguments.valid, parse_columns(arguments.map))
    given = [main, *(GivenDataset(one.data) for one in config.mix)]
    facts, tokens = _found(arguments, given)
    if arguments.json:
        print(json.dumps(as_data(facts, tokens, config.mix), ensure_ascii=False))
    else:
        print("\n".join(as_lines(facts, tokens, is_mapped=main.columns is not None)))
    errors = sum(one.problem_count for one in facts.datasets)
    errors += sum(one.problems.error_count for one in tokens)
    return EXIT_BAD_ROWS if errors else 0


def _found(
    arguments: argparse.Namespace, given: list[GivenDataset]
) -> "tuple[MixedFacts, list[TokenFacts]]":
    reading = inspecting_mixed(given)
    label = f"Reading {arguments.data.name}"
    if not arguments.model:
        return waited_for(reading, label), []
    files = [find_files(one.data, one.valid) for one in given]
    with unchanged(path for one in files for path in one.all_files):
        return waited_for(reading, label), _tokens(arguments, given)


def _tokens(arguments: argparse.Namespace, given: list[GivenDataset]) -> "list[TokenFacts]":
    from app.data.token_facts import counting_tokens
    from app.data.token_store import RowSettings
    from app.engine.loading import load_tokenizer

    tokenizer = load_tokenizer(arguments.model)
    found = []
    for one in given:
        files = find_files(one.data, one.valid)
        settings = RowSettings(True, one.columns)
        counting = counting_tokens(files, tokenizer, settings, arguments.max_seq_length)
        found.append(waited_for(counting, f"Turning {one.data.name} into tokens"))
    return found


def _help(name: str) -> str:
    return str(TrainingConfig.__dataclass_fields__[name].metadata["help"]).replace("%", "%%")
