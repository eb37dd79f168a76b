"""Reads a sequential study from TOML: several arms learn tasks in turn, each with several seeds.

Whether files exist is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.config.presets import preset
from app.core.config.serialization import MAX_TOML_BYTES, current_names, with_settings
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.files.strict_parsing import parse_toml
from app.core.files.untrusted_files import read_regular
from app.core.text.sanitize import short_repr, single_line

MAX_TASKS, MAX_ARMS, MAX_SEEDS = 20, 40, 50


@dataclass(frozen=True)
class Task:
    name: str
    data: Path
    questions: Path
    """Asked after every task; without any, the data's own rows are asked."""


@dataclass(frozen=True)
class Arm:
    """One way of learning."""

    name: str
    config: TrainingConfig
    """All settings but dataset, output and seed."""
    rehearsal: float = 0.0
    """Share of a task's training rows that are rows of earlier tasks."""


@dataclass(frozen=True)
class Study:
    tasks: tuple[Task, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    acquisition: float
    """Mean accuracy on the task just learned from which arms are compared."""


def load_study(path: Path) -> Study:
    """Reads a study's file. Raises InputError, which names the problem."""
    try:
        content = read_regular(path, MAX_TOML_BYTES, follow_links=True)
        table = parse_toml(content.decode("utf-8"))
    except OSError as error:
        raise InputError(f"The study {path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from error
    return _study(table, path)


def _study(table: Mapping[str, Any], path: Path) -> Study:
    known = {"model", "seeds", "acquisition", "settings", "tasks", "arms"}
    if odd := sorted(set(table) - known):
        raise InputError(
            f"{path}: a study has no key {short_repr(odd[0])}.", f"Its keys are {_listed(known)}."
        )
    settings = current_names(_table(table, "settings", path), where=f"{path}, settings")
    shared = {"validation_split": 0.0, "measure_forgetting": True} | settings
    if "model" in table:
        shared["model"] = str(_beside(path, table["model"]))
    base = with_settings(TrainingConfig(), shared, where=f"{path}, settings")
    tasks = tuple(_task(entry, path) for entry in _tables(table, "tasks", MAX_TASKS, path))
    arms = tuple(_arm(entry, base, path) for entry in _tables(table, "arms", MAX_ARMS, path))
    for kind, named in (("tasks", tasks), ("arms", arms)):
        names = [entry.name for entry in named]
        if len(set(names)) < len(names):
            raise InputError(f"{path}: two {kind} have the same name.")
    seeds = table.get("seeds", [0])
    if not isinstance(seeds, list) or not all(type(s) is int and 0 <= s < 2**31 for s in seeds):
        raise InputError(f"{path}: seeds must be whole numbers of 0 or more, like [0, 1, 2].")
    if not 1 <= len(set(seeds)) == len(seeds) <= MAX_SEEDS:
        raise InputError(f"{path}: 1 to {MAX_SEEDS} different seeds are allowed.")
    acquisition = table.get("acquisition", 0.95)
    if isinstance(acquisition, bool) or not isinstance(acquisition, int | float):
        raise InputError(f"{path}: acquisition must be a share, like 0.95.")
    return Study(tasks, arms, tuple(seeds), float(acquisition))


def _task(table: Mapping[str, Any], path: Path) -> Task:
    name = _name(table, path)
    if not isinstance(table.get("data"), str):
        raise InputError(f"{path}: the task {name} names no data.")
    data = _beside(path, table["data"])
    return Task(name, data, _beside(path, table["questions"]) if "questions" in table else data)


def _arm(table: Mapping[str, Any], base: TrainingConfig, path: Path) -> Arm:
    name = _name(table, path)
    settings = {k: v for k, v in table.items() if k not in ("name", "preset", "rehearsal")}
    config = preset(str(table["preset"])).applied_to(base) if "preset" in table else base
    config = with_settings(config, settings, where=f"{path}, {name}")
    share = table.get("rehearsal", 0.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 0.9:
        raise InputError(f"{path}: the rehearsal of {name} must be a share from 0 to 0.9.")
    return Arm(name, config.checked(), float(share))


def _tables(table: Mapping[str, Any], key: str, most: int, path: Path) -> list[Mapping[str, Any]]:
    tables = table.get(key)
    if (
        not isinstance(tables, list)
        or not tables
        or not all(isinstance(item, dict) for item in tables)
    ):
        raise InputError(f"{path}: a study needs [[{key}]].")
    if len(tables) > most:
        raise InputError(f"{path}: {len(tables)} {key} are too many: at most {most} are allowed.")
    return tables


def _table(table: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{path}: {key} must be a table.")
    return value


def _name(table: Mapping[str, Any], path: Path) -> str:
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{path}: each task and arm needs a name.")
    return single_line(name.strip(), 80)


def _beside(path: Path, value: Any) -> Path:
    """A path in the file, relative to the file's folder."""
    if not isinstance(value, str) or "\0" in value:
        raise InputError(f"{path}: {short_repr(value)} can't be a path.")
    return (path.absolute().parent / Path(value).expanduser()).absolute()


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def study_file(path: Path) -> Path | None:
    """The study that `path` names: its file, or a folder that holds its file or its runs; None
    if it names none."""
    if path.is_dir():
        found = [path / "study.toml", path.with_name(f"{path.name}.toml")]
    else:
        found = [path] if path.suffix.lower() == ".toml" else []
    for file in found:
        try:
            table = parse_toml(read_regular(file, MAX_TOML_BYTES, follow_links=True).decode())
        except (OSError, ValueError):
            continue
        if table.keys() & {"arms", "tasks"}:
            return file
    return None
