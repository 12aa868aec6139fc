"""Evidence for a marker, read right before it is written: the lake again, the source again."""

from __future__ import annotations

from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline
from datalake_syncd.core.manifest import Verdict
from datalake_syncd.core.model import Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED, sheet_name
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Back, Context, lake_id
from datalake_syncd.steps.growing.look import changed_since_settled
from datalake_syncd.steps.published import read_and_hash
from datalake_syncd.steps.sheets.files import find_sheet, list_sheets
from datalake_syncd.steps.whole_look import whole_look

#: The gate of an attached sheet that the lake no longer holds; a person may let the run go on.
SHEET_IN_LAKE = "attached sheet"
#: A sheet that the lake loses again and again is attached so often; then a person is needed.
_SHEET_ROUNDS = 3


def other_lake(context: Context) -> Back | None:
    """The configuration names another lake than the one that this run was carried to."""
    run, now = context.run, lake_id(context.config)
    if run.lake in (None, now):
        return None
    if run.pruned_at is not None:
        raise NeedsPerson(
            f"this run lies in {run.lake}, the configuration names {now}",
            why="it was pruned here, so it can't be carried there",
            next_step="configure its lake again, or leave it as it is",
        )
    return Back(
        Step.SETTLE,
        "lake.changed",
        f"the configuration names another lake ({now}): the run is carried there",
    )


def without_gates(run: Run, *names: str) -> dict[str, Any]:
    """The columns of a run that got past these gates: what was mended is no longer in the way."""
    left = [gate for gate in run.gates if gate["passed"] or gate["name"] not in names]
    return {"gates": left} if left != run.gates else {}


def recheck(context: Context) -> Back | None:
    """List the lake once more, and look at the source once more; None when all still stands."""
    listing.refresh(context)
    result = listing.compare(context, context.needed_proof)
    if not result.clean:
        changed = result.counts[Verdict.MISSING] + result.counts[Verdict.DIFFERENT]
        if changed and context.run.pruned_at is not None:
            raise NeedsPerson(
                f"the lake no longer holds this run, which was pruned here: {result.sentence()}",
                why="there is nothing left on the disk to send again",
                next_step=(
                    "bring the blobs back in the lake (soft delete, versions), then: "
                    f"datalake-syncd retry {escape(context.run.key)}"
                ),
            )
        return Back(
            Step.SETTLE if changed else Step.TRANSFER,
            "verify.mismatch",
            f"the lake changed since it was verified: {result.sentence()}",
        )
    lost = _lost_sheet(context)
    if lost is not None:
        return lost
    source_unchanged(context)
    return None


def separate_sheet(context: Context) -> dict[str, Any] | None:
    """The attached sheet, unless it is the same blob as the instrument's own."""
    own = context.ledger.files.one(context.run.id, ATTACHED)
    return None if own is not None and own.lake_path == ATTACHED else context.run.sheet


def _lost_sheet(context: Context) -> Back | None:
    """The attached sheet is no file of the run, so nothing else holds the lake against it.

    None when the lake has it as it was attached.
    """
    sheet, run = separate_sheet(context), context.run
    if sheet is None:
        return None
    name = context.prefix + ATTACHED
    # The listing of just now knows whether it is there; what it is costs a request.
    listed = context.ledger.files.is_listed(run.id, ATTACHED)
    there = context.lake.get(name) if listed else None
    if there is not None and there.etag == sheet["etag"]:
        return None
    expected = (sheet["md5"], int(sheet["size"]))
    seen = None
    if there is not None:
        seen = read_and_hash(
            context.lake, name, expected, lambda _count: context.beat(), context.should_stop
        )
    if seen is not None and (seen.md5, seen.size) == expected:
        # Somebody wrote the same bytes again: read once, and not at each publishing.
        context.ledger.runs.set(run, sheet={**sheet, "etag": seen.etag})
        return None
    if SHEET_IN_LAKE in run.accepted:
        told = "the attached sheet is given up; what the lake has instead counts"
        return Back(Step.VERIFY, "sheet.given-up", told, columns={"sheet": None})
    found = "is gone from the lake"
    if seen is not None:
        found = "in the lake is not the sheet that was attached"
    if run.rounds < _SHEET_ROUNDS and _is_in_folder(context):
        return Back(
            Step.VERIFY,
            "verify.mismatch",
            f"{ATTACHED} {found}: it is attached again from the sheet folder",
            columns={"rounds": run.rounds + 1},
        )
    raise _sheet_needs_person(context, sheet, found, gone=seen is None)


def _is_in_folder(context: Context) -> bool:
    """Whether the run's sheet is there to be attached again."""
    folder = context.instrument.sample_sheets
    if folder is None:
        return False
    try:
        sheet = context.sheet_patience.call(
            lambda tick: find_sheet(folder, context.run.name, list_sheets(folder, tick))
        )
    except NeedsPerson:
        # Of a required one the step that attaches it tells what is wrong with it.
        return context.instrument.sample_sheet == "required"
    return sheet is not None


def _sheet_needs_person(
    context: Context, sheet: dict[str, Any], found: str, *, gone: bool
) -> NeedsPerson:
    run, folder = context.run, context.instrument.sample_sheets
    put = "" if folder is None else escape(f"put {sheet_name(run.name)} into {folder}, or ")
    again = f" after it was attached again {run.rounds} times" if run.rounds else ""
    # Without any sheet, one that is required would only be waited for.
    may_go_on = not gone or context.instrument.sample_sheet != "required"
    instead = "without it" if gone else "with what lies there now"
    ways = (
        f"{put}bring the blob with MD5 {sheet['md5']} back in the lake (soft delete, versions, "
        f"snapshots), then: datalake-syncd retry {escape(run.key)}"
    )
    if may_go_on:
        ways += f"; to publish the run {instead}: datalake-syncd release {escape(run.key)}"
    return NeedsPerson(
        f"{ATTACHED} {found}{again}",
        why="the marker would vouch for a sheet that is not there",
        next_step=ways,
        gate=SHEET_IN_LAKE if may_go_on else "",
    )


def source_unchanged(context: Context) -> None:
    """One full look: what was settled is still what is on the disk; else ``SourceChanged``."""
    if context.run.pruned_at is not None:
        return
    source = context.instrument.source
    names = context.patience.call(lambda _tick: tree.top_names(source, configured=True))
    if not names:
        raise SourceOffline(
            f"{source} is empty where runs were before",
            why="an absent share is never read as a run that somebody took away",
            next_step="check the mount and that the instrument's computer is on",
        )
    growing = context.kind.growing
    if growing is not None:
        changed = context.patience.call(lambda tick: changed_since_settled(context, growing, tick))
        if changed is not None:
            raise SourceChanged(f"{changed} changed after it was carried")
        return
    if context.run.name not in names and context.run.published_at is not None:
        return  # published before, and taken away by somebody: what is proven is all there is
    now = context.patience.call(lambda tick: whole_look(context, tick))
    if now.digest != context.run.tree_digest:
        raise SourceChanged(
            f"the run changed after it was carried ({now.files} files, {now.bytes} bytes now; "
            f"{context.run.files} files, {context.run.bytes} bytes then)",
            why="it is settled and carried again; only what changed is sent",
        )
