"""Sample sheets that come late, are edited after publishing, or only look like one."""

from __future__ import annotations

import logging
from pathlib import Path

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline, SyncdError
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.sheets import SHEET, NearMiss, near_misses, sheet_name
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets.files import (
    SheetNames,
    find_sheet,
    is_attached,
    list_sheets,
    places,
)
from datalake_syncd.steps.sheets.near import tell_near_misses

#: Sheets that are attached already are compared with the folder at the first scan, and then
#: every so many.
_EVERY = 10


class SheetWatch:
    """Looks for the sheets of published runs of one instrument, pruned ones too."""

    def __init__(self, service: Service, instrument: str) -> None:
        self._service = service
        self._instrument = instrument
        self._scans = 0
        self._told: dict[str, str] = {}
        self._compared: tuple[frozenset[str], ...] = ()
        self._near: tuple[NearMiss, ...] = ()

    def look(self, folder: Path | None) -> None:
        """One pass over the sheet folder; trouble with it is told once and stops no run."""
        self._scans += 1
        if folder is None:
            tell_near_misses(self._service, self._instrument, ())
            return
        trouble: dict[str, SyncdError] = {}
        try:
            patience = self._service.sheet_patience(folder)
            listed = patience.call(lambda tick: list_sheets(folder, tick))
            runs = self._service.ledger.runs.all(self._instrument)
            for run in runs:
                if _may_change(run) and (run.sheet is None or self._scans % _EVERY == 1):
                    try:
                        self._look_for(run, folder, listed)
                    except (SourceChanged, NeedsPerson) as error:
                        trouble[run.key] = error  # of this one; the others go on
            self._compare(runs, listed)
        except (SourceOffline, SourceChanged, NeedsPerson) as error:
            trouble[""] = error
        self._tell(trouble)

    def _compare(self, runs: list[Run], listed: SheetNames) -> None:
        """Tell of files that look like the sheet of a run that has none."""
        # Of all instruments: they may share one folder.
        known = frozenset(self._service.ledger.runs.names())
        names = frozenset(run.name for run in runs if _lacks_sheet(run, listed))
        compared = (names, known, frozenset(places(listed)))
        if compared != self._compared:
            self._near = near_misses(names, compared[-1], known=known)
            self._compared = compared
        tell_near_misses(self._service, self._instrument, self._near)

    def _tell(self, trouble: dict[str, SyncdError]) -> None:
        for key, error in trouble.items():
            if self._told.get(key) != str(error):
                self._service.log(
                    logging.WARNING,
                    "sheet.unusable" if key else "sheets.offline",
                    str(error),
                    run=key or None,
                    instrument=self._instrument,
                    next_step=error.next_step,
                )
        self._told = {key: str(error) for key, error in trouble.items()}

    def _look_for(self, run: Run, folder: Path, listed: SheetNames) -> None:
        patience = self._service.sheet_patience(folder)
        sheet = patience.call(lambda _tick: find_sheet(folder, run.name, listed))
        if run.status is Status.BLOCKED:
            self._service.ledger.runs.set(run, status=Status.READY, reason=None, next_step=None)
            self._service.work.set()
            return
        if is_attached(sheet, run.sheet):
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


def _may_change(run: Run) -> bool:
    if run.tree_digest is None:
        return False  # learned from its marker alone: its files are not known here
    if run.done is Step.VERIFY and run.status is Status.BLOCKED:
        return any(gate["name"] == SHEET and not gate["passed"] for gate in run.gates)
    resting = run.status in (Status.FINISHED, Status.WAITING, Status.READY)
    return run.done in (Step.PUBLISH, Step.PRUNE) and resting and run.hold_reason is None


def _lacks_sheet(run: Run, listed: SheetNames) -> bool:
    # One that was learned from its marker alone gets no late sheet, whatever its name is.
    learned = run.tree_digest is None and run.done is not Step.SIGHTED
    return run.sheet is None and sheet_name(run.name) not in listed and not learned
