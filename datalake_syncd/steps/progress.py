"""How far a transfer or verification is: for the ledger, the log and ``status``."""

from __future__ import annotations

import logging
import time

from datalake_syncd.adapters.ledger import Progress
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.steps.context import Context

_LEDGER_SECONDS = 2.0
_LOG_SECONDS = 60.0


class Meter:
    """Counts bytes of one step and writes them down every two seconds, in the log every minute."""

    def __init__(self, context: Context, files: int, size: int, *, already: int = 0) -> None:
        self._context = context
        self._files = files
        self._size = size
        self._already = already
        self._started = time.monotonic()
        self._written = 0.0
        self._logged = self._started
        self.sent_bytes = 0
        self.proven = 0

    @property
    def seconds(self) -> float:
        """Seconds since the step began."""
        return round(time.monotonic() - self._started, 1)

    def write(self, files_hashed: int, *, final: bool = False) -> None:
        """Write progress down if it is time to."""
        now = time.monotonic()
        if not final and now - self._written < _LEDGER_SECONDS:
            return
        self._written = now
        elapsed = max(now - self._started, 0.001)
        rate = self.sent_bytes / elapsed
        done = min(self._already + self.sent_bytes, self._size)
        rest = self._size - done
        left = rest / rate if rate > 0 else None
        self._context.ledger.desk.write_progress(
            self._context.run.id,
            Progress(
                self._context.now(),
                done,
                self._size,
                files_hashed,
                self.proven,
                self._files,
                rate,
                0.0 if final else left,
            ),
        )
        if not final and now - self._logged >= _LOG_SECONDS:
            self._logged = now
            told = "" if left is None else f", about {format_duration(left)} left"
            self._context.log(
                logging.INFO,
                "transfer.progress",
                f"{format_bytes(done)} of {format_bytes(self._size)}, "
                f"{format_bytes(int(rate))}/s{told}",
                bytes_done=done,
                bytes=self._size,
                files_hashed=files_hashed,
                rate=round(rate),
            )
