"""The bundle's contents are listed from disk; exclusions are known by their place."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.packaging import bundle_contents
from app.self_test.component_checks import SHIPPED
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


def test_modules_are_listed_without_importing_mlx_or_qt() -> None:
    code = (
        "import sys\n"
        "from app.packaging import bundle_contents\n"
        "found = bundle_contents.hidden_imports()\n"
        "assert {'mlx._reprlib_fix', 'mlx.__array_api_info', 'mlx.core'} <= set(found)\n"
        "assert not {'mlx.core', 'mlx_lm', 'transformers', 'PySide6'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS, cwd=ROOT)


def test_every_architecture_and_every_part_of_the_app_is_listed_but_for_the_packaging() -> None:
    found = set(bundle_contents.hidden_imports())
    models = bundle_contents.package_folder("mlx_lm") / "models"
    names = {path.stem for path in models.glob("*.py")} - {"__init__"}
    assert {f"mlx_lm.models.{name}" for name in names} <= found
    parts = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "app").rglob("*.py")
    }
    left_out = parts - found
    assert left_out - {"app.__main__"} == {
        name for name in parts if name.split(".")[:2] == ["app", "packaging"]
    }


def test_an_unlisted_module_that_mlx_imports_from_its_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "core.cpython-312-darwin.so").write_bytes(b"x\0mlx._new_part\0y")
    assert bundle_contents.names_in_compiled_code(tmp_path) == {"mlx._new_part"}
    monkeypatch.setattr(bundle_contents, "names_in_compiled_code", lambda _: {"mlx._new_part"})
    with pytest.raises(SystemExit, match=r"mlx\._new_part, which would not be in the app"):
        bundle_contents.hidden_imports()


def test_the_names_in_mlx_s_own_code_are_those_that_are_listed() -> None:
    found = bundle_contents.names_in_compiled_code(bundle_contents.package_folder("mlx"))
    assert found <= set(bundle_contents.IMPORTED_BY_COMPILED_CODE)
    assert "mlx._reprlib_fix" in found


@pytest.mark.parametrize(
    "place",
    [
        "transformers/models/llama/modeling_llama.py",
        "transformers/models/clip/image_processing_clip.py",
        "transformers/pipelines/base.py",
        "PySide6/Qt/plugins/imageformats/libqpdf.dylib",
        "PySide6/Qt/plugins/sqldrivers/libqsqlite.so",
        "PySide6/Qt/lib/QtQml.framework/Versions/A/QtQml",
        "PySide6/Qt/lib/libQt6WaylandClient.so.6",
        "PySide6/Qt/translations/qt_de.qm",
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/_s3fs.cpython-312-darwin.so",
        "pyarrow/include/arrow/api.h",
        "numpy/_core/tests/test_x.py",
        "filelock-4.2.11.dist-info/sboms/filelock.cdx.json",
        "numpy-2.4.6.dist-info/RECORD",
    ],
)
def test_what_no_page_needs_stays_out(place: str) -> None:
    assert not bundle_contents.is_kept(place)


@pytest.mark.parametrize(
    "place",
    [
        "transformers/models/auto/modeling_auto.py",
        "transformers/models/llama/tokenization_llama.py",
        "transformers/models/llama/configuration_llama.py",
        "transformers/models/llama/__init__.py",
        "PySide6/Qt/plugins/platforms/libqcocoa.dylib",
        "PySide6/Qt/plugins/platforms/libqoffscreen.so",
        "PySide6/Qt/plugins/styles/libqmacstyle.dylib",
        "PySide6/Qt/lib/QtSvg.framework/Versions/A/QtSvg",
        "PySide6/Qt/lib/libQt6Core.so.6",
        "PySide6/QtOpenGL.abi3.so",
        "PySide6/Qt/translations/qtbase_de.qm",
        "pyarrow/libarrow_substrait.2600.dylib",
        "pyarrow/libarrow.so.2600",
        "mlx/lib/mlx.metallib",
        "mlx_lm/models/llama.py",
        "numpy-2.4.6.dist-info/METADATA",
        "resources/starter/model/model.safetensors",
    ],
)
def test_what_the_app_needs_goes_in(place: str) -> None:
    assert bundle_contents.is_kept(place)


def test_a_link_goes_with_the_file_that_it_leads_to() -> None:
    qml = ("QtQml", "PySide6/Qt/lib/QtQml.framework/Versions/A/QtQml", "SYMLINK")
    core = ("QtCore", "PySide6/Qt/lib/QtCore.framework/Versions/A/QtCore", "SYMLINK")
    inner = ("PySide6/Qt/lib/QtPdf.framework/QtPdf", "Versions/Current/QtPdf", "SYMLINK")
    assert bundle_contents.without_dropped([qml, core, inner]) == [core]


def test_what_is_shipped_is_what_the_self_test_looks_for_without_scripts() -> None:
    shipped = {f"{folder}/{Path(path).name}" for path, folder in bundle_contents.resources()}
    assert shipped == {f"resources/{name}" for name in SHIPPED}
    assert not [name for name in shipped if name.endswith((".py", ".pyc"))]
