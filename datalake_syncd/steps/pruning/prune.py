"""Prune: free the local disk after proof; into the trash first, unlinked only later."""

from __future__ import annotations

import logging
from dataclasses import replace

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.tree import trash
from datalake_syncd.core.durations import format_bytes, iso
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.model import Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem, PrunePlan, PruneRefusal
from datalake_syncd.steps.context import Answer, Back, Context, Done, Finished, Wait
from datalake_syncd.steps.growing.prune import prune_units
from datalake_syncd.steps.pruning import evidence
from datalake_syncd.steps.pruning.emptying import (
    check_source,
    emptied,
    empty_by_plan,
    gone_from_lake,
    not_yet,
)
from datalake_syncd.steps.pruning.refusal import not_now, refused


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
    source = context.instrument.source
    moved, in_place = context.patience.call(
        lambda _tick: (
            trash.is_there(source, name, trash=True),
            trash.is_there(source, run.name),
        )
    )
    if moved:
        if in_place:
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
    source = context.instrument.source
    # One that is given up may still be done later, like one that a crash cut off: the intent
    # that was written down leads the next try to it.
    context.patience.call(lambda _tick: trash.move_to_trash(source, run.name, name))
    reach(FailPoint.PRUNE_RENAMED)
    return _moved(replace(context, run=run), list(plan.items))


def _moved(context: Context, plan: list[PlanItem]) -> Answer:
    run, source = context.run, context.instrument.source
    name = run.trash or ""
    changed = context.patience.call(lambda tick: trash.strangers(source, name, plan, tick=tick))
    if changed:
        context.patience.call(lambda _tick: trash.bring_back(source, name, run.name))
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
    run = context.run
    if run.trash is None:
        return Finished()
    if run.pruned_at is None:
        return _bring_back(context, "it was being brought back when the service ended")
    early = not_yet(context, run.pruned_at)
    if early is not None:
        return early
    check_source(context)
    plan = context.ledger.files.plan(run.id)
    gone = gone_from_lake(context, {item.path: item.md5 for item in plan})
    if gone:
        return _rescue(context, plan, gone)
    done = empty_by_plan(context, plan)
    if done.interrupted:
        return Wait("the trash was being emptied when the service stopped", 0.0)
    return Done(
        "trash.emptied",
        emptied(done),
        data={"freed": done.freed, "left": list(done.left[:1000])},
        columns={"trash": None, "emptied_at": context.now()},
    )


def _rescue(context: Context, plan: list[PlanItem], gone: list[str]) -> Answer:
    run = context.run
    named = ", ".join(gone[:5])
    unlinked = context.patience.call(
        lambda tick: trash.missing(context.instrument.source, run.trash or "", plan, tick)
    )
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
    if context.patience.call(lambda _tick: trash.is_there(source, name, trash=True)):
        context.patience.call(lambda _tick: trash.bring_back(source, name, run.name))
    reach(FailPoint.PRUNE_BROUGHT_BACK)
    return Back(
        Step.SIGHTED,
        "prune.rescued",
        f"brought back from the trash: {why}",
        columns={"trash": None},
    )
