"""A service manager for tests: the socket that systemd would listen on, and what came in."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Manager:
    """Collects the messages of sd_notify; ``address`` is what NOTIFY_SOCKET would be.

    ``messages`` are (seconds on the monotonic clock, {key: value}).
    """

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        path = f"{folder}/notify"
        self.address = f"@{path}" if abstract else path
        self.messages: list[tuple[float, dict[str, str]]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{path}" if abstract else path)
        self._socket.settimeout(0.1)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                lines = self._socket.recv(8192).decode().split("\n")
                told = dict(line.split("=", 1) for line in lines)
                self.messages.append((time.monotonic(), told))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()

    def told(self, key: str) -> list[str]:
        """All values of a key so far."""
        return [message[key] for _, message in list(self.messages) if key in message]

    def times(self, key: str) -> list[float]:
        """When a key came."""
        return [at for at, message in list(self.messages) if key in message]
