"""Signing, notarizing and packing the finished bundle: only on a Mac, with what is there."""

import os
import platform
import shutil
import tempfile
from pathlib import Path

from app.packaging.build_environment import run
from app.packaging.build_report import Report

IDENTITY_VARIABLE = "NESTLING_SIGNING_IDENTITY"
"""Environment variable with the Developer ID that signs the app; ad hoc without it."""
PROFILE_VARIABLE = "NESTLING_NOTARY_PROFILE"
"""Environment variable with the name under which `xcrun notarytool store-credentials` keeps the
credentials."""


def distribute(report: Report, bundle: Path) -> None:
    """Verify the signature, notarize, make the disk image; every skipped step has its reason."""
    if platform.system() != "Darwin":
        for name in ("signature", "notarization", "disk image"):
            report.skip(name, "needs macOS's own tools")
        return
    report.step("signature", lambda: _verified(bundle))
    profile = os.environ.get(PROFILE_VARIABLE, "")
    if signing_identity() is None:
        report.skip("notarization", f"no Developer ID in {IDENTITY_VARIABLE}: signed ad hoc")
    elif not profile:
        report.skip("notarization", f"no credentials in {PROFILE_VARIABLE}")
    else:
        report.step("notarization", lambda: _notarized(bundle, profile))
    image = bundle.with_suffix(".dmg")
    report.step("disk image", lambda: _packed(bundle, image))
    if profile and signing_identity() is not None:
        report.step("notarization of the disk image", lambda: _signed_image(image, profile))


def _verified(bundle: Path) -> str:
    run(["/usr/bin/codesign", "--verify", "--deep", "--strict", bundle])
    return signing_identity() or "ad hoc"


def _notarized(bundle: Path, profile: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "Nestling.zip")
        # ditto keeps the bundle's links, which are part of what was signed.
        run(["/usr/bin/ditto", "-c", "-k", "--keepParent", bundle, archive])
        _submit(archive, profile)
    run(["/usr/bin/xcrun", "stapler", "staple", bundle])
    return "accepted and stapled"


def _packed(bundle: Path, image: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        run(["/usr/bin/ditto", bundle, Path(folder, bundle.name)])
        Path(folder, "Applications").symlink_to("/Applications")
        image.unlink(missing_ok=True)
        run(
            ["/usr/bin/hdiutil", "create", "-quiet", "-volname", "Nestling", "-srcfolder", folder,
             "-format", "ULFO", image]
        )  # fmt: skip
    return f"{image}, {image.stat().st_size / 1e6:.0f} MB"


def _signed_image(image: Path, profile: str) -> str:
    run(["/usr/bin/codesign", "--sign", signing_identity() or "", "--timestamp", image])
    _submit(image, profile)
    run(["/usr/bin/xcrun", "stapler", "staple", image])
    return "accepted and stapled"


def _submit(file: Path, profile: str) -> None:
    run(["/usr/bin/xcrun", "notarytool", "submit", file, "--keychain-profile", profile, "--wait"])


def why_no_tools() -> str:
    """What a Mac lacks for building; empty where all is there."""
    missing = [name for name in ("codesign", "lipo", "install_name_tool") if not shutil.which(name)]
    if not missing:
        return ""
    return f"{', '.join(missing)} not found; install the command-line tools: xcode-select --install"


def signing_identity() -> str | None:
    """The Developer ID; None signs ad hoc. `-` would turn on the hardened runtime, under which
    an ad-hoc signed Python is refused."""
    identity = os.environ.get(IDENTITY_VARIABLE, "").strip()
    return identity if identity not in ("", "-") else None
