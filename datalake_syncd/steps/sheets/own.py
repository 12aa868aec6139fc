"""The instrument's own, different sheet goes to ``SampleSheet.instrument.csv`` in the lake.

Before the lab's sheet is written over it, and proven there by reading it back.
"""

from __future__ import annotations

import io

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core.errors import NeedsPerson, Transient
from datalake_syncd.core.model import ManifestFile, Proof
from datalake_syncd.core.sheets import ATTACHED, INSTRUMENT_OWN
from datalake_syncd.steps.context import Context


def set_aside(context: Context, sheet_md5: str) -> None:
    """Bring the instrument's own sheet to its other name, unless it is the sheet to attach."""
    files, run = context.ledger.files, context.run
    own = files.one(run.id, ATTACHED)
    if own is None or own.lake_path == INSTRUMENT_OWN:
        if own is not None:
            _keep(context, own)
        return
    if own.md5 == sheet_md5:
        return
    if files.one(run.id, INSTRUMENT_OWN) is not None:
        raise NeedsPerson(
            f"the run has both {ATTACHED} and {INSTRUMENT_OWN}, and another sheet in the folder",
            why="the instrument's own sheet has no free name left in the lake",
            next_step=f"rename {INSTRUMENT_OWN} in the run folder",
        )
    _keep(context, own)
    # Proven by reading it back: small, and then nothing rests on what was claimed.
    name = context.prefix + INSTRUMENT_OWN
    seen = context.lake.hash(name)
    if seen is None or (seen.md5, seen.size) != (own.md5, own.stat.size):
        raise Transient(f"{INSTRUMENT_OWN} does not hold the instrument's sheet yet")
    files.rename_in_lake(run.id, ATTACHED, INSTRUMENT_OWN, Proof.READ_BACK, seen.etag)
    reach(FailPoint.INSTRUMENT_SHEET_KEPT)


def _keep(context: Context, own: ManifestFile) -> None:
    """Make sure that the instrument's bytes lie under the other name; idempotent."""
    name = context.prefix + INSTRUMENT_OWN
    there = context.lake.get(name)
    if there is not None and there.md5 == own.md5 and there.size == own.stat.size:
        return
    if there is not None:
        context.lake.snapshot(name)
    data = io.BytesIO()
    seen = context.lake.download_to(context.prefix + ATTACHED, data)
    if seen is None or (seen.md5, seen.size) != (own.md5, own.stat.size):
        # Only possible when somebody replaced it: the bytes are still on the disk then.
        raise NeedsPerson(
            f"{ATTACHED} in the lake is neither the instrument's nor ours",
            why="overwriting it could lose what somebody put there",
            next_step="look at it in the lake; remove or rename it there, then retry",
        )
    context.lake.upload(name, data.getvalue(), "text/csv")
