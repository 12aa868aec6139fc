"""Nothing waits silently: runs, sheets and instruments that are stuck are told, again and again.

What was told last is in the ledger, so that neither a restart nor `once` tells it twice.
"""

from __future__ import annotations

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.ledger.waiting import STALE
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core import staleness
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import sheet_name
from datalake_syncd.core.staleness import Finding
from datalake_syncd.steps import growth_probe
from datalake_syncd.steps.reports import report_run
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets.lonely import LonelySheets
from datalake_syncd.steps.silence import look_for_silence


class StaleWatch:
    """Looks after each scan at what one instrument keeps waiting."""

    def __init__(self, service: Service, instrument: str) -> None:
        self._service = service
        self._instrument = instrument
        self._sheets = LonelySheets(service, instrument)

    def look(self, patience: Patience | None) -> None:
        """One pass; ``patience`` is for the source, None while it does not answer."""
        service, name = self._service, self._instrument
        for run in service.ledger.runs.restless(name):
            if service.stopping.is_set() or name not in service.config.instruments:
                return
            if patience is None or not growth_probe.applies(service, run):
                _tell(service, run, _find(service, run))
                continue
            looked = growth_probe.probe(service, run, patience)
            finding = _find(service, looked)
            if finding is None or not _is_due(service, looked):
                continue
            if not growth_probe.looked(run, looked):
                # Hours may have passed since the last look: nothing is told that was true then.
                looked = growth_probe.probe(service, looked, patience, now_at_once=True)
                finding = _find(service, looked) if growth_probe.looked(run, looked) else None
            _tell(service, looked, finding)
        look_for_silence(service, name)
        self._sheets.look()


def report_unwatched(service: Service) -> None:
    """Runs of instruments that were taken out of the configuration: nobody looks after them."""
    for row in service.ledger.desk.instruments():
        if row.name not in service.config.instruments:
            for run in service.ledger.runs.restless(row.name):
                _tell(service, run, _find(service, run))


def _find(service: Service, run: Run) -> Finding | None:
    now, limit = service.wall(), service.config.daemon.stale_after
    rests = run.status in (Status.FINISHED, Status.RUNNING) and not run.observed.get("pending")
    if rests or now - run.moved_at < limit:
        return None  # before anything else is asked of the ledger
    instrument = service.config.instruments.get(run.instrument)
    row = service.ledger.desk.instrument(run.instrument)
    offline = row.offline_reason if row is not None and row.online is False else None
    sheet = None
    required = instrument is not None and instrument.sample_sheet == "required"
    if required and instrument is not None and instrument.sample_sheets is not None:
        sheet = f"{escape(str(instrument.sample_sheets))}/{escape(sheet_name(run.name))}"
    standing = service.ledger.waiting.standing(
        run,
        offline=offline,
        configured=instrument is not None,
        growing=instrument is not None and KINDS[instrument.kind].growing is not None,
        quiet=0.0 if instrument is None else instrument.quiet,
        required_sheet=sheet,
    )
    return staleness.stale(standing, now, limit)


def _is_due(service: Service, run: Run) -> bool:
    told = service.ledger.runs.last_event(run.id, STALE)
    at = None if told is None else told.at
    return staleness.due(at, service.wall(), service.config.daemon.stale_after)


def _tell(service: Service, run: Run, finding: Finding | None) -> None:
    if finding is None or not _is_due(service, run):
        return
    if finding.silent:
        # From now on a person may release it although its flags are missing.
        observed = {**run.observed, growth_probe.SILENT: run.moved_at}
        run = service.ledger.runs.set(run, observed=observed)
    report_run(service, run, finding)
