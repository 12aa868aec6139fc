"""Is it alive, is it ready: every reason against it, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from datalake_syncd.adapters.ledger import InstrumentRow
from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.names import escape
from datalake_syncd.steps.page.looks import Look
from datalake_syncd.steps.service import Service

#: With less space (bytes) than this the ledger can't take a transaction for sure.
_LEDGER_NEEDS = 16 * 1024 * 1024


def not_alive(late: list[str]) -> list[str]:
    """Why somebody should start the service again, from the loops that make no progress."""
    return [f"{escape(name)} makes no progress" for name in late]


def not_ready(service: Service, look: Look, started_at: float) -> list[str]:
    """Why runs can't be carried now; ``started_at`` is when this service began to watch."""
    return list(_reasons(service, look, started_at))


def _reasons(service: Service, look: Look, started_at: float) -> Iterator[str]:
    rows = {row.name: row for row in look.report.instruments}
    for name in service.config.instruments:
        if not (service.was_asked(name) and _looked_at(rows.get(name), started_at)):
            yield f"{escape(name)}: its first scan is not done yet"
    if look.report.uploads_paused:
        yield f"uploads are paused: {look.report.uploads_paused}"
    elif look.lake_unreachable:
        yield f"the lake can't be used: {look.lake_unreachable}"
    if service.ledger_alarm is not None:
        yield "the ledger can't be written: see ledger.full in the log"
    reason = _full(service.config.daemon.state_dir)
    if reason is not None:
        yield reason


def _looked_at(row: InstrumentRow | None, started_at: float) -> bool:
    if row is None or row.online is None:
        return False
    return row.online is False or (row.last_scan or 0.0) >= started_at


def _full(state_dir: Path) -> str | None:
    try:
        told = os.statvfs(state_dir)
    except OSError as error:
        return f"the state directory can't be asked: {error.strerror}"
    if told.f_flag & os.ST_RDONLY:
        return "the state directory is on a file system that is mounted read-only"
    free = told.f_bavail * told.f_frsize
    if free < _LEDGER_NEEDS:
        return f"only {format_bytes(free)} are free for the state directory"
    return None
