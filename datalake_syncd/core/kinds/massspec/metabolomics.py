"""Metabolomics runs: numbered folders of a sample, and the methods that all of them share.

``RawData_<sample>/<digits>/`` is a run, ``DataProcessingMethod_<sample>/`` beside it belongs to
every run of the sample and is copied into each. Without it a run is not complete.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from datalake_syncd.core.durations import HOUR
from datalake_syncd.core.kinds.growing import Arrangement, Pending, Placed, SeenFile
from datalake_syncd.core.kinds.massspec import placing, vendors
from datalake_syncd.core.kinds.massspec.vendors import Unit, Vendor
from datalake_syncd.core.model import Gate, Oddity
from datalake_syncd.core.names import escape

RAW_DATA = "RawData_"
METHODS = "DataProcessingMethod_"
RAW = "raw/"
MZML = "mzML/"

_DIGITS = re.compile("[0-9]+")


def is_run(name: str) -> bool:
    """True for the name of a data set, ``<sample>/<digits>``."""
    sample, _, number = name.partition("/")
    return bool(sample) and _DIGITS.fullmatch(number) is not None


@dataclass(frozen=True, slots=True)
class MetabolomicsLayout:
    """One data set per numbered folder, with the methods of its sample in it."""

    def opens(self, folder: str) -> bool:
        """True for the folder that holds the runs of a sample."""
        return folder.startswith(RAW_DATA) and folder != RAW_DATA

    def run_name(self, folders: tuple[str, ...]) -> str | None:
        """``<sample>/<digits>``, as both are spelled on the disk."""
        if len(folders) != 2 or not self.opens(folders[0]):
            return None
        name = f"{folders[0].removeprefix(RAW_DATA)}/{folders[1]}"
        return name if is_run(name) else None

    def lake_name(self, run: str) -> str:
        """The same as the data set's name."""
        return run

    def base(self, run: str) -> str:  # noqa: ARG002 - the same for all runs of this layout
        """The source itself: the run and its methods lie in different folders of it."""
        return ""

    def roots(self, run: str) -> tuple[str, ...]:
        """The run's folder, and the one with the methods of its sample."""
        sample = run.partition("/")[0]
        return RAW_DATA + run, METHODS + sample

    def has_place(self, run: str, path: str) -> bool:
        """True for all that lies in the run's folder or in its methods."""
        return any(path.startswith(f"{root}/") for root in self.roots(run))

    def strays(self, listing: Mapping[str, Collection[str] | None]) -> tuple[str, ...]:
        """Data beside the numbered runs, and a folder of a sample whose other folder is missing.

        A run without methods is not told here: it waits for them, and says so itself.
        """
        told: list[str] = []
        for folder, names in sorted(listing.items()):
            shown = escape(folder)
            if folder.startswith(METHODS) and folder != METHODS:
                data = RAW_DATA + folder.removeprefix(METHODS)
                if data not in listing:
                    told.append(f"{shown} is there and {escape(data)} is not")
            if not self.opens(folder):
                continue
            if names is None:
                told.append(f"{shown} is no folder, or a link to one")
                continue
            beside = sorted(name for name in names if self.run_name((folder, name)) is None)
            if beside:
                count = len(beside) - 1
                more = f" and {count} more" if count else ""
                told.append(
                    f"{shown}/{escape(beside[0])}{more}: only folders with a number are runs"
                )
            elif not names:
                told.append(f"{shown} is empty")
        return tuple(told)

    def arrange(
        self,
        run: str,
        files: Sequence[SeenFile],
        missing: tuple[str, ...],
        quiet: float,
        carried: Collection[str] = (),
    ) -> Arrangement:
        """Say what goes where; see `GrowingLayout`.

        One ``.raw`` sends all of the run to ``raw/``: also one that can't go yet, otherwise the
        same files would first go to ``mzML/``; also one that has left the disk since, which
        ``carried`` tells, the lake paths that were announced before. Methods alone are no data
        set: they wait for the first unit of the run; and nothing goes without any method.
        """
        data, methods = (f"{root}/" for root in self.roots(run))
        acquired = {f.path: f.path[len(data) :] for f in files if f.path.startswith(data)}
        shared = {f.path: f.path[len(methods) :] for f in files if f.path.startswith(methods)}
        before = set(carried).difference(shared.values())
        # Files of the methods may lie in a folder `raw` of theirs, also those that are gone.
        raw = any(map(_is_raw, acquired.values())) or any(
            p.startswith(RAW) and _is_raw(p.removeprefix(RAW)) for p in before
        )
        targets = shared | {path: (RAW if raw else MZML) + rest for path, rest in acquired.items()}

        names = {data.rstrip("/"): "run folder", methods.rstrip("/"): "method folder"}
        gates = placing.folder_gates(missing, names)
        if not shared and methods.rstrip("/") not in missing:
            gates[-1] = _no_methods(methods.rstrip("/"))
        # What was acquired waits for what somebody has to bring.
        gates[-1] = replace(gates[-1], warns=not gates[-1].passed)
        gates.append(placing.one_name_each(targets, carried))

        def place(unit: Unit) -> list[Placed]:
            mine = unit.path.startswith(data)
            return [Placed(one.path, targets[one.path], unit.path, mine) for one in unit.files]

        found = vendors.units((file for file in files if file.path in acquired), below=data)
        # A method is a file, whatever its name: no vendor's rules hold in that folder.
        single = [Unit(f.path, Vendor.FILE, (f,), "") for f in files if f.path in shared]
        arrangement = placing.arranged([*found, *single], quiet, place, gates)
        begun = any(path.startswith((RAW, MZML)) for path in before)
        if not begun and not any(one.path in acquired for one in arrangement.placed):
            reason = "goes with the files of the run, and none of them can go yet"
            held = tuple(Pending(one.unit, reason) for one in arrangement.placed)
            arrangement = replace(arrangement, placed=(), pending=arrangement.pending + held)
        return replace(arrangement, skipped=_elsewhere(files, targets))


def _no_methods(folder: str) -> Gate:
    """An empty folder may be the place where a share is mounted, and the share away."""
    found = f"{escape(folder)} is there and holds no file"
    return Gate("method folder", False, found, "the methods of the sample are in it")


def _is_raw(path: str) -> bool:
    return any(part.lower().endswith(".raw") for part in path.split("/"))


def _elsewhere(files: Sequence[SeenFile], targets: Mapping[str, str]) -> tuple[Oddity, ...]:
    """What lies in neither of the two folders: nobody asked for it, and it is not dropped."""
    return tuple(
        Oddity(escape(file.path), "not-in-layout", "not in a folder of this run", blocks=False)
        for file in files
        if file.path not in targets
    )


METABOLOMICS = placing.growing_kind(
    "metabolomics", "Metabolomics runs", HOUR, is_run, MetabolomicsLayout()
)
