"""Proteomics projects: folders that grow for months, in the layout that the lab's readers know.

Only what lies directly in the project folder has a place: acquisitions go to ``samples/`` or
``blanks/``, instrument methods and sequences to ``other/``, result workbooks to ``results/``
and the metadata workbook to the project's root. Everything else is told and not carried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from datalake_syncd.core.durations import DAY
from datalake_syncd.core.kinds.growing import Arrangement, Placed, ReadyMarker, SeenFile
from datalake_syncd.core.kinds.massspec import placing, vendors
from datalake_syncd.core.kinds.massspec.vendors import Unit
from datalake_syncd.core.model import Oddity
from datalake_syncd.core.names import escape

METADATA = "metadata.xlsx"
READY = "results.ready"
RESULTS = "results/"

_PROJECT = re.compile(r"prot[0-9].*", re.IGNORECASE | re.DOTALL)


def is_project(name: str) -> bool:
    """True for the folder name of a project: ``prot``, a digit, anything."""
    return _PROJECT.fullmatch(name) is not None


def lake_path(path: str) -> str | None:
    """Where a file of a project goes, below the project in the lake; None: it has no place."""
    name, slash, _ = path.partition("/")
    lower = name.lower()
    if vendors.is_unit_folder(name) if slash else vendors.is_acquisition(name):
        return f"{'blanks' if lower.startswith('blank') else 'samples'}/{path}"
    if slash:
        return None
    if lower.endswith((".meth", ".sld")):
        return f"other/{name}"
    if lower == METADATA:
        return METADATA
    if lower.startswith("prot") and lower.endswith(".xlsx"):
        return RESULTS + lower
    return None


@dataclass(frozen=True, slots=True)
class ProteomicsLayout:
    """One data set per project folder; the project's name is in upper case in the lake."""

    def opens(self, folder: str) -> bool:  # noqa: ARG002 - no folder does in this layout
        """Never: projects lie directly in the source."""
        return False

    def run_name(self, folders: tuple[str, ...]) -> str | None:
        """The folder's own name, as it is spelled."""
        return folders[0] if len(folders) == 1 and is_project(folders[0]) else None

    def lake_name(self, run: str) -> str:
        """The project in upper case, so that its readers need not know how it was typed."""
        return run.upper()

    def base(self, run: str) -> str:
        """The project folder."""
        return run

    def roots(self, run: str) -> tuple[str, ...]:  # noqa: ARG002 - the base is all of it
        """All of the project folder."""
        return ("",)

    def has_place(self, run: str, path: str) -> bool:  # noqa: ARG002 - the same for all projects
        """True for what is named like an acquisition, or has a place by its own name."""
        return vendors.is_unit_folder(path.partition("/")[0]) or lake_path(path) is not None

    def strays(self, listing: Mapping[str, Collection[str] | None]) -> tuple[str, ...]:  # noqa: ARG002 - a project is one folder
        """None: a project is one folder, and tells itself of what has no place in it."""
        return ()

    def arrange(
        self,
        run: str,  # noqa: ARG002 - every project follows the same rules
        files: Sequence[SeenFile],
        missing: tuple[str, ...],
        quiet: float,
        carried: Collection[str] = (),
    ) -> Arrangement:
        """Say what goes where; see `GrowingLayout`.

        Two files for one lake path keep the whole project back, also when one of them is still
        too young to go, and when one of them is in the lake alone.
        """
        targets = {file.path: lake_path(file.path) for file in files}
        known = {path: target for path, target in targets.items() if target is not None}
        gates = placing.folder_gates(missing, {"": "project folder"})
        gates.append(placing.one_name_each(known, carried))

        def place(unit: Unit) -> list[Placed]:
            return [
                Placed(file.path, known[file.path], unit.path, not _is_workbook(known[file.path]))
                for file in unit.files
            ]

        found = vendors.units(file for file in files if file.path in known)
        arrangement = placing.arranged(found, quiet, place, gates)
        strangers = (path for path, target in targets.items() if target is None)
        return replace(
            arrangement, skipped=_not_in_layout(strangers), ready=_ready(arrangement.placed)
        )


def _is_workbook(target: str) -> bool:
    return target == METADATA or target.startswith(RESULTS)


def _ready(placed: Sequence[Placed]) -> ReadyMarker | None:
    there = {one.lake_path for one in placed}
    results = sorted(path for path in there if path.startswith(RESULTS))
    if not results or METADATA not in there:
        return None
    return ReadyMarker(READY, (*results, METADATA))


def _not_in_layout(paths: Iterable[str]) -> tuple[Oddity, ...]:
    folders: Counter[str] = Counter()
    told = []
    for path in paths:
        folder, slash, _ = path.partition("/")
        if slash:
            folders[folder] += 1
        else:
            told.append((path, "the project's layout in the lake has no place for such a file"))
    for folder, count in folders.items():
        files = "1 file" if count == 1 else f"{count} files"
        told.append((folder, f"a folder with {files}; only acquisitions may be folders here"))
    return tuple(
        Oddity(escape(path), "not-in-layout", detail, blocks=False) for path, detail in sorted(told)
    )


PROTEOMICS = placing.growing_kind(
    "proteomics", "Proteomics projects", DAY, is_project, ProteomicsLayout()
)
