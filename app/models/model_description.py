"""Describes a base model for the Models list without loading it.

A model that can't be trained has a problem, as a sentence, beside the facts that could be read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.files.atomic_files import read_json_object
from app.core.files.untrusted_files import read_head
from app.core.text.sanitize import short_repr, single_line
from app.models.file_listing import FolderFiles
from app.models.model_code import check_needs_no_code, code_refused, knows_architecture
from app.models.model_folder import (
    MAX_CONFIG_BYTES,
    check_is_model_folder,
    check_layer_count,
    context_length,
    read_model_config,
)
from app.models.model_locations import HUGGING_FACE, ModelLocation
from app.models.quantization import parameter_counts, quantization_text
from app.models.training_memory import TrainingMemory, training_memory
from app.models.weights import Tensor
from app.models.weights_check import AGAIN, ANEW, check_weights_files, read_whole_weights

MAX_LISTED_CONFIG_BYTES, MAX_LISTED_HEADER_BYTES = 2 * 2**20, 8 * 2**20
"""Parsing larger files would block the window's thread; known models have less than a third."""
TOKENIZERS = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken", "spiece.model",
    "*.bpe.model",
)  # fmt: skip


@dataclass(frozen=True)
class ModelDescription:
    folder: Path
    name: str
    """With the organization or publisher, if any: "mlx-community/Qwen3-4B-4bit"."""
    source: str
    """The source, such as "Hugging Face" or "LM Studio"."""
    architecture: str = ""
    """Its model_type."""
    parameters: int | None = None
    quantization: str = ""
    size_bytes: int = 0
    context_tokens: int | None = None
    license: str = ""
    problem: str = ""
    """Why it can't be trained here; "" if it can."""
    hint: str = ""
    note: str = ""
    """A note that does not prevent training."""
    memory: TrainingMemory | None = None
    used: float | None = None
    """When it was last chosen, in seconds since 1970."""
    chosen: Path | None = None
    """The folder chosen by the user in which it was found, if any."""

    is_read: bool = True
    """False if its files have not been read yet."""

    @property
    def short_name(self) -> str:
        return self.name.rpartition("/")[2] or self.name

    def verdict(self, available_bytes: int) -> str:
        """ "fits", "tight" or "won't fit"; "" if unknown or if the model can't be trained."""
        if self.problem or self.memory is None:
            return ""
        return self.memory.verdict(available_bytes)


def unread(location: ModelLocation, size_bytes: int = 0) -> ModelDescription:
    """The description of a model before its files are read."""
    return ModelDescription(
        location.folder, location.name, location.source, size_bytes=size_bytes,
        problem=location.problem, hint=location.hint, chosen=location.chosen,
        is_read=bool(location.problem),
    )  # fmt: skip


def describe(location: ModelLocation, files: FolderFiles) -> ModelDescription:
    """Describe a model from config.json, the weights' headers, README and LICENSE."""
    known = replace(
        unread(location, files.size_bytes),
        license=read_license(location.folder, files),
        is_read=True,
    )
    return _Reader(location, files, known).described()


class _Reader:
    """Reads a model's files; the first fault becomes its problem, and reading continues."""

    def __init__(
        self, location: ModelLocation, files: FolderFiles, known: ModelDescription
    ) -> None:
        self._location, self._files, self._known = location, files, known

    def described(self) -> ModelDescription:
        folder = self._location.folder
        try:
            check_weights_files(folder, self._files)
        except InputError as error:
            self._note_fault(error)
        try:
            check_is_model_folder(folder)
            config = read_model_config(folder, MAX_LISTED_CONFIG_BYTES)
        except InputError as error:
            self._note_fault(error)
            return self._known
        self._known = replace(self._known, architecture=config["model_type"])
        tensors = self._tensors(config)
        try:
            check_needs_no_code(folder, config)
            _check_architecture(folder, config)
            check_layer_count(folder, config, tensors)
            self._check_tokenizer()
        except InputError as error:
            self._note_fault(error)
        return replace(
            self._known,
            context_tokens=context_length(config, {n: t.shape for n, t in tensors.items()}),
            note=self._note(config),
        )

    def _tensors(self, config: Mapping[str, Any]) -> Mapping[str, Tensor]:
        try:
            tensors = read_whole_weights(
                self._location.folder, self._files, MAX_LISTED_HEADER_BYTES
            )
        except InputError as error:
            self._note_fault(error)
            return {}
        numbers = parameter_counts(tensors, config)
        self._known = replace(
            self._known,
            parameters=sum(numbers.values()) or None,
            quantization=quantization_text(tensors, config) if tensors else "",
            memory=training_memory(tensors, numbers, config),
        )
        return tensors

    def _check_tokenizer(self) -> None:
        if not self._files.named(*TOKENIZERS):
            raise InputError(
                f"{self._location.folder} has no tokenizer (tokenizer.json).",
                "Download the model again, with all of its files.",
            )

    def _note(self, config: Mapping[str, Any]) -> str:
        """A note if the model names Python code, which the tokenizer may need."""
        if not any(self._files.named("*.py")) or self._known.problem:
            return ""
        file = self._location.folder / "tokenizer_config.json"
        tokenizer = read_json_object(file, MAX_CONFIG_BYTES)
        if _names_code(config) or _names_code(tokenizer):
            return "Contains its own Python code, which Nestling doesn't run."
        return ""

    def _note_fault(self, error: InputError) -> None:
        if not self._known.problem:
            # A snapshot's folder name is a hash; the model's name is clearer.
            message = error.message.replace(str(self._location.folder), self._location.name)
            hint = error.hint
            if self._location.source == HUGGING_FACE:
                command = f"Run hf download {self._location.name}"
                hint = {
                    AGAIN: f"{command} to complete it.",
                    ANEW: f"{command} --force-download.",  # replaces the damaged file
                }.get(hint, hint)
            self._known = replace(self._known, problem=message, hint=hint)


def _check_architecture(folder: Path, config: Mapping[str, Any]) -> None:
    if knows_architecture(config):
        return
    if _names_code(config):
        raise code_refused("model", folder)
    raise InputError(
        f"{folder} has the architecture {short_repr(config['model_type'])}, which mlx-lm does not "
        "know.",
        "Choose another base model.",
    )


def _names_code(config: Mapping[str, Any]) -> bool:
    return bool(config.get("auto_map"))


_READ_BYTES = 2**15
"""A model card's front matter can have long lists."""
_MAX_CHARACTERS = 60
_FIELD = re.compile(r"^(license|license_name)\s*:\s*(.*)$", re.MULTILINE)
_OTHER = "other"


def read_license(folder: Path, files: FolderFiles) -> str:
    """A short name such as "apache-2.0", or the first line of LICENSE; "" if both are missing."""
    if "README.md" in files.sizes:
        fields = dict(_FIELD.findall(_front_matter(_head_text(folder / "README.md"))))
        license_id = _plain(fields.get("license", ""))
        license_name = _plain(fields.get("license_name", ""))
        if license_id and not (license_id == _OTHER and license_name):
            return license_id
        if license_name:
            return license_name
    for name in files.named("LICENSE*", "COPYING*", "license*"):
        if line := _first_line(_head_text(folder / name)):
            return line
    return ""


def _front_matter(text: str) -> str:
    """The text between the first two lines of hyphens."""
    begin, *rest = text.split("\n---", 1)
    return begin.removeprefix("---") if begin.startswith("---") and rest else ""


def _plain(value: str) -> str:
    """A single name; the first of a list."""
    named = value.split("#")[0].strip().strip("[]").split(",")[0]
    return single_line(named.strip().strip("\"'"), _MAX_CHARACTERS)


def _first_line(text: str) -> str:
    lines = (single_line(line, _MAX_CHARACTERS) for line in text.splitlines())
    return next((line.lstrip("# ") for line in lines if line), "")


def _head_text(file: Path) -> str:
    try:
        return read_head(file, _READ_BYTES, follow_links=True).decode("utf-8", "replace")
    except OSError:
        return ""
