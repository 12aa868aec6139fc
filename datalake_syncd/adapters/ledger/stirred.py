"""Whether the ledger may have been written since one last looked, without asking it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

#: A file that was written so short a time ago (nanoseconds) may be written again within the same
#: tick of its file system's clock, which may be a whole second.
_YOUNG = 2_000_000_000


class Stirred:
    """For one loop that looks for work again and again and mostly finds none.

    Every commit, of whichever process, writes the file, and its time of change costs a hundredth
    of a query. ``latest`` is after how many seconds it is worth a look all the same: for work
    that becomes due by time alone, or could not be done.
    """

    def __init__(
        self,
        path: Path,
        latest: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._latest = latest
        self._monotonic = monotonic
        self._wall_ns = wall_ns
        self._seen: int | None = None
        self._looked_at = float("-inf")

    def may_be(self) -> bool:
        """True when it is worth a look; to be asked before it."""
        now = self._monotonic()
        try:
            written: int | None = os.stat(self._path).st_mtime_ns
        except OSError:
            written = None  # a temporary ledger has no name, and a query tells what is wrong
        # Also what was written in the future: a clock was set back, and says nothing now.
        young = written is None or written > self._wall_ns() - _YOUNG
        if not young and written == self._seen and now - self._looked_at < self._latest:
            return False
        self._seen, self._looked_at = written, now
        return True
