"""The file that holds a copy of the log: opened anew when it was moved away, rotated by size."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from contextlib import suppress
from pathlib import Path


class LogFile:
    """Appends whole lines; every failure is an `OSError`, and the next call tries anew.

    A file that somebody moved away (logrotate) or whose folder was made again is opened anew.
    Only a regular file is rotated; a FIFO or socket of its name is refused, a device is not.
    """

    def __init__(self, path: Path, rotate_bytes: int, copies: int) -> None:
        self.path = path
        self._rotate_bytes = rotate_bytes
        self._copies = copies
        self._descriptor: int | None = None

    def append(self, data: bytes) -> None:
        """Write one line, its newline included."""
        descriptor = self._opened()
        told = os.fstat(descriptor)
        if stat.S_ISREG(told.st_mode) and 0 < told.st_size > self._rotate_bytes - len(data):
            self.close()
            self._rotate()
            descriptor = self._opened()
        while data:
            data = data[os.write(descriptor, data) :]

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # what a network file system says at last can't be mended
                os.close(descriptor)

    def _opened(self) -> int:
        if self._descriptor is not None and not self._is_in_place(self._descriptor):
            self.close()
        if self._descriptor is None:
            # Without O_NONBLOCK a FIFO would wait for its reader.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(self.path, flags | os.O_NOCTTY, 0o640)
            mode = os.fstat(descriptor).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
                os.close(descriptor)
                raise OSError(errno.EINVAL, "is no regular file", str(self.path))
            os.set_blocking(descriptor, True)
            self._descriptor = descriptor
            self._end_torn_line(descriptor)
        return self._descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        ours = os.fstat(descriptor)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def _end_torn_line(self, descriptor: int) -> None:
        """A disk that got full in the middle of a line left a part of it."""
        size = os.fstat(descriptor).st_size
        if size == 0 or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        last = b""
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(size - 1)
            last = file.read(1)
        if last not in (b"", b"\n"):
            os.write(descriptor, b"\n")

    def _rotate(self) -> None:
        """``x`` becomes ``x.1``, that becomes ``x.2``; the oldest is replaced."""
        names = [self.path, *(self._aside(number) for number in range(1, self._copies + 1))]
        for old, new in reversed(list(itertools.pairwise(names))):
            with suppress(FileNotFoundError):
                os.replace(old, new)

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
