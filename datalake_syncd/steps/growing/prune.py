"""Prune a growing data set: files and units that were announced long ago, one batch at a time.

The data set itself lives on: its folder, its workbooks and what other runs share stay.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.tree import trash, units
from datalake_syncd.core.durations import format_bytes, format_duration, iso
from datalake_syncd.core.errors import Stopped
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem, PrunePlan, PruneRefusal
from datalake_syncd.steps.context import Answer, Back, Context, Finished, Wait
from datalake_syncd.steps.pruning import evidence
from datalake_syncd.steps.pruning.refusal import not_now, refused
from datalake_syncd.steps.pruning.trash_check import as_they_are_now, check_source, gone_from_lake
from datalake_syncd.steps.service import Service

_ASK_AGAIN = 3600.0


def prune_units(context: Context) -> Answer:
    """Move what may go into the trash, and empty the trash of the batch before."""
    run = context.run
    if run.trash is not None:
        check_source(context)
        if "freed_at" in run.observed:
            return _empty(context)
        _put_back(context, "cut off while it was being moved to the trash")
        run = context.ledger.runs.set(run, trash=None)
        context = replace(context, run=run)
    conditions = evidence.gates(context)
    early = not_now(context, conditions)
    if early is not None:
        nothing = context.ledger.growth.first_announced(run.id) is None
        return Finished() if nothing else early
    check_source(context)
    decision = evidence.decide(context, conditions)
    if isinstance(decision, PruneRefusal):
        return refused(context, decision)
    return _move(context, decision)


def _move(context: Context, plan: PrunePlan) -> Answer:
    run = context.run
    stamp = iso(context.now()).replace(":", "").replace("+0000", "Z")
    name = f"{run.name.replace('/', '.')}.{stamp}"
    message = (
        f"{len(plan.items)} files, {format_bytes(plan.bytes)}: all proven in the lake and hashed "
        "again on the disk just now"
    )
    run = context.ledger.intend_prune(run, plan.items, name, now=context.now(), message=message)
    context = replace(context, run=run)
    context.log(
        logging.INFO, "prune.planned", message, step="prune", files=len(plan.items),
        bytes=plan.bytes,
    )  # fmt: skip
    reach(FailPoint.PRUNE_INTENDED)
    entries = _entries(context, plan.items)
    units.move_entries(context.instrument.source, _base(context), entries, name)
    reach(FailPoint.PRUNE_RENAMED)
    changed = trash.strangers(context.instrument.source, name, plan.items, renamed=True)
    if changed:
        named = ", ".join(changed)
        _put_back(context, f"written to while it was being pruned: {named}")
        context.ledger.runs.set(context.run, trash=None)
        return Wait(f"not pruned: {named} was written to just then", _ASK_AGAIN)
    freed_at = context.now()
    paths = [item.path for item in plan.items]
    until = iso(freed_at + context.instrument.prune.trash)
    message = f"{len(paths)} files moved to {trash.TRASH}/{escape(name)}; undo works until {until}"
    observed = {**run.observed, "freed_at": freed_at}
    run = context.ledger.free_units(run, paths, observed, now=freed_at, message=message)
    context.log(
        logging.INFO, "prune.done", message, step="prune", files=len(paths), bytes=plan.bytes
    )
    reach(FailPoint.EFFECT_PRUNE)
    return _empty(replace(context, run=run))


def _empty(context: Context) -> Answer:
    run, source = context.run, context.instrument.source
    name = run.trash or ""
    if not context.instrument.prune.enabled or context.config.lake.proof == "claimed":
        return Finished(f"kept in {trash.TRASH}: pruning is no longer enabled for the instrument")
    rest = float(run.observed["freed_at"]) + context.instrument.prune.trash - context.now()
    if rest > 0:
        return Wait(f"files in the trash for another {format_duration(rest)}", rest)
    if context.clock_jumped:
        return Wait("the clock jumped; the trash is emptied later", _ASK_AGAIN)
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
    done = trash.empty(
        source,
        name,
        plan,
        after_each=lambda: reach(FailPoint.TRASH_FILE_UNLINKED),
        should_stop=context.should_stop,
    )
    if done.interrupted:
        return Wait("the trash was being emptied when the service stopped", 0.0)
    reach(FailPoint.TRASH_EMPTIED)
    message = f"{done.unlinked + done.already_gone} files unlinked"
    if done.left:
        message += f"; {len(done.left)} that were not carried stay in {trash.TRASH}"
    run = _without_batch(context.ledger.runs.set, run)
    context.ledger.runs.event(run.id, context.now(), "trash.emptied", message, step="prune")
    context.log(logging.INFO, "trash.emptied", message, step="prune", freed=done.freed)
    return prune_units(replace(context, run=run))


def _rescue(context: Context, plan: list[PlanItem], gone: list[str]) -> Answer:
    named = ", ".join(gone[:5])
    context.log(
        logging.ERROR,
        "prune.rescued",
        f"the lake lost or changed files that are in the trash ({named}); they are put back in "
        "their place and carried again",
        step="prune",
    )
    _put_back(context, f"the lake no longer holds {named} as it was proven")
    context.ledger.growth.mark_back(context.run.id, [i.path for i in plan], context.now())
    observed = _observed(context.run)
    return Back(
        Step.SIGHTED,
        "prune.rescued",
        f"brought back from the trash: the lake no longer holds {named} as it was proven",
        columns={"trash": None, "observed": observed},
    )


def _put_back(context: Context, why: str) -> None:
    plan = context.ledger.files.plan(context.run.id)
    name = context.run.trash or ""
    entries = _entries(context, plan)
    if entries and trash.is_there(context.instrument.source, name, trash=True):
        units.bring_entries_back(context.instrument.source, _base(context), entries, name)
        reach(FailPoint.PRUNE_BROUGHT_BACK)
    context.ledger.runs.event(
        context.run.id, context.now(), "prune.put-back", f"put back in place: {why}", step="prune"
    )


def undo_units(service: Service, run: Run) -> str:
    """Bring the batch that is in the trash back; it is kept for ``keep`` from now on again."""
    context = service.context(run)
    plan = service.ledger.files.plan(run.id)
    _put_back(context, "a person asked for it")
    service.ledger.growth.mark_back(run.id, [item.path for item in plan], service.wall())
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="person.undo",
        message=f"{len(plan)} files brought back from the trash",
        status=run.status,
        trash=None,
        observed=_observed(run),
    )
    return f"{len(plan)} files of {run.key} are back in their place"


def _entries(context: Context, plan: list[PlanItem] | tuple[PlanItem, ...]) -> list[str]:
    belongs = context.ledger.growth.unit_of(context.run.id)
    return units.entries_of([(item.path, belongs.get(item.path) or item.path) for item in plan])


def _base(context: Context) -> str:
    growing = KINDS[context.instrument.kind].growing
    return "" if growing is None else growing.base(context.run.name)


def _without_batch(write: Any, run: Run) -> Run:
    changed: Run = write(run, trash=None, observed=_observed(run))
    return changed


def _observed(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.observed.items() if key != "freed_at"}
