"""Prune: free the local disk after proof; into the trash first, unlinked only later."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.tree import trash
from datalake_syncd.core.durations import format_bytes, format_duration, iso
from datalake_syncd.core.errors import NeedsPerson, SourceOffline, Stopped
from datalake_syncd.core.manifest import Verdict, judge
from datalake_syncd.core.model import Gate, Proof, Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem, PrunePlan, PruneRefusal
from datalake_syncd.steps import evidence, listing
from datalake_syncd.steps.context import Answer, Back, Context, Done, Finished, Wait

_ASK_AGAIN = 3600.0
_DOUBT_AGAIN = 86_400.0


def prune(context: Context) -> Answer:
    """Move the run into the trash if every gate and every byte allows it."""
    run = context.run
    if run.pruned_at is not None:
        return Done("prune.kept", "the run was pruned before; only what changed was published")
    if run.trash is not None:
        unfinished = _unfinished(context)
        if unfinished is not None:
            return unfinished
    conditions = evidence.gates(context)
    early = _not_now(context, conditions)
    if early is not None:
        return early
    _check_source(context)
    decision = evidence.decide(context, conditions)
    if isinstance(decision, PruneRefusal):
        return _refused(context, decision)
    return _move(context, decision)


def _unfinished(context: Context) -> Answer | None:
    """An earlier try wrote its intent down and was cut off: see how far it came."""
    run = context.run
    _check_source(context)
    name = run.trash or ""
    if trash.is_there(context.instrument.source, name, trash=True):
        if trash.is_there(context.instrument.source, run.name):
            raise NeedsPerson(
                f"{escape(run.name)} is both in its place and in the trash",
                why="a folder came back under the name of a run that was just being pruned",
                next_step=f"look at both; the other one is in {trash.TRASH}/{escape(name)}",
            )
        return _moved(context, context.ledger.files.plan(run.id))
    return None  # the rename did not happen: decide again with evidence of now


def _not_now(context: Context, conditions: tuple[Gate, ...]) -> Answer | None:
    failing = {gate.name: gate for gate in conditions if not gate.passed}
    if not failing:
        return None
    if "prune enabled" in failing:
        return Finished()
    told = "; ".join(f"{gate.name}: found {gate.found}" for gate in failing.values())
    if set(failing) == {"kept long enough"}:
        age = context.now() - (context.run.published_at or 0.0)
        rest = context.instrument.prune.keep - age
        return Wait(f"published; kept on the disk for another {format_duration(rest)}", rest)
    if set(failing) <= {"kept long enough", "daily limit", "steady clock"}:
        return Wait(f"not pruned now: {told}", _ASK_AGAIN)
    return Finished(f"not pruned: {told}")


def _check_source(context: Context) -> None:
    known = context.ledger.desk.instrument(context.run.instrument)
    device = context.patience.call(lambda _tick: trash.source_device(context.instrument.source))
    if known is not None and known.device is not None and known.device != device:
        raise SourceOffline(
            f"another file system is mounted at {context.instrument.source}",
            why="what is on it now is not what was carried",
            next_step="mount the right one",
        )


def _refused(context: Context, refusal: PruneRefusal) -> Answer:
    reasons = "; ".join(escape(reason) for reason in refusal.reasons)
    context.log(logging.WARNING, "prune.refused", f"nothing is pruned: {reasons}", step="prune")
    last = context.ledger.runs.last_event(context.run.id, "prune.refused")
    if last is not None and reasons in last.message and context.now() - last.at < _ASK_AGAIN:
        return Wait(f"not pruned: {reasons}", _ASK_AGAIN)  # going round changed nothing
    lake = ("in the lake", "only '", "written again")
    local = ("on the disk since", "other content on the disk", "not in the manifest", "is new")
    text = [reason for reason in refusal.reasons if not reason.startswith("and ")]
    if text and all(reason.startswith(evidence.ANNOUNCED) for reason in text):
        return Back(Step.ATTACH_SHEET, "prune.refused", f"published again: {reasons}")
    if text and all(any(word in reason for word in local) for reason in text):
        return Back(Step.SIGHTED, "prune.refused", f"settles again: {reasons}")
    if text and all(any(word in reason for word in lake) for reason in text):
        return Back(Step.SETTLE, "prune.refused", f"carried again: {reasons}")
    return Wait(f"not pruned: {reasons}", _DOUBT_AGAIN)


def _move(context: Context, plan: PrunePlan) -> Answer:
    run = context.run
    stamp = iso(context.now()).replace(":", "").replace("+0000", "Z")
    name = run.trash or f"{run.name}.{stamp}"
    message = (
        f"{len(plan.items)} files, {format_bytes(plan.bytes)}: all proven in the lake and hashed "
        "again on the disk just now"
    )
    run = context.ledger.intend_prune(run, plan.items, name, now=context.now(), message=message)
    context.log(
        logging.INFO, "prune.planned", message, step="prune", files=len(plan.items),
        bytes=plan.bytes,
    )  # fmt: skip
    reach(FailPoint.PRUNE_INTENDED)
    trash.move_to_trash(context.instrument.source, run.name, name)
    reach(FailPoint.PRUNE_RENAMED)
    return _moved(replace(context, run=run), list(plan.items))


def _moved(context: Context, plan: list[PlanItem]) -> Answer:
    run, source = context.run, context.instrument.source
    name = run.trash or ""
    changed = trash.strangers(source, name, plan)
    if changed:
        trash.bring_back(source, name, run.name)
        return Back(
            Step.SIGHTED,
            "prune.refused",
            f"written to while it was being pruned, brought back: {', '.join(changed)}",
            columns={"trash": None},
        )
    reach(FailPoint.EFFECT_PRUNE)
    until = context.now() + context.instrument.prune.trash
    return Done(
        "prune.done",
        f"moved to {trash.TRASH}/{escape(name)}; can be brought back until {iso(until)}",
        data={"files": len(plan), "bytes": sum(item.stat.size for item in plan)},
        columns={"trash": name, "pruned_at": context.now()},
    )


def empty_trash(context: Context) -> Answer:
    """Unlink the files of the plan once ``trash`` has passed and the lake still has them all."""
    run, source = context.run, context.instrument.source
    if run.trash is None:
        return Finished()
    if run.pruned_at is None:
        return _bring_back(context, "it was being brought back when the service ended")
    if not context.instrument.prune.enabled or context.config.lake.proof == "claimed":
        return Finished(f"kept in {trash.TRASH}: pruning is no longer enabled for the instrument")
    rest = run.pruned_at + context.instrument.prune.trash - context.now()
    if rest > 0:
        return Wait(f"in the trash for another {format_duration(rest)}", rest)
    if context.clock_jumped:
        return Wait("the clock jumped; the trash is emptied later", _ASK_AGAIN)
    _check_source(context)
    plan = context.ledger.files.plan(run.id)
    gone = _gone_from_lake(context, plan)
    if gone:
        return _rescue(context, plan, gone)
    plan = _as_they_are_now(context, plan)
    if context.ledger.runs.by_id(run.id).hold_reason is not None:
        raise Stopped("held while its trash was about to be emptied")
    context.ledger.runs.event(
        run.id, context.now(), "trash.emptying", f"{len(plan)} files are unlinked", step="prune"
    )
    done = trash.empty(
        source,
        run.trash,
        plan,
        after_each=lambda: reach(FailPoint.TRASH_FILE_UNLINKED),
        should_stop=context.should_stop,
    )
    if done.interrupted:
        return Wait("the trash was being emptied when the service stopped", 0.0)
    reach(FailPoint.TRASH_EMPTIED)
    stays = ""
    if done.left:
        shown = ", ".join(done.left[:5]) + (", …" if len(done.left) > 5 else "")
        stays = f"; {len(done.left)} that were not carried stay in {trash.TRASH}: {shown}"
    return Done(
        "trash.emptied",
        f"{done.unlinked + done.already_gone} files unlinked{stays}",
        data={"freed": done.freed, "left": list(done.left[:1000])},
        columns={"trash": None, "emptied_at": context.now()},
    )


def _as_they_are_now(context: Context, plan: list[PlanItem]) -> list[PlanItem]:
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


def _gone_from_lake(context: Context, plan: list[PlanItem]) -> list[str]:
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


def _rescue(context: Context, plan: list[PlanItem], gone: list[str]) -> Answer:
    run = context.run
    named = ", ".join(gone[:5])
    unlinked = trash.missing(context.instrument.source, run.trash or "", plan)
    if unlinked:
        raise NeedsPerson(
            f"the lake lost or changed files of a run whose trash was being emptied: {named}",
            why=f"{unlinked} of {len(plan)} files are unlinked here already; the rest stays, and "
            "no smaller run is made of it",
            next_step=(
                "bring the blobs back in the lake (soft delete, versions), then: datalake-syncd "
                f"retry {escape(run.key)}; what is left here: datalake-syncd undo"
            ),
        )
    context.log(
        logging.ERROR,
        "prune.rescued",
        f"the lake lost or changed files of a run in the trash ({named}); it is put back in its "
        "place and carried again",
        step="prune",
    )
    # Written down first: after a crash the folder in its place must not look like a stranger.
    run = context.ledger.runs.set(run, pruned_at=None)
    why = f"the lake no longer holds {named} as it was proven"
    return _bring_back(replace(context, run=run), why)


def _bring_back(context: Context, why: str) -> Answer:
    run, source = context.run, context.instrument.source
    name = run.trash or ""
    if trash.is_there(source, name, trash=True):
        trash.bring_back(source, name, run.name)
    reach(FailPoint.PRUNE_BROUGHT_BACK)
    return Back(
        Step.SIGHTED,
        "prune.rescued",
        f"brought back from the trash: {why}",
        columns={"trash": None},
    )
