"""What mass spectrometers write, as units: what goes whole or not at all, and what is missing.

A unit is a file, a folder or a group of files that only together are one acquisition. The
vendor is told by what is there, not by who says so: ``.raw`` is a file of Thermo or a folder of
Waters, ``.d`` a folder of Bruker or of Agilent. Names count in any case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from datalake_syncd.core.durations import duration_text
from datalake_syncd.core.kinds.growing import SeenFile
from datalake_syncd.core.names import escape


class Vendor(StrEnum):
    """Whose unit it is; ``file`` is a file that belongs to no unit but itself."""

    THERMO = "thermo"
    WATERS = "waters"
    BRUKER = "bruker"
    AGILENT = "agilent"
    SCIEX = "sciex"
    UNKNOWN = "unknown"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that go whole or not at all.

    ``path`` is the file or folder; of a Sciex group its ``.wiff``, or its first file while
    there is none. ``problem`` says in words what is missing, empty when the unit is complete.
    """

    path: str
    vendor: Vendor
    files: tuple[SeenFile, ...]
    problem: str

    def waits_for(self, quiet: float) -> str:
        """Why the unit can't go yet, empty when it can.

        ``quiet`` is in seconds. The words stay the same from look to look while nothing
        happens: they are written down when they change.
        """
        if self.problem:
            return self.problem
        if all(file.still >= quiet for file in self.files):
            return ""
        return f"waits until nothing has changed for {duration_text(quiet)}, on our own clock"


# The longest first: `.wiff.scan` must not pass for something else.
_SCIEX = (".timeseries.data", ".wiff.scan", ".wiff2", ".wiff")
_SQLITE_AT_WORK = ("-journal", "-wal", "-shm")
_BRUKER = (
    ("analysis.tdf", "analysis.tdf_bin"),
    ("analysis.tsf", "analysis.tsf_bin"),
    ("analysis.baf",),
)
_AGILENT_FOLDER = "acqdata/"
_CORRUPTED = "_corrupted.raw"


def is_unit_folder(name: str) -> bool:
    """True for the name of a folder that is one acquisition."""
    return name.lower().endswith((".raw", ".d"))


def is_acquisition(name: str) -> bool:
    """True for the name of a file that is an acquisition, or belongs to a group that is one."""
    return name.lower().endswith((".raw", *_SCIEX))


def failed_acquisitions(found: Iterable[Unit]) -> tuple[str, ...]:
    """The Thermo files that the instrument marked as corrupted, escaped, in order."""
    return tuple(escape(unit.path) for unit in found if unit.path.lower().endswith(_CORRUPTED))


def units(files: Iterable[SeenFile], below: str = "") -> tuple[Unit, ...]:
    """Group files into units and judge each, in the order of their paths.

    ``below`` is a folder that all paths lie in and whose own name says nothing; it is empty
    or ends with ``/``. Every file is in exactly one unit.
    """
    groups: dict[tuple[str, bool], list[SeenFile]] = {}
    for file in sorted(files, key=lambda one: one.path):
        groups.setdefault(_group(file.path, len(below)), []).append(file)
    found = [_unit(key, is_folder, group) for (key, is_folder), group in groups.items()]
    return tuple(sorted(found, key=lambda unit: unit.path))


def _group(path: str, start: int) -> tuple[str, bool]:
    """What a file belongs to, and whether that is a folder."""
    slash = path.find("/", start)
    while slash >= 0:
        if is_unit_folder(path[start:slash]):
            return path[:slash], True
        start, slash = slash + 1, path.find("/", slash + 1)
    for suffix in _SCIEX:
        if path.lower().endswith(suffix):
            # Windows knows one spelling only, so siblings in other case are siblings.
            return path[:start] + path[start : -len(suffix)].lower() + ".wiff", False
    return path, False


def _unit(key: str, is_folder: bool, group: list[SeenFile]) -> Unit:
    files = tuple(group)
    if is_folder:
        inside = {file.path[len(key) + 1 :].lower() for file in files}
        judge = _waters if key.lower().endswith(".raw") else _bruker_or_agilent
        vendor, problem = judge(inside)
        return Unit(key, vendor, files, problem)
    first = files[0]
    if first.path.lower().endswith(_SCIEX):
        wiff = next((one.path for one in files if one.path.lower().endswith(".wiff")), first.path)
        return Unit(wiff, Vendor.SCIEX, files, _sciex([file.path for file in files]))
    if first.path.lower().endswith(".raw"):
        problem = "" if first.size > 0 else "0 bytes: nothing of it was written yet"
        return Unit(key, Vendor.THERMO, files, problem)
    return Unit(key, Vendor.FILE, files, "")


def _waters(inside: set[str]) -> tuple[Vendor, str]:
    if "_functns.inf" in inside:
        return Vendor.WATERS, ""
    return Vendor.WATERS, "not complete: _FUNCTNS.INF is missing in the Waters folder"


def _bruker_or_agilent(inside: set[str]) -> tuple[Vendor, str]:
    at_work = sorted(name for name in inside if name.endswith(_SQLITE_AT_WORK))
    started = [family for family in _BRUKER if inside.intersection(family)]
    if at_work:
        vendor = Vendor.BRUKER if started else Vendor.UNKNOWN
        return vendor, f"still being written: {escape(at_work[0])} is there"
    if started:
        missing = [name for family in started for name in family if name not in inside]
        return Vendor.BRUKER, _told(missing, "the Bruker folder")
    acquired = {name.removeprefix(_AGILENT_FOLDER) for name in inside if _in_agilent(name)}
    if acquired:
        needed = {"MSScan.bin": {"msscan.bin"}, "MSTS.xml": {"msts.xml"}}
        needed["MSPeak.bin or MSProfile.bin"] = {"mspeak.bin", "msprofile.bin"}
        missing = [told for told, names in needed.items() if not acquired & names]
        return Vendor.AGILENT, _told(missing, "the AcqData of the Agilent folder")
    return Vendor.UNKNOWN, (
        "neither Bruker nor Agilent: analysis.tdf, analysis.tsf or analysis.baf is missing, "
        "and so is AcqData"
    )


def _in_agilent(name: str) -> bool:
    return name.startswith(_AGILENT_FOLDER)


def _sciex(paths: list[str]) -> str:
    there = {suffix for path in paths for suffix in _SCIEX if path.lower().endswith(suffix)}
    return _told([name for name in (".wiff", ".wiff.scan") if name not in there], "the Sciex group")


def _told(missing: list[str], where: str) -> str:
    if not missing:
        return ""
    are = "is" if len(missing) == 1 else "are"
    return f"not complete: {' and '.join(missing)} {are} missing in {where}"
