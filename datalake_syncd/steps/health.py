"""Whether uploads make sense now: one refusal is forgiven, a lasting one pauses all of them."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

#: After the first 401/403 (seconds): a transient one does happen.
FIRST_PAUSE = 30.0
#: After every further one, until something succeeds.
PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal led to: how long to wait, and whether a person must be told now."""

    wait: float
    alarm: bool


class Health:
    """Counts refusals of our credentials in a row; safe to call from any thread."""

    def __init__(self, first_pause: float = FIRST_PAUSE, pause: float = PAUSE) -> None:
        self._first_pause = first_pause
        self._pause = pause
        self._lock = threading.Lock()
        self._refusals = 0
        self._alarmed = False
        self._paused_until: float | None = None

    def refused(self, now: float) -> Refusal:
        """The lake refused our credentials at ``now`` (monotonic seconds)."""
        with self._lock:
            self._refusals += 1
            if self._refusals == 1:
                return Refusal(self._first_pause, alarm=False)
            self._paused_until = now + self._pause
            alarm, self._alarmed = not self._alarmed, True
            return Refusal(self._pause, alarm=alarm)

    def accepted(self) -> bool:
        """The lake took something; True when that ends an alarm."""
        with self._lock:
            ended, self._alarmed = self._alarmed, False
            self._refusals = 0
            self._paused_until = None
            return ended

    def may_upload(self, now: float) -> bool:
        """False while all uploads are paused."""
        with self._lock:
            return self._paused_until is None or now >= self._paused_until

    def ask_again(self) -> None:
        """A person says that it is mended: try at once."""
        with self._lock:
            self._paused_until = None


def from_environment() -> Health:
    """Pauses after a refusal; ``SYNCD_AUTH_PAUSES="1,3"`` (seconds) is for tests and rehearsals."""
    first, _, later = os.environ.get("SYNCD_AUTH_PAUSES", "").partition(",")
    return Health(float(first), float(later)) if first and later else Health()
