"""Of the building computer's libraries the bundle holds those it needs, each with its license."""

import _ctypes
import os
import re
import shutil
import sysconfig
from pathlib import Path

import pytest

from app.packaging import licenses, system_libraries
from app.packaging.system_libraries import (
    Entry,
    library_licenses,
    needed_libraries,
    without_unneeded,
)


def library(folder: Path, name: str) -> Entry:
    """A library that the bundle takes from a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"")
    return name, str(path), "BINARY"


def bundled(name: str) -> Entry:
    """A library of a wheel."""
    return f"wheel/{name}", str(Path(sysconfig.get_path("purelib"), "wheel", name)), "BINARY"


def test_a_library_that_nothing_loads_stays_out_with_all_that_it_alone_loads(
    tmp_path: Path,
) -> None:
    names = ("libnear.so.1", "libfar.so.2", "libcudart.so", "libitsown.so")
    near, far, planted, its_own = (library(tmp_path / "lib", name) for name in names)
    loads = {
        "core.so": ["libnear.so.1", "libc.so.6"], "libnear.so.1": ["libfar.so.2"],
        "libcudart.so": ["libitsown.so"],
    }  # fmt: skip
    link = ("libnear.so", "libnear.so.1", "SYMLINK")
    entries = [its_own, far, planted, near, bundled("core.so"), link]
    made = library(tmp_path / "made", "libopenblas.so")

    def needed(path: str) -> list[str]:
        return loads.get(Path(path).name, [])

    kept = without_unneeded([*entries, made], tmp_path / "made", needed)
    assert set(kept) == {near, far, bundled("core.so"), link, made}


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")
def test_a_library_says_what_it_loads() -> None:
    assert [name for name in needed_libraries(_ctypes.__file__) if name.startswith("libffi")]


def test_a_planted_library_of_no_package_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(licenses, "ALWAYS", ())
    planted = library(tmp_path / "lib", "libcudart.so")
    with pytest.raises(SystemExit, match=r"libcudart\.so is of no package with a license text"):
        licenses.licenses_entry(tmp_path / "made", [planted])
    assert not (tmp_path / "licenses.txt").exists()


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="Debian's packages alone")
def test_a_library_of_debian_has_its_package_s_license_and_the_texts_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(licenses, "ALWAYS", ())
    lib = Path("/lib", sysconfig.get_config_var("MULTIARCH"))
    entries = [(path.name, str(path), "BINARY") for path in (*lib.glob("libgpg-error.so.?"),
                                                             *lib.glob("libz.so.?"))]  # fmt: skip
    assert len(entries) == 2
    licenses.licenses_entry(tmp_path, entries)
    written = (tmp_path / "licenses.txt").read_text()
    titles = re.findall(r"={80}\n(.+)\n={80}", written)
    assert [one for one in titles if one.startswith(("libgpg", "zlib"))] == [
        "libgpg-error0", "zlib1g",
    ]  # fmt: skip
    assert {"LGPL-2.1", "LGPL-3"} & set(titles)
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in written


def test_a_library_of_homebrew_has_the_text_of_its_keg(tmp_path: Path) -> None:
    keg = tmp_path / "Cellar" / "xz" / "5.8.1"
    entry = library(keg / "lib", "liblzma.5.dylib")
    (keg / "COPYING").write_text("the text of xz")
    (keg / "README").write_text("of no matter")
    opt = tmp_path / "opt"
    opt.symlink_to(keg)
    linked = ("liblzma.5.dylib", os.path.join(opt, "lib", "liblzma.5.dylib"), "BINARY")
    assert library_licenses([linked]) == library_licenses([entry]) == [
        ("xz 5.8.1", ["the text of xz"])
    ]  # fmt: skip


def test_openssl_of_python_s_own_installer_has_its_standard_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_libraries.shutil, "which", lambda _: None)
    names = ("libssl.3.dylib", "libcrypto.3.dylib")
    ((name, texts),) = library_licenses(library(tmp_path, name) for name in names)
    assert name == "OpenSSL"
    assert "Apache License" in texts[0]
