"""The list of a Linux build becomes that of a Mac: a module that is lost on the way is named."""

import re
from pathlib import Path

import pytest

from app.packaging import bundle_contents
from tests.packaging import simulated_bundle
from tests.packaging.made_up_bundle import metallib, write
from tests.packaging.simulated_bundle import Entry

LINUX, MAC = "core.cpython-312-x86_64-linux-gnu.so", "core.cpython-312-darwin.so"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages that the Linux build was made of."""
    folder = tmp_path / "here"
    monkeypatch.setattr(bundle_contents, "package_folder", lambda name: folder / name)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The wheels for a Mac."""
    for name in (f"mlx/{MAC}", "mlx/lib/libmlx.dylib", "numpy/data.txt"):
        write(tmp_path / "site" / name, b"")
    write(tmp_path / "site" / "mlx/lib/mlx.metallib", metallib())
    return tmp_path / "site"


def of_linux(here: Path, name: str, kind: str) -> Entry:
    return name, str(here / name), kind


def test_modules_and_data_are_the_mac_s_and_linux_s_libraries_fall_out(
    here: Path, site: Path
) -> None:
    linux = [
        of_linux(here, f"mlx/{LINUX}", "EXTENSION"), of_linux(here, "numpy/data.txt", "DATA"),
        of_linux(here, "numpy.libs/libopenblas.so", "BINARY"),
        ("libz.so.1", "/lib/libz.so.1", "BINARY"),
        ("python3.12/lib-dynload/zlib.so", "/usr/lib/python3.12/lib-dynload/zlib.so", "EXTENSION"),
        ("resources/a.svg", "/checkout/resources/a.svg", "DATA"),
    ]  # fmt: skip
    assert list(simulated_bundle._translated(linux, site)) == [
        (f"mlx/{MAC}", str(site / "mlx" / MAC), "EXTENSION"),
        ("numpy/data.txt", str(site / "numpy/data.txt"), "DATA"),
        ("resources/a.svg", "/checkout/resources/a.svg", "DATA"),
        ("mlx/lib/mlx.metallib", str(site / "mlx/lib/mlx.metallib"), "DATA"),
        ("mlx/lib/libmlx.dylib", str(site / "mlx/lib/libmlx.dylib"), "BINARY"),
    ]


@pytest.mark.parametrize(
    ("folder", "name", "words"),
    [
        ("here", "numpy/_core.abi3.so", "The wheels for a Mac have no numpy/_core.abi3.so."),
        ("elsewhere", f"mlx/{LINUX}", "use the Python that built the app."),
    ],
)
def test_a_module_that_a_mac_would_lack_is_named(
    here: Path, site: Path, folder: str, name: str, words: str
) -> None:
    linux = [of_linux(here.parent / folder, name, "EXTENSION")]
    with pytest.raises(SystemExit, match=re.escape(words)):
        list(simulated_bundle._translated(linux, site))


def test_a_tool_or_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_bundle.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert simulated_bundle.why_not().startswith("PyInstaller is not installed")
    monkeypatch.setattr(simulated_bundle.shutil, "which", lambda _: None)
    assert simulated_bundle.why_not().startswith("llvm-lipo")
