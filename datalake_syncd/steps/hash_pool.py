"""Hashing a run's files with a few threads, in order, while azcopy reads the same ones."""

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
    hangs in a dead share can't keep the service from ending.
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
        self._page: list[ManifestFile] = []
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
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                file = self._next()
                if file is None:
                    return
                if file.md5 is None:
                    self._read(file)
                else:
                    self._on_bytes(file.stat.size)
                with self._lock:
                    self.files += 1
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - kept for the step, which raises it
            with self._lock:
                self.error = self.error or error
            self._stop.set()

    def _read(self, file: ManifestFile) -> None:
        listed = tree.ListedSums(file.expected) if file.expected else None
        md5, _ = tree.hash_file(
            self._root,
            file.path,
            file.stat,
            on_bytes=self._on_bytes,
            should_stop=self._stop.is_set,
            also=None if listed is None else listed.update,
        )
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

    def _next(self) -> ManifestFile | None:
        with self._lock:
            while not self._page:
                page = next(self._pages, None)
                if page is None:
                    return None
                self._page = list(reversed(page))
            return self._page.pop()

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
        """True while a thread is still at it."""
        return any(thread.is_alive() for thread in self._threads)

    def silent_for(self) -> float:
        """Seconds since the last byte was read."""
        return time.monotonic() - self.last_progress

    def wait(self, seconds: float) -> None:
        """Wait until all are through, at most so long."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def stop(self) -> None:
        """End soon and keep what is done; a thread that hangs is left to itself."""
        self._stop.set()
        self.wait(2.0)
        if not self.working:
            with self._lock:
                self._flush()

    def finish(self) -> None:
        """Write down the last results; to be called when ``working`` is over."""
        with self._lock:
            self._flush()
