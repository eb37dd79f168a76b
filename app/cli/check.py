"""`nestling check`: reports what datasets hold and which rows can't be used."""

import argparse
import sys
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.dataset_report import RunUse, report_data, report_lines
from app.cli.rich_output import run_with_bar
from app.cli.setting_flags import SETTINGS, SHOWN_PROBLEMS
from app.cli.terminal import json_line, line
from app.core.base_model import ModelLimits
from app.core.column_mapping import parse_columns
from app.core.config.serialization import with_settings
from app.core.config.training_config import TrainingConfig
from app.data.chat.template_trial import TRYING, try_templates
from app.data.files.dataset_files import find_files
from app.data.files.fingerprint import unchanged
from app.data.inspection.inspection import with_names, without_guesses
from app.data.inspection.mixture_inspection import DatasetSource, MixtureFacts, inspect_mixture

if TYPE_CHECKING:
    from app.data.training_set.token_report import TokenizedFiles

EXIT_BAD_ROWS = 2


@dataclass(frozen=True)
class _Model:
    tokenizer: Any
    limits: ModelLimits
    of_template: tuple[str, ...]
    """Notes about the chat template."""

    def notes(self, config: TrainingConfig) -> tuple[str, ...]:
        """The notes that a run on this model would log."""
        cap = self.limits.cap_sentence(config.max_seq_length)
        return tuple(filter(None, (cap, *self.of_template)))


def check(arguments: argparse.Namespace) -> int:
    """Print the report and return the exit code. Raises InputError if there is nothing to report
    on.
    """
    settings = {name: getattr(arguments, name) for name in SETTINGS if name in arguments}
    config = with_settings(TrainingConfig(), settings, where="the command line").checked()
    main = DatasetSource(arguments.data, config.valid, parse_columns(config.columns))
    datasets = [main, *(DatasetSource(dataset.data) for dataset in config.mix)]
    facts, tokens, model = _inspected(arguments, datasets, config)
    use = None
    if model is not None:
        notes = model.notes(config)
        config = _as_cut(config, model.limits)
        use = replace(_use(tokens, config), limits=model.limits, notes=notes)
    problems = [dataset.problems for dataset in tokens]
    if arguments.json:
        json_line(report_data(facts, problems, use, config))
    else:
        is_mapped = main.columns is not None
        most = sys.maxsize if arguments.all else SHOWN_PROBLEMS
        for text in report_lines(facts, problems, use, config, is_mapped=is_mapped, most=most):
            line(text)
    errors = sum(dataset.problem_count for dataset in facts.datasets)
    errors += sum(dataset.error_count for dataset in problems)
    return EXIT_BAD_ROWS if errors else 0


def _inspected(
    arguments: argparse.Namespace, datasets: list[DatasetSource], config: TrainingConfig
) -> "tuple[MixtureFacts, list[TokenizedFiles], _Model | None]":
    reading = inspect_mixture(datasets)
    label = f"Reading {arguments.data.name}"
    if not arguments.model:
        return run_with_bar(reading, label), [], None
    files = [find_files(dataset.data, dataset.valid) for dataset in datasets]
    _check_model(arguments.model)
    with unchanged(path for dataset in files for path in dataset.all_files):
        facts = run_with_bar(reading, label)
        model = _loaded(arguments.model)
        tokens = _tokens(model, datasets, _as_cut(config, model.limits))
    for dataset, known in zip(tokens, facts.datasets, strict=True):
        dataset.problems.warnings = with_names(dataset.problems.warnings, known)
    return replace(facts, datasets=tuple(map(without_guesses, facts.datasets))), tokens, model


def _check_model(folder: Path) -> None:
    from app.engine.model.loading import check_configuration

    check_configuration(folder)


def _loaded(folder: Path) -> _Model:
    from app.data.chat.template_environment import check_note
    from app.engine.model.chat_prompt import stop_token_note
    from app.engine.model.loading import load_tokenizer
    from app.models.model_folder import folder_limits

    tokenizer = load_tokenizer(folder)
    run_with_bar(_trying(tokenizer), TRYING)
    notes = check_note(tokenizer), stop_token_note(folder, tokenizer)
    return _Model(tokenizer, folder_limits(folder), notes)


def _trying(tokenizer: Any) -> Generator[float, None, None]:
    for _ in try_templates(getattr(tokenizer, "chat_template", None)):
        yield 0.0


def _as_cut(config: TrainingConfig, limits: ModelLimits) -> TrainingConfig:
    """The config with the row limit that a run on this model would use."""
    return replace(config, max_seq_length=limits.row_limit(config.max_seq_length))


def _tokens(
    model: _Model, datasets: list[DatasetSource], config: TrainingConfig
) -> "list[TokenizedFiles]":
    from app.data.tokenizing.token_store import RowSettings
    from app.data.training_set.token_report import tokenize_files

    tokens = []
    for dataset in datasets:
        files = find_files(dataset.data, dataset.valid)
        rows = model.limits.embedding_rows
        settings = RowSettings(
            config.mask_prompt, dataset.columns, embedding_rows=rows, replies=config.replies
        )
        tokenizing = tokenize_files(files, model.tokenizer, settings, config.max_seq_length)
        tokens.append(run_with_bar(tokenizing, f"Tokenizing {dataset.data.name}"))
    return tokens


def _use(tokens: "list[TokenizedFiles]", config: TrainingConfig) -> RunUse:
    from app.data.files.dataset_files import dataset_name
    from app.data.training_set.minimum_rows import RemainingRows, insufficient_rows_error
    from app.data.training_set.statistics import epoch_facts
    from app.data.training_set.token_report import statistics_of

    statistics = statistics_of(tokens, config.validation_split, config.seed)
    if not statistics:
        return RunUse((), None, "A file can't be read completely. Fix it or choose another.")
    limit = config.max_seq_length
    left = [
        RemainingRows.by_statistics(dataset_name(dataset.files), known, limit)
        for dataset, known in zip(tokens, statistics, strict=True)
    ]
    if template_error := insufficient_rows_error(left, limit, config.batch_size):
        return RunUse(statistics, None, f"{template_error.message} {template_error.hint}")
    shares = [mixed.share for mixed in config.mix]
    return RunUse(statistics, epoch_facts(statistics, shares, limit))
