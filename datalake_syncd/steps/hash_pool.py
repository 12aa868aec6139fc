"""Hashing a run's files with a few threads, in order, while azcopy reads the same ones.

Small files are one thread's work: what is hashed in microseconds is mostly Python's lock, and
threads that fight for it took twice the processor time, which azcopy needs. Where opening and
reading takes long (a share over the network), all of them read side by side.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from datalake_syncd.adapters import tree
from datalake_syncd.core.errors import Stopped
from datalake_syncd.core.model import ManifestFile

#: hashlib lets go of the interpreter lock, so threads do; more of them than this only makes
#: the disk's heads run to and fro.
THREADS = max(1, min(4, os.cpu_count() or 1))
#: Bytes; larger files are hashed side by side.
SMALL = 128 << 10
#: Small files are taken by so many, and side by side when one takes so long (seconds) on average.
_SHARE = 32
SLOW = 1e-3
_PATIENCE = 1.0
_BATCH = 2_000
_NAMED = 5
_BATCH_SECONDS = 2.0


class HashPool:
    """Reads files once each and hands (path, MD5) pairs to ``record`` in batches.

    A file that lists give a checksum of is compared in the same read. One that differs gets no
    MD5 in the ledger unless there is ``record_differing``, which gets it then: so a listed file
    with an MD5 was compared or released, and one without is read again, whatever was
    interrupted. ``differing`` counts them, the first few are in ``named`` as (path, what differs).

    The first error ends the pool and is kept in ``error``. Threads are daemons: one that
    hangs in a dead share can't keep the service from ending. Nothing is read before `start`.
    """

    def __init__(
        self,
        root: Path,
        pages: Iterator[list[ManifestFile]],
        record: Callable[[list[tuple[str, str]]], None],
        *,
        record_differing: Callable[[list[tuple[str, str]]], None] | None = None,
    ) -> None:
        self._root = root
        self._pages = pages
        self._record = record
        self._record_differing = record_differing
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._small: list[ManifestFile] = []
        self._large: list[ManifestFile] = []
        self._at_small = 0
        self._small_since = 0.0
        self._slow = False
        self._results: list[tuple[str, str]] = []
        self._released: list[tuple[str, str]] = []
        self._recorded_at = time.monotonic()
        self._stop = threading.Event()
        self.error: Exception | None = None
        self.files = 0
        self.bytes = 0
        self.differing = 0
        self.named: list[tuple[str, str]] = []
        self.last_progress = time.monotonic()
        self._threads = [
            threading.Thread(target=self._run, name=f"hash-{number}", daemon=True)
            for number in range(THREADS)
        ]
        self._started = False

    def start(self) -> None:
        """Begin to read, unless it was begun already."""
        if not self._started:
            self._started = True
            self.last_progress = time.monotonic()
            for thread in self._threads:
                thread.start()

    def _run(self) -> None:
        try:
            while share := self._next():
                taken: list[float] = []
                for file in share:
                    if self._stop.is_set():
                        return
                    if file.md5 is None:
                        taken.append(self._read(file))
                    else:
                        self._on_bytes(file.stat.size)
                    with self._lock:
                        self.files += 1
                if share[0].stat.size <= SMALL:
                    self._was_small(taken)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - kept for the step, which raises it
            with self._lock:
                self.error = self.error or error
            self._end()

    def _read(self, file: ManifestFile) -> float:
        """Gives the seconds that reading took, without those of writing down what was found."""
        begun = time.monotonic()
        listed = tree.ListedSums(file.expected) if file.expected else None
        md5, _ = tree.hash_file(
            self._root,
            file.path,
            file.stat,
            on_bytes=self._on_bytes,
            should_stop=self._stop.is_set,
            also=None if listed is None else listed.update,
        )
        took = time.monotonic() - begun
        difference = "" if listed is None else listed.difference(md5)
        if difference:
            with self._lock:
                self.differing += 1
                if len(self.named) < _NAMED:
                    self.named.append((file.path, difference))
        if not difference:
            self._result(self._results, file.path, md5)
        elif self._record_differing is not None:
            self._result(self._released, file.path, md5)
        return took

    def _next(self) -> list[ManifestFile]:
        """What to do now: some small files, or a large one; nothing when all are taken."""
        with self._more:
            while not self._stop.is_set():
                if self._small and (self._slow or not self._at_small):
                    share = self._small[: -_SHARE - 1 : -1]
                    del self._small[-_SHARE:]
                    self._at_small += 1
                    self._small_since = time.monotonic()
                    return share
                if self._large:
                    return [self._large.pop()]
                if self._small:
                    # Until there is another page, or they turn out to be slow: also while one
                    # alone takes for ever.
                    self._more.wait(_PATIENCE)
                    late = time.monotonic() - self._small_since >= _PATIENCE
                    self._slow = self._slow or (late and self._at_small > 0)
                elif not self._next_page():
                    break
        return []

    def _next_page(self) -> bool:
        page = next(self._pages, None)
        for file in reversed(page or ()):
            (self._small if file.stat.size <= SMALL else self._large).append(file)
        self._more.notify_all()
        return page is not None

    def _was_small(self, taken: list[float]) -> None:
        """A thread is through with small files; those that it read took so long (seconds)."""
        with self._more:
            self._at_small -= 1
            if taken:
                self._slow = sum(taken) / len(taken) > SLOW
            if self._slow:
                self._more.notify_all()

    def _end(self) -> None:
        with self._more:
            self._stop.set()
            self._more.notify_all()

    def _on_bytes(self, count: int) -> None:
        self.bytes += count
        self.last_progress = time.monotonic()

    def _result(self, batch: list[tuple[str, str]], path: str, md5: str) -> None:
        with self._lock:
            batch.append((path, md5))
            late = time.monotonic() - self._recorded_at > _BATCH_SECONDS
            if len(batch) >= _BATCH or late:
                self._flush()

    def _flush(self) -> None:
        self._recorded_at = time.monotonic()
        for batch, record in (
            (self._results, self._record),
            (self._released, self._record_differing),
        ):
            taken = batch.copy()
            batch.clear()  # what can't be written down is lost, and read again
            if taken and record is not None:
                record(taken)

    @property
    def working(self) -> bool:
        """True until every thread has ended; they have not begun before `start`."""
        return not self._started or any(thread.is_alive() for thread in self._threads)

    def silent_for(self) -> float:
        """Seconds since the last byte was read, or since `start`."""
        return time.monotonic() - self.last_progress if self._started else 0.0

    def wait(self, seconds: float) -> None:
        """Wait until all are through, at most so long."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            if self._started:
                thread.join(max(0.0, until - time.monotonic()))

    def stop(self) -> None:
        """End soon and keep what is done; a thread that hangs is left to itself."""
        self._end()
        self.wait(2.0)
        if not self.working:
            with self._lock:
                self._flush()

    def finish(self) -> None:
        """Write down the last results; to be called when ``working`` is over."""
        with self._lock:
            self._flush()
