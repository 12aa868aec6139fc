"""Attach the sheet: ``NAME.csv`` becomes ``NAME/SampleSheet.csv`` in the lake, unchanged.

The instrument's own, different sheet is kept as ``SampleSheet.instrument.csv``. Whatever
stood at ``SampleSheet.csv`` before and was not our own last sheet stays as a snapshot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core.errors import Transient
from datalake_syncd.core.model import Blob
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED, SheetReport, read_sheet, sheet_name
from datalake_syncd.steps.context import Answer, Context, Done, Wait
from datalake_syncd.steps.recheck import other_lake
from datalake_syncd.steps.sheets import own
from datalake_syncd.steps.sheets.files import (
    Sheet,
    SheetNames,
    find_sheet,
    hash_sheet,
    list_sheets,
    places,
    read_whole,
)
from datalake_syncd.steps.sheets.near import look_alikes

_NO_SHEET: dict[str, Any] = {"sheet": None}
_TOLD = 5  # problems that the log names


def attach_sheet(context: Context) -> Answer:
    """Attach the sheet that is there now, or say that none is."""
    elsewhere = other_lake(context)
    if elsewhere is not None:
        return elsewhere
    sheet, listed = context.sheet_patience.call(lambda tick: _look(context, tick))
    if sheet is None:
        return _without(context, listed)
    md5 = context.sheet_patience.call(lambda tick: hash_sheet(sheet, tick))
    own.set_aside(context, md5)
    content = context.sheet_patience.call(lambda tick: read_whole(sheet, md5, tick))
    # Of the bytes that are attached, not of what may lie in the folder a moment later.
    report = read_sheet(content)
    blob = _upload(context, sheet, content, md5)
    reach(FailPoint.EFFECT_ATTACH_SHEET)
    _tell_problems(context, sheet, report)
    return Done(
        "sheet.attached",
        f"{escape(sheet.path.name)} ({sheet.stat.size} bytes) is attached: {report.summary()}",
        data={
            "sheet": escape(str(sheet.path)),
            "md5": md5,
            "bytes": sheet.stat.size,
            "format": report.format.value,
            "samples": report.samples,
            "problems": len(report.problems),
        },
        columns={"sheet": {**sheet.record(md5, blob.etag), **report.record()}},
    )


def _look(context: Context, tick: Callable[[], None]) -> tuple[Sheet | None, SheetNames]:
    folder = context.instrument.sample_sheets
    if folder is None:
        return None, {}
    listed = list_sheets(folder, tick)
    return find_sheet(folder, context.run.name, listed), listed


def _tell_problems(context: Context, sheet: Sheet, report: SheetReport) -> None:
    """Say what demultiplexing would stumble over; the sheet is attached as it is all the same."""
    defects = report.defects
    if not defects:
        return
    words = "; ".join(str(problem) for problem in defects[:_TOLD])
    more = f"; and {len(defects) - _TOLD} more" if len(defects) > _TOLD else ""
    context.log(
        logging.WARNING,
        "sheet.problems",
        f"{escape(sheet.path.name)} is attached as it is, but: {words}{more}",
        step="attach-sheet",
        next_step="mend the sheet in its folder; it is attached again by itself",
    )


def _without(context: Context, listed: SheetNames) -> Answer:
    if context.kind.growing is not None:
        return Done("sheet.none", "data sets of this kind have no sample sheet")
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
    near = look_alikes(context.run, places(listed), context.ledger.runs.names())
    if required:
        expected = escape(sheet_name(context.run.name))
        folder = escape(str(context.instrument.sample_sheets))
        looks = f"; what looks like it: {near}" if near else ""
        return Wait(
            f"the sample sheet {expected} is required and not yet in {folder}{looks}",
            context.config.daemon.scan_interval,
        )
    looks = f"; what looks like one: {near}" if near else ""
    return Done("sheet.none", f"no sample sheet yet{looks}; it is attached when it comes")


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


def _upload(context: Context, sheet: Sheet, content: bytes, md5: str) -> Blob:
    name = context.prefix + ATTACHED
    there = context.lake.get(name)
    if there is not None and there.size == len(content):
        seen = context.lake.hash(name) if there.md5 is None else None  # others store no MD5
        if md5 in (there.md5, seen and seen.md5):
            return there
    if there is not None:
        snapshot = context.lake.snapshot(name)
        reach(FailPoint.EARLIER_SHEET_KEPT)
        context.log(
            logging.INFO,
            "lake.snapshot",
            f"the earlier {ATTACHED} is kept as snapshot {snapshot}",
            step="attach-sheet",
        )
    blob = context.lake.upload(name, content, "text/csv")
    if blob.md5 != md5:
        raise Transient(f"{escape(str(sheet.path))} did not arrive as it was read")
    return blob
