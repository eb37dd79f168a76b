"""The static check accepts a whole bundle and names each fault that is planted in it."""

import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest

from app.packaging.bundle_check import bundle_problems, size_problem
from app.packaging.info_plist import info_plist
from tests.packaging.made_up_bundle import X86_64, mach_o, make_bundle, metallib, plist, write

pytest.importorskip("macholib", reason="comes with the package extra")

CODE, DATA = Path("Contents/Frameworks"), Path("Contents/Resources")
CORE = CODE / "mlx" / "core.cpython-312-darwin.so"
LIBRARY = CODE / "mlx" / "lib" / "libmlx.dylib"


def test_a_whole_bundle_has_no_problem(tmp_path: Path) -> None:
    assert list(bundle_problems(make_bundle(tmp_path))) == []


def _plist(**changes: object) -> Callable[[Path], None]:
    return lambda bundle: write(
        bundle / "Contents" / "Info.plist", plistlib.dumps(plist(**changes))
    )


def _rewrite(name: Path, content: bytes) -> Callable[[Path], None]:
    return lambda bundle: write(bundle / name, content)


def _remove(name: Path) -> Callable[[Path], None]:
    return lambda bundle: (bundle / name).unlink()


def _link(name: Path, target: str) -> Callable[[Path], None]:
    return lambda bundle: (bundle / name).symlink_to(target)


def _copy_library(bundle: Path) -> None:
    (bundle / CODE / "libmlx.dylib").unlink()
    write(bundle / CODE / "libmlx.dylib", mach_o())


def _lose_shaders(bundle: Path) -> None:
    (bundle / CODE / "mlx" / "lib" / "mlx.metallib").unlink()


UNDECLARED = [{"CFBundleTypeName": "x", "LSItemContentTypes": ["org.example.x"]}]

FAULTS = {
    "no icon": (_remove(DATA / "nestling.icns"), "nestling.icns is missing"),
    "no starter": (
        _remove(DATA / "resources/starter/model/model.safetensors"), "model.safetensors is missing",
    ),
    "no plugin": (
        _remove(CODE / "PySide6/Qt/plugins/platforms/libqcocoa.dylib"), "libqcocoa.dylib is missing"
    ),
    "no plist": (_remove(Path("Contents/Info.plist")), "Info.plist can't be read"),
    "string for boolean": (_plist(NSHighResolutionCapable="True"), "NSHighResolutionCapable is"),
    "hidden": (_plist(LSUIElement=True), "LSUIElement hides the app"),
    "number for version": (_plist(CFBundleShortVersionString=1), "CFBundleShortVersionString"),
    "undeclared type": (_plist(CFBundleDocumentTypes=UNDECLARED), "org.example.x is declared now"),
    "dangling link": (_link(CODE / "lost", "not-there"), "lost links to not-there, which is not"),
    "absolute link": (_link(CODE / "lost", "/usr/lib"), "links to an absolute path"),
    "link out": (_link(DATA / "out", "../../../.."), "links out of the bundle"),
    "code among data": (_rewrite(DATA / "a.so", mach_o()), "a.so is code among data"),
    "data among code": (_rewrite(CODE / "a.txt", b"x"), "a.txt is data among code"),
    "dotted folder": (_rewrite(CODE / "a.b" / "c.so", mach_o()), "in a folder with a dot"),
    "other processor": (_rewrite(CODE / "a.so", mach_o(cpu=X86_64)), "has no part for arm64"),
    "missing library": (
        _rewrite(CODE / "a.so", mach_o(libraries=("@rpath/b.dylib",), rpaths=("@loader_path",))),
        "needs @rpath/b.dylib, which is not in the bundle",
    ),
    "library outside": (
        _rewrite(CODE / "a.so", mach_o(libraries=("/usr/local/lib/b.dylib",))),
        "needs /usr/local/lib/b.dylib",
    ),
    "no search path": (
        _rewrite(CORE, mach_o(libraries=("@rpath/libmlx.dylib",))), "needs @rpath/libmlx.dylib"
    ),
    "unwanted plugin": (
        _rewrite(CODE / "PySide6/Qt/plugins/imageformats/libqpdf.dylib", mach_o()),
        "the Qt plugin qpdf is not needed",
    ),
    "no extension": (_remove(CORE), "mlx.core is missing"),
    "two libraries": (_copy_library, "There are 2 files libmlx.dylib"),
    "shaders elsewhere": (_lose_shaders, "holds libmlx.dylib and no mlx.metallib"),
    "newer shaders": (
        _rewrite(DATA / "mlx/lib/mlx.metallib", metallib(26, 2)), "asks for macOS 26.2"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "words"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_named(
    tmp_path: Path, plant: Callable[[Path], None], words: str
) -> None:
    bundle = make_bundle(tmp_path)
    plant(bundle)
    assert [problem for problem in bundle_problems(bundle) if words in problem]


def test_a_bundle_over_its_budget_is_named(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    assert size_problem(bundle) == ""
    assert size_problem(bundle, 1000).endswith("MB; the budget is 0.")


def test_every_key_of_the_plist_is_one_that_the_check_would_miss(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    for key in info_plist():
        changed = plist()
        del changed[key]
        write(bundle / "Contents" / "Info.plist", plistlib.dumps(changed))
        assert any(f"Info.plist: {key} is" in problem for problem in bundle_problems(bundle))
