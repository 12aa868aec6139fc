"""What one look at a growing data set sees: its files, how long each was still, what is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from datalake_syncd.adapters import tree
from datalake_syncd.core.errors import SourceChanged
from datalake_syncd.core.kinds.growing import GrowingLayout
from datalake_syncd.core.model import FileEntry, FileStat, Oddity
from datalake_syncd.core.names import escape
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.growing.telling import tell_vanished


@dataclass(slots=True)
class Seen:
    """All that one look at a data set gives; ``ages`` in seconds."""

    files: dict[str, FileEntry] = field(default_factory=dict)
    ages: dict[str, float] = field(default_factory=dict)
    oddities: list[Oddity] = field(default_factory=list)
    missing: tuple[str, ...] = ()


def look_and_count(context: Context, layout: GrowingLayout, tick: Callable[[], None]) -> Seen:
    """One look, with the age of every file; raises what the source raises.

    It asks nothing but the source: ages grow also while the lake is away.
    """
    seen = look(context, layout, tick)
    _count_ages(context, layout, seen)
    return seen


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


def _count_ages(context: Context, layout: GrowingLayout, seen: Seen) -> None:
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
    gone = {path: stat for path, (stat, _) in known.items() if path not in seen.files}
    if gone:
        # Before they are forgotten: told twice after a crash is better than never.
        new = {path: entry.stat for path, entry in seen.files.items() if path not in known}
        tell_vanished(context, layout, _not_renamed(seen, gone, new), seen.files)
    if changed or gone:
        context.ledger.growth.write_watched(context.run.id, changed, gone)


def _not_renamed(
    seen: Seen, gone: dict[str, FileStat], new: dict[str, FileStat]
) -> dict[str, FileStat]:
    """What is gone and did not come up under another name, with its size and time of change.

    What lies in a folder that is missing as a whole is told by the gate of that folder.
    """
    there: dict[tuple[int, int], int] = {}
    for stat in new.values():
        there[stat.size, stat.mtime_ns] = there.get((stat.size, stat.mtime_ns), 0) + 1
    left: dict[str, FileStat] = {}
    for path, stat in gone.items():
        same = (stat.size, stat.mtime_ns)
        if there.get(same, 0) > 0:
            there[same] -= 1
        elif not any(path.startswith(f"{root}/") for root in seen.missing):
            left[path] = stat
    return left
