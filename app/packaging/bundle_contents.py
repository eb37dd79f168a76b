"""Contents of the bundle: modules listed from disk, and everything left out with its reason.

Imports neither MLX nor Qt: importing MLX on a builder without a GPU fails, and PyInstaller would
then leave its modules out without an error.
"""

import importlib.util
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from app.core.text.translation import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]

NEVER_NEEDED = {
    "app": ("packaging",),
    # Builds C++ extensions; asks for setuptools.
    "mlx": ("extension", "_distributed_utils", "__main__", "include", "share", "lib"),
    # Commands of mlx-lm's own, with a web server and downloads of their own.
    "mlx_lm": (
        "__main__", "server", "evaluate", "benchmark", "manage", "upload", "share", "quant",
        "perplexity", "cache_prompt", "chat", "cli",
    ),
}  # fmt: skip
"""Parts of a package that the app never imports."""

ONLY_FOR_BUILDING = ("licenses", "macos")
"""Folders of `resources` from which other files of the bundle are made."""

IMPORTED_BY_COMPILED_CODE = ("mlx._reprlib_fix", "mlx.__array_api_info")
"""Modules that mlx.core imports from C++, where no analysis of Python code sees them."""

METADATA = (
    "mlx", "mlx-lm", "transformers", "tokenizers", "numpy", "pyarrow", "pyqtgraph",
    "PySide6-Essentials", "platformdirs",
)  # fmt: skip
"""Distributions whose version the app reads, for run.json and as part of a token store's name."""

EXCLUDED_MODULES = (
    # Asked for by transformers, huggingface_hub or pyqtgraph where they are installed; none is.
    "torch", "tensorflow", "jax", "flax", "matplotlib", "IPython", "pandas", "datasets", "PIL",
    "scipy", "sklearn", "numba", "OpenGL", "cupy", "lm_eval", "gradio", "fastapi", "uvicorn",
    # Downloads; the app never downloads.
    "hf_xet",
    # Editing lines in a terminal, which the app leaves to the terminal; GNU's is under the GPL.
    "readline", "curses",
    # Other toolkits, and development.
    "tkinter", "sqlite3", "_testcapi", "_testinternalcapi", "_ctypes_test", "PyQt5", "PyQt6",
    "PySide2", "pytest", "setuptools", "pip", "wheel", "mypy",
    "pyqtgraph.opengl", "pyqtgraph.examples", "pyqtgraph.jupyter",
    # Parts of Qt that no page uses. QtTest comes with pyqtgraph, which needs it for its own tests.
    "PySide6.QtTest", "PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtSql", "PySide6.QtXml",
    "PySide6.QtDesigner", "PySide6.QtDBus", "PySide6.QtUiTools", "PySide6.QtHelp",
    "PySide6.QtConcurrent",
)  # fmt: skip

KEPT_QT_LIBRARIES = (
    "Core", "Gui", "Widgets", "Network", "Svg", "OpenGL", "OpenGLWidgets", "DBus", "XcbQpa",
)  # fmt: skip
"""OpenGL is asked for by pyqtgraph; the others come with plugins that are left out."""

KEPT_QT_PLUGINS = {
    "platforms": ("qcocoa", "qoffscreen", "qxcb"),
    "styles": ("qmacstyle",),
    "imageformats": ("qjpeg", "qsvg", "qicns"),
    "iconengines": ("qsvgicon",),
    "platforminputcontexts": (
        "composeplatforminputcontextplugin", "ibusplatforminputcontextplugin",
    ),
    "xcbglintegrations": ("qxcb-egl-integration", "qxcb-glx-integration"),
    "platformthemes": ("qxdgdesktopportal",),
}  # fmt: skip
"""The screen of each system, pictures as files of the project have them, and the keyboard. Left
out: TLS (nothing is downloaded), SQL, printing, QML, and PDF, which links to a library that the
Essentials wheel lacks. Wayland's desktops show the windows of X11."""

LARGE_BYTES = 4_000_000
LARGE_PARTS = {
    "mlx": "arrays and gradients; on a Mac 147 MB of it are Metal's shaders",
    "pyarrow": "Parquet and Arrow files",
    "PySide6": "the window",
    "transformers": "tokenizers and chat templates",
    "tokenizers": "the tokenizers themselves",
    "numpy": "plots, batches, checks",
    "resources": "the starter model with its data",
    "pydantic_core": "asked for by transformers and huggingface_hub",
    "python": "Python's own modules",
    "libpython": "Python",
    "libcrypto": "digests of datasets and weights",
    "blas": "OpenBLAS for MLX's CPU build; Linux alone",
    "mlx_cpu.libs": "LAPACK for MLX's CPU build; Linux alone",
    "numpy.libs": "NumPy's own OpenBLAS; Linux alone",
}
"""Why each part of more than 4 MB is in the bundle; by the beginning of its name."""

_DROPPED = (
    # Architectures written in PyTorch, and readers of pictures, sound and video: transformers is
    # there for its tokenizers and chat templates.
    r"transformers/models/(?!auto/).*/(modeling|modular|image_processing|video_processing"
    r"|feature_extraction|processing|convert|generation|image_processing_pil)_.*\.pyc?$",
    r"transformers/(cli|exporters|pipelines|quantizers|loss|distributed|decision|trainer\w*"
    r"|testing_utils|training_args\w*|modeling_(?!rope_utils)\w+)(/|\.pyc?$)",
    r"transformers/generation/(?!__init__|configuration_utils)",
    # Colors for source code, which no output of the app holds.
    r"pygments/(lexers|styles|formatters)/(?!__init__|_mapping)",
    r"pyqtgraph/(flowchart|canvas|multiprocess/parallelizer)",
    r"fsspec/implementations/(?!__init__|local|memory)",
    r"pydoc_data/",
    # A network protocol, a cloud's file system, headers and tests.
    r"pyarrow/.*(_flight|libarrow_s3|_s3fs|_gcsfs|_azurefs|_hdfs)",
    r"lib(arrow|arrow_python)_(flight|s3)\.",
    # Further names of one library, for linking; each would be a copy.
    r"libarrow_python\.so(\.\d+\.\d+\.\d+)?$",
    r"pyarrow/(include|src|tests|includes)/",
    r"pyarrow/.*\.(pyx|pxi|pxd|h|cc)$",
    # Of Qt's translations the app needs those of its own languages, for standard buttons.
    rf"PySide6/(Qt/)?translations/(?!qtbase_({'|'.join(LANGUAGES)})\.qm)",
    r"PySide6/(Qt/)?qml/",
    r"numpy/f2py/",
    r"numpy/.*(tests/|_tests\.|\.pyi$|\.h$|\.a$)",
    r"pyqtgraph/(examples|opengl|jupyter)/",
    r"pyqtgraph/.*/(tests?)/",
    r"(google|sentencepiece)/.*\.proto$",
    # Of a distribution's metadata the app reads its version.
    r"\.dist-info/(sboms/|RECORD$|INSTALLER$|REQUESTED$)",
)
_DROPPED_PATTERN = re.compile("|".join(f"(?:{pattern})" for pattern in _DROPPED))
_QT_LIBRARY = re.compile(r"PySide6/Qt/lib/(?:libQt6(?P<linux>\w+)\.so|Qt(?P<mac>\w+)\.framework)")
_PLUGIN = re.compile(r"(?:^|/)plugins/(?P<kind>[^/]+)/(?:lib)?(?P<name>[^/]+?)\.(?:so|dylib)$")


def package_folder(name: str) -> Path:
    """The folder of an installed package, without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"{name} is not installed in this environment.")
    return Path(next(iter(found.submodule_search_locations)))


def modules_on_disk(name: str, folder: Path | None = None) -> list[str]:
    """Every module of a package, by its files: those with a dash in their name too."""
    folder = folder or package_folder(name)
    skipped = NEVER_NEEDED.get(name, ())
    found = set()
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[0] in skipped:
            continue
        found.add(".".join((name, *parts)).removesuffix(".__init__"))
    return sorted(found - {f"{name}.__main__"})


def hidden_imports() -> list[str]:
    """Modules that are named at run time only. Raises SystemExit if MLX's code names others."""
    found = ["mlx.core", *modules_on_disk("mlx"), *modules_on_disk("mlx_lm")]
    found += modules_on_disk("app", ROOT / "app")
    needed = set(IMPORTED_BY_COMPILED_CODE) | names_in_compiled_code(package_folder("mlx"))
    if missing := sorted(needed - set(found)):
        raise SystemExit(f"mlx.core imports {', '.join(missing)}, which would not be in the app.")
    return found


def names_in_compiled_code(mlx: Path) -> set[str]:
    """The modules of MLX that its extension names in its C++ strings."""
    found: set[str] = set()
    for extension in mlx.glob("core*.so"):
        names = re.findall(rb"\0(mlx\._[a-z_]+)\0", extension.read_bytes())
        found |= {name.decode() for name in names}
    return found


def is_kept(destination: str) -> bool:
    """Whether a file or module, named by its place in the bundle, goes into it."""
    path = str(PurePosixPath(destination.replace("\\", "/")))
    if _DROPPED_PATTERN.search(path):
        return False
    if (library := _QT_LIBRARY.search(path)) is not None:
        return (library["linux"] or library["mac"]) in KEPT_QT_LIBRARIES
    plugin = _PLUGIN.search(path)
    if plugin is None or "PySide6" not in path:
        return True
    return plugin["name"] in KEPT_QT_PLUGINS.get(plugin["kind"], ())


def is_module_kept(module: str) -> bool:
    """The same of a module by its dotted name."""
    return is_kept(f"{module.replace('.', '/')}.py")


def excluded_modules() -> list[str]:
    """Modules that PyInstaller doesn't read at all: what stays out with all that it imports."""
    partly = ("transformers", "pygments", "fsspec", "pyqtgraph")
    found = (module for package in partly for module in modules_on_disk(package))
    return [*EXCLUDED_MODULES, *(module for module in found if not is_module_kept(module))]


def resources() -> Iterator[tuple[str, str]]:
    """The shipped files with the folder that each goes into; not the scripts that make them."""
    folder = ROOT / "resources"
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if parts[0] in ONLY_FOR_BUILDING or "make" in parts:
            continue
        if path.is_file() and path.suffix not in (".pyc", ".icns", ".py", ".po"):
            yield str(path), str(Path("resources", *parts[:-1]))


def without_dropped(entries: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """PyInstaller's entries (destination, source, kind) without those that stay out, and without
    links to them."""
    return [entry for entry in entries if is_kept(entry[0]) and is_kept(_target(entry))]


def _target(entry: tuple[str, str, str]) -> str:
    """Where a link leads in the bundle; of a file its own place."""
    destination, source, kind = entry
    if kind != "SYMLINK":
        return destination
    return posixpath.normpath(posixpath.join(posixpath.dirname(destination), source))
