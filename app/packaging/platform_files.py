"""Files that no analysis finds: MLX's libraries and shaders, and on Linux the fast BLAS."""

from pathlib import Path

from app.core.system.compute_libraries import BUNDLED_LIBRARY, rename_symbols
from app.core.system.version import COMMIT_FILE, commit_of
from app.packaging.bundle_contents import ROOT, package_folder


def platform_binaries(platform: str) -> list[tuple[str, str]]:
    """Libraries, each with the folder that it goes into."""
    libraries = package_folder("mlx") / "lib"
    if platform == "darwin":
        return [(str(path), "mlx/lib") for path in sorted(libraries.glob("*.dylib"))]
    return [(str(path), "mlx/lib") for path in sorted(libraries.glob("*.so"))]


def platform_data(platform: str, made: Path) -> list[tuple[str, str]]:
    """MLX's shaders, which it looks for beside its library alone; on Linux the BLAS.

    What is made for the bundle is written to the folder `made`.
    """
    if platform == "darwin":
        return [(str(package_folder("mlx") / "lib" / "mlx.metallib"), "mlx/lib")]
    from PyInstaller.utils.hooks import copy_metadata

    source = package_folder("scipy_openblas32") / "lib" / "libscipy_openblas.so"
    renamed = made / Path(BUNDLED_LIBRARY).name
    rename_symbols(source, renamed)
    return [(str(renamed), str(Path(BUNDLED_LIBRARY).parent)), *copy_metadata("scipy-openblas32")]


def commit_file(made: Path) -> tuple[str, str]:
    """The commit that the app is built from, for `nestling --version` and About."""
    path = made / COMMIT_FILE
    path.write_text(commit_of(ROOT) + "\n", encoding="ascii")
    return str(path), "."
