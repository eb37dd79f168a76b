"""A checkpoint on its base model, with the adapter on or off: both sides share one model."""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import mlx.core as mx

from app.core.base_model import BaseModelCheck, compare_digests, read_digests
from app.core.chat_messages import Side
from app.core.errors import AppError, InputError
from app.core.events import Event, StageChanged
from app.core.generation_events import CheckpointLoaded, CheckpointRef
from app.core.text.sanitize import error_text
from app.core.text.translation import mark
from app.data.files.model_files import ModelFiles, digests_to_compare, read_model_files
from app.engine.adapter.adapter import BareModel
from app.engine.model.adapter_parameters import module_path
from app.engine.model.chat_prompt import stop_token_note, stop_tokens
from app.engine.model.language_model import LanguageModel
from app.engine.model.loading import BaseModel, loading_base_model
from app.engine.model.model_structure import parameters
from app.engine.runtime.mlx_runtime import device_name
from app.engine.runtime.named_arrays import load_arrays
from app.engine.runtime.stopping import in_stage, trying_template
from app.engine.training.checkpoints import check_files
from app.library.run.layout import ADAPTER_CONFIG_FILE, ADAPTER_FILE
from app.library.run.manifest import read_manifest

_CHOOSE = "Choose another checkpoint."
_LEAVES = ("lora_a", "lora_b", "m")


@dataclass
class TunedModel:
    """A base model whose adapter can be switched on and off.

    With the adapter off, the model has the base's own modules. An adapter scaled to 0 would not be
    the same: for DoRA and quantized bases, it changes the output.
    """

    base: BaseModel
    loaded: CheckpointLoaded
    stop_tokens: frozenset[int]
    """Tokens that end an answer."""
    _adapters: BareModel
    end_note: str = ""
    """A note that mlx-lm would not stop at the end of an answer; "" if it would."""
    _side: Side = field(default="tuned")

    def select_side(self, side: Side) -> LanguageModel:
        """The model with the adapter on or off; the same object for both sides."""
        if side != self._side:
            if side == "base":
                self._adapters.take_off()
            else:
                self._adapters.put_back()
            self._side = side
        return self.base.model


def loading_tuned_model(tried: CheckpointRef) -> Generator[Event, None, TunedModel]:
    """Load base model and adapter with dropout off; yields stages with the share of weights read.

    Raises InputError if the model or the adapter is missing, damaged or doesn't fit.
    """
    _check_adapter(tried.adapter_dir)
    files = read_model_files(tried.model)
    yield StageChanged(mark("Loading the model"), 0.0)
    base = yield from in_stage(mark("Loading the model"), loading_base_model(tried.model))
    files.check_unchanged()
    yield from trying_template(base.tokenizer)
    count = _attach_adapter(base, tried)
    base.model.eval()
    loaded = CheckpointLoaded(
        tried, count, bool(base.tokenizer.has_chat_template), base.limits.context_tokens,
        device_name(), _compared(tried, files),
    )  # fmt: skip
    return TunedModel(
        base,
        loaded,
        stop_tokens(base.path, base.tokenizer),
        BareModel(base.model),
        stop_token_note(base.path, base.tokenizer),
    )


def _compared(tried: CheckpointRef, files: ModelFiles) -> BaseModelCheck:
    """The loaded base model compared with the one that the checkpoint's run recorded."""
    try:
        recorded = read_digests(read_manifest(tried.run_dir))
    except AppError:
        recorded = None
    return compare_digests(tried.model, recorded, digests_to_compare(files))


def _check_adapter(folder: Path) -> None:
    """Raise InputError unless the adapter in `folder` is complete and unchanged."""
    if not folder.is_dir():
        raise InputError(f"There is no checkpoint at {folder}.", _CHOOSE)
    try:
        check_files(folder, (ADAPTER_CONFIG_FILE, ADAPTER_FILE))
    except InputError as error:
        raise InputError(error.message, _CHOOSE) from error


def _attach_adapter(base: BaseModel, tried: CheckpointRef) -> int:
    """Load the adapter into the model and read it back; returns its number of parameters.

    Raises InputError if it does not fit.
    """
    from mlx_lm.tuner.utils import load_adapters

    try:
        load_adapters(base.model, str(tried.adapter_dir))
        saved = load_arrays(tried.adapter_dir / ADAPTER_FILE)
    except Exception as error:  # mlx-lm raises many kinds for an adapter of another model
        raise _mismatch_error(tried, error_text(error)) from error
    loaded_arrays = {
        path: array
        for path, array in parameters(base.model).items()
        if path.rpartition(".")[2] in _LEAVES and path in saved
    }
    bare = _bare_modules(base.model, set(map(module_path, loaded_arrays)))
    if bare or loaded_arrays.keys() != saved.keys():
        raise _mismatch_error(
            tried, f"it has no weights for {bare[0]}" if bare else "it has other parameters"
        )
    if not all(
        mx.array_equal(loaded_arrays[path], saved[path], equal_nan=True).item() for path in saved
    ):
        raise _mismatch_error(tried, "the loaded weights differ from the file")
    return sum(int(array.size) for array in saved.values())


def _bare_modules(model: LanguageModel, loaded: set[str]) -> list[str]:
    """Paths of adapted modules for which the file has no weights."""
    return [
        path for path, module in model.named_modules() if "lora_a" in module and path not in loaded
    ]


def _mismatch_error(tried: CheckpointRef, reason: str) -> InputError:
    return InputError(
        f"The adapter in {tried.adapter_dir} does not fit the model in {tried.model}: "
        f"{reason.strip().rstrip('.')}.",
        "It only works with the base model that it was trained on.",
    )
