"""The file map in app/README.md: each module with the first sentence of its docstring.

python -m tests.file_map    # writes it anew
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "app" / "README.md"
HEAD = """# File map

One line per module: the first sentence of its docstring. `python -m tests.file_map` writes this
file; a test compares it.
"""
_SENTENCE_END = re.compile(r"(?<=\.)\s+(?=[A-Z`])")


def file_map() -> str:
    """The whole text of app/README.md."""
    return HEAD + "".join(_folder(folder) for folder in _folders())


def _folders() -> list[Path]:
    packages = (ROOT / "app").rglob("__init__.py")
    return sorted((init.parent for init in packages), key=lambda folder: folder.parts)


def _folder(folder: Path) -> str:
    name = folder.relative_to(ROOT).as_posix()
    modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    init = folder / "__init__.py"
    title = f"\n## {name}\n\n{_sentence(init)}\n\n"
    return title + "".join(f"* `{path.name}`: {_sentence(path)}\n" for path in modules)


def _sentence(module: Path) -> str:
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return _SENTENCE_END.split(" ".join(text.split()))[0]


def differing_lines() -> Iterator[str]:
    """Lines that stand in only one of the file and the map of today."""
    written = set(FILE.read_text(encoding="utf-8").splitlines())
    yield from sorted(written ^ set(file_map().splitlines()))


if __name__ == "__main__":
    FILE.write_text(file_map(), encoding="utf-8")
