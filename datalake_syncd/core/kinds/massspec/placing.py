"""What the layouts of growing data sets have in common: their gates, and what a kind is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from datalake_syncd.core.kinds.growing import Arrangement, GrowingLayout, Pending, Placed
from datalake_syncd.core.kinds.kind import Kind, StructureCheck, TopFolder
from datalake_syncd.core.kinds.massspec.vendors import Unit, failed_acquisitions
from datalake_syncd.core.model import Assessment, Gate, Outcome, RunFacts
from datalake_syncd.core.names import escape

ONE_NAME_EACH = "one name each"

_NAMED = 3


def one_name_each(targets: Mapping[str, str], carried: Iterable[str] = ()) -> Gate:
    """The gate that no two files meet in the lake; ``targets`` maps path to lake path.

    It names both when two files have one lake path, and when the lake path of a file is the
    folder of another: that could not be brought back to a disk. ``carried`` are lake paths that
    were announced before, also of files that have left the disk. Until somebody renames one of
    them nothing can go.
    """
    owners: dict[str, str] = {}
    met: list[str] = []
    for path, lake_path in sorted(targets.items()):
        other = owners.setdefault(lake_path, path)
        if other != path:
            met.append(f"{escape(other)} and {escape(path)} both go to {escape(lake_path)}")
    only_there = set(carried).difference(owners)
    for lake_path, path in owners.items():
        for folder in _folders(lake_path):
            other = owners.get(folder, path)
            if other != path:
                met.append(
                    f"{escape(other)} goes to {escape(folder)}, the folder of {escape(path)}"
                )
            if folder in only_there:
                met.append(f"{escape(folder)} is in the lake, the folder of {escape(path)}")
    # Two that are both in the lake alone can't be mended here.
    for lake_path in sorted(only_there):
        for folder in _folders(lake_path):
            if folder in owners:
                told = f"the folder of {escape(lake_path)} in the lake"
                met.append(f"{escape(owners[folder])} goes to {escape(folder)}, {told}")
    needed = "each file has a name of its own in the lake; rename one of the two"
    found = _first(met) or "no two files meet"
    return Gate(ONE_NAME_EACH, not met, found, needed, needs_person=bool(met))


def _folders(lake_path: str) -> Iterator[str]:
    slash = lake_path.rfind("/")
    while slash > 0:
        yield lake_path[:slash]
        slash = lake_path.rfind("/", 0, slash)


def folder_gates(missing: Iterable[str], names: Mapping[str, str]) -> list[Gate]:
    """A gate for each folder that must be there: ``names`` maps the root to the gate's name."""
    gone = set(missing)
    return [
        Gate(
            name,
            root not in gone,
            f"{escape(root) or 'the folder'} is {'not ' if root in gone else ''}there",
            "all folders of the data set are there",
        )
        for root, name in names.items()
    ]


def arranged(
    found: Iterable[Unit],
    quiet: float,
    place: Callable[[Unit], Iterable[Placed]],
    gates: list[Gate],
) -> Arrangement:
    """Sort units into those that go now and those that wait; nothing goes past a closed gate."""
    found = tuple(found)
    corrupted = failed_acquisitions(found)
    if corrupted:
        told = f"marked by the instrument as corrupted, carried all the same: {_first(corrupted)}"
        needed = "nothing: this is only told"
        gates = [*gates, Gate("failed acquisitions", True, told, needed, warns=True)]
    waiting = {unit.path: unit.waits_for(quiet) for unit in found}
    shut = not all(gate.passed for gate in gates)
    ready = () if shut else (unit for unit in found if not waiting[unit.path])
    return Arrangement(
        placed=tuple(placed for unit in ready for placed in place(unit)),
        pending=tuple(Pending(path, reason) for path, reason in waiting.items() if reason),
        gates=tuple(gates),
    )


def growing_kind(
    name: str, title: str, quiet: float, is_run: Callable[[str], bool], layout: GrowingLayout
) -> Kind:
    """A kind whose data sets are never finished; ``quiet`` is in seconds."""
    return Kind(
        name=name,
        title=title,
        flags=(),
        learned_flags=(),
        metadata_files=(),
        quiet=quiet,
        is_run=is_run,
        assess=_nothing_to_assess,
        structure=_nothing_promised,
        unreleasable=(ONE_NAME_EACH,),
        growing=layout,
    )


def _nothing_to_assess(_: TopFolder) -> Assessment:
    return Assessment((), Outcome.GOOD)


def _nothing_promised(_: RunFacts) -> StructureCheck | None:
    return None


def _first(told: Iterable[str]) -> str:
    all_of_them = list(told)
    more = len(all_of_them) - _NAMED
    return "; ".join(all_of_them[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
