"""Emptying a trash: what must still hold (the disk, the lake, the files in it), then the plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.tree import trash
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.errors import NeedsPerson, SourceOffline, Stopped
from datalake_syncd.core.manifest import Verdict, judge
from datalake_syncd.core.model import Proof
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Answer, Context, Finished, Wait

_ASK_AGAIN = 3600.0

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


def not_yet(context: Context, since: float) -> Answer | None:
    """Why a trash that was filled at ``since`` (epoch seconds) is not emptied now, or None."""
    prune = context.instrument.prune
    if not prune.enabled or context.config.lake.proof == "claimed":
        return Finished(f"kept in {trash.TRASH}: pruning is no longer enabled for the instrument")
    rest = since + prune.trash - context.now()
    if rest > 0:
        return Wait(f"in the trash for another {format_duration(rest)}", rest)
    if context.clock_jumped:
        return Wait("the clock jumped; the trash is emptied later", _ASK_AGAIN)
    return None


def empty_by_plan(context: Context, plan: list[PlanItem]) -> trash.Emptied:
    """Unlink the files of the plan, after a last look at each; ``interrupted`` says if it ended.

    Raises ``NeedsPerson`` for a file that is another one now, ``Stopped`` when a person holds it.
    """
    run = context.run
    plan = _as_they_are_now(context, plan)
    if context.ledger.runs.by_id(run.id).hold_reason is not None:
        raise Stopped("held while its trash was about to be emptied")
    context.ledger.runs.event(
        run.id, context.now(), "trash.emptying", f"{len(plan)} files are unlinked", step="prune"
    )

    def unlink_all(tick: Callable[[], None]) -> trash.Emptied:
        def unlinked() -> None:
            tick()
            reach(FailPoint.TRASH_FILE_UNLINKED)

        return trash.empty(
            context.instrument.source,
            run.trash or "",
            plan,
            before_each=tick,
            after_each=unlinked,
            should_stop=context.should_stop,
        )

    # Given up, it unlinks nothing more when it comes back: a person may have it back by then.
    done = context.patience.call(unlink_all)
    if not done.interrupted:
        reach(FailPoint.TRASH_EMPTIED)
    return done


def emptied(done: trash.Emptied) -> str:
    """What was unlinked and what stays, in words."""
    told = f"{done.unlinked + done.already_gone} files unlinked"
    if not done.left:
        return told
    shown = ", ".join(done.left[:5]) + (", …" if len(done.left) > 5 else "")
    return f"{told}; {len(done.left)} that were not carried stay in {trash.TRASH}: {shown}"


def _as_they_are_now(context: Context, plan: list[PlanItem]) -> list[PlanItem]:
    """The plan with today's stats; a file whose stat is another must still have its MD5.

    Some shares give other inodes after they are mounted again; a chmod changes the ctime.
    """
    run, source = context.run, context.instrument.source
    name = run.trash or ""
    if not context.patience.call(lambda _tick: trash.is_there(source, name, trash=True)):
        return plan  # emptied by an earlier try: only the record is missing
    other = set(
        context.patience.call(
            lambda tick: trash.strangers(source, name, plan, most=len(plan), tick=tick)
        )
    )
    if not other:
        return plan
    gone = context.patience.call(lambda tick: trash.missing(source, name, plan, tick))
    folder = source / trash.TRASH / name
    now: list[PlanItem] = []
    for item in plan:
        if escape(item.path) not in other or item.path in gone:
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


def gone_from_lake(context: Context, md5s: Mapping[str, str]) -> list[str]:
    """Files (path -> MD5) whose blob is no longer the one that was proven, at most 20, escaped."""
    listing.refresh(context)
    planned = dict(md5s)
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
