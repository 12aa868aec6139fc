"""Attach the sheet: ``NAME.csv`` becomes ``NAME/SampleSheet.csv`` in the lake, unchanged.

The instrument's own, different sheet is kept as ``SampleSheet.instrument.csv``. Whatever
stood at ``SampleSheet.csv`` before and was not our own last sheet stays as a snapshot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, Transient
from datalake_syncd.core.model import Blob
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import (
    ATTACHED,
    SHEET,
    Problem,
    Severity,
    SheetReport,
    read_sheet,
    sheet_name,
)
from datalake_syncd.steps.adoption import adopted_sheet, is_strangers
from datalake_syncd.steps.context import Answer, Context, Done, Wait
from datalake_syncd.steps.published import read_and_hash
from datalake_syncd.steps.recheck import other_lake, source_unchanged, without_gates
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
from datalake_syncd.steps.transfer import OVERWRITE

_NO_SHEET: dict[str, Any] = {"sheet": None}
_NO_FOLDER = "there is no sample_sheets folder in the configuration"
_TOLD = 5  # problems that the log names
#: The event of a sheet that is none; its ``reason`` is what was told.
UNUSABLE = "sheet.unusable"


@dataclass(frozen=True, slots=True)
class _Read:
    """A sheet and the very bytes of it that are attached."""

    sheet: Sheet
    content: bytes
    md5: str


def attach_sheet(context: Context) -> Answer:
    """Attach the sheet that is there now, or say that none is."""
    answer = other_lake(context) or _answer(context)
    if isinstance(answer, Done):
        opened = without_gates(context.run, SHEET, OVERWRITE)
        return replace(answer, columns={**answer.columns, **opened})
    return answer


def _answer(context: Context) -> Answer:
    listed: SheetNames = {}
    folder = context.instrument.sample_sheets
    if folder is not None:
        listed = context.sheet_patience.call(lambda tick: list_sheets(folder, tick))
    try:
        read = context.sheet_patience.call(lambda tick: _read(context, listed, tick))
    except NeedsPerson as error:
        if context.instrument.sample_sheet == "required":
            raise
        return _without_unusable(context, listed, error)
    return _without(context, listed) if read is None else _attach(context, read)


def _read(context: Context, listed: SheetNames, tick: Callable[[], None]) -> _Read | None:
    folder = context.instrument.sample_sheets
    sheet = None if folder is None else find_sheet(folder, context.run.name, listed)
    if sheet is None:
        return None
    md5 = hash_sheet(sheet, tick)
    return _Read(sheet, read_whole(sheet, md5, tick), md5)


def _attach(context: Context, read: _Read) -> Answer:
    sheet, md5 = read.sheet, read.md5
    there = context.lake.get(context.prefix + ATTACHED)
    equal = there is not None and _holds(context, there, read)
    if there is not None and not equal and is_strangers(context, there):
        _ask_for(context, there, sheet)
    lost = own.set_aside(context, md5)
    if lost is not None:
        return lost
    report = read_sheet(read.content)
    blob = there if there is not None and equal else _upload(context, read, earlier=there)
    reach(FailPoint.EFFECT_ATTACH_SHEET)
    _tell_problems(context, read, report)
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


def _holds(context: Context, there: Blob, read: _Read) -> bool:
    """Whether the lake has these bytes already; what a blob claims of itself is no proof."""
    ours = context.run.sheet
    if ours is not None and ours["etag"] == there.etag:
        return bool(ours["md5"] == read.md5)
    if there.size != len(read.content):
        return False
    expected = (read.md5, there.size)
    seen = read_and_hash(
        context.lake, there.name, expected, lambda _count: context.beat(), context.should_stop
    )
    return seen is not None and (seen.md5, seen.size, seen.etag) == (*expected, there.etag)


def _ask_for(context: Context, there: Blob, sheet: Sheet) -> None:
    """The sheet of a run that somebody else published is not replaced without asking."""
    run = context.run
    if OVERWRITE in run.accepted:
        return
    key, path = escape(run.key), escape(str(sheet.path))
    raise NeedsPerson(
        f"the lake already has a published run {escape(run.name)} with another {ATTACHED} "
        f"({there.size} bytes) than {path} ({sheet.stat.size} bytes)",
        why="others may have worked with the one that lies there; nothing was overwritten",
        next_step=(
            "compare both; to attach this one (a snapshot of the other is kept first): "
            f"datalake-syncd release {key}; to keep the one in the lake, take {path} away, then: "
            f"datalake-syncd retry {key}"
        ),
        gate=OVERWRITE,
    )


def _upload(context: Context, read: _Read, *, earlier: Blob | None) -> Blob:
    name = context.prefix + ATTACHED
    if earlier is not None:
        snapshot = context.lake.snapshot(name)
        reach(FailPoint.EARLIER_SHEET_KEPT)
        context.log(
            logging.INFO,
            "lake.snapshot",
            f"the earlier {ATTACHED} is kept as snapshot {snapshot}",
            step="attach-sheet",
        )
    blob = context.lake.upload(name, read.content, "text/csv")
    if blob.md5 != read.md5:
        raise Transient(f"{escape(str(read.sheet.path))} did not arrive as it was read")
    return blob


def _tell_problems(context: Context, read: _Read, report: SheetReport) -> None:
    """Say, once of each content, what is odd in a sheet; it is attached as it is all the same."""
    last = context.run.sheet
    if last is not None and last["md5"] == read.md5 and "format" in last:
        return
    name = escape(read.sheet.path.name)
    if report.defects:
        context.log(
            logging.WARNING,
            "sheet.problems",
            f"{name} is attached as it is, but: {_in_words(report.defects)}",
            step="attach-sheet",
            next_step="mend the sheet in its folder; it is attached again by itself",
        )
    remarks = [one for one in report.problems if one.severity is Severity.REMARK]
    if remarks:
        context.log(
            logging.INFO,
            "sheet.remarks",
            f"remarks about {name}, which is attached as it is: {_in_words(remarks)}",
            step="attach-sheet",
        )


def _in_words(problems: Sequence[Problem]) -> str:
    more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
    return "; ".join(str(problem) for problem in problems[:_TOLD]) + more


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
    adopted = adopted_sheet(context)
    if adopted is not None:
        return adopted
    if context.instrument.sample_sheets is None:
        return _instruments_own(context) if required else Done("sheet.none", _NO_FOLDER)
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


def _instruments_own(context: Context) -> Answer:
    """One is required, and nobody says where the lab's would be: the instrument's own counts."""
    found = context.ledger.files.one(context.run.id, ATTACHED)
    if found is not None:
        told = f"{_NO_FOLDER}: the instrument's own counts as the required one"
        return Done("sheet.own", told, {"sheet": found.lake_path})
    names: list[str] = []
    if context.run.pruned_at is None:
        with suppress(SourceChanged):  # a folder that is away is told by the watch
            names = context.patience.call(lambda _tick: tree.top_names(context.folder))
    if ATTACHED in names:
        source_unchanged(context)  # else it came late, and the run settles with it
    return Wait(
        f"a sample sheet is required, {_NO_FOLDER}, and the instrument wrote no {ATTACHED} of "
        'its own; set sample_sheets, or sample_sheet = "optional"',
        context.config.daemon.scan_interval,
    )


def _without_unusable(context: Context, listed: SheetNames, error: NeedsPerson) -> Answer:
    """What lies at the place of an optional sheet can't be read: told, and waited for by nobody."""
    answer, reason = _without(context, listed), str(error)
    new = not is_told_unusable(context.ledger, context.run, reason)
    if new:
        context.log(
            logging.WARNING, UNUSABLE, reason, step="attach-sheet", next_step=error.next_step
        )
    if isinstance(answer, Done) and answer.event == "sheet.none":
        told = "goes on without a sample sheet: what lies at its place can't be used"
        return replace(answer, event=UNUSABLE, message=told, data={"reason": reason})
    if new:
        context.ledger.runs.event(
            context.run.id, context.now(), UNUSABLE, reason, {"reason": reason}, "attach-sheet"
        )
    return answer


def is_told_unusable(ledger: Ledger, run: Run, reason: str) -> bool:
    """Whether this was told of the run's sheet already, by this process or by an earlier one."""
    told = ledger.runs.last_event(run.id, UNUSABLE)
    if told is None or (told.data or {}).get("reason") != reason:
        return False
    mended = ledger.runs.last_event(run.id, "sheet.attached")
    return mended is None or mended.at < told.at
