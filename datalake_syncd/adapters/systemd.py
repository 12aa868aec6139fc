"""What the service manager is told (sd_notify): ready, a sentence, signs of life, reloading."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

#: Seconds that one message may take. The manager reads at once; nothing here waits for it.
_PATIENCE = 1.0
#: systemd takes 4096 bytes for a whole message, and shows a line.
_LONGEST_STATUS = 1000


class Notifier:
    """Speaks to systemd's socket; without ``NOTIFY_SOCKET`` everything here does nothing.

    Nothing is raised: a manager that does not listen must not end a transfer.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL byte that begins the name of an abstract socket.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog = _watchdog(environ)

    @property
    def is_heard(self) -> bool:
        """Whether there is a manager to speak to."""
        return bool(self._address)

    @property
    def watchdog(self) -> float | None:
        """Seconds after which the manager kills us without a sign of life; None: never."""
        return self._watchdog if self.is_heard else None

    def ready(self, status: str) -> bool:
        """Start-up, or a reload, is over."""
        return self._say("READY=1", _status(status))

    def status(self, status: str) -> bool:
        """One sentence for ``systemctl status``."""
        return self._say(_status(status))

    def alive(self) -> bool:
        """A sign of life for the watchdog."""
        return self._say("WATCHDOG=1")

    def reloading(self) -> bool:
        """The configuration is being read again; ``ready`` ends it.

        systemd from 253 on (``Type=notify-reload``) also wants to know when.
        """
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._say("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> bool:
        """We are ending; no more signs of life will come."""
        return self._say("STOPPING=1", _status("stopping: runs are left as they are"))

    def _say(self, *lines: str) -> bool:
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.settimeout(_PATIENCE)
                to.connect(self._address)
                to.sendall("\n".join(lines).encode(errors="replace"))
        except (OSError, ValueError):  # ValueError: a name that no socket can have
            return False
        return True


def _status(sentence: str) -> str:
    # A line break would begin another message.
    return f"STATUS={' '.join(sentence.split())[:_LONGEST_STATUS]}"


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds of ``WATCHDOG_USEC``, if it is meant for this process."""
    told, meant_for = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not told.isdigit() or not int(told):
        return None
    if meant_for and meant_for != str(os.getpid()):
        return None
    return int(told) / 1_000_000
