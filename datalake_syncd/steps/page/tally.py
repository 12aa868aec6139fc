"""Counters that only ever grow, added up from the ledger's events, which are only ever added."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from datalake_syncd.adapters.ledger import Happening, Ledger
from datalake_syncd.core.durations import DAY, HOUR, MINUTE

#: Upper ends (seconds) of the histogram of "from the end of a run to proven".
BUCKETS = tuple(MINUTE * n for n in (15, 30, 60, 90)) + tuple(HOUR * n for n in (2, 3, 6, 12))
BUCKETS += tuple(DAY * n for n in (1, 2, 7))
#: So many runs are shown in the plot of these times.
LAST_RUNS = 30

_PUBLISHED, _SENT, _PRUNED = "run.published", "transfer.finished", "prune.done"


@dataclass(slots=True)
class Totals:
    """All of one instrument since the ledger began; sizes in bytes."""

    publications: int = 0
    published_files: int = 0
    published_bytes: int = 0
    sent_files: int = 0
    sent_bytes: int = 0
    pruned_files: int = 0
    pruned_bytes: int = 0
    #: How many runs took up to each of `BUCKETS`, and longer; not added up.
    delays: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    delay_seconds: float = 0.0


class Tally:
    """Reads on from the event that it saw last; used by one thread at a time."""

    def __init__(self) -> None:
        self.instruments: dict[str, Totals] = defaultdict(Totals)
        #: The last runs: (``INSTRUMENT/NAME``, time of publishing, seconds from end to proven).
        self.lately: deque[tuple[str, float, float]] = deque(maxlen=LAST_RUNS)
        self._announced: dict[int, tuple[int, int]] = {}
        self._read = 0

    def read_on(self, ledger: Ledger) -> None:
        """Add what happened since the last time."""
        for found, last in _pages(ledger, self._read, (_PUBLISHED, _SENT, _PRUNED)):
            for one in found:
                self._add(one)
            self._read = last

    def _add(self, one: Happening) -> None:
        totals = self.instruments[one.instrument]
        if one.event == _PUBLISHED:
            self._add_published(totals, one)
        elif one.event == _SENT:
            totals.sent_files += _count(one.data.get("files_sent"))
            totals.sent_bytes += _count(one.data.get("bytes_sent"))
        else:
            totals.pruned_files += _count(one.data.get("files"))
            totals.pruned_bytes += _count(one.data.get("bytes"))

    def _add_published(self, totals: Totals, one: Happening) -> None:
        # A ledger of an older version, and a marker that was there already, tell no figures.
        size = _count(one.data.get("bytes", one.bytes))
        files = _count(one.data.get("files", one.files))
        had_bytes, had_files = self._announced.get(one.run_id, (0, 0))
        totals.publications += 1
        # A further generation announces all files again; what is new of it counts.
        totals.published_bytes += max(size - had_bytes, 0)
        totals.published_files += max(files - had_files, 0)
        self._announced[one.run_id] = (max(size, had_bytes), max(files, had_files))
        seconds = one.data.get("seconds_after_end")
        if isinstance(seconds, int | float):
            totals.delays[bisect_left(BUCKETS, seconds)] += 1
            totals.delay_seconds += seconds
            self.lately.append((f"{one.instrument}/{one.name}", one.at, float(seconds)))


class Carried:
    """How many bytes were carried, also of transfers that have not ended yet.

    A transfer tells its sum when it ends; until then its progress does. What was counted of
    it on the way is taken off its sum.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._on_the_way: dict[int, tuple[int, int]] = {}  # run -> (bytes done, counted)
        self._read = 0
        for _, last in _pages(ledger, 0, (_SENT,)):
            self._read = last  # what ended before this service started was counted then

    def new_bytes(self, ledger: Ledger) -> int:
        """Bytes carried since the last call."""
        added = 0
        for found, last in _pages(ledger, self._read, (_SENT,)):
            for one in found:
                _, counted = self._on_the_way.pop(one.run_id, (0, 0))
                added += max(_count(one.data.get("bytes_sent")) - counted, 0)
            self._read = last
        for run_id, progress in ledger.desk.transfers().items():
            done, counted = self._on_the_way.get(run_id, (progress.bytes_done, 0))
            more = max(progress.bytes_done - done, 0)
            self._on_the_way[run_id] = (progress.bytes_done, counted + more)
            added += more
        return added


def _pages(
    ledger: Ledger, number: int, events: Collection[str]
) -> Iterator[tuple[list[Happening], int]]:
    """Page by page what came after that event, each with the number to read on from."""
    while True:
        found, last = ledger.happenings.after(number, events)
        if last == number:
            return
        yield found, last
        number = last


def _count(value: Any) -> int:
    """A figure of an event; an event of another version may lack it."""
    return int(value) if isinstance(value, int | float) else 0
