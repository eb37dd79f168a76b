"""A run's base model, identified by digests of the files that decide its numbers; compares two.
Also a base model's limits: its context length and the size of its vocabulary.

Plain values as a run's manifest holds them; knows no file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from app.core.errors import InputError
from app.core.text.sanitize import single_line
from app.core.text.translation import decimal, mark, tr, trn

Part = Literal["weights", "config", "tokenizer", "template"]
PARTS: tuple[Part, ...] = ("weights", "config", "tokenizer", "template")
PART_NAMES: dict[Part, str] = {
    "weights": "weights",
    "config": "configuration",
    "tokenizer": "tokenizer",
    "template": "chat template",
}
MANIFEST_KEY = "base_model"
UNKNOWN = mark("This run recorded no digests of its base model, so the model can't be identified.")
_SHOWN_FILES = 4
_SHOWN_DIGITS = 16
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""The largest valid number of bytes or steps."""


@dataclass(frozen=True)
class WeightsFile:
    size_bytes: Count
    sampled_sha256: str
    """SHA-256 of the size, the header, and blocks of every tensor."""
    sha256: str | None = None
    """SHA-256 of all bytes; None until they are hashed."""


@dataclass(frozen=True)
class BaseModelDigests:
    """Each part as the names of its files with their digests."""

    weights: Mapping[str, WeightsFile]
    config: Mapping[str, str]
    tokenizer: Mapping[str, str]
    template: Mapping[str, str]
    after_step: Count = 0
    """The run's steps after this one were computed with these files; earlier ones are unknown."""
    whole_after_step: Count = 0
    """Likewise for the digests of all bytes of the weights, if there are any."""

    @property
    def is_whole(self) -> bool:
        """All bytes of the weights are hashed."""
        return all(file.sha256 for file in self.weights.values())

    @property
    def weights_bytes(self) -> int:
        return sum(file.size_bytes for file in self.weights.values())

    def hashed_whole(self, sha256: Mapping[str, str], after_step: int) -> "BaseModelDigests":
        """These digests, with those of all bytes of every weights file."""
        weights = {name: replace(file, sha256=sha256[name]) for name, file in self.weights.items()}
        return replace(self, weights=weights, whole_after_step=after_step)

    def sampled(self) -> "BaseModelDigests":
        """These digests without those of all bytes."""
        weights = {name: replace(file, sha256=None) for name, file in self.weights.items()}
        return replace(self, weights=weights)

    def differing_files(self, other: "BaseModelDigests") -> dict[Part, tuple[str, ...]]:
        """The names of the files that differ, for each part that does."""
        differing = {part: _differing(getattr(self, part), getattr(other, part)) for part in PARTS}
        return {part: names for part, names in differing.items() if names}

    def data(self) -> dict[str, Any]:
        """The digests as a JSON value."""
        return asdict(self)


@dataclass(frozen=True)
class BaseModelCheck:
    """A comparison of a base model folder with the digests that a run keeps."""

    state: Literal["same", "sampled", "changed", "unknown", "missing"]
    """"sampled": everything that was read is unchanged; of the weights, that is blocks
    only. "unknown": the run keeps no digests, or none for its first steps. "missing": the folder
    can't be read."""
    message: str = ""
    """A sentence about the problem; empty if there is none."""
    changed: tuple[Part, ...] = ()
    files: tuple[str, ...] = ()
    """The files that differ."""

    @property
    def hint(self) -> str:
        """Names the files to put back; empty if none differs."""
        if not self.files:
            return ""
        shown = ", ".join(map(single_line, self.files[:_SHOWN_FILES]))
        more = f" and {len(self.files) - _SHOWN_FILES} more" * (len(self.files) > _SHOWN_FILES)
        verb = "differs" if len(self.files) == 1 else "differ"
        return f"{shown}{more} {verb}: put the old files back, or start a new run."


def describe_check(check: BaseModelCheck) -> str:
    """The result in one sentence."""
    if check.state == "same":
        return tr("Unchanged: the base model this run was trained with, byte for byte.")
    if check.state == "sampled":
        return tr(
            "Unchanged as far as compared: all small files, and sampled blocks of every tensor."
        )
    return f"{tr(check.message)} {check.hint}".rstrip()


def describe_digests(digests: BaseModelDigests) -> list[tuple[Part, tuple[str, ...]]]:
    """Each part's files with the first digits of their SHA-256, one text per file."""
    parts: list[tuple[Part, tuple[str, ...]]] = []
    for part in PARTS:
        files = [_describe_file(name, file) for name, file in getattr(digests, part).items()]
        left = len(files) - _SHOWN_FILES
        more = [trn("and {n:,} more file", "and {n:,} more files", left)] if left > 0 else []
        if files:
            parts.append((part, (*files[:_SHOWN_FILES], *more)))
    return parts


def _describe_file(name: str, file: WeightsFile | str) -> str:
    shown = single_line(name)
    if isinstance(file, str):
        return f"{shown} · SHA-256 {file[:_SHOWN_DIGITS]}…"
    if file.sha256:
        return f"{shown} · {_size(file)} · SHA-256 {file.sha256[:_SHOWN_DIGITS]}…"
    digest = file.sampled_sha256[:_SHOWN_DIGITS]
    sampled = tr("SHA-256 of sampled blocks {digest}…", digest=digest)
    return f"{shown} · {_size(file)} · {sampled}"


def _size(file: WeightsFile) -> str:
    if file.size_bytes < 1e9:
        return decimal(f"{file.size_bytes / 1e6:.1f} MB")
    return decimal(f"{file.size_bytes / 1e9:.2f} GB")


def compare_digests(
    folder: Path, recorded: BaseModelDigests | None, current: BaseModelDigests
) -> BaseModelCheck:
    """Compares the model in `folder` with the digests that a run keeps."""
    if recorded is None:
        return BaseModelCheck("unknown", UNKNOWN)
    if differing := recorded.differing_files(current):
        files = dict.fromkeys(name for names in differing.values() for name in names)
        message = _changed(folder, list(differing))
        return BaseModelCheck("changed", message, tuple(differing), tuple(files))
    if recorded.after_step:
        up_to = f"up to step {recorded.after_step}"
        return BaseModelCheck(
            "unknown", f"It is unknown which base model this run was trained with {up_to}."
        )
    is_whole = recorded.is_whole and current.is_whole and not recorded.whole_after_step
    return BaseModelCheck("same" if is_whole else "sampled")


def read_digests(manifest: Mapping[str, Any]) -> BaseModelDigests | None:
    """The digests in a run's manifest; None if it has none.

    Raises InputError if they were edited.
    """
    entry = manifest.get(MANIFEST_KEY)
    if entry is None:
        return None
    try:
        if {*entry} != {f.name for f in fields(BaseModelDigests)}:
            raise TypeError
        return msgspec.convert(entry, BaseModelDigests)
    except (TypeError, msgspec.ValidationError):
        raise InputError(
            "The digests of the base model in run.json were edited.",
            "Put the old file back, or start a new run.",
        ) from None


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    names = dict.fromkeys([*first, *second])
    return tuple(name for name in names if not _are_alike(first.get(name), second.get(name)))


def _are_alike(first: Any, second: Any) -> bool:
    are_weights = isinstance(first, WeightsFile) and isinstance(second, WeightsFile)
    if are_weights and None in (first.sha256, second.sha256):
        first, second = replace(first, sha256=None), replace(second, sha256=None)
    return bool(first == second)


def _changed(folder: Path, parts: Sequence[Part]) -> str:
    names = [PART_NAMES[part] for part in parts]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    is_single = len(names) == 1 and parts[0] != "weights"
    verb = "is not the one" if is_single else "are not those"
    return f"The {listed} of the base model in {folder} {verb} this run was trained with."


_CAPPED = mark(
    "This model supports {positions:,} positions, so rows are cut at {positions:,} tokens instead "
    "of {setting:,}."
)
_BEYOND = mark("Rows longer than the model's context ({context:,} tokens): {rows:,}.")


@dataclass(frozen=True)
class ModelLimits:
    """A limit is None if the model has none, or if it is unknown."""

    context_tokens: int | None = None
    """The context length that the model was trained for."""
    position_rows: int | None = None
    """The number of learned positions, which is the longest row that the model can read."""
    embedding_rows: int | None = None
    """The number of embeddings; larger token ids have none."""

    def row_limit(self, max_seq_length: int) -> int:
        """The length at which rows are truncated: the setting, or the model's positions."""
        return min(max_seq_length, self.position_rows or max_seq_length)

    def cap_sentence(self, max_seq_length: int, say: Callable[..., str] = str.format) -> str:
        """A sentence if rows are truncated below the setting; otherwise empty.

        `say` formats it: `tr` for the window, `str.format` for the log, which is always English.
        """
        if self.row_limit(max_seq_length) == max_seq_length:
            return ""
        return say(_CAPPED, positions=self.position_rows, setting=max_seq_length)

    def beyond_sentence(self, rows: int, say: Callable[..., str] = str.format) -> str:
        """A sentence about rows beyond the model's context; empty for none."""
        if not rows or self.context_tokens is None:
            return ""
        return say(_BEYOND, rows=rows, context=self.context_tokens)
