"""Sample sheets that come late, are edited after publishing, or only look like one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.errors import (
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    SyncdError,
    Transient,
)
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED, SHEET, Comparison, sheet_name
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets.attach import UNUSABLE, is_told_unusable
from datalake_syncd.steps.sheets.files import (
    Sheet,
    SheetNames,
    differing,
    find_sheet,
    hash_sheet,
    is_attached,
    list_sheets,
    places,
)
from datalake_syncd.steps.sheets.near import advice, in_time, tell_near_misses

#: Sheets that are attached already are compared with the folder at the first scan, and then
#: every so many.
_EVERY = 10
_OFFLINE, _LEFT_OUT = "sheets.offline", "sheets.left-out"
_TWO, _NOT_ATTACHED = "sheet.ambiguous", "sheet.not-attached"
#: The event that tells of it, and the year folder that it is about.
_Trouble = tuple[str, str]


class SheetWatch:
    """Looks for the sheets of published runs of one instrument, pruned ones too."""

    def __init__(self, service: Service, instrument: str) -> None:
        self._service = service
        self._instrument = instrument
        self._scans = 0
        self._told: dict[_Trouble, str] = {}
        self._comparison = Comparison()
        #: Run -> where its sheets lay when they were last compared with each other.
        self._places: dict[int, list[str]] = {}

    def look(self, folder: Path | None) -> None:
        """One pass over the sheet folder; trouble with it is told once and stops no run."""
        self._scans += 1
        if folder is None:
            tell_near_misses(self._service, self._instrument, ())
            return
        trouble: dict[_Trouble, SyncdError] = {}
        looked: set[_Trouble] = {(_OFFLINE, "")}
        try:
            listed = self._list(folder, trouble, looked)
            runs = self._service.ledger.runs.all(self._instrument)
            for run in runs:
                if _may_change(run) and (run.sheet is None or self._look_at_all):
                    try:
                        self._look_for(run, folder, listed)
                    except (SourceChanged, NeedsPerson) as error:
                        self._tell_unusable(run, error)  # of this one; the others go on
                elif _is_learned(run) and self._look_at_all:
                    self._tell_not_attached(run, folder, listed)
            self._compare_versions(runs, folder, listed, in_time(self._service))
            self._compare_names(runs, listed, in_time(self._service))
        except (SourceOffline, SourceChanged, NeedsPerson) as error:
            trouble[_OFFLINE, ""] = error
        self._tell(trouble, looked)

    @property
    def _look_at_all(self) -> bool:
        return self._scans % _EVERY == 1

    def _list(
        self, folder: Path, trouble: dict[_Trouble, SyncdError], looked: set[_Trouble]
    ) -> SheetNames:
        left_out: dict[str, NeedsPerson] = {}
        patience = self._service.sheet_patience(folder)
        listed = patience.call(lambda tick: list_sheets(folder, tick, left_out))
        trouble.update({(_LEFT_OUT, year): error for year, error in left_out.items()})
        looked |= {one for one in self._told if one[0] == _LEFT_OUT}
        return listed

    def _compare_names(
        self, runs: list[Run], listed: SheetNames, go_on: Callable[[], bool]
    ) -> None:
        """Tell of files that look like the sheet of a run that has none."""
        names = [run.name for run in runs if _lacks_sheet(run, listed)]
        # Of all instruments: they may share one folder.
        known = self._service.ledger.runs.names()

        def compare() -> bool:
            return self._comparison.look(places(listed), names, known, go_on)

        # What was found is told when all is compared: `why` would show half of it else.
        if advice(compare, otherwise=False, instrument=self._instrument):
            tell_near_misses(self._service, self._instrument, self._comparison.misses())

    def _compare_versions(
        self, runs: list[Run], folder: Path, listed: SheetNames, go_on: Callable[[], bool]
    ) -> None:
        """Tell of runs with several sheets that differ: which one is taken is only a rule."""
        for run in runs:
            where = listed.get(sheet_name(run.name), [])
            if len(where) < 2 or _is_learned(run):
                self._places.pop(run.id, None)
            elif self._look_at_all or self._places.get(run.id) != where:
                if not go_on():
                    return
                try:
                    self._tell_versions(run, folder, listed)
                except (SourceOffline, Stopped):
                    raise
                except (NeedsPerson, Transient):
                    continue  # there is none to be taken, or it is being written just now
                self._places[run.id] = where

    def _tell_versions(self, run: Run, folder: Path, listed: SheetNames) -> None:
        def look(tick: Callable[[], None]) -> tuple[Sheet | None, list[Sheet]]:
            taken = find_sheet(folder, run.name, listed)
            return taken, [] if taken is None else differing(taken, folder, listed, tick)

        taken, others = self._service.sheet_patience(folder).call(look)
        if taken is None or not others:
            return
        data = {str(one.path): [one.stat.size, one.stat.mtime_ns] for one in (taken, *others)}
        last = self._service.ledger.runs.last_event(run.id, _TWO)
        if last is not None and last.data == data:
            return
        first = "the sheet folder itself comes before its years"
        if taken.path.parent != folder:
            first = "the newest year comes first"
        message = (
            f"there are different sample sheets of this run: {escape(str(taken.path))} is taken, "
            f"for {first}, and not {', '.join(escape(str(one.path)) for one in others)}"
        )
        next_step = "leave only the right one under this name; it is attached by itself"
        self._tell_of(run, _TWO, message, data, next_step)

    def _tell(self, trouble: dict[_Trouble, SyncdError], looked: set[_Trouble]) -> None:
        """Tell what is new; what was not looked at this time is as it was."""
        for one, error in trouble.items():
            if self._told.get(one) != str(error):
                self._service.log(
                    logging.WARNING,
                    one[0],
                    str(error),
                    instrument=self._instrument,
                    next_step=error.next_step,
                )
        self._told = {one: told for one, told in self._told.items() if one not in looked}
        self._told.update({one: str(error) for one, error in trouble.items()})

    def _tell_unusable(self, run: Run, error: SyncdError) -> None:
        """Once, whether the step found it first, an earlier process, or this scan."""
        ledger, reason = self._service.ledger, str(error)
        if is_told_unusable(ledger, run, reason):
            return
        self._tell_of(run, UNUSABLE, reason, {"reason": reason}, error.next_step)

    def _tell_not_attached(self, run: Run, folder: Path, listed: SheetNames) -> None:
        """Tell of a sheet that came late to a run of which only the marker is known."""
        if run.published_at is None or sheet_name(run.name) not in listed:
            return
        sheet = None
        patience = self._service.sheet_patience(folder)
        with suppress(NeedsPerson):  # it is none that could be attached
            sheet = patience.call(lambda _tick: find_sheet(folder, run.name, listed))
        if sheet is None or not _is_late(sheet, run.published_at, run.sighted_at):
            return
        data = {"file": sheet.path.name, "size": sheet.stat.size, "mtime_ns": sheet.stat.mtime_ns}
        last = self._service.ledger.runs.last_event(run.id, _NOT_ATTACHED)
        if last is not None and last.data == data:
            return
        message = (
            f"the sample sheet {escape(str(sheet.path))} was put there or changed after its run "
            "was published, and is not attached: of this run only the marker in the lake is known "
            "here, and its list of files can't be written anew from that"
        )
        next_step = (
            f"compare it with {escape(run.prefix)}/{ATTACHED} in the lake; if that is another or "
            "none, put it there by hand, or bring the run back into its source: "
            f"datalake-syncd restore {escape(run.key)} DIR"
        )
        self._tell_of(run, _NOT_ATTACHED, message, data, next_step)

    def _tell_of(
        self, run: Run, event: str, message: str, data: dict[str, Any], next_step: str
    ) -> None:
        """Into the run's history too, so that neither a restart nor `once` tells it again."""
        self._service.log(
            logging.WARNING,
            event,
            message,
            run=run.key,
            instrument=self._instrument,
            next_step=next_step,
        )
        self._service.ledger.runs.event(run.id, self._service.wall(), event, message, data)

    def _look_for(self, run: Run, folder: Path, listed: SheetNames) -> None:
        patience = self._service.sheet_patience(folder)
        sheet = patience.call(lambda _tick: find_sheet(folder, run.name, listed))
        if run.status is Status.BLOCKED:
            self._service.ledger.runs.set(run, status=Status.READY, reason=None, next_step=None)
            self._service.work.set()
            return
        if sheet is None or is_attached(sheet, run.sheet) or self._is_copy(run, sheet, folder):
            return
        what = "came late" if run.sheet is None else "was edited"
        self._service.ledger.runs.move(
            run,
            now=self._service.wall(),
            event="sheet.changed",
            message=f"the sample sheet {what}: it is attached and published",
            done=Step.VERIFY,
            status=Status.READY,
        )
        self._service.work.set()

    def _is_copy(self, run: Run, sheet: Sheet, folder: Path) -> bool:
        """Whether a file that is another one has the bytes that are attached; noted, then.

        It was restored, or moved to a year, or the share has new inode numbers: then all sheets
        of an instrument would be attached again at once, and every run be verified for nothing.
        """
        record = run.sheet
        # One that the lake had before us was never read here: it is attached, and reported.
        if record is None or record["path"] is None or record["size"] != sheet.stat.size:
            return False
        patience = self._service.sheet_patience(folder)
        try:
            md5 = patience.call(lambda tick: hash_sheet(sheet, tick))
        except (SourceOffline, Stopped):
            raise
        except Transient:
            return False  # it is being written just now: the step waits for its end
        if md5 != record["md5"]:
            return False
        self._service.ledger.runs.set(run, sheet={**record, **sheet.record(md5, record["etag"])})
        return True


def _may_change(run: Run) -> bool:
    if _is_learned(run):
        return False  # its files are not known here
    if run.done is Step.VERIFY and run.status is Status.BLOCKED:
        return any(gate["name"] == SHEET and not gate["passed"] for gate in run.gates)
    resting = run.status in (Status.FINISHED, Status.WAITING, Status.READY)
    return run.done in (Step.PUBLISH, Step.PRUNE) and resting and run.hold_reason is None


def _lacks_sheet(run: Run, listed: SheetNames) -> bool:
    # One that was learned from its marker alone gets no late sheet, whatever its name is.
    return run.sheet is None and sheet_name(run.name) not in listed and not _is_learned(run)


def _is_learned(run: Run) -> bool:
    """Known from its marker alone."""
    return run.tree_digest is None and run.done is not Step.SIGHTED


def _is_late(sheet: Sheet, published_at: float, learned_at: float) -> bool:
    """Whether a sheet came after its run: those that were attached in time lie there as well.

    A copy keeps its mtime, so the ctime counts too; but only since the run was learned, for sheets
    that were in time may have been moved to their year before.
    """
    return sheet.stat.mtime_ns / 1e9 > published_at or sheet.stat.ctime_ns / 1e9 > learned_at
