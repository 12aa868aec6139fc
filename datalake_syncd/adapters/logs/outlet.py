"""Lines on their way to one place, written by a thread of its own.

A pipe that nobody reads, a log disk that hangs: whoever logs must not wait for them. A line is
out before `put` returns as long as the place takes it at once; after that lines are kept, up to
a limit, and then they are dropped and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

#: What is kept for a place that does not take it: lines, and bytes of them.
MOST_LINES = 10_000
MOST_BYTES = 8 * 1024**2
#: So long (seconds) a line is waited for, until the place is known to be behind.
PROMPT = 0.1
#: So long (seconds) a place that is behind is waited for at the end.
PATIENCE = 2.0


class Outlet:
    """``write(data, lost)`` is called by the thread alone, in the order of `put`.

    ``lost`` counts the lines that were dropped right before these. It must not raise.
    """

    def __init__(self, name: str, write: Callable[[bytes, int], None]) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._lines: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._lost = 0
        self._put = 0
        self._done = 0
        self._behind = False
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> bool:
        """Take one line; False when it had to be dropped. Returns within a moment, always."""
        with self._changed:
            full = len(self._lines) >= MOST_LINES or self._bytes + len(data) > MOST_BYTES
            if self._closing or (full and self._lines):
                self._lost += 1
                return False
            self._lines.append((data, self._lost))
            self._bytes += len(data)
            self._lost = 0
            self._put += 1
            number = self._put
            self._changed.notify_all()
            if not self._behind and threading.current_thread() is not self._thread:
                self._behind = not self._changed.wait_for(lambda: self._done >= number, PROMPT)
        return True

    def close(self) -> bool:
        """Write what there is if the place takes it, then end; False when the thread hangs."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closing)
                if not self._lines:
                    return
                data, lost = self._lines.popleft()
                self._bytes -= len(data)
            self._write(data, lost)
            with self._changed:
                self._done += 1
                if not self._lines:
                    self._behind = False
                self._changed.notify_all()
