"""Files that look like the sheet of a run that has none: told once, and again while they lie there.

What was found is in the ledger, for `why`; when it was told is in the run's history, so that
neither a restart nor `once` tells it twice.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import TypeVar

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.logs import log_event
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import NearMiss, near_misses, near_sheets_key, sheet_name
from datalake_syncd.steps.service import Service

_TOLD = "sheet.near-miss"
_NAMED = 3
#: Files are compared with runs for so long (seconds) in one scan; the rest has its turn at the
#: next one. The instrument's other work waits meanwhile.
BUDGET = 5.0

_Advice = TypeVar("_Advice")
#: Errors of the advice that this process has told: of which instrument, of what kind and where.
_failed: set[tuple[str, str, str]] = set()


def advice(ask: Callable[[], _Advice], otherwise: _Advice, instrument: str) -> _Advice:
    """What ``ask`` finds out; ``otherwise`` when it fails, which is told once.

    What a name looks like is advice: an error in it is ours, and must hold up no run and no scan.
    """
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - see above
        at = traceback.extract_tb(error.__traceback__)[-1]
        failure = (instrument, type(error).__name__, f"{at.filename}:{at.lineno}")
        if failure not in _failed:
            _failed.add(failure)
            log_event(
                logging.getLogger(__name__),
                logging.WARNING,
                "sheets.not-compared",
                "which files look like the sheets of runs is not known, because of an error in "
                f"datalake-syncd itself ({type(error).__name__}); runs and sheets go on",
                instrument=instrument,
                next_step="please report it with its trace",
                exc_info=error,
            )
        return otherwise


def in_time(service: Service) -> Callable[[], bool]:
    """Asked before each file: whether there is time for it in this scan; a sign of life, too."""
    until = service.monotonic() + BUDGET

    def go_on() -> bool:
        service.pulse.beat()
        # One pass for cron has no next scan.
        in_budget = service.one_pass or service.monotonic() < until
        return in_budget and not service.stopping.is_set()

    return go_on


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

    def ask() -> str:
        return in_words(near_misses([run.name], files, known=known))

    return advice(ask, "", run.instrument)


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
