"""Pruning on disk: rename into the trash, check, unlink by plan only, ``rmdir`` only, undo.

The trash is ``.datalake-syncd-trash/`` beside the runs, on the same file system, so that a
rename moves a whole run at once and ``undo`` brings it back as it was. Nothing here follows
a link, crosses a file system or removes a file that the plan does not name.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.adapters.tree.folders import Folders, opened, remove_folders
from datalake_syncd.core.errors import NeedsPerson, SourceOffline
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem

TRASH = ".datalake-syncd-trash"


@dataclass(frozen=True, slots=True)
class Emptied:
    """What emptying the trash of one run did."""

    unlinked: int
    freed: int
    already_gone: int
    left: tuple[str, ...]
    interrupted: bool = False


def is_there(source: Path, name: str, *, trash: bool = False) -> bool:
    """Whether a directory of that name is below the source (or its trash); errors are raised."""
    folder = source / TRASH if trash else source
    try:
        return stat.S_ISDIR(os.lstat(folder / name).st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise classify(error, name) from error


def names(source: Path) -> list[str]:
    """What lies in the source's trash; raises ``SourceOffline`` when it can't be read."""
    try:
        return os.listdir(source / TRASH)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise classify(error, TRASH) from error


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
    tick: Callable[[], None] = lambda: None,
) -> list[str]:
    """Files of the plan that are not in the trash as they were hashed, at most ``most``, escaped.

    To be called right after the rename: a file that was written between its hash and the
    rename shows here, and the run goes back. ``renamed``: files were renamed by themselves,
    which gives them a new ctime. Raises ``SourceOffline`` when the folder itself is away.
    """
    found: list[str] = []
    try:
        with opened(source) as top, opened(TRASH, top) as trash, opened(trash_name, trash) as run:
            folders = Folders(run)
            try:
                for item in plan:
                    if len(found) == most:
                        break
                    now = folders.file(item.path)
                    tick()
                    if now is not None and renamed:
                        now = replace(now, ctime_ns=item.stat.ctime_ns)
                    if now is None or now != item.stat:
                        found.append(escape(item.path))
            finally:
                folders.close()
    except OSError as error:
        # The run was there a moment ago: whatever the errno, it is the disk that is away.
        raise SourceOffline(
            f"{escape(trash_name)} in {TRASH} can't be looked at: {error.strerror}",
            why="the run is in the trash as a whole; nothing is unlinked",
            next_step="check the mount; the service goes on by itself when it is back",
        ) from error
    return found


def missing(
    source: Path,
    trash_name: str,
    plan: Sequence[PlanItem],
    tick: Callable[[], None] = lambda: None,
) -> set[str]:
    """The files of the plan that are no longer in the trash: emptying it had begun."""
    if not is_there(source, trash_name, trash=True):
        return {item.path for item in plan}
    try:
        with opened(source) as top, opened(TRASH, top) as trash, opened(trash_name, trash) as run:
            folders = Folders(run)
            try:
                found = set()
                for item in plan:
                    tick()
                    if folders.file(item.path) is None:
                        found.add(item.path)
                return found
            finally:
                folders.close()
    except OSError as error:
        raise classify(error, trash_name) from error


def empty(
    source: Path,
    trash_name: str,
    plan: Sequence[PlanItem],
    *,
    before_each: Callable[[], None] = lambda: None,
    after_each: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Emptied:
    """Unlink exactly the files of the plan that are still the same, then the empty folders.

    ``before_each`` is called right before an unlink, and may raise to prevent it.

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
                folders = Folders(run)
                try:
                    for item in plan:
                        if should_stop():
                            return Emptied(unlinked, freed, gone, (), interrupted=True)
                        outcome = folders.remove(item, before_each)
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
