"""The bundle's Info.plist: who it is, what it opens, and which systems it runs on."""

import re
from typing import Any

from app import __version__
from app.core.text.translation import LANGUAGES, SOURCE

BUNDLE_ID = "io.github.nestling.Nestling"
"""The app's identity for the system's privacy settings and preferences; never changed again."""

MINIMUM_SYSTEM = "14.0"
"""MLX's wheel and its shaders ask for macOS 14.0, Qt 6.11 for 13.0."""

SYSTEM_TYPES = frozenset(
    {
        "public.json", "public.comma-separated-values-text", "public.tab-separated-values-text",
        "public.plain-text", "public.folder", "public.data", "public.text",
        "org.gnu.gnu-zip-archive",
    }
)  # fmt: skip
"""Types that macOS declares itself."""

IMPORTED_TYPES = {
    "org.jsonlines.jsonl": ("JSON Lines", "public.text", ("jsonl", "ndjson")),
    "org.apache.parquet": ("Apache Parquet", "public.data", ("parquet",)),
    "org.apache.arrow": ("Apache Arrow", "public.data", ("arrow",)),
    "net.daringfireball.markdown": ("Markdown", "public.text", ("md",)),
    "io.toml": ("TOML", "public.text", ("toml",)),
    "co.huggingface.safetensors": ("Safetensors", "public.data", ("safetensors",)),
}
"""Types of others that the app reads: description, what they conform to, file name endings."""

_DATASETS = (
    "public.json", "org.jsonlines.jsonl", "public.comma-separated-values-text",
    "public.tab-separated-values-text", "org.apache.parquet", "org.apache.arrow",
    "public.plain-text", "net.daringfireball.markdown", "org.gnu.gnu-zip-archive",
)  # fmt: skip

_FOLDERS = {
    "Documents": "Nestling reads the datasets and models that you open from there.",
    "Downloads": "Nestling reads the datasets and models that you open from there.",
    "Desktop": "Nestling reads the datasets and models that you open from there.",
    "RemovableVolumes": "Nestling reads datasets and models from the disks that you choose.",
    "NetworkVolumes": "Nestling reads datasets and models from the disks that you choose.",
}


def info_plist() -> dict[str, Any]:
    """Everything that PyInstaller does not write by itself."""
    return {
        "CFBundleName": "Nestling",
        "CFBundleDisplayName": "Nestling",
        "CFBundleVersion": build_number(__version__),
        "CFBundleDevelopmentRegion": SOURCE,
        "CFBundleLocalizations": list(LANGUAGES),
        "CFBundleDocumentTypes": [
            _document("Dataset", _DATASETS),
            _document("Settings of a run", ("io.toml",)),
            _document("Adapter", ("co.huggingface.safetensors",)),
            _document("Folder of a model, a dataset, a run or an adapter", ("public.folder",)),
        ],
        "UTImportedTypeDeclarations": [
            {
                "UTTypeIdentifier": identifier,
                "UTTypeDescription": description,
                "UTTypeConformsTo": [parent],
                "UTTypeTagSpecification": {"public.filename-extension": list(endings)},
            }
            for identifier, (description, parent, endings) in IMPORTED_TYPES.items()
        ],
        "LSMinimumSystemVersion": MINIMUM_SYSTEM,
        "LSArchitecturePriority": ["arm64"],
        "LSRequiresNativeExecution": True,
        "LSApplicationCategoryType": "public.app-category.developer-tools",
        "NSPrincipalClass": "NSApplication",
        "NSHighResolutionCapable": True,
        "NSRequiresAquaSystemAppearance": False,
        "NSAppSleepDisabled": True,  # a run continues behind other windows
        "NSHumanReadableCopyright": "MIT License",
        **{f"NS{name}FolderUsageDescription".replace("VolumesFolder", "Volumes"): reason
           for name, reason in _FOLDERS.items()},
    }  # fmt: skip


def build_number(version: str) -> str:
    """The version's numbers alone, as CFBundleVersion allows: "0.1.0" of "0.1.0rc1"."""
    found = re.match(r"\d+(\.\d+){0,2}", version)
    if found is None:
        raise ValueError(f"The version {version!r} does not begin with a number.")
    return found[0]


def _document(name: str, types: tuple[str, ...]) -> dict[str, Any]:
    # Alternate: the app offers itself, and never becomes what opens all JSON files.
    return {
        "CFBundleTypeName": name,
        "CFBundleTypeRole": "Viewer",
        "LSHandlerRank": "Alternate",
        "LSItemContentTypes": list(types),
    }
