"""Folders opened by descriptor, part by part: no link is followed, no other file system entered."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from datalake_syncd.adapters.tree.crossing import place
from datalake_syncd.adapters.tree.removal import unlink_at
from datalake_syncd.adapters.tree.walk import file_stat
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.model import FileStat
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: str | Path, dir_fd: int | None = None) -> Iterator[int]:
    """A directory's descriptor; below ``dir_fd`` no link is followed."""
    # The configured source may be a link; nothing below it is followed.
    flags = _DIRECTORY if dir_fd is not None else _DIRECTORY & ~os.O_NOFOLLOW
    descriptor = os.open(path, flags, dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Folders:
    """Opens parent folders of planned files, component by component, never through a link."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._place = place(run)
        self._path: str | None = None
        self._open: int | None = None
        # Unlinking one of several hard links changes the ctime of the others.
        self._links_cut: set[int] = set()

    def _parent(self, path: str) -> int | None:
        parent = path.rpartition("/")[0]
        if parent == self._path and self._open is not None:
            return self._open
        self.close()
        descriptor = os.dup(self._run)
        try:
            for part in parent.split("/") if parent else ():
                inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
                if place(descriptor) != self._place:
                    raise NeedsPerson(
                        f"something is mounted at {escape(parent)}, in a run that is pruned",
                        why="what is mounted there is not what was carried; nothing is unlinked",
                        next_step="unmount it, then: datalake-syncd retry RUN",
                    )
        except NeedsPerson:
            os.close(descriptor)
            raise
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        self._path, self._open = parent, descriptor
        return descriptor

    def file(self, path: str) -> FileStat | None:
        """Stat of a regular file, None when it is gone or something else."""
        parent = self._parent(path)
        if parent is None:
            return None
        try:
            told = os.stat(path.rpartition("/")[2], dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return file_stat(told) if stat.S_ISREG(told.st_mode) else None

    def remove(self, item: PlanItem, before: Callable[[], None] = lambda: None) -> bool | None:
        """True: unlinked. False: it is not the file of the plan. None: already gone.

        ``before`` is called right before the unlink, and may raise to prevent it.
        """
        parent = self._parent(item.path)
        name = item.path.rpartition("/")[2]
        try:
            if parent is None:
                raise FileNotFoundError
            told = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            self._links_cut.add(item.stat.inode)
            return None
        now = file_stat(told)
        if item.stat.inode in self._links_cut:
            now = replace(now, ctime_ns=item.stat.ctime_ns)
        if not stat.S_ISREG(told.st_mode) or now != item.stat:
            return False
        before()
        unlink_at(name, parent)
        if told.st_nlink > 1:
            self._links_cut.add(item.stat.inode)
        return True

    def close(self) -> None:
        """Close what is open."""
        if self._open is not None:
            os.close(self._open)
        self._open = self._path = None


def remove_folders(folder: int, path: str) -> list[str]:
    """``rmdir`` every empty directory below; gives what stays, escaped."""
    left: list[str] = []
    with os.scandir(folder) as listing:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
    for name, is_folder in entries:
        inner_path = f"{path}{name}"
        if not is_folder:
            left.append(escape(inner_path))
            continue
        with opened(name, folder) as inner:
            if place(inner) != place(folder):
                left.append(escape(inner_path))
                continue
            stays = remove_folders(inner, inner_path + "/")
        if stays:
            left.extend(stays)
        else:
            os.rmdir(name, dir_fd=folder)
    return left
