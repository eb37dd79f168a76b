"""One module asks whether the app is frozen; in the bundle nothing outside it is called."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.core.system import version
from app.core.system.compute_libraries import BUNDLED_LIBRARY
from app.engine.runtime import mlx_import
from app.engine.runtime.blas import load_fast_blas

ROOT = Path(__file__).parents[2]
SIGNS = ("_MEIPASS", "frozen")
"""How a program sees that PyInstaller made it: attributes of sys."""


def test_nothing_else_asks_whether_the_app_is_frozen() -> None:
    offenders = [
        path.relative_to(ROOT)
        for path in sorted((ROOT / "app").rglob("*.py"))
        if path != ROOT / "app" / "core" / "system" / "version.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _asks(node)
    ]
    assert offenders == []


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "sys":
        return node.attr in SIGNS
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("getattr", "hasattr")
        and ast.unparse(node.args[0]) == "sys"
    )


def test_an_install_has_no_bundle_and_may_call_a_compiler() -> None:
    assert version.bundle_dir() is None
    assert version.bundled("resources") is None
    assert version.may_call_compiler()


def test_the_bundle_takes_its_own_blas_and_makes_no_copy(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / BUNDLED_LIBRARY
    library.parent.mkdir()
    library.write_bytes(b"")
    loaded: list[str] = []
    monkeypatch.setattr(
        "app.engine.runtime.blas.ctypes.CDLL", lambda path, **_: loaded.append(path)
    )
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path), raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    load_fast_blas()
    assert loaded == [str(library)]
    assert not own_home.exists()


def test_the_bundle_loads_mlx_s_library_from_beside_its_shaders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "mlx" / "lib" / "libmlx.dylib"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"")
    loaded: list[str] = []
    monkeypatch.setattr(mlx_import, "ctypes", SimpleNamespace(CDLL=loaded.append))
    mlx_import._load_library()
    assert loaded == []
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path), raising=False)
    mlx_import._load_library()
    assert loaded == [str(library)]
