"""A run never waits silently: what has not moved for long is told, again and again."""

from __future__ import annotations

import logging

from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.model import Status
from datalake_syncd.steps.service import Service


def report_stale(service: Service) -> None:
    """Say which runs have not moved for ``stale_after``, each again after as long."""
    now, limit = service.wall(), service.config.daemon.stale_after
    for run in service.ledger.runs.all():
        done = run.status in (Status.FINISHED, Status.RUNNING) or run.published_at is not None
        if done or now - run.moved_at < limit:
            continue
        told = [e.at for e in service.ledger.runs.history(run.id) if e.event == "run.stale"]
        if told and now - told[-1] < limit:
            continue
        message = (
            f"has not moved for {format_duration(now - run.moved_at)} "
            f"({run.shown_status} after '{run.done}'): {run.reason or 'no reason known'}"
        )
        service.ledger.runs.event(run.id, now, "run.stale", message)
        service.log(
            logging.ERROR,
            "run.stale",
            message,
            run=run.key,
            instrument=run.instrument,
            next_step=f"datalake-syncd why {run.key}",
        )
