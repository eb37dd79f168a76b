"""What a Mach-O file says of itself: architectures, minimum system, libraries, search paths."""

import struct
from dataclasses import dataclass
from pathlib import Path

MAGICS = frozenset({b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"})
ARM64 = "arm64"
_CPU_ARM64 = 0x0100000C
_SYSTEM = ("/usr/lib/", "/System/Library/")


@dataclass(frozen=True)
class MachO:
    """The arm64 part of a file."""

    path: Path
    architectures: tuple[int, ...]
    """CPU types of all parts."""
    minimum_system: str
    """ "14.0"; empty where the file has no arm64 part or says nothing."""
    libraries: tuple[str, ...]
    """Those that it loads, as it names them; not those of macOS."""
    search_paths: tuple[str, ...]
    """Its rpaths."""

    @property
    def is_arm64_alone(self) -> bool:
        return self.architectures == (_CPU_ARM64,)

    @property
    def has_arm64(self) -> bool:
        return _CPU_ARM64 in self.architectures


def is_mach_o(path: Path) -> bool:
    """By its first bytes. A Java class begins as a universal binary does; a static library that is
    universal is for linking alone."""
    if path.suffix == ".a":
        return False
    with path.open("rb") as file:
        head = file.read(8)
    if head[:4] == b"\xca\xfe\xba\xbe":
        return len(head) == 8 and struct.unpack(">I", head[4:])[0] < 20
    return head[:4] in MAGICS


def read_mach_o(path: Path) -> MachO:
    from macholib.MachO import MachO as Parsed  # only the `package` extra brings it

    headers = Parsed(str(path)).headers
    architectures = tuple(header.header.cputype & 0xFFFFFFFF for header in headers)
    minimum, libraries, rpaths = "", [], []
    for header in headers:
        if header.header.cputype & 0xFFFFFFFF != _CPU_ARM64:
            continue
        for load, command, data in header.commands:
            name = load.get_cmd_name()
            if name in ("LC_LOAD_DYLIB", "LC_LOAD_WEAK_DYLIB", "LC_REEXPORT_DYLIB"):
                libraries.append(_text(data))
            elif name == "LC_RPATH":
                rpaths.append(_text(data))
            elif name == "LC_BUILD_VERSION":
                minimum = version_text(int(command.minos))
            elif name == "LC_VERSION_MIN_MACOSX":
                minimum = version_text(int(command.version))
    foreign = tuple(one for one in libraries if not one.startswith(_SYSTEM))
    return MachO(path, architectures, minimum, foreign, tuple(rpaths))


def version_text(packed: int) -> str:
    """ "14.4" of 0x000E0400."""
    return f"{packed >> 16}.{(packed >> 8) & 0xFF}"


def as_numbers(version: str) -> tuple[int, ...]:
    """For comparing: (14, 4) of "14.4"."""
    return tuple(int(part) for part in version.split("."))


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode()
