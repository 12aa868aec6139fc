"""A run never waits silently: what has not moved for long is told, again and again."""

from __future__ import annotations

import logging

from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.service import Service


def report_stale(service: Service) -> None:
    """Say which runs have not moved for ``stale_after``, each again after as long."""
    now, limit = service.wall(), service.config.daemon.stale_after
    for run in service.ledger.runs.all():
        resting = run.status in (Status.FINISHED, Status.RUNNING)
        if resting or run.done in (Step.PUBLISH, Step.PRUNE) or now - run.moved_at < limit:
            continue
        told = service.ledger.runs.last_event(run.id, "run.stale")
        if told is not None and now - told.at < limit:
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
