"""build_macos.spec, which no type checker reads, runs with stand-ins for PyInstaller's classes."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from app.packaging import licenses
from app.packaging.bundle_contents import ROOT
from app.packaging.distribution import IDENTITY_VARIABLE
from app.packaging.info_plist import info_plist


class Made(SimpleNamespace):
    """Any of PyInstaller's classes: its arguments by name."""

    def __init__(self, *_: object, **arguments: object) -> None:
        super().__init__(**arguments)


class Analysis(Made):
    """It finds no more files than those that it is given: (source, folder) each."""

    def __init__(self, scripts: list[str], **arguments: Any) -> None:
        super().__init__(scripts=scripts, pure=[("app", "app/__init__.py", "PYMODULE")])
        self.hiddenimports, self.excludes = arguments["hiddenimports"], arguments["excludes"]
        for kind in ("binaries", "datas"):
            found = [(f"{folder}/{Path(source).name}", source, kind)
                     for source, folder in arguments[kind]]  # fmt: skip
            setattr(self, kind, found)


@pytest.fixture(autouse=True)
def pyinstaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules as the spec imports them: no part of an environment for development."""
    compat, hooks = ModuleType("compat"), ModuleType("hooks")
    hooks.copy_metadata = lambda name: [(f"/{name}/METADATA", f"{name}.dist-info")]  # type: ignore[attr-defined]
    package = ModuleType("PyInstaller")
    package.compat = compat  # type: ignore[attr-defined]
    for name, module in {"": package, ".utils": ModuleType("utils"), ".utils.hooks": hooks}.items():
        monkeypatch.setitem(sys.modules, f"PyInstaller{name}", module)
    monkeypatch.setattr(licenses, "ALWAYS", ())
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv(IDENTITY_VARIABLE, raising=False)


def described(made: Path) -> dict[str, Any]:
    """The names of the spec once it has run."""
    spec = ROOT / "build_macos.spec"
    names: dict[str, Any] = {"SPECPATH": str(ROOT), "workpath": str(made)}
    names |= dict.fromkeys(("PYZ", "EXE", "COLLECT", "BUNDLE"), Made)
    names["Analysis"] = Analysis
    exec(compile(spec.read_text(encoding="utf-8"), spec, "exec"), names)
    return names


def test_a_mac_gets_an_app_for_arm64_that_is_signed_ad_hoc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    names = described(tmp_path)
    program, app = names["program"], names["app"]
    assert (program.target_arch, program.codesign_identity, program.entitlements_file) == (
        "arm64", None, None,
    )  # fmt: skip
    assert not any((program.console, program.argv_emulation, program.upx, program.strip))
    assert app.info_plist == info_plist()
    assert (ROOT / app.icon).is_file()
    assert ("mlx.metallib", "mlx/lib/mlx.metallib", "SYMLINK") in names["analysis"].datas


def test_a_developer_id_brings_its_entitlements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv(IDENTITY_VARIABLE, "Developer ID Application: A (B)")
    program = described(tmp_path)["program"]
    assert program.codesign_identity == "Developer ID Application: A (B)"
    assert (ROOT / program.entitlements_file).is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="the BLAS is there for Linux alone")
def test_linux_gets_the_same_content_with_the_fast_blas(tmp_path: Path) -> None:
    names = described(tmp_path)
    assert (names["program"].target_arch, names["program"].console) == (None, True)
    analysis = names["analysis"]
    sources = {destination: source for destination, source, _ in analysis.datas}
    assert sources["blas/libopenblas.so"] == str(tmp_path / "libopenblas.so")
    assert sources["./commit.txt"] == str(tmp_path / "commit.txt")
    assert sources["licenses.txt"] == str(tmp_path / "licenses.txt")
    assert "app.ui.window.main_window" in analysis.hiddenimports
    assert "torch" in analysis.excludes
