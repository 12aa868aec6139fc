"""Reading what came back to a disk: a slice of it at each scan, so that no other run waits.

A file may have terabytes. What was read of it by one scan is not read again by the next one.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.core.errors import SourceChanged, Stopped
from datalake_syncd.core.model import FileStat
from datalake_syncd.core.names import escape

#: All that came back to one source may cost a scan so long (seconds).
PER_SCAN = 20.0
_PIECE = 1 << 20


class ScanBudget:
    """The seconds that one scan may spend, shared by all the runs that it visits."""

    def __init__(self, seconds: float = PER_SCAN) -> None:
        self._seconds = self._left = seconds
        self._visited: set[int] = set()

    def visit(self, run_id: int) -> bool:
        """True for the first run of a scan.

        A scan visits a run once: with one that was visited already another scan begins.
        """
        if run_id in self._visited:
            self._visited.clear()
            self._left = self._seconds
        self._visited.add(run_id)
        return len(self._visited) == 1

    @property
    def spent(self) -> bool:
        """Whether this scan has none left."""
        return self._left <= 0

    @contextmanager
    def spending(self) -> Iterator[float]:
        """Gives when it runs out, on the monotonic clock."""
        begun = time.monotonic()
        try:
            yield begun + self._left
        finally:
            self._left -= time.monotonic() - begun


@dataclass(slots=True)
class _Half:
    """A file that is read in part; ``key`` is where it is, and its identity on the disk."""

    key: tuple[Path, str, FileStat]
    done: int = 0
    digest: hashlib._Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))


class Slices:
    """Hashes one file after the other, and remembers the one that is half read."""

    def __init__(self) -> None:
        self._half: _Half | None = None

    def md5(
        self,
        root: Path,
        path: str,
        expected: FileStat,
        *,
        until: float,
        tick: Callable[[], None],
        should_stop: Callable[[], bool],
    ) -> str | None:
        """The MD5 (hex); None when ``until`` came first: the same call goes on from there.

        `SourceChanged` when the file is not, or does not stay, the one that is expected.
        """
        key = (root, path, expected)
        half, self._half = self._half, None
        if half is None or half.key != key:
            half = _Half(key)
        with tree.open_regular(root / path, path) as (descriptor, told):
            _same(path, expected, told)
            try:
                os.lseek(descriptor, half.done, os.SEEK_SET)
                while half.done <= expected.size and (piece := os.read(descriptor, _PIECE)):
                    half.digest.update(piece)
                    half.done += len(piece)
                    tick()
                    over = half.done < expected.size and time.monotonic() > until
                    if over or should_stop():
                        self._half = half
                        break
                told = os.fstat(descriptor)
            except OSError as error:
                raise classify(error, path, at=half.done) from error
        _same(path, expected, told)
        if self._half is None and half.done != expected.size:
            raise SourceChanged(f"{escape(path)} ends after {half.done} of {expected.size} bytes")
        if should_stop():
            raise Stopped
        return half.digest.hexdigest() if self._half is None else None


def _same(path: str, expected: FileStat, told: os.stat_result) -> None:
    if tree.file_stat(told) != expected:
        raise SourceChanged(f"{escape(path)} changed while it was compared")
