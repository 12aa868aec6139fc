"""Why nothing is pruned, and what to do about it: wait, go back to a step, or rest."""

from __future__ import annotations

import logging

from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.model import Gate, Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PruneRefusal
from datalake_syncd.steps.context import Answer, Back, Context, Finished, Wait
from datalake_syncd.steps.pruning import evidence

_ASK_AGAIN = 3600.0
_DOUBT_AGAIN = 86_400.0


def not_now(context: Context, conditions: tuple[Gate, ...]) -> Answer | None:
    """What to answer while a condition fails that needs no look at files; None: go on."""
    failing = {gate.name: gate for gate in conditions if not gate.passed}
    if not failing:
        return None
    if "prune enabled" in failing:
        return Finished()
    told = "; ".join(f"{gate.name}: found {gate.found}" for gate in failing.values())
    if set(failing) == {"kept long enough"}:
        since = context.run.published_at
        if context.kind.growing is not None:
            since = context.ledger.growth.first_announced(context.run.id)
        rest = max(context.instrument.prune.keep - (context.now() - (since or 0.0)), 1.0)
        return Wait(f"published; kept on the disk for another {format_duration(rest)}", rest)
    if set(failing) <= {"kept long enough", "daily limit", "steady clock"}:
        return Wait(f"not pruned now: {told}", _ASK_AGAIN)
    return Finished(f"not pruned: {told}")


def refused(context: Context, refusal: PruneRefusal) -> Answer:
    """Say why nothing goes, and send the run to the step that may mend it."""
    reasons = "; ".join(escape(reason) for reason in refusal.reasons)
    context.log(
        logging.WARNING,
        "prune.refused",
        f"nothing is pruned: {reasons}",
        step="prune",
        next_step=f"datalake-syncd why {escape(context.run.key)}",
    )
    last = context.ledger.runs.last_event(context.run.id, "prune.refused")
    if last is not None and reasons in last.message and context.now() - last.at < _ASK_AGAIN:
        return Wait(f"not pruned: {reasons}", _ASK_AGAIN)  # going round changed nothing
    lake = ("in the lake", "only '", "written again")
    local = ("on the disk since", "other content on the disk", "not in the manifest", "is new")
    text = [reason for reason in refusal.reasons if not reason.startswith("and ")]
    if text and all(reason.startswith(evidence.ANNOUNCED) for reason in text):
        return Back(Step.ATTACH_SHEET, "prune.refused", f"published again: {reasons}")
    if text and all(any(word in reason for word in lake) for reason in text):
        return Back(Step.SETTLE, "prune.refused", f"carried again: {reasons}")
    # The road from there mends both.
    if text and all(any(word in reason for word in local + lake) for reason in text):
        return Back(Step.SIGHTED, "prune.refused", f"settles again: {reasons}")
    return Wait(f"not pruned: {reasons}", _DOUBT_AGAIN)
