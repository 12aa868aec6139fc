"""The one place where waiting and silence are told: to the log, and to the ledger's history."""

from __future__ import annotations

import logging

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.staleness import Finding
from datalake_syncd.steps.service import Service


def report_run(service: Service, run: Run, finding: Finding) -> None:
    """A run has waited for too long."""
    told = {"next_step": finding.next_step, "needs_person": finding.needs_person}
    service.ledger.runs.event(run.id, service.wall(), "run.stale", finding.message, told)
    service.log(
        logging.ERROR if finding.needs_person else logging.WARNING,
        "run.stale",
        finding.message,
        run=run.key,
        instrument=run.instrument,
        next_step=finding.next_step,
    )


def report_silence(service: Service, instrument: str, finding: Finding) -> None:
    """An instrument has published nothing for too long."""
    told = {"instrument": instrument}
    service.ledger.runs.event(None, service.wall(), "instrument.silent", finding.message, told)
    service.log(
        logging.ERROR,
        "instrument.silent",
        finding.message,
        instrument=instrument,
        next_step=finding.next_step,
    )


def report_sheets(service: Service, instrument: str, message: str) -> None:
    """Sample sheets wait for runs that nobody knows; the runs themselves may be fine."""
    told = {"instrument": instrument}
    service.ledger.runs.event(None, service.wall(), "sheets.lonely", message, told)
    service.log(
        logging.WARNING,
        "sheets.lonely",
        message,
        instrument=instrument,
        next_step="rename each to its run, NAME.csv, or take it out of the folder",
    )
