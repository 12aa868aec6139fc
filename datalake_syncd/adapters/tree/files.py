"""Reading single files of the source: small metadata, and whole files for their MD5."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.adapters.tree.walk import file_stat
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, Stopped
from datalake_syncd.core.model import FileStat
from datalake_syncd.core.names import escape

_CHUNK = 1 << 20
# O_NONBLOCK: opening a FIFO that somebody put there meanwhile must not wait for a writer.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def top_names(folder: Path, *, configured: bool = False) -> list[str]:
    """Names in a folder, sorted; raises ``SourceChanged`` or ``SourceOffline``.

    Only a folder that the configuration names itself may be a link.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, flags if configured else flags | os.O_NOFOLLOW)
        try:
            with os.scandir(descriptor) as listing:
                return sorted(entry.name for entry in listing)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise classify(error, folder.name) from error


def is_folder(path: Path) -> bool:
    """Whether a folder, and no link to one, has this name; errors are raised as by a look."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise classify(error, path.name) from error


@contextmanager
def open_regular(path: Path | str, shown: str = "") -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file for reading, never a link, FIFO or device; gives (descriptor, stat).

    Errors call it ``shown``, or by its bare name.
    """
    shown = shown or os.path.basename(path)
    try:
        descriptor = os.open(path, _OPEN_FILE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NeedsPerson(
                f"{escape(shown)} is a symbolic link or a special file",
                why="only regular files are read",
                next_step="put the file itself there",
            ) from error
        raise classify(error, shown) from error
    try:
        told = os.fstat(descriptor)
        if not stat.S_ISREG(told.st_mode):
            raise NeedsPerson(
                f"{escape(shown)} is not a regular file",
                why="only regular files are read",
                next_step="put the file itself there",
            )
        yield descriptor, told
    finally:
        os.close(descriptor)


def read_small(path: Path, limit: int) -> bytes | None:
    """The bytes of a small file, None when it is larger than ``limit`` bytes."""
    with open_regular(path) as (descriptor, told):
        if told.st_size > limit:
            return None
        try:
            data = b""
            while len(data) <= limit:
                piece = os.read(descriptor, _CHUNK)
                if not piece:
                    return data
                data += piece
        except OSError as error:
            raise classify(error, path.name) from error
    return None


def hash_file(
    root: Path,
    relative: str,
    expected: FileStat | None,
    *,
    on_bytes: Callable[[int], None] = lambda _count: None,
    should_stop: Callable[[], bool] = lambda: False,
    also: Callable[[bytes], None] | None = None,
) -> tuple[str, FileStat]:
    """MD5 (hex) of one file, read once, and its stat, equal before and after the read.

    With ``expected``, the file must still be that one, or ``SourceChanged`` names it. A read
    that ends before the size that the file claims is an error too, never a shorter file.
    ``also`` gets the same bytes.
    """
    # Joined as text: with many small files a Path for each costs as much as its MD5.
    with open_regular(f"{root}/{relative}", relative) as (descriptor, told):
        before = file_stat(told)
        if expected is not None and before != expected:
            raise SourceChanged(_changed(relative, expected, before))
        digest = hashlib.md5(usedforsecurity=False)
        done = 0
        try:
            while piece := os.read(descriptor, _CHUNK):
                digest.update(piece)
                if also is not None:
                    also(piece)
                done += len(piece)
                on_bytes(len(piece))
                if should_stop():
                    raise Stopped
                if done > before.size:
                    break  # it grows while it is read: no use in running after its end
            after = file_stat(os.fstat(descriptor))
        except OSError as error:
            raise classify(error, relative, at=done) from error
    if after != before or done != before.size:
        raise SourceChanged(_changed(relative, before, after, done))
    return digest.hexdigest(), before


def _changed(relative: str, before: FileStat, after: FileStat, read: int | None = None) -> str:
    parts = [
        f"{name} {getattr(before, name)} -> {getattr(after, name)}"
        for name in ("size", "mtime_ns", "ctime_ns", "inode")
        if getattr(before, name) != getattr(after, name)
    ]
    if not parts:
        parts = [f"{read} bytes could be read of {before.size}"]
    return f"{escape(relative)} changed while it was carried ({', '.join(parts)})"
