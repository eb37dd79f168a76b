"""Info.plist: what the app opens is what it reads, and every key has the type macOS asks for."""

import plistlib
import re

import pytest

from app.core.files.data_formats import FORMATS
from app.packaging.bundle_check import plist_type_problems
from app.packaging.info_plist import (
    BUNDLE_ID,
    IMPORTED_TYPES,
    SYSTEM_TYPES,
    build_number,
    info_plist,
)

OF_SYSTEM = {
    ".json": "public.json", ".csv": "public.comma-separated-values-text",
    ".tsv": "public.tab-separated-values-text", ".txt": "public.plain-text",
}  # fmt: skip


def opened_types() -> set[str]:
    documents = info_plist()["CFBundleDocumentTypes"]
    return {one for document in documents for one in document["LSItemContentTypes"]}


@pytest.mark.parametrize("ending", [*FORMATS, ".toml", ".safetensors"])
def test_each_format_that_the_app_reads_is_a_document_type(ending: str) -> None:
    imported = {
        f".{name}": identifier
        for identifier, (_, _, names) in IMPORTED_TYPES.items()
        for name in names
    }
    assert (imported | OF_SYSTEM)[ending] in opened_types()


def test_folders_and_packed_files_are_document_types_too() -> None:
    assert {"public.folder", "org.gnu.gnu-zip-archive"} <= opened_types()


def test_every_type_is_declared_and_written_as_a_property_list() -> None:
    values = plistlib.loads(plistlib.dumps(info_plist()))
    assert values == info_plist()
    assert list(plist_type_problems(values)) == []
    assert not SYSTEM_TYPES & set(IMPORTED_TYPES)


def test_the_app_never_becomes_what_opens_all_files_of_a_type() -> None:
    ranks = {one["LSHandlerRank"] for one in info_plist()["CFBundleDocumentTypes"]}
    assert ranks == {"Alternate"}


def test_switches_are_booleans_and_versions_are_numbers() -> None:
    values = info_plist()
    for key in ("NSHighResolutionCapable", "NSAppSleepDisabled", "LSRequiresNativeExecution"):
        assert values[key] is True
    assert values["NSRequiresAquaSystemAppearance"] is False
    for key in ("CFBundleVersion", "LSMinimumSystemVersion"):
        assert re.fullmatch(r"\d+(\.\d+){0,2}", values[key])
    assert re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+){2,}", BUNDLE_ID)


@pytest.mark.parametrize(
    ("version", "number"), [("0.1.0", "0.1.0"), ("1.2.3rc1", "1.2.3"), ("2.0+local", "2.0")]
)
def test_the_build_number_is_the_version_without_words(version: str, number: str) -> None:
    assert build_number(version) == number


def test_a_version_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin with a number"):
        build_number("next")
