"""What this user may do with a source: read its runs, rename them, empty them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.adapters.tree.trash import TRASH

_MOST = 200


@dataclass(frozen=True, slots=True)
class Access:
    """Found by looking, nothing is written. Names are of folders directly in the source.

    ``unreadable`` can't be listed. ``fixed`` can't be renamed away or emptied by this user,
    ``elsewhere`` lie on another file system, so that no rename takes them to the trash.
    """

    folders: int
    unreadable: tuple[str, ...]
    read_only: bool
    writable: bool
    fixed: tuple[str, ...]
    elsewhere: tuple[str, ...]


def access_of(source: Path, tick: Callable[[], None]) -> Access:
    """Look at a source and at up to 200 of its folders. Raises what `tree.look` raises."""
    unreadable, fixed, elsewhere = [], [], []
    count = 0
    try:
        top = os.stat(source)
        with os.scandir(source) as entries:
            for entry in entries:
                tick()
                if not entry.is_dir(follow_symlinks=False):
                    continue
                count += 1
                if count > _MOST:
                    break
                found = entry.stat(follow_symlinks=False)
                if found.st_dev != top.st_dev:
                    elsewhere.append(entry.name)
                if entry.name == TRASH:
                    count -= 1
                elif not _listable(entry.path):
                    unreadable.append(entry.name)
                if _sticky_for_us(top, found) or not os.access(entry.path, os.W_OK | os.X_OK):
                    fixed.append(entry.name)
        told = os.statvfs(source)
    except OSError as error:
        raise classify(error, str(source)) from error
    return Access(
        folders=count,
        unreadable=tuple(sorted(unreadable)),
        read_only=bool(told.f_flag & os.ST_RDONLY),
        writable=os.access(source, os.W_OK | os.X_OK),
        fixed=tuple(sorted(fixed)),
        elsewhere=tuple(sorted(elsewhere)),
    )


def _listable(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            next(entries, None)
    except OSError:
        return False
    return os.access(path, os.X_OK)


def _sticky_for_us(top: os.stat_result, entry: os.stat_result) -> bool:
    """In a sticky folder only the owner of a run, of the folder, or root may rename it."""
    us = os.geteuid()
    return bool(top.st_mode & stat.S_ISVTX) and us not in (0, top.st_uid, entry.st_uid)
