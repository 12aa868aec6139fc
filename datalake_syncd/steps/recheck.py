"""Evidence for a marker, read right before it is written: the lake again, the source again."""

from __future__ import annotations

from datalake_syncd.adapters import tree
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline
from datalake_syncd.core.manifest import Verdict
from datalake_syncd.core.model import Step
from datalake_syncd.core.names import escape
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Back, Context, lake_id
from datalake_syncd.steps.growing.look import changed_since_settled
from datalake_syncd.steps.whole_look import whole_look


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
    source_unchanged(context)
    return None


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
