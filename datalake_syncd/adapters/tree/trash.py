"""Pruning on disk: rename into the trash, check, unlink by plan only, ``rmdir`` only, undo.

The trash is ``.datalake-syncd-trash/`` beside the runs, on the same file system, so that a
rename moves a whole run at once and ``undo`` brings it back as it was. Nothing here follows
a link, crosses a file system or removes a file that the plan does not name.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.adapters.tree.removal import unlink_at
from datalake_syncd.adapters.tree.walk import file_stat
from datalake_syncd.core.errors import NeedsPerson, SourceOffline
from datalake_syncd.core.model import FileStat
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem

TRASH = ".datalake-syncd-trash"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Emptied:
    """What emptying the trash of one run did."""

    unlinked: int
    freed: int
    already_gone: int
    left: tuple[str, ...]
    interrupted: bool = False


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


def is_there(source: Path, name: str, *, trash: bool = False) -> bool:
    """Whether a directory of that name is below the source (or its trash); errors are raised."""
    folder = source / TRASH if trash else source
    try:
        return stat.S_ISDIR(os.lstat(folder / name).st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise classify(error, name) from error


def move_to_trash(source: Path, name: str, trash_name: str) -> None:
    """Rename the run folder into the trash; the move is on disk when this returns."""
    try:
        with opened(source) as top, opened(name, top) as run:
            with suppress(FileExistsError):
                os.mkdir(TRASH, 0o750, dir_fd=top)
            with opened(TRASH, top) as trash:
                devices = {os.fstat(d).st_dev for d in (top, run, trash)}
                if len(devices) != 1:
                    raise NeedsPerson(
                        f"{escape(name)} lies on another file system than {source}",
                        why="only a rename within one file system moves a run safely",
                        next_step="unmount what is mounted there, or keep the run",
                    )
                _must_be_free(trash_name, trash)
                os.rename(name, trash_name, src_dir_fd=top, dst_dir_fd=trash)
                os.fsync(trash)
            os.fsync(top)
    except OSError as error:
        raise not_moved(error, name, source) from error


def bring_back(source: Path, trash_name: str, name: str) -> None:
    """Rename a run from the trash to its old place; refuses when that is taken."""
    try:
        with opened(source) as top, opened(TRASH, top) as trash:
            _must_be_free(name, top)
            os.rename(trash_name, name, src_dir_fd=trash, dst_dir_fd=top)
            os.fsync(top)
            os.fsync(trash)
    except OSError as error:
        raise not_moved(error, name, source) from error


def _must_be_free(name: str, folder: int) -> None:
    # rename() would silently replace an empty directory.
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    raise NeedsPerson(
        f"{escape(name)} is already there",
        why="nothing is ever replaced",
        next_step="look at both, move one of them away, and try again",
    )


def not_moved(error: OSError, name: str, source: Path) -> Exception:
    """The error that tells a person why something could not be moved or unlinked."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NeedsPerson(
            f"{escape(name)} can't be moved: {error.strerror}",
            why="freeing the disk needs write access to the source, which is read-only here",
            next_step=(
                f"mount {source} writable for the service's user, or set prune.enabled = false"
            ),
        )
    return classify(error, name)


def strangers(
    source: Path,
    trash_name: str,
    plan: Sequence[PlanItem],
    most: int = 20,
    *,
    renamed: bool = False,
) -> list[str]:
    """Files of the plan that are not in the trash as they were hashed, at most ``most``, escaped.

    To be called right after the rename: a file that was written between its hash and the
    rename shows here, and the run goes back. ``renamed``: files were renamed by themselves,
    which gives them a new ctime.
    """
    found: list[str] = []
    with opened(source) as top, opened(TRASH, top) as trash, opened(trash_name, trash) as run:
        folders = _Folders(run)
        try:
            for item in plan:
                if len(found) == most:
                    break
                now = folders.file(item.path)
                if now is not None and renamed:
                    now = replace(now, ctime_ns=item.stat.ctime_ns)
                if now is None or now != item.stat:
                    found.append(escape(item.path))
        finally:
            folders.close()
    return found


def missing(source: Path, trash_name: str, plan: Sequence[PlanItem]) -> set[str]:
    """The files of the plan that are no longer in the trash: emptying it had begun."""
    if not is_there(source, trash_name, trash=True):
        return {item.path for item in plan}
    try:
        with opened(source) as top, opened(TRASH, top) as trash, opened(trash_name, trash) as run:
            folders = _Folders(run)
            try:
                return {item.path for item in plan if folders.file(item.path) is None}
            finally:
                folders.close()
    except OSError as error:
        raise classify(error, trash_name) from error


def empty(
    source: Path,
    trash_name: str,
    plan: Sequence[PlanItem],
    *,
    after_each: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Emptied:
    """Unlink exactly the files of the plan that are still the same, then the empty folders.

    A file that is already gone is counted (an earlier try was interrupted); one that is not
    the file of the plan stays and is named, as does every folder that is not empty.
    """
    unlinked = freed = gone = 0
    left: list[str] = []
    try:
        if not is_there(source, trash_name, trash=True):
            # The last try got to its end and only the record is missing.
            return Emptied(0, 0, len(plan), ())
        with opened(source) as top, opened(TRASH, top) as trash:
            with opened(trash_name, trash) as run:
                folders = _Folders(run)
                try:
                    for item in plan:
                        if should_stop():
                            return Emptied(unlinked, freed, gone, (), interrupted=True)
                        outcome = folders.remove(item)
                        if outcome is None:
                            gone += 1
                        elif outcome:
                            unlinked += 1
                            freed += item.stat.size
                        after_each()
                finally:
                    folders.close()
                left = remove_folders(run, "")
            if not left:
                os.rmdir(trash_name, dir_fd=trash)
    except OSError as error:
        raise not_moved(error, trash_name, source) from error
    return Emptied(unlinked, freed, gone, tuple(left))


class _Folders:
    """Opens parent folders of planned files, component by component, never through a link."""

    def __init__(self, run: int) -> None:
        self._run = run
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

    def remove(self, item: PlanItem) -> bool | None:
        """True: unlinked. False: it is not the file of the plan. None: already gone."""
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
            if os.fstat(inner).st_dev != os.fstat(folder).st_dev:
                left.append(escape(inner_path))
                continue
            stays = remove_folders(inner, inner_path + "/")
        if stays:
            left.extend(stays)
        else:
            os.rmdir(name, dir_fd=folder)
    return left


def source_device(source: Path) -> int:
    """``st_dev`` of the source folder; raises ``SourceOffline`` when it does not answer."""
    try:
        return os.stat(source).st_dev
    except OSError as error:
        raise SourceOffline(
            f"{source} is not there: {error.strerror}",
            why="a source that is away is never read as deletion",
            next_step="check the mount and that the instrument's computer is on",
        ) from error
