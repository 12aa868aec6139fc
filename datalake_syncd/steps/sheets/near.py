"""Files that look like the sheet of a run that has none: told once, and again while they lie there.

What was found is in the ledger, for `why`; when it was told is in the run's history, so that
neither a restart nor `once` tells it twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from itertools import groupby

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import NearMiss, near_misses, near_sheets_key, sheet_name
from datalake_syncd.steps.service import Service

_TOLD = "sheet.near-miss"
_NAMED = 3


def tell_near_misses(service: Service, instrument: str, misses: Iterable[NearMiss]) -> None:
    """Keep what looks like a sheet for `why`, and warn of what no program made by itself."""
    found = {run: list(group) for run, group in groupby(sorted(misses, key=_by_run), key=_by_run)}
    key = near_sheets_key(instrument)
    kept = json.dumps({run: [str(miss) for miss in group] for run, group in found.items()})
    if kept != (service.ledger.desk.get(key) or "{}"):
        service.ledger.desk.put(key, kept if found else None)
    for name, group in found.items():
        run = service.ledger.runs.get(instrument, name)
        loud = [miss for miss in group if not miss.quiet]
        if run is not None and loud:
            _tell(service, run, loud)


def in_words(misses: Iterable[NearMiss]) -> str:
    """``A.xlsx (it ends in .xlsx) and 2 more``, or nothing."""
    told = [f"{escape(miss.file)} ({miss.reason})" for miss in misses if not miss.quiet]
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return ", ".join(told[:_NAMED]) + more


def look_alikes(run: Run, files: Iterable[str], known: Iterable[str]) -> str:
    """What in the sheet folder looks like the sheet of this run, in words; "" when nothing does."""
    return in_words(near_misses([run.name], files, known=known))


def _tell(service: Service, run: Run, misses: list[NearMiss]) -> None:
    now, period = service.wall(), service.config.daemon.stale_after
    files = {escape(miss.file) for miss in misses}
    last = service.ledger.runs.last_event(run.id, _TOLD)
    if last is not None and 0 <= now - last.at < period:
        told = set((last.data or {}).get("files", ()))
        if files <= told:
            return
        files |= told  # so that a file that comes and goes is told once all the same
    expected = escape(sheet_name(run.name))
    message = f"there is no sample sheet {expected}, but what looks like it: {in_words(misses)}"
    service.ledger.runs.event(run.id, now, _TOLD, message, {"files": sorted(files)})
    service.log(
        logging.WARNING,
        "sheet.near-miss",
        message,
        run=run.key,
        instrument=run.instrument,
        next_step=f"if it is the sheet of this run, name it {expected}",
    )


def _by_run(miss: NearMiss) -> str:
    return miss.run
