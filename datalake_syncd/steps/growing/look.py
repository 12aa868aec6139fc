"""Growing data sets: one look says which files are new, still and whole enough to go.

Nothing here is ever complete. Each file has its own age, counted from the look at which it was
first found as it is now; so a restart loses nothing, and no clock of an instrument is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from datalake_syncd.adapters.azcopy import source_root_problem
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.kinds.growing import Arrangement, GrowingLayout, Placed, SeenFile
from datalake_syncd.core.model import (
    Assessment,
    Gate,
    ManifestFile,
    Oddity,
    Outcome,
    Step,
)
from datalake_syncd.core.names import escape, escape_once, lake_name_problem
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.growing.lake import WAITS_FOR, carried_before, moved_from
from datalake_syncd.steps.growing.returned import Compared, compare_returned
from datalake_syncd.steps.growing.seeing import Seen, look
from datalake_syncd.steps.settle import Settling
from datalake_syncd.steps.ways import way_between

#: A data set is looked at again after a part of ``quiet``, at most so often (seconds).
SELDOM = 600.0
_PARTS = 12
_SHOWN = 50
#: In ``observed``: gate -> what it found when that was told.
_WARNED = "warned"


def pause(quiet: float) -> float:
    """Seconds between two looks at one data set."""
    return min(quiet / _PARTS, SELDOM)


def look_at_growing(
    context: Context,
    layout: GrowingLayout,
    seen: Seen,
    tick: Callable[[], None],
    compared: Compared,
) -> Settling:
    """What becomes of what a look saw; ``settled`` is set when there is something to carry.

    ``compared`` is kept by the caller from look to look: a file that came back is read once.
    Raises what the source raises; nothing is decided from an error.
    """
    files = [SeenFile(path, entry.stat.size, seen.ages[path]) for path, entry in seen.files.items()]
    carried = carried_before(context)
    quiet = context.instrument.quiet
    plan = layout.arrange(context.run.name, files, seen.missing, quiet, carried)
    gates = [*plan.gates, *_name_gates(context, seen, plan)]
    md5s: dict[str, str] = {}
    compared.unfinished = False
    if all(gate.passed for gate in gates):
        md5s, returned = compare_returned(context, seen, plan, tick, compared)
        gates.extend(returned)
    return _judge(context, seen, plan, gates, md5s)


def _name_gates(context: Context, seen: Seen, plan: Arrangement) -> list[Gate]:
    """What can't be carried under its own name keeps the whole data set back, by name."""
    doubtful = [oddity for oddity in seen.oddities if oddity.blocks]
    for place in plan.placed:
        problem = lake_name_problem(place.path, f"{context.run.prefix}/{place.lake_path}")
        if problem is not None:
            doubtful.append(Oddity(escape(place.path), *problem, blocks=True))
    # The folders that azcopy gets as its source.
    ways = {way_between(place.path, place.lake_path) for place in plan.placed}
    folders = {context.folder / way.local for way in ways if way is not None}
    told = [text for text in map(source_root_problem, sorted(folders)) if text]
    named = "; ".join(f"{o.path} ({o.kind}: {o.detail})" for o in doubtful[:5])
    more = f" and {len(doubtful) - 5} more" if len(doubtful) > 5 else ""
    found = "; ".join([*told[:3], *([named + more] if named else [])])
    needed = "every file can be carried as it is"
    return [Gate("names", not found, found or "all fine", needed, needs_person=bool(found))]


def _judge(
    context: Context, seen: Seen, plan: Arrangement, gates: list[Gate], md5s: dict[str, str]
) -> Settling:
    observed = {
        **context.run.observed,
        "pending": [[escape(one.unit), one.reason] for one in plan.pending[:_SHOWN]],
        "pending_count": len(plan.pending),
    }
    warned: dict[str, str] = observed.get(_WARNED) or {}
    gates = [
        replace(gate, warns=False) if warned.get(gate.name) == gate.found else gate
        for gate in gates
    ]
    assessment = Assessment(tuple(gates), Outcome.GOOD)
    notes = (*(oddity for oddity in seen.oddities if not oddity.blocks), *plan.skipped)
    failing = [gate for gate in gates if not gate.passed]
    if failing:
        reason = "; ".join(f"{gate.name}: {gate.found}" for gate in failing)
        blocked = any(gate.needs_person for gate in failing)
        return Settling(
            reason, tuple(gates), assessment, blocked=blocked, notes=notes, observed=observed
        )
    missed = observed.pop(WAITS_FOR, None)
    if missed in seen.files and missed not in {place.path for place in plan.placed}:
        reason = f"{escape(missed)} is to be carried again and not still yet; the rest waits for it"
        observed[WAITS_FOR] = missed
        return Settling(reason, tuple(gates), assessment, notes=notes, observed=observed)
    reason = _waits(context, plan)
    if not plan.placed or not _news(context, seen, plan.placed):
        return Settling(reason, tuple(gates), assessment, notes=notes, observed=observed)
    _keep(context, seen, plan.placed, md5s)
    observed.update(moved_from(context))
    # Told when it settles, and not again with each of its generations.
    if told := {gate.name: gate.found for gate in gates if gate.warns}:
        observed[_WARNED] = warned | told
    observed["ready"] = None
    if plan.ready is not None:
        observed["ready"] = {"lake_path": plan.ready.lake_path, "of": list(plan.ready.of)}
    size = sum(seen.files[place.path].stat.size for place in plan.placed)
    message = f"{len(plan.placed)} files ({format_bytes(size)}) may go"
    if plan.pending:
        message += f", {len(plan.pending)} wait"
    columns: dict[str, Any] = {
        "tree_digest": _digest(seen, plan.placed),
        "outcome": Outcome.GOOD,
        "gates": [],
        "files_proven": 0,
        "rounds": 0,
        "observed": observed,
    }
    return Settling(message, tuple(gates), assessment, settled=columns, complete=True, notes=notes)


def _waits(context: Context, plan: Arrangement) -> str:
    if plan.pending:
        first = plan.pending[0]
        more = f" and {len(plan.pending) - 1} more" if len(plan.pending) > 1 else ""
        return f"{escape(first.unit)}: {first.reason}{more}"
    if plan.skipped and not plan.placed:
        count = len(plan.skipped)
        named = escape_once(plan.skipped[0].path) + (f" and {count - 1} more" if count > 1 else "")
        return f"nothing here has a place in the lake, so nothing is carried: {named}"
    quiet = format_duration(context.instrument.quiet)
    return f"nothing to carry yet; each file goes {quiet} after its last change"


def _news(context: Context, seen: Seen, placed: Iterable[Placed]) -> bool:
    """Whether the placed files differ from what was announced; before that all is news."""
    if context.run.done is not Step.PUBLISH:
        return True
    rows: dict[str, ManifestFile] = {}
    for page in context.ledger.files.pages(context.run.id):
        rows.update({row.path: row for row in page})
    for place in placed:
        row = rows.get(place.path)
        same = row is not None and row.here and row.lake_path == place.lake_path
        if row is None or not same or row.stat != seen.files[place.path].stat:
            return True
    return False


def _keep(context: Context, seen: Seen, placed: Iterable[Placed], md5s: dict[str, str]) -> None:
    context.ledger.files.begin_look(context.run.id)
    context.ledger.growth.add_placed(
        context.run.id,
        ((seen.files[place.path], place, md5s.get(place.path)) for place in placed),
    )


def _digest(seen: Seen, placed: Iterable[Placed]) -> str:
    digest = hashlib.sha256()
    for place in sorted(placed, key=lambda one: one.lake_path):
        told = seen.files[place.path].stat
        line = f"{place.lake_path}\0{told.size}\0{told.mtime_ns}\0{told.ctime_ns}\0{told.inode}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def changed_since_settled(
    context: Context, layout: GrowingLayout, tick: Callable[[], None]
) -> str | None:
    """The first file of the manifest, not announced yet, that is no longer as it was carried."""
    now = look(context, layout, tick).files
    for page in context.ledger.files.pages(context.run.id):
        for row in page:
            entry = now.get(row.path)
            if row.here and not row.announced and (entry is None or entry.stat != row.stat):
                return escape(row.path)
    return None
