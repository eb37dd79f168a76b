"""The bundle holds the license text of everything that goes into it."""

from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from app.packaging import licenses
from app.packaging.build_environment import requirements


def installed_with(names: list[str]) -> set[str]:
    """The distributions that these need here, and those that they need."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        needed = waiting.pop()
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        if needed.name in found:
            continue
        found[needed.name] = one = distribution(needed.name)
        extras = [{"extra": extra} for extra in (*needed.extras, "")]
        lines = [Requirement(line) for line in one.requires or ()]
        waiting += [
            Requirement(str(line).partition(";")[0])
            for line in lines
            if line.marker is None or any(line.marker.evaluate(extra) for extra in extras)
        ]
    return set(found)


def test_every_distribution_of_the_app_has_a_text() -> None:
    app = [line for line in requirements() if not line.startswith(("pyinstaller", "macholib"))]
    names = installed_with(app)
    assert {"mlx", "mlx-lm", "tokenizers", "shiboken6", "numpy"} <= {n.lower() for n in names}
    for name in names:
        assert min(map(len, licenses.texts(distribution(name)))) > 100, name


def made_up(folder: Path, name: str, *files: str) -> Distribution:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nLicense: MIT\n"
        "Project-URL: Donate, https://example.org/donate\n"
        f"Project-URL: Homepage, https://example.org/{name}\n"
    )
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"the text of {file}")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    return Distribution.at(info)


def test_texts_beside_the_metadata_and_beside_data_are_taken_and_code_is_not(
    tmp_path: Path,
) -> None:
    one = made_up(
        tmp_path, "one", "one-1.0.dist-info/licenses/LICENSE", "one/x_LICENSE.md",
        "one/maps/CC-BY license - of the maps.txt", "one/license.py", "one/licensed.txt",
    )  # fmt: skip
    assert licenses.texts(one) == [
        "the text of one-1.0.dist-info/licenses/LICENSE",
        "the text of one/x_LICENSE.md",
        "the text of one/maps/CC-BY license - of the maps.txt",
    ]


def test_a_distribution_without_a_text_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = made_up(tmp_path, "bare", "bare/code.py")
    monkeypatch.setattr(licenses, "distributions", lambda: [bare])
    monkeypatch.setattr(licenses, "ALWAYS", ())
    entry = ("bare.code", str(tmp_path / "bare" / "code.py"), "PYMODULE")
    with pytest.raises(SystemExit, match=r"bare has no license text in its wheel; add the text"):
        licenses.licenses_entry(tmp_path, [entry])
    assert not (tmp_path / "licenses.txt").exists()


def test_what_is_bundled_is_known_by_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "one-1.0.dist-info/LICENSE"
    there, absent = made_up(tmp_path, "one", text, "one/a.py"), made_up(tmp_path, "two", "two/b.py")
    monkeypatch.setattr(licenses, "distributions", lambda: [absent, there])
    monkeypatch.setattr(licenses, "ALWAYS", ())
    made = tmp_path / "made"
    made.mkdir()
    pure = [("one.a", str(tmp_path / "one" / "a.py"), "PYMODULE"), ("x", "", "SYMLINK")]
    assert licenses.licenses_entry(made, pure, []) == (
        "licenses.txt", str(made / "licenses.txt"), "DATA",
    )  # fmt: skip
    written = (made / "licenses.txt").read_text()
    assert f"one 1.0\n{'=' * 80}\n\nMIT\nhttps://example.org/one\n\nthe text of {text}" in written
    assert "two" not in [line.split()[0] for line in written.splitlines() if line.strip()]
    for name in ("Nestling", "Python"):
        assert f"\n{name}\n" in written


def test_qt_s_license_is_in_the_text_with_where_its_source_is() -> None:
    written = licenses.document([distribution("PySide6_Essentials")])
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in written
    assert "https://download.qt.io" in written
