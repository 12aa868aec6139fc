"""What people are told of a growing data set: what is not carried, and what went before it was."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence

from datalake_syncd.core.kinds.growing import GrowingLayout, SeenFile
from datalake_syncd.core.model import FileStat, Oddity
from datalake_syncd.core.names import escape
from datalake_syncd.steps.context import Context

_NAMED = 5


def tell_vanished(
    context: Context, layout: GrowingLayout, gone: dict[str, FileStat], there: Collection[str]
) -> None:
    """Units that are gone, and were never carried as they were last seen: say so.

    A part of a unit may come and go while it is written; the unit is gone when nothing of it is
    ``there`` any more. What has no place would not have been carried, so nothing is told of it.
    """
    files, run = context.ledger.files, context.run
    lost = []
    for path, stat in gone.items():
        row = files.one(run.id, path)
        # Also what is on its way counts: that it vanished is told when the look is settled.
        if row is None or (row.stat.size, row.stat.mtime_ns) != (stat.size, stat.mtime_ns):
            lost.append(SeenFile(path, stat.size, 0.0))
    if not lost:
        return
    # Nothing was still for that long, so all that has a place is pending, by its unit.
    units = {one.unit for one in layout.arrange(run.name, lost, (), 1.0).pending}
    left = sorted(units - _with_folders(there))
    if not left:
        return
    message = f"gone from the source before it could be carried: {_named(map(escape, left))}"
    context.ledger.runs.event(run.id, context.now(), "unit.vanished", message)
    context.log(
        logging.WARNING,
        "unit.vanished",
        message,
        step="settle",
        next_step="ask who renamed or removed it; under another name it is carried as that",
    )


def _with_folders(paths: Collection[str]) -> set[str]:
    found = set(paths)
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def tell_not_carried(context: Context, notes: Sequence[Oddity]) -> None:
    """Keep what is not carried of the data set as it is now, and warn of what is new in it.

    Most of a data set's life nothing settles: what comes in between must be told all the same.
    """
    run = context.run
    before = context.ledger.files.notes(run.id)
    known = {(note.path, note.kind) for note in before}
    # What the configuration excludes was asked for.
    new = [
        f"{note.path} ({note.kind}: {note.detail})" if note.detail else f"{note.path} ({note.kind})"
        for note in notes
        if note.kind != "excluded" and (note.path, note.kind) not in known
    ]
    if new:
        message = f"not carried: {_named(new)}"
        context.ledger.runs.event(run.id, context.now(), "run.remark", message, step="settle")
        context.log(
            logging.WARNING,
            "run.remark",
            message,
            step="settle",
            next_step="nothing, if it may stay there; else rename or move it to where it has a "
            "place in the lake",
        )
    if set(before) != set(notes):
        context.ledger.growth.write_notes(run.id, notes)


def _named(told: Iterable[str]) -> str:
    names = list(told)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
