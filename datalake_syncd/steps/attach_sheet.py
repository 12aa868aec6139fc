"""Attach the sheet: ``NAME.csv`` becomes ``NAME/SampleSheet.csv`` in the lake, unchanged.

The instrument's own, different sheet is kept as ``SampleSheet.instrument.csv``. Whatever
stood at ``SampleSheet.csv`` before and was not our own last sheet stays as a snapshot.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline, Transient
from datalake_syncd.core.model import Blob, FileStat, ManifestFile, Proof
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import (
    ATTACHED,
    INSTRUMENT_OWN,
    MAX_SHEET_BYTES,
    SHEET,
    sheet_name,
    years,
)
from datalake_syncd.steps.context import Answer, Context, Done, Wait
from datalake_syncd.steps.recheck import other_lake

_NO_SHEET: dict[str, Any] = {"sheet": None}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet on disk as it was when it was looked at."""

    path: Path
    stat: FileStat

    def record(self, md5: str, etag: str) -> dict[str, Any]:
        """What the ledger keeps of an attached sheet."""
        return {
            "path": str(self.path),
            "size": self.stat.size,
            "mtime_ns": self.stat.mtime_ns,
            "inode": self.stat.inode,
            "md5": md5,
            "etag": etag,
        }


#: File name -> the places below the sheet folder where it lies, the folder itself first.
SheetNames = dict[str, list[str]]


def list_sheets(folder: Path, tick: Callable[[], None] = lambda: None) -> SheetNames:
    """List the sheet folder and the year folders in it, once for all runs.

    A folder that is not there is a share that is away, no change of the run.
    """
    try:
        names = tree.top_names(folder, configured=True)
    except SourceChanged as error:
        raise SourceOffline(
            f"the sample sheets in {escape(str(folder))} can't be listed: {error.what}",
            next_step="check the mount, or mend sample_sheets; the run goes on by itself",
        ) from error
    listed: SheetNames = {name: [name] for name in names}
    for year in years(names):
        tick()
        with contextlib.suppress(SourceChanged):  # a file with the name of a year
            for name in tree.top_names(folder / year):
                listed.setdefault(name, []).append(f"{year}/{name}")
    return listed


def find_sheet(folder: Path, run: str, listed: SheetNames | None = None) -> Sheet | None:
    """The sheet of a run in the sheet folder or a year below it, None when there is none."""
    for relative in (listed or list_sheets(folder)).get(sheet_name(run), ()):
        try:
            with tree.open_regular(folder / relative) as (_, told):
                sheet = Sheet(folder / relative, tree.file_stat(told))
        except SourceChanged:
            continue
        except NeedsPerson as error:
            raise NeedsPerson(
                f"the sample sheet {escape(str(folder / relative))}: {error.what}",
                why=error.why,
                next_step="put the file itself there; the run goes on by itself",
                gate=SHEET,
            ) from error
        if sheet.stat.size > MAX_SHEET_BYTES:
            raise NeedsPerson(
                f"the sample sheet {escape(str(sheet.path))} has {sheet.stat.size} bytes",
                why=f"more than {MAX_SHEET_BYTES} bytes is no sample sheet",
                next_step="put the right file there; the run goes on by itself",
                gate=SHEET,
            )
        return sheet
    return None


def is_attached(sheet: Sheet | None, record: dict[str, Any] | None) -> bool:
    """Whether the lake already has this very sheet, by what the ledger knows of its file."""
    if sheet is None:
        return True
    if record is None:
        return False
    return (record.get("size"), record.get("mtime_ns"), record.get("inode")) == (
        sheet.stat.size,
        sheet.stat.mtime_ns,
        sheet.stat.inode,
    )


def attach_sheet(context: Context) -> Answer:
    """Attach the sheet that is there now, or say that none is."""
    elsewhere = other_lake(context)
    if elsewhere is not None:
        return elsewhere
    folder = context.instrument.sample_sheets
    sheet = None
    if folder is not None:
        sheet = context.patience.call(lambda _tick: find_sheet(folder, context.run.name))
    if sheet is None:
        return _without(context)
    md5 = context.patience.call(lambda tick: _hash(sheet, tick))
    _set_instrument_sheet_aside(context, md5)
    blob = _upload(context, sheet, md5)
    reach(FailPoint.EFFECT_ATTACH_SHEET)
    return Done(
        "sheet.attached",
        f"{escape(sheet.path.name)} ({sheet.stat.size} bytes) is attached",
        data={"sheet": escape(str(sheet.path)), "md5": md5, "bytes": sheet.stat.size},
        columns={"sheet": sheet.record(md5, blob.etag)},
    )


def _hash(sheet: Sheet, tick: Callable[[], None]) -> str:
    try:
        return tree.hash_file(
            sheet.path.parent, sheet.path.name, sheet.stat, on_bytes=lambda _n: tick()
        )[0]
    except SourceChanged as error:  # the sheet's matter: the run itself stands still
        raise Transient(f"{escape(str(sheet.path))} is being written just now") from error


def _without(context: Context) -> Answer:
    required = context.instrument.sample_sheet == "required"
    if context.run.sheet is not None:
        own = context.ledger.files.one(context.run.id, ATTACHED)
        if own is not None and own.lake_path == ATTACHED and own.md5 != context.run.sheet["md5"]:
            # The two were one blob; the instrument has written its own anew since.
            return Done("sheet.none", "the instrument's own sheet is the only one", {}, _NO_SHEET)
        # Attached before; that it is no longer in the folder takes nothing away.
        return Done("sheet.kept", "the attached sample sheet stays", columns={})
    adopted = _adopted(context)
    if adopted is not None:
        return adopted
    if required:
        folder = context.instrument.sample_sheets
        return Wait(
            f"the sample sheet {escape(context.run.name)}.csv is required and not yet in {folder}",
            context.config.daemon.scan_interval,
        )
    return Done("sheet.none", "no sample sheet yet; it is attached when it comes")


def _adopted(context: Context) -> Done | None:
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


def _set_instrument_sheet_aside(context: Context, sheet_md5: str) -> None:
    """Bring the instrument's own, different sheet to its other name, proven, before all else."""
    files, run = context.ledger.files, context.run
    own = files.one(run.id, ATTACHED)
    if own is None or own.lake_path == INSTRUMENT_OWN:
        if own is not None:
            _keep_own(context, own)
        return
    if own.md5 == sheet_md5:
        return
    if files.one(run.id, INSTRUMENT_OWN) is not None:
        raise NeedsPerson(
            f"the run has both {ATTACHED} and {INSTRUMENT_OWN}, and another sheet in the folder",
            why="the instrument's own sheet has no free name left in the lake",
            next_step=f"rename {INSTRUMENT_OWN} in the run folder",
        )
    _keep_own(context, own)
    # Proven by reading it back: small, and then nothing rests on what was claimed.
    name = context.prefix + INSTRUMENT_OWN
    seen = context.lake.hash(name)
    if seen is None or (seen.md5, seen.size) != (own.md5, own.stat.size):
        raise Transient(f"{INSTRUMENT_OWN} does not hold the instrument's sheet yet")
    files.rename_in_lake(run.id, ATTACHED, INSTRUMENT_OWN, Proof.READ_BACK, seen.etag)
    reach(FailPoint.INSTRUMENT_SHEET_KEPT)


def _keep_own(context: Context, own: ManifestFile) -> None:
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


def _upload(context: Context, sheet: Sheet, md5: str) -> Blob:
    name = context.prefix + ATTACHED
    there = context.lake.get(name)
    if there is not None and there.md5 == md5 and there.size == sheet.stat.size:
        return there
    if there is not None:
        snapshot = context.lake.snapshot(name)
        context.log(
            logging.INFO,
            "lake.snapshot",
            f"the earlier {ATTACHED} is kept as snapshot {snapshot}",
            step="attach-sheet",
        )
    with tree.open_regular(sheet.path) as (descriptor, told):
        if tree.file_stat(told) != sheet.stat:
            raise Transient(f"{escape(str(sheet.path))} is being written just now")
        with open(descriptor, "rb", closefd=False) as stream:
            blob = context.lake.upload_file(name, stream, sheet.stat.size, "text/csv")
    if blob.md5 != md5:
        raise Transient(f"{escape(str(sheet.path))} was written to while it was attached")
    return blob
