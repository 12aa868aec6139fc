"""Prune: free the local disk after proof; into the trash first, unlinked only later."""

from __future__ import annotations

import logging
from dataclasses import replace

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.tree import trash
from datalake_syncd.core.durations import format_bytes, format_duration, iso
from datalake_syncd.core.errors import NeedsPerson, Stopped
from datalake_syncd.core.model import Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem, PrunePlan, PruneRefusal
from datalake_syncd.steps.context import Answer, Back, Context, Done, Finished, Wait
from datalake_syncd.steps.growing.prune import prune_units
from datalake_syncd.steps.pruning import evidence
from datalake_syncd.steps.pruning.refusal import not_now, refused
from datalake_syncd.steps.pruning.trash_check import as_they_are_now, check_source, gone_from_lake

_ASK_AGAIN = 3600.0


def prune(context: Context) -> Answer:
    """Move the run into the trash if every gate and every byte allows it."""
    run = context.run
    if context.kind.growing is not None:
        return prune_units(context)
    if run.pruned_at is not None:
        return Done("prune.kept", "the run was pruned before; only what changed was published")
    if run.trash is not None:
        unfinished = _unfinished(context)
        if unfinished is not None:
            return unfinished
    conditions = evidence.gates(context)
    early = not_now(context, conditions)
    if early is not None:
        return early
    check_source(context)
    decision = evidence.decide(context, conditions)
    if isinstance(decision, PruneRefusal):
        return refused(context, decision)
    return _move(context, decision)


def _unfinished(context: Context) -> Answer | None:
    """An earlier try wrote its intent down and was cut off: see how far it came."""
    run = context.run
    check_source(context)
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
    check_source(context)
    plan = context.ledger.files.plan(run.id)
    gone = gone_from_lake(context, plan)
    if gone:
        return _rescue(context, plan, gone)
    plan = as_they_are_now(context, plan)
    if context.ledger.runs.by_id(run.id).hold_reason is not None:
        raise Stopped("held while its trash was about to be emptied")
    context.ledger.runs.event(
        run.id, context.now(), "trash.emptying", f"{len(plan)} files are unlinked", step="prune"
    )

    def unlinked() -> None:
        context.beat()
        reach(FailPoint.TRASH_FILE_UNLINKED)

    done = trash.empty(
        source,
        run.trash,
        plan,
        after_each=unlinked,
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


def _rescue(context: Context, plan: list[PlanItem], gone: list[str]) -> Answer:
    run = context.run
    named = ", ".join(gone[:5])
    unlinked = trash.missing(context.instrument.source, run.trash or "", plan)
    if unlinked:
        raise NeedsPerson(
            f"the lake lost or changed files of a run whose trash was being emptied: {named}",
            why=f"{len(unlinked)} of {len(plan)} files are unlinked here already; the rest stays, "
            "and no smaller run is made of it",
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
