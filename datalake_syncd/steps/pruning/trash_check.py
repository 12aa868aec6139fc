"""What must still hold before a trash is emptied: the disk, the lake, and the files in it."""

from __future__ import annotations

import os
from dataclasses import replace

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.tree import trash
from datalake_syncd.core.errors import NeedsPerson, SourceOffline
from datalake_syncd.core.manifest import Verdict, judge
from datalake_syncd.core.model import Proof
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Context

#: Said of a source that can't be freed; such runs are tried again at every start and reload.
READ_ONLY = "is read-only for this service"


def check_source(context: Context) -> None:
    """Raise ``SourceOffline`` when another file system is mounted than the one carried from.

    And ``NeedsPerson`` when it is read-only: before anything is hashed for a move that can't be.
    """
    source = context.instrument.source
    known = context.ledger.desk.instrument(context.run.instrument)
    device, writable = context.patience.call(
        lambda _tick: (trash.source_device(source), os.access(source, os.W_OK))
    )
    if known is not None and known.device is not None and known.device != device:
        raise SourceOffline(
            f"another file system is mounted at {source}",
            why="what is on it now is not what was carried",
            next_step="mount the right one",
        )
    if not writable:
        raise NeedsPerson(
            f"{source} {READ_ONLY}",
            why="freeing the disk moves files on the source; nothing was moved",
            next_step=(
                "open it for writing (its mount; under systemd the drop-in prune.conf; in Docker "
                "its volume) and restart the service; or set prune.enabled = false and reload it"
            ),
        )


def as_they_are_now(context: Context, plan: list[PlanItem]) -> list[PlanItem]:
    """The plan with today's stats; a file whose stat is another must still have its MD5.

    Some shares give other inodes after they are mounted again; a chmod changes the ctime.
    """
    run, source = context.run, context.instrument.source
    name = run.trash or ""
    if not trash.is_there(source, name, trash=True):
        return plan  # emptied by an earlier try: only the record is missing
    other = set(trash.strangers(source, name, plan, most=len(plan)))
    folder = source / trash.TRASH / name
    now: list[PlanItem] = []
    for item in plan:
        if escape(item.path) not in other or not os.path.lexists(folder / item.path):
            now.append(item)  # the same, or unlinked by an earlier try
            continue
        md5, stat = context.patience.call(
            lambda tick, item=item: tree.hash_file(  # type: ignore[misc]
                folder, item.path, None, on_bytes=lambda _count: tick()
            )
        )
        if md5 != item.md5:
            raise NeedsPerson(
                f"{escape(item.path)} in {trash.TRASH}/{escape(name)} is not what was carried",
                why="it was written to after the run went to the trash; nothing is unlinked",
                next_step=f"bring the run back: datalake-syncd undo {escape(run.key)}",
            )
        now.append(replace(item, stat=stat))
    return now


def gone_from_lake(context: Context, plan: list[PlanItem]) -> list[str]:
    """Files of the plan whose blob is no longer the one that was proven, at most 20."""
    listing.refresh(context)
    planned = {item.path: item.md5 for item in plan}
    names = (f"{context.run.prefix}.md5", f"{context.run.prefix}.sync")
    gone = [escape(name) for name in names if context.lake.get(name) is None]
    for page in listing.pairs(context):
        for file, blob in page:
            md5 = planned.pop(file.path, None)
            if md5 is None:
                continue
            # The row's own proof, not the plan's: a late sheet may have moved the blob since.
            verdict, _ = judge(file, blob, needed=Proof.CHECKED)
            if (verdict is not Verdict.PROVEN or file.md5 != md5) and len(gone) < 20:
                gone.append(escape(file.path))
    gone.extend(escape(path) for path in list(planned)[:20])
    return gone
