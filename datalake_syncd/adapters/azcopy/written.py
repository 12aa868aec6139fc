"""Noticing that azcopy has written all of its bytes: it ends only at its next tick."""

from __future__ import annotations

from pathlib import Path

#: Seconds in which hardly a byte more was written; its timers alone write some hundreds.
STILL = 0.2
_HARDLY = 4096
#: Bytes of a request beside its content, at the least.
_HEADERS = 400
#: So often at most it is told, each time after more was written.
_TIMES = 3


class Written:
    """Watches how many bytes a process has handed to the kernel, by ``/proc/PID/io``.

    That is a hint and proves nothing: what was sent may be refused and sent again.
    """

    def __init__(self, pid: int, bytes_: int, files: int) -> None:
        self._path = Path(f"/proc/{pid}/io")
        self._expected = bytes_ + files * _HEADERS
        self._most = -_HARDLY - 1
        self._since = 0.0
        self._told = 0
        self._news = True

    def all_of_it(self, now: float) -> bool:
        """True when so many bytes were written and no more for a moment (``now`` in seconds)."""
        if self._told == _TIMES:
            return False
        written = self._read()
        if written is None:
            self._told = _TIMES  # a kernel that does not say
            return False
        if written > self._most + _HARDLY:
            self._most, self._since, self._news = written, now, True
        if not self._news or written < self._expected or now - self._since < STILL:
            return False
        self._told, self._news = self._told + 1, False
        return True

    def _read(self) -> int | None:
        try:
            for line in self._path.read_text().splitlines():
                name, _, value = line.partition(": ")
                if name == "wchar":
                    return int(value)
        except (OSError, ValueError):
            pass
        return None
