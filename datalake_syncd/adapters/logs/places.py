"""The two places of the log, as handlers: the stream, and the copy in a file.

Neither ever raises, and neither makes anybody wait for a place that does not take its lines.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from datalake_syncd.adapters.logs.copy import LogFile
from datalake_syncd.adapters.logs.outlet import Outlet

EXTRA = "syncd_event"
"""The attribute of a record that carries event and fields."""

# sd-daemon(3): "<3>" at the start of a line is its priority for the journal.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


class Ours:
    """Marks the handlers that `configure` replaces; none of them ever raises."""

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing: a log that can't be written stops no transfer."""


class StreamHandler(Ours, logging.Handler):
    """The stream: what it does not take is kept, then dropped and counted, never waited for."""

    def __init__(self, stream: IO[str], *, journal: bool) -> None:
        super().__init__()
        self._journal = journal
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._pour, self._let_go = _pouring(stream)
        self._outlet = Outlet("log", self._write)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's line over."""
        try:
            self._outlet.put(self._bytes(record))
        except Exception:  # noqa: BLE001 - as all handlers of logging do
            self.handleError(record)

    def close(self) -> None:
        """End the thread, if the place lets it."""
        if self._outlet.close():
            # Once: the number of a closed descriptor may be the ledger's a moment later.
            let_go, self._let_go = self._let_go, lambda: None
            let_go()
        super().close()

    def _bytes(self, record: logging.LogRecord) -> bytes:
        text = self.format(record)
        if self._journal:
            priority = f"<{_PRIORITIES.get(record.levelno, 2 if record.levelno > 40 else 6)}>"
            text = "\n".join(priority + line for line in text.split("\n"))
        return f"{text}\n".encode(self._encoding, "backslashreplace")

    def _write(self, data: bytes, lost: int) -> None:
        # A stream whose reader went away, or a full disk under it: nobody is left to be told.
        with contextlib.suppress(OSError, ValueError):
            if lost:
                told = f"{lost} lines of the log were dropped here: nobody took them in time"
                self._pour(self._bytes(_note("log.dropped", told, lines=lost)))
            self._pour(data)


class FileHandler(Ours, logging.Handler):
    """The copy: when it can't be written it says so once, rests, tries again, and says so."""

    def __init__(self, file: LogFile, fallback: logging.Handler, *, pause: float) -> None:
        super().__init__()
        self._file = file
        self._fallback = fallback
        self._pause = pause
        self._resting_until = 0.0
        self._lost = 0
        self._hangs = False
        self.problem: str | None = None
        self._outlet = Outlet("log-copy", self._write)

    @property
    def path(self) -> Path:
        """Where the copy is."""
        return self._file.path

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's line over."""
        try:
            taken = self._outlet.put(self._bytes(record))
        except Exception:  # noqa: BLE001 - as all handlers of logging do
            self.handleError(record)
            return
        if not taken and not self._hangs:
            self._hangs = True
            self.problem = "its disk does not answer"
            told = "the copy of the log takes no more lines, they are dropped; this stream goes on"
            self._fallback.handle(_note("log.file-dropped", told, file=self._file.path))

    def close(self) -> None:
        """End the thread, if the place lets it."""
        if self._outlet.close():
            self._file.close()
        super().close()

    def _bytes(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode("utf-8", "backslashreplace")

    def _write(self, data: bytes, lost: int) -> None:
        self._lost += lost
        if time.monotonic() < self._resting_until:
            self._lost += 1
            return
        lost = self._lost
        try:
            if lost:
                told = f"{lost} lines of the log are missing here"
                self._file.append(self._bytes(_note("log.file-gap", told, lines=lost)))
            self._file.append(data)
        except OSError as error:
            self._rest(error)
            return
        self._lost = 0
        if self.problem is not None and lost:
            self.problem, self._hangs = None, False
            told = f"the copy of the log is written again; {lost} lines are missing in it"
            self._fallback.handle(
                _note("log.file-works", told, logging.INFO, file=self._file.path, lines=lost)
            )

    def _rest(self, error: OSError) -> None:
        self._lost += 1
        self._file.close()
        self._resting_until = time.monotonic() + self._pause
        first, self.problem = self.problem is None, error.strerror or str(error)
        if first:
            told = "the copy of the log can't be written; this stream goes on"
            self._fallback.handle(_note("log.file-failed", told, file=self._file.path, error=error))


def copy_problem() -> tuple[Path, str] | None:
    """The file of the copy and why it is not written now; None when it is, or there is none."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, FileHandler) and handler.problem is not None:
            return handler.path, handler.problem
    return None


def _note(
    event: str, message: str, level: int = logging.WARNING, **fields: object
) -> logging.LogRecord:
    """A record of the log about itself."""
    record = logging.LogRecord(__name__, level, __file__, 0, message, None, None)
    setattr(record, EXTRA, (event, fields))
    return record


def _pouring(stream: IO[str]) -> tuple[Callable[[bytes], None], Callable[[], None]]:
    """How bytes get into a stream, and how to let go of it.

    Around Python's buffers where there is a descriptor: a thread that hangs in a full pipe would
    hold their lock, and whoever flushes stdout, as every command does at its end, would wait for
    it. The descriptor is one of our own.
    """
    try:
        descriptor = os.dup(stream.fileno())
    except (OSError, ValueError, AttributeError, io.UnsupportedOperation):
        encoding = getattr(stream, "encoding", None) or "utf-8"

        def write(data: bytes) -> None:
            stream.write(data.decode(encoding))
            stream.flush()

        return write, lambda: None

    def pour(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:  # whoever gave us the stream does not want to wait for it
                select.select([], [descriptor], [])

    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    return pour, lambda: os.close(descriptor)
