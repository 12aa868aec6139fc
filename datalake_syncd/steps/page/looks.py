"""What page, metrics and answers about health see: one look at the ledger, shared for a moment.

Read through a connection of its own that can't write, in short queries: who asks slowly, or too
often, never stands in the way of a run.
"""

from __future__ import annotations

import os
import threading
from copy import deepcopy
from dataclasses import dataclass

from datalake_syncd.adapters.ledger import DaemonState, Ledger
from datalake_syncd.core.durations import MINUTE, parse_iso
from datalake_syncd.steps.notes import CREDENTIAL_EXPIRES, LAKE_UNREACHABLE
from datalake_syncd.steps.overview.problems import Problem, problems
from datalake_syncd.steps.overview.report import Report, read_report
from datalake_syncd.steps.page.tally import Tally, Totals
from datalake_syncd.steps.service import Service

#: Names of samples; the subject of the first two is a place (``state``, ``source/nextseq``).
FREE, SIZE, LAKE_BYTES, CARRIED = "free", "size", "lake_bytes", "carried"
LAKE_REACHABLE = "lake_reachable"

#: A look is shared for so long (seconds).
_SHARED = 2.0
#: What was read is remembered for so long (seconds) after somebody asked.
_FORGOTTEN = 10 * MINUTE
#: A sample that is older (seconds) tells nothing of now.
_NOW = 20 * MINUTE


@dataclass(frozen=True, slots=True)
class Look:
    """One look; sizes in bytes, times in seconds since the epoch."""

    report: Report
    problems: tuple[Problem, ...]
    #: Counters by instrument.
    totals: dict[str, Totals]
    #: The last runs: (``INSTRUMENT/NAME``, published at, seconds from its end to proven).
    lately: tuple[tuple[str, float, float], ...]
    #: Place -> (free, size).
    space: dict[str, tuple[float, float]]
    credential_expires: float | None
    #: Whether the lake answered when it was asked lately, and if not, why.
    lake_reachable: bool | None
    lake_unreachable: str | None


class Looks:
    """Looks at one service's ledger; every method is safe to call from any thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._tally = Tally()
        self._shared: tuple[float, Look] | None = None

    def look(self) -> Look:
        """As things are now, or were a moment ago."""
        with self._lock:
            now = self._service.monotonic()
            if self._shared is None or not 0 <= now - self._shared[0] < _SHARED:
                self._shared = (now, self._read(self._open()))
            return self._shared[1]

    def samples(self, name: str, since: float) -> dict[str, list[tuple[float, float]]]:
        """Subject -> (time, value) pairs."""
        with self._lock:
            return self._open().samples.since(name, since)

    def forget(self) -> None:
        """Let go of the memory of looks and runs, if nobody asks any more."""
        if self._shared is None or self._service.monotonic() - self._shared[0] <= _FORGOTTEN:
            return
        self.close()

    def close(self) -> None:
        """Close the ledger; it opens again when it is asked."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
            self._ledger, self._shared = None, None

    def _open(self) -> Ledger:
        if self._ledger is None:
            state_dir = self._service.config.daemon.state_dir
            self._ledger = Ledger(state_dir, writable=False, remember=True)
        return self._ledger

    def _read(self, ledger: Ledger) -> Look:
        service = self._service
        report = read_report(
            ledger,
            service.wall(),
            daemon=DaemonState(running=True, pid=os.getpid()),
            stale_after=service.config.daemon.stale_after,
        )
        self._tally.read_on(ledger)
        free = ledger.samples.latest(FREE, report.now - _NOW)
        size = ledger.samples.latest(SIZE, report.now - _NOW)
        reachable = ledger.samples.latest(LAKE_REACHABLE, report.now - _NOW).get("")
        return Look(
            report=report,
            problems=tuple(problems(report)),
            totals=deepcopy(dict(self._tally.instruments)),
            lately=tuple(self._tally.lately),
            space={place: (free[place], size[place]) for place in free if place in size},
            credential_expires=_time(ledger.desk.get(CREDENTIAL_EXPIRES)),
            lake_reachable=None if reachable is None else bool(reachable),
            lake_unreachable=ledger.desk.get(LAKE_UNREACHABLE),
        )


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else parse_iso(text)
    except ValueError:
        return None
