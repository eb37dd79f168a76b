"""`nestling check`: what datasets hold and what is wrong with them, without training on them."""

import argparse
import sys
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.check_arguments import SETTINGS, SHOWN_PROBLEMS
from app.cli.dataset_report import RunUse, as_data, as_lines
from app.cli.progress_bar import waited_for
from app.cli.terminal import json_line, line
from app.core.column_mapping import parse_columns
from app.core.config.serialization import with_settings
from app.core.config.training_config import TrainingConfig
from app.core.model_limits import ModelLimits
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
    """What is to be known of its chat template."""

    def notes(self, config: TrainingConfig) -> tuple[str, ...]:
        """What a run on this model would say of it."""
        cap = self.limits.cap_sentence(config.max_seq_length)
        return tuple(filter(None, (cap, *self.of_template)))


def check(arguments: argparse.Namespace) -> int:
    """Print the report; raises InputError when there is nothing to report on."""
    settings = {name: getattr(arguments, name) for name in SETTINGS if name in arguments}
    config = with_settings(TrainingConfig(), settings, where="the command line").checked()
    main = DatasetSource(arguments.data, config.valid, parse_columns(config.map))
    given = [main, *(DatasetSource(one.data) for one in config.mix)]
    facts, tokens, model = _found(arguments, given, config)
    use = None
    if model is not None:
        notes = model.notes(config)
        config = _as_cut(config, model.limits)
        use = replace(_use(tokens, config), limits=model.limits, notes=notes)
    problems = [one.problems for one in tokens]
    if arguments.json:
        json_line(as_data(facts, problems, use, config))
    else:
        is_mapped = main.columns is not None
        most = sys.maxsize if arguments.all else SHOWN_PROBLEMS
        for words in as_lines(facts, problems, use, config, is_mapped=is_mapped, most=most):
            line(words)
    errors = sum(one.problem_count for one in facts.datasets)
    errors += sum(one.error_count for one in problems)
    return EXIT_BAD_ROWS if errors else 0


def _found(
    arguments: argparse.Namespace, given: list[DatasetSource], config: TrainingConfig
) -> "tuple[MixtureFacts, list[TokenizedFiles], _Model | None]":
    reading = inspect_mixture(given)
    label = f"Reading {arguments.data.name}"
    if not arguments.model:
        return waited_for(reading, label), [], None
    files = [find_files(one.data, one.valid) for one in given]
    _check_model(arguments.model)
    with unchanged(path for one in files for path in one.all_files):
        facts = waited_for(reading, label)
        model = _loaded(arguments.model)
        tokens = _tokens(model, given, _as_cut(config, model.limits))
    for one, known in zip(tokens, facts.datasets, strict=True):
        one.problems.warnings = with_names(one.problems.warnings, known)
    return replace(facts, datasets=tuple(map(without_guesses, facts.datasets))), tokens, model


def _check_model(folder: Path) -> None:
    from app.engine.model.loading import check_configuration

    check_configuration(folder)


def _loaded(folder: Path) -> _Model:
    from app.data.chat.template_day import check_note
    from app.engine.model.end_tokens import end_token_note
    from app.engine.model.loading import load_tokenizer
    from app.models.model_folder import folder_limits

    tokenizer = load_tokenizer(folder)
    waited_for(_trying(tokenizer), TRYING)
    notes = check_note(tokenizer), end_token_note(folder, tokenizer)
    return _Model(tokenizer, folder_limits(folder), notes)


def _trying(tokenizer: Any) -> Generator[float, None, None]:
    for _ in try_templates(getattr(tokenizer, "chat_template", None)):
        yield 0.0


def _as_cut(config: TrainingConfig, limits: ModelLimits) -> TrainingConfig:
    """The same with the limit at which a run would cut rows for this model."""
    return replace(config, max_seq_length=limits.row_limit(config.max_seq_length))


def _tokens(
    model: _Model, given: list[DatasetSource], config: TrainingConfig
) -> "list[TokenizedFiles]":
    from app.data.tokenizing.store import RowSettings
    from app.data.training_set.token_report import tokenize_files

    found = []
    for one in given:
        files = find_files(one.data, one.valid)
        rows = model.limits.embedding_rows
        settings = RowSettings(
            config.mask_prompt, one.columns, embedding_rows=rows, replies=config.replies
        )
        making = tokenize_files(files, model.tokenizer, settings, config.max_seq_length)
        found.append(waited_for(making, f"Tokenizing {one.data.name}"))
    return found


def _use(tokens: "list[TokenizedFiles]", config: TrainingConfig) -> RunUse:
    from app.data.files.dataset_files import dataset_name
    from app.data.training_set.minimum_rows import RemainingRows, insufficient_rows_error
    from app.data.training_set.statistics import epoch_facts
    from app.data.training_set.token_report import statistics_of

    statistics = statistics_of(tokens, config.validation_share, config.seed)
    if not statistics:
        return RunUse((), None, "A file can't be read to its end. Fix it or choose another.")
    limit = config.max_seq_length
    left = [
        RemainingRows.by_statistics(dataset_name(one.files), known, limit)
        for one, known in zip(tokens, statistics, strict=True)
    ]
    if refusal := insufficient_rows_error(left, limit, config.batch_size):
        return RunUse(statistics, None, f"{refusal.message} {refusal.hint}")
    shares = [mixed.share for mixed in config.mix]
    return RunUse(statistics, epoch_facts(statistics, shares, limit))
