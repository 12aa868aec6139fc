"""Prune a growing data set: files and units that were announced long ago, one batch at a time.

The data set itself lives on: its folder, its workbooks and what other runs share stay.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Run, StaleTransition
from datalake_syncd.adapters.tree import trash, units
from datalake_syncd.core.durations import format_bytes, iso
from datalake_syncd.core.errors import SourceChanged, SyncdError
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem, PrunePlan, PruneRefusal
from datalake_syncd.steps.context import Answer, Back, Context, Finished, Wait
from datalake_syncd.steps.places import own_folder
from datalake_syncd.steps.pruning import evidence
from datalake_syncd.steps.pruning.emptying import (
    check_source,
    emptied,
    empty_by_plan,
    gone_from_lake,
    not_yet,
)
from datalake_syncd.steps.pruning.refusal import not_now, refused
from datalake_syncd.steps.service import Service

_ASK_AGAIN = 3600.0
#: Kept in ``observed`` while a person's undo is on its way.
_UNDONE = "undone"


def prune_units(context: Context) -> Answer:
    """Move what may go into the trash, and empty the trash of the batch before."""
    run = context.run
    if run.trash is not None:
        check_source(context)
        if "freed_at" in run.observed:
            return _empty(context)
        why = "an undo that ended" if _UNDONE in run.observed else "a move to the trash that ended"
        run = _take_back(context, f"{why} before it was done")
        context = replace(context, run=run)
    conditions = evidence.gates(context)
    early = not_now(context, conditions)
    if early is not None:
        nothing = context.ledger.growth.first_announced(run.id) is None
        return Finished() if nothing else early
    check_source(context)
    try:
        decision = evidence.decide(context, conditions)
    except SourceChanged:
        folder = own_folder(context.instrument, run.name)
        if context.patience.call(lambda _tick: os.path.lexists(folder)):
            raise
        # Whether it was taken away or renamed is for the next scan to say.
        return Wait("not pruned: its folder is not on the source", _ASK_AGAIN)
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
    source, base = context.instrument.source, _base(context)

    def move(tick: Callable[[], None]) -> None:
        units.move_entries(source, base, entries, name, before_each=tick, after_each=_renamed)

    context.patience.call(move)
    reach(FailPoint.PRUNE_RENAMED)
    changed = context.patience.call(
        lambda tick: trash.strangers(source, name, plan.items, renamed=True, tick=tick)
    )
    if changed:
        named = ", ".join(changed)
        _take_back(context, f"written to while it was being pruned: {named}")
        return Wait(f"not pruned: {named} was written to just then", _ASK_AGAIN)
    freed_at = context.now()
    paths = [item.path for item in plan.items]
    until = iso(freed_at + context.instrument.prune.trash)
    message = f"{len(paths)} files moved to {trash.TRASH}/{escape(name)}; undo works until {until}"
    observed = {**run.observed, "freed_at": freed_at}
    try:
        run = context.ledger.free_units(
            run, paths, observed, now=freed_at, size=plan.bytes, message=message
        )
    except StaleTransition:
        # Nobody would go on with the batch before a release: nothing of it may stay there.
        _take_back(context, "held or moved by somebody else while it was being pruned")
        raise
    context.log(
        logging.INFO, "prune.done", message, step="prune", files=len(paths), bytes=plan.bytes
    )
    reach(FailPoint.EFFECT_PRUNE)
    return _empty(replace(context, run=run))


def _empty(context: Context) -> Answer:
    run = context.run
    early = not_yet(context, float(run.observed["freed_at"]))
    if early is not None:
        return early
    plan = context.ledger.files.plan(run.id)
    gone = gone_from_lake(context, {item.path: item.md5 for item in plan})
    if gone:
        return _rescue(context, plan, gone)
    done = empty_by_plan(context, plan)
    if done.interrupted:
        return Wait("the trash was being emptied when the service stopped", 0.0)
    message = emptied(done)
    run = _without_batch(context, run)
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
    back = _put_back(context, f"the lake no longer holds {named} as it was proven")
    context.ledger.growth.mark_back(context.run.id, back, context.now())
    return Back(
        Step.SIGHTED,
        "prune.rescued",
        f"{len(back)} of {len(plan)} files brought back from the trash: the lake no longer holds "
        f"{named} as it was proven{_unlinked(len(plan) - len(back))}",
        columns={"trash": None, "observed": _observed(context.run)},
    )


def _put_back(context: Context, why: str) -> list[str]:
    """Rename what is in the trash to its place; gives the files that are in their place then."""
    source, base = context.instrument.source, _base(context)
    plan = context.ledger.files.plan(context.run.id)
    name = context.run.trash or ""
    entries = _entries(context, plan)

    def bring_back(tick: Callable[[], None]) -> set[str]:
        back: set[str] = set()
        if plan and trash.is_there(source, name, trash=True):
            back = {item.path for item in plan} - trash.missing(source, name, plan, tick)
            units.bring_entries_back(
                source, base, entries, name, before_each=tick, after_each=_renamed
            )
            reach(FailPoint.PRUNE_BROUGHT_BACK)
        # What is in its place already was put there by an earlier try that was cut off.
        return back | units.in_place(source, base, plan, tick)

    back = context.patience.call(bring_back)
    context.ledger.runs.event(
        context.run.id, context.now(), "prune.put-back", f"put back in place: {why}", step="prune"
    )
    return sorted(back)


def _take_back(context: Context, why: str) -> Run:
    """Put a batch back that is not recorded as freed, and forget it; a hold changes nothing."""
    back = _put_back(context, why)
    if _UNDONE in context.run.observed:
        context.ledger.growth.mark_back(context.run.id, back, context.now())
    return _without_batch(context, context.ledger.runs.by_id(context.run.id))


def put_back_unfinished(service: Service) -> None:
    """At start: batches that were cut off on their way go back, of held data sets as well."""
    for run in service.ledger.runs.all():
        instrument = service.config.instruments.get(run.instrument)
        if instrument is None or KINDS[instrument.kind].growing is None:
            continue
        if run.trash is None or "freed_at" in run.observed:
            continue
        context = service.context(run)
        try:
            check_source(context)
            _take_back(context, "cut off while it was on its way to the trash or back")
        except SyncdError as error:
            context.log(
                logging.WARNING, "prune.not-put-back", str(error), step="prune",
                next_step=error.next_step or f"datalake-syncd undo {escape(run.key)}",
            )  # fmt: skip


def undo_units(service: Service, run: Run) -> str:
    """Bring the batch that is in the trash back; it is kept for ``keep`` from now on again."""
    was = run
    check_source(service.context(run))
    # Claimed before anything moves, so that no worker unlinks inside; and written down as undone,
    # so that after a crash the rest goes back as well.
    run = service.ledger.runs.set(
        run, status=Status.RUNNING, observed={**_observed(run), _UNDONE: True}
    )
    context = service.context(run)
    total = len(service.ledger.files.plan(run.id))
    now = service.wall()
    columns: dict[str, Any] = {
        "status": was.status, "reason": was.reason, "next_step": was.next_step,
        "not_before": was.not_before,
    }  # fmt: skip
    try:
        back = _put_back(context, "a person asked for it")
    except SyncdError:
        if _all_in_trash(context):
            columns["observed"] = was.observed  # it is as if nobody had asked
        service.ledger.runs.set(service.ledger.runs.by_id(run.id), **columns)
        raise
    service.ledger.growth.mark_back(run.id, back, now)
    if was.done is Step.PUBLISH and was.status in (Status.WAITING, Status.FINISHED):
        rest = max(context.instrument.prune.keep, _ASK_AGAIN)
        columns = {
            "status": Status.WAITING, "reason": "brought back from the trash by a person",
            "not_before": now + rest,
        }  # fmt: skip
    service.ledger.runs.move(
        service.ledger.runs.by_id(run.id),
        now=now,
        event="person.undo",
        message=f"{len(back)} files brought back from the trash{_unlinked(total - len(back))}",
        trash=None,
        observed=_observed(run),
        **columns,
    )
    return f"{len(back)} files of {run.key} are back in their place{_unlinked(total - len(back))}"


def _all_in_trash(context: Context) -> bool:
    """Whether nothing of the batch is in its place; False when that can't be told now."""
    plan = context.ledger.files.plan(context.run.id)
    source, base = context.instrument.source, _base(context)
    try:
        return not context.patience.call(lambda tick: units.in_place(source, base, plan, tick))
    except SyncdError:
        return False


def _unlinked(count: int) -> str:
    return f"; {count} were unlinked already: fetch them with `restore`" if count else ""


def _renamed() -> None:
    reach(FailPoint.ENTRY_RENAMED)


def _entries(context: Context, plan: list[PlanItem] | tuple[PlanItem, ...]) -> list[str]:
    belongs = context.ledger.growth.unit_of(context.run.id)
    return units.entries_of([(item.path, belongs.get(item.path) or item.path) for item in plan])


def _base(context: Context) -> str:
    growing = KINDS[context.instrument.kind].growing
    return "" if growing is None else growing.base(context.run.name)


def _without_batch(context: Context, run: Run) -> Run:
    return context.ledger.runs.set(run, trash=None, observed=_observed(run))


def _observed(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.observed.items() if key not in ("freed_at", _UNDONE)}
