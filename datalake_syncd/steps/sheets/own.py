"""The instrument's own, different sheet goes to ``SampleSheet.instrument.csv`` in the lake.

Before the lab's sheet is written over it, and proven there by reading it back.
"""

from __future__ import annotations

import io
import logging

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.lake import Hashed
from datalake_syncd.core.errors import NeedsPerson, Transient
from datalake_syncd.core.model import ManifestFile, Proof, Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED, INSTRUMENT_OWN, sheet_name
from datalake_syncd.steps.context import Back, Context
from datalake_syncd.steps.published import read_and_hash
from datalake_syncd.steps.recheck import source_unchanged


def set_aside(context: Context, sheet_md5: str) -> Back | None:
    """Bring the instrument's own sheet to its other name, unless it is the sheet to attach.

    An answer when the lake has lost it, so that it has to be sent again first.
    """
    files, run = context.ledger.files, context.run
    own = files.one(run.id, ATTACHED)
    if own is None:
        return None
    if own.lake_path == INSTRUMENT_OWN:
        return _keep(context, own)
    if own.md5 == sheet_md5:
        return None
    if files.one(run.id, INSTRUMENT_OWN) is not None:
        # What is on the disk now counts, not what was when the run settled.
        source_unchanged(context)
        raise _no_free_name(context)
    lost = _keep(context, own)
    if lost is not None:
        return lost
    # Proven by reading it back: small, and then nothing rests on what was claimed.
    seen = _read(context, INSTRUMENT_OWN, own)
    if not _is(own, seen) or seen is None:
        raise Transient(f"{INSTRUMENT_OWN} does not hold the instrument's sheet yet")
    files.rename_in_lake(run.id, ATTACHED, INSTRUMENT_OWN, Proof.READ_BACK, seen.etag)
    reach(FailPoint.INSTRUMENT_SHEET_KEPT)
    return None


def _keep(context: Context, own: ManifestFile) -> Back | None:
    """Make sure that the instrument's bytes lie under the other name; idempotent."""
    name = context.prefix + INSTRUMENT_OWN
    there = context.lake.get(name)
    if there is not None:
        if own.lake_path == INSTRUMENT_OWN and there.etag == own.proof_etag:
            return None
        # Whoever wrote it: what it claims is no proof.
        if there.size == own.stat.size and _is(own, _read(context, INSTRUMENT_OWN, own)):
            return None
    data = io.BytesIO()
    first = context.lake.download_to(context.prefix + ATTACHED, data)
    if not _is(own, first):
        if own.lake_path == ATTACHED:
            return _lost(context, own, None if first is None else first.etag)
        return _lost(context, own, None if there is None else there.etag)
    if there is not None:
        snapshot = context.lake.snapshot(name)
        context.log(
            logging.INFO,
            "lake.snapshot",
            f"what lay at {INSTRUMENT_OWN} is kept as snapshot {snapshot}",
            step="attach-sheet",
        )
    context.lake.upload(name, data.getvalue(), "text/csv")
    return None


def _read(context: Context, name: str, own: ManifestFile) -> Hashed | None:
    expected = (own.md5 or "", own.stat.size)
    return read_and_hash(
        context.lake,
        context.prefix + name,
        expected,
        lambda _count: context.beat(),
        context.should_stop,
    )


def _is(own: ManifestFile, seen: Hashed | None) -> bool:
    return seen is not None and (seen.md5, seen.size) == (own.md5, own.stat.size)


def _lost(context: Context, own: ManifestFile, etag: str | None) -> Back:
    """The lake does not hold the instrument's sheet where it was proven; ``etag`` is what does."""
    run = context.run
    found = "is gone from the lake" if etag is None else "in the lake is no longer the instrument's"
    if run.pruned_at is None:
        if etag is not None:
            # Without this note an MD5 that somebody claims for it would be believed again.
            context.ledger.files.mark_bad(run.id, own.path, etag)
        return Back(
            Step.SETTLE,
            "verify.mismatch",
            f"{own.lake_path} {found}: the instrument's own sheet is sent again from the disk",
        )
    key = escape(run.key)
    raise NeedsPerson(
        f"{own.lake_path} {found}",
        why="it was the instrument's own sheet of a run that was pruned here, so nothing else has "
        "its bytes",
        next_step=f"bring the blob with MD5 {own.md5} back in the lake (soft delete, versions, "
        f"snapshots), then: datalake-syncd retry {key}",
    )


def _no_free_name(context: Context) -> NeedsPerson:
    run, folder = context.run, context.instrument.sample_sheets
    key = escape(run.key)
    sheet = escape(f"{sheet_name(run.name)} out of {folder}")
    ways = f"take {sheet}, then: datalake-syncd retry {key}"
    if run.pruned_at is None:
        ways = f"rename {INSTRUMENT_OWN} in the run folder, or {ways}"
    return NeedsPerson(
        f"the run has both {ATTACHED} and {INSTRUMENT_OWN}, and another sheet in the folder",
        why="the instrument's own sheet has no free name left in the lake",
        next_step=ways,
    )
