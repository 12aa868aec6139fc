"""Growing data sets: one look says which files are new, still and whole enough to go.

Nothing here is ever complete. Each file has its own age, counted from the look at which it was
first found as it is now; so a restart loses nothing, and no clock of an instrument is asked.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.azcopy import source_root_problem
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.errors import SourceChanged
from datalake_syncd.core.kinds.growing import Arrangement, GrowingLayout, Placed, SeenFile
from datalake_syncd.core.model import (
    Assessment,
    FileEntry,
    FileStat,
    Gate,
    ManifestFile,
    Oddity,
    Outcome,
    Step,
)
from datalake_syncd.core.names import escape, lake_name_problem
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.growing.lake import WAITS_FOR, carried_before, moved_from
from datalake_syncd.steps.settle import Settling
from datalake_syncd.steps.ways import way_between

#: A data set is looked at again after a part of ``quiet``, at most so often (seconds).
_SELDOM = 600.0
_PARTS = 12
_SHOWN = 50


def pause(quiet: float) -> float:
    """Seconds between two looks at one data set."""
    return min(quiet / _PARTS, _SELDOM)


@dataclass(slots=True)
class Seen:
    """All that one look at a data set gives; ``ages`` in seconds."""

    files: dict[str, FileEntry] = field(default_factory=dict)
    ages: dict[str, float] = field(default_factory=dict)
    oddities: list[Oddity] = field(default_factory=list)
    missing: tuple[str, ...] = ()


#: Path -> (identity on disk, MD5) of what was hashed by earlier looks.
Hashed = dict[str, tuple[FileStat, str]]


def look_at_growing(
    context: Context, layout: GrowingLayout, tick: Callable[[], None], hashed: Hashed | None = None
) -> Settling:
    """One look; ``settled`` is set when there is something to carry.

    ``hashed`` is kept by the caller from look to look: a file that came back is read once.
    Raises what the source raises; nothing is decided from an error.
    """
    seen = look(context, layout, tick)
    _watch(context, seen)
    files = [SeenFile(path, entry.stat.size, seen.ages[path]) for path, entry in seen.files.items()]
    carried = carried_before(context)
    quiet = context.instrument.quiet
    plan = layout.arrange(context.run.name, files, seen.missing, quiet, carried)
    gates = [*plan.gates, *_name_gates(context, seen, plan)]
    md5s: dict[str, str] = {}
    if all(gate.passed for gate in gates):
        md5s, returned = _returned(context, seen, plan, tick, {} if hashed is None else hashed)
        gates.extend(returned)
    return _judge(context, seen, plan, gates, md5s)


def look(context: Context, layout: GrowingLayout, tick: Callable[[], None]) -> Seen:
    """Everything below the data set's folders; raises what the source raises."""
    seen = Seen()
    roots = layout.roots(context.run.name)
    for number, root in enumerate(roots):
        try:
            tree.top_names(context.folder / root)
        except SourceChanged:
            if number == 0:
                raise
            seen.missing = (*seen.missing, root)
            continue
        above = f"{root}/" if root else ""
        for entry in tree.look(
            context.folder / root,
            lake_prefix=context.run.prefix,
            excluder=context.excluder,
            block_special=context.instrument.special_files == "block",
            on_entry=tick,
        ):
            if isinstance(entry, FileEntry):
                seen.files[above + entry.path] = FileEntry(above + entry.path, entry.stat)
            elif isinstance(entry, Oddity):
                path = escape(above) + entry.path
                blocks = entry.blocks and layout.has_place(context.run.name, above + entry.path)
                seen.oddities.append(Oddity(path, entry.kind, entry.detail, blocks))
    return seen


def _watch(context: Context, seen: Seen) -> None:
    """Count the age of every file on our own clock, and keep it for the next start."""
    now = context.now()
    known = context.ledger.growth.watched(context.run.id)
    changed: list[tuple[FileEntry, float]] = []
    for path, entry in seen.files.items():
        before = known.get(path)
        since = now
        if before is not None and before[0] == entry.stat and before[1] <= now:
            since = before[1]
        if context.clock_jumped:
            since = now  # ages were counted on a clock that was wrong then, or is now
        if before is None or before != (entry.stat, since):
            changed.append((entry, since))
        seen.ages[path] = now - since
    gone = [path for path in known if path not in seen.files]
    if changed or gone:
        context.ledger.growth.write_watched(context.run.id, changed, gone)


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


def _returned(
    context: Context, seen: Seen, plan: Arrangement, tick: Callable[[], None], hashed: Hashed
) -> tuple[dict[str, str], list[Gate]]:
    """Files that were freed from this disk and are back: the same, or a person decides."""
    freed = context.ledger.growth.freed(context.run.id)
    md5s: dict[str, str] = {}
    other: list[str] = []
    for place in plan.placed:
        before = freed.get(place.lake_path)
        if before is None:
            continue
        stat = seen.files[place.path].stat
        if place.path not in hashed or hashed[place.path][0] != stat:
            md5, _ = tree.hash_file(context.folder, place.path, stat, on_bytes=lambda _n: tick())
            hashed[place.path] = (stat, md5)
        md5s[place.path] = hashed[place.path][1]
        if md5s[place.path] != before:
            other.append(escape(place.path))
    if not other or "returned" in context.run.accepted:
        return md5s, []
    named = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    found = f"{named}: came back with other content than what was published and pruned"
    needed = "no other content under the name of a pruned file"
    return md5s, [Gate("returned", False, found, needed, needs_person=True)]


def _judge(
    context: Context, seen: Seen, plan: Arrangement, gates: list[Gate], md5s: dict[str, str]
) -> Settling:
    assessment = Assessment(tuple(gates), Outcome.GOOD)
    observed = {
        **context.run.observed,
        "pending": [[escape(one.unit), one.reason] for one in plan.pending[:_SHOWN]],
        "pending_count": len(plan.pending),
    }
    failing = [gate for gate in gates if not gate.passed]
    if failing:
        reason = "; ".join(f"{gate.name}: {gate.found}" for gate in failing)
        blocked = any(gate.needs_person for gate in failing)
        return Settling(reason, tuple(gates), assessment, blocked=blocked, observed=observed)
    _tell_vanished(context, seen, plan)
    missed = observed.pop(WAITS_FOR, None)
    if missed in seen.files and missed not in {place.path for place in plan.placed}:
        reason = f"{escape(missed)} is to be carried again and not still yet; the rest waits for it"
        observed[WAITS_FOR] = missed
        return Settling(reason, tuple(gates), assessment, observed=observed)
    reason = _waits(context, plan)
    if not plan.placed or not _news(context, seen, plan.placed):
        return Settling(reason, tuple(gates), assessment, observed=observed)
    _keep(context, seen, plan.placed, md5s)
    observed.update(moved_from(context))
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
    notes = (*(oddity for oddity in seen.oddities if not oddity.blocks), *plan.skipped)
    return Settling(message, tuple(gates), assessment, settled=columns, complete=True, notes=notes)


def _tell_vanished(context: Context, seen: Seen, plan: Arrangement) -> None:
    """A unit that waited for its age and is gone now was never carried: say so, once."""
    there = {escape(one.unit) for one in plan.placed}
    there |= {escape(one.unit) for one in plan.pending}
    there |= set(map(escape, seen.files))  # it may belong to another unit now
    gone = [unit for unit, _ in context.run.observed.get("pending") or () if unit not in there]
    if not gone or len(plan.pending) > _SHOWN:
        return
    named = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
    message = f"gone from the source before it could be carried: {named}"
    context.ledger.runs.event(context.run.id, context.now(), "unit.vanished", message)
    context.log(
        logging.WARNING,
        "unit.vanished",
        message,
        step="settle",
        next_step="ask who renamed or removed it; under another name it is carried as that",
    )


def _waits(context: Context, plan: Arrangement) -> str:
    if plan.pending:
        first = plan.pending[0]
        more = f" and {len(plan.pending) - 1} more" if len(plan.pending) > 1 else ""
        return f"{escape(first.unit)}: {first.reason}{more}"
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
