"""Runs that something else carried before: what lies there is explained, not sent again."""

from __future__ import annotations

import logging
from collections.abc import Callable

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.model import Blob, ManifestFile
from datalake_syncd.core.sheets import ATTACHED, INSTRUMENT_OWN
from datalake_syncd.steps.context import Context, Done
from datalake_syncd.steps.sheets.files import Sheet, find_sheet, hash_sheet, list_sheets


def recognise_attached_sheet(context: Context) -> None:
    """The lab's sheet lies where the instrument's own would go: somebody attached it before.

    The own one then goes to its other name, and nothing in the lake has to be overwritten. Needs
    a listing taken now, and reads the blob: its stored MD5 is only a claim.
    """
    files, run = context.ledger.files, context.run
    own = files.one(run.id, ATTACHED)
    if own is None or own.lake_path != ATTACHED or not _may_be_foreign(context, own):
        return
    taken = files.is_listed(run.id, INSTRUMENT_OWN) or files.one(run.id, INSTRUMENT_OWN)
    if taken or not files.is_listed(run.id, ATTACHED):
        return
    try:
        sheet = context.sheet_patience.call(lambda tick: _sheet(context, tick))
    except NeedsPerson:
        return  # told when the sheet is attached
    if sheet is None:
        return
    there = context.lake.get(context.prefix + ATTACHED)
    if there is None or there.size != sheet.stat.size:
        return
    md5 = context.sheet_patience.call(lambda tick: hash_sheet(sheet, tick))
    if context.patience.call(lambda tick: _own_md5(context, own, tick)) == md5:
        return  # one content, one blob
    seen = context.lake.hash(context.prefix + ATTACHED, should_stop=context.should_stop)
    if seen is None or seen.md5 != md5:
        return
    files.rename_in_lake(run.id, ATTACHED, INSTRUMENT_OWN)
    reach(FailPoint.SHEET_RECOGNISED)
    context.log(
        logging.INFO,
        "sheet.recognised",
        f"the lake has the lab's sheet as {ATTACHED} already; the instrument's own goes to "
        f"{INSTRUMENT_OWN}",
        step="transfer",
    )


def is_strangers(context: Context, there: Blob) -> bool:
    """Whether the sheet in the lake belongs to a run that somebody else published.

    A file of the run may lie there too: that is kept under its other name, and nothing is lost.
    """
    run = context.run
    if run.published_at is not None or (run.sheet or {}).get("etag") == there.etag:
        return False
    own = context.ledger.files.one(run.id, ATTACHED)
    if own is not None and own.lake_path == ATTACHED:
        return False
    return context.lake.get(f"{run.prefix}.sync") is not None


def adopted_sheet(context: Context) -> Done | None:
    """A sheet that the lake has and no file of the run explains was attached before us.

    By an earlier ledger that was lost, or by whatever carried runs before this service.
    """
    own = context.ledger.files.one(context.run.id, ATTACHED)
    if own is not None and own.lake_path == ATTACHED:
        return None
    seen = context.lake.hash(context.prefix + ATTACHED)
    if seen is None:
        return None
    return Done(
        "sheet.adopted",
        f"the lake already has a {ATTACHED} ({seen.size} bytes); it stays",
        columns={"sheet": {"path": None, "size": seen.size, "md5": seen.md5, "etag": seen.etag}},
    )


def _may_be_foreign(context: Context, own: ManifestFile) -> bool:
    """Nothing of it was sent by us, and no sheet was attached by us."""
    run = context.run
    unknown = run.published_at is None and run.sheet is None
    return unknown and own.sent_over is None and own.proof.rank == 0


def _sheet(context: Context, tick: Callable[[], None]) -> Sheet | None:
    folder = context.instrument.sample_sheets
    if folder is None:
        return None
    return find_sheet(folder, context.run.name, list_sheets(folder, tick))


def _own_md5(context: Context, own: ManifestFile, tick: Callable[[], None]) -> str:
    return tree.hash_file(context.folder, ATTACHED, own.stat, on_bytes=lambda _count: tick())[0]
