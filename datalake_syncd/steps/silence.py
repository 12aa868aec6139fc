"""An instrument that publishes nothing for long: switched off, unmounted, or nobody uses it."""

from __future__ import annotations

import json
from typing import Any

from datalake_syncd.core import staleness
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.staleness import Silence
from datalake_syncd.steps.reports import report_silence
from datalake_syncd.steps.service import Service


def look_for_silence(service: Service, instrument: str) -> None:
    """Tell it once per ``max_silence``; a new instrument counts from its first scan.

    What was told is kept for ``status`` (``silence:NAME``) until the instrument publishes again.
    """
    key, now = f"silence:{instrument}", service.wall()
    text = service.ledger.desk.get(key)
    kept: dict[str, Any] = json.loads(text) if text else {"since": now}
    limit = service.config.instruments[instrument].max_silence
    finding = None
    if limit is not None:
        silence = _silence(service, instrument, kept["since"])
        finding = staleness.silent(silence, now, limit)
        if finding is not None and staleness.due(kept.get("told"), now, limit):
            report_silence(service, instrument, finding)
            kept = {**kept, "told": now, "message": finding.message, "do": finding.next_step}
    if finding is None:
        kept = {"since": kept["since"]}
    if json.dumps(kept) != text:
        service.ledger.desk.put(key, json.dumps(kept))


def _silence(service: Service, instrument: str, first_scan: float) -> Silence:
    growing = KINDS[service.config.instruments[instrument].kind].growing is not None
    # A late sheet or a new analysis of an old run is no sign of the instrument.
    last = service.ledger.waiting.last_published(instrument, every_time=growing)
    runs = service.ledger.runs.restless(instrument)
    way = [run for run in runs if run.done not in (Step.PUBLISH, Step.PRUNE)]
    row = service.ledger.desk.instrument(instrument)
    offline = row.offline_reason if row is not None and row.online is False else None
    # What was published before anybody looked here tells nothing of this instrument's habits.
    if last is not None and last[1] < first_scan:
        last = None
    return Silence(
        instrument,
        since=first_scan if last is None else last[1],
        last=None if last is None else last[0],
        offline=offline,
        waiting=len(way),
        blocked=sum(run.status is Status.BLOCKED for run in way),
    )
