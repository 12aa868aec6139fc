"""Evidence for pruning a growing data set: file by file and unit by unit, never all of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from datalake_syncd.adapters import tree
from datalake_syncd.core import pruning
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.errors import Stopped
from datalake_syncd.core.kinds.growing import GrowingLayout, SeenFile
from datalake_syncd.core.model import Blob, Gate, ManifestFile
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import (
    NAMED_DOUBTS,
    FileEvidence,
    PlanItem,
    PrunePlan,
    PruneRefusal,
)
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.growing.seeing import Seen, look

#: The lake tells its times in whole seconds.
_ROUNDED = 1.0


def decide_units(
    context: Context, layout: GrowingLayout, conditions: tuple[Gate, ...]
) -> PrunePlan | PruneRefusal:
    """Every unit that was announced ``keep`` ago and stands every test goes; the others stay.

    The listing must be of now. A unit goes whole or not at all. Refused only when none may go.
    """
    before = context.now() - context.instrument.prune.keep
    wanted = context.ledger.growth.units(context.run.id, announced_before=before)
    blobs = _blobs(context, {path for unit in wanted.values() for path in unit})
    seen = context.patience.call(lambda tick: look(context, layout, tick))
    whole = _units_now(context, layout, seen)
    taken = {path for rows in wanted.values() for path in rows if path not in seen.files}
    if taken:
        # Somebody else took them from the disk; of a unit without files nothing is left to prune.
        context.ledger.growth.mark_gone(context.run.id, taken)
        wanted = {unit: rows for unit, rows in wanted.items() if rows.keys() - taken}
    items: list[PlanItem] = []
    reasons: dict[str, None] = {}
    young: dict[str, None] = {}
    all_old = _marker_is_old(context)
    for unit, rows in wanted.items():
        if context.should_stop():
            raise Stopped
        too_young = None if all_old else _young_in_lake(context, unit, rows)
        if too_young is not None:
            young[too_young] = None
            continue
        strange = (*_strange(unit, seen), *_other_files(unit, set(rows), whole))
        evidence = context.patience.call(
            lambda tick, unit=unit, rows=rows: _evidence(  # type: ignore[misc]
                context, unit, rows, seen, blobs, tick
            )
        )
        decision = pruning.decide(
            (*conditions, *strange),
            evidence,
            read_back=context.instrument.prune.proof == "read-back",
        )
        if isinstance(decision, PruneRefusal):
            reasons.update(dict.fromkeys(decision.reasons))
        else:
            items.extend(decision.items)
    if items:
        if reasons or young:
            told = _first(reasons | young)
            context.log(
                logging.WARNING,
                "prune.refused",
                f"these stay: {'; '.join(map(escape, told))}",
                step="prune",
                next_step=f"datalake-syncd why {escape(context.run.key)}",
            )
        return PrunePlan(tuple(items))
    failing = [gate for gate in conditions if not gate.passed]
    if not reasons and failing:
        decision = pruning.decide(conditions, (), read_back=False)
        if isinstance(decision, PruneRefusal):
            reasons.update(dict.fromkeys(decision.reasons))
    # Waiting mends what is too young; what else is found may have to go back to a step.
    return PruneRefusal(_first(reasons) or _first(young) or ("no file or unit is old enough yet",))


def _first(reasons: dict[str, None]) -> tuple[str, ...]:
    """As many reasons as a person reads, and the number of the others."""
    more = len(reasons) - NAMED_DOUBTS
    told = tuple(reasons)[:NAMED_DOUBTS]
    return (*told, f"and {more} more") if more > 0 else told


def _blobs(context: Context, paths: set[str]) -> dict[str, Blob | None]:
    found: dict[str, Blob | None] = {}
    for page in listing.pairs(context):
        found.update({file.path: blob for file, blob in page if file.path in paths})
    return found


def _young_in_lake(context: Context, unit: str, rows: dict[str, ManifestFile]) -> str | None:
    """Why a unit was not kept long enough, if the lake's clock says so and ours does not.

    A clock that was wrong before a restart leaves no other trace than the times it wrote down.
    A unit was announced after its files arrived: it is not older than these are in the lake.
    """
    keep = context.instrument.prune.keep
    names = sorted(row.lake_path for row in rows.values())
    ages = [context.lake.age(context.prefix + name) for name in {names[0], names[-1]}]
    age = min((one for one in ages if one is not None), default=None)
    if age is None or age + _ROUNDED >= keep:
        return None  # what is not there is found out by its own test
    return (
        f"kept long enough: {escape(unit)} came there {format_duration(max(age, 0.0))} ago by the "
        "clock of the lake, and was announced longer ago by ours: one of them is or was wrong, or "
        f"it was sent again since; needed {format_duration(keep)} (prune.keep)"
    )


def _marker_is_old(context: Context) -> bool:
    """No unit was announced after the last marker: when that is old enough, all of them are."""
    age = context.lake.age(f"{context.run.prefix}.sync")
    return age is not None and age + _ROUNDED >= context.instrument.prune.keep


def _units_now(context: Context, layout: GrowingLayout, seen: Seen) -> dict[str, set[str]]:
    """Which files make up each whole unit now, whatever their age; pending units are left out."""
    files = [SeenFile(path, one.stat.size, math.inf) for path, one in seen.files.items()]
    carried = context.ledger.growth.announced(context.run.id)
    plan = layout.arrange(context.run.name, files, seen.missing, 0.0, carried)
    units: dict[str, set[str]] = {}
    for place in plan.placed:
        units.setdefault(place.unit, set()).add(place.path)
    return units


def _other_files(unit: str, known: set[str], whole: dict[str, set[str]]) -> tuple[Gate, ...]:
    """A unit of several files, some of them new: it waits until all of them are announced."""
    if whole.get(unit) == known:
        return ()
    found = f"{escape(unit)} has other files now than when it was carried, or is not whole"
    return (Gate("unit", False, found, "the unit as it was announced"),)


def _strange(unit: str, seen: Seen) -> tuple[Gate, ...]:
    """Links, special files and odd names inside the unit's folder: none was carried."""
    inside = f"{escape(unit)}/"
    return tuple(
        Gate("nothing added", False, f"{oddity.path} ({oddity.kind}) is there", "files alone")
        for oddity in seen.oddities
        if oddity.kind != "excluded" and oddity.path.startswith(inside)
    )


def _evidence(
    context: Context,
    unit: str,
    rows: dict[str, ManifestFile],
    seen: Seen,
    blobs: dict[str, Blob | None],
    tick: Callable[[], None],
) -> list[FileEvidence]:
    here = {path for path in seen.files if path.startswith(f"{unit}/")}
    found: list[FileEvidence] = []
    for path in sorted(here | set(rows)):
        entry = seen.files.get(path)
        row = rows.get(path)
        if entry is None or row is None:
            local = None if entry is None else entry.stat
            found.append(FileEvidence(path, row, local, None, blobs.get(path)))
            continue
        md5, stat = tree.hash_file(
            context.folder,
            path,
            entry.stat,
            on_bytes=lambda _count: tick(),
            should_stop=context.should_stop,
        )
        found.append(FileEvidence(path, row, stat, md5, blobs.get(path)))
    return found
