"""When a running azcopy counts as stuck. Pure: it is told the time."""

from __future__ import annotations

from datalake_syncd.adapters.azcopy.output import Progress

# azcopy speaks every two seconds once it has read its list; these many seconds of silence are
# far beyond a busy machine.
SILENT_AT_START = 300.0
SILENT = 120.0
# With failing requests azcopy retries for 16 minutes before it says so.
NETWORK_TROUBLE = 90.0


class StallWatch:
    """Watches the counters of one call for growth.

    ``timeout`` is the longest time in seconds without growth; the other limits are never longer
    than it. Growth is an acknowledged byte or a finished file. While not one request has failed,
    a sent byte counts too: a large file in a single request is acknowledged only at its end, and
    without failures nothing is sent twice.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout
        self._heard = self._grown = now
        self._speaking = False
        self._most = (0, 0, 0)
        self._errors_at_growth = 0.0
        self._errors = 0.0

    def heard(self, now: float) -> None:
        """Note that azcopy said something, whatever it was."""
        self._heard = now

    def progress(self, told: Progress, now: float) -> None:
        """New counters."""
        self._speaking = True
        self._heard = now
        self._errors = told.network_errors + told.server_busy
        sent = min(told.bytes_over_wire, told.bytes_expected) if self._errors <= 0 else 0
        finished = told.files_done + told.files_failed + told.files_skipped
        counters = (told.bytes_done, finished, sent)
        if any(new > old for new, old in zip(counters, self._most, strict=True)):
            self._most = tuple(map(max, counters, self._most))  # type: ignore[assignment]
            self._grown = now
            self._errors_at_growth = self._errors

    def stuck(self, now: float) -> str | None:
        """Why azcopy counts as stuck now, or None."""
        silence = min(self._timeout, SILENT if self._speaking else SILENT_AT_START)
        if now - self._heard >= silence:
            return f"it said nothing for {now - self._heard:.0f} s"
        still = now - self._grown
        if still >= self._timeout:
            return f"nothing moved for {still:.0f} s"
        if self._errors > self._errors_at_growth and still >= min(self._timeout, NETWORK_TROUBLE):
            return f"nothing moved for {still:.0f} s while requests failed"
        return None
