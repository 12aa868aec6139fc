"""Files and folders of a growing data set on their way into the trash and back.

Each entry is renamed by itself, inside folders that are opened component by component, so that
no link is followed. Doing it twice changes nothing: what was moved before is found moved.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.adapters.tree.folders import opened, remove_folders
from datalake_syncd.adapters.tree.trash import TRASH, not_moved
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PlanItem

_NOREPLACE = 1  # RENAME_NOREPLACE of <linux/fs.h>
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def entries_of(files: Sequence[tuple[str, str]]) -> list[str]:
    """What is renamed for (path, unit) pairs: the unit's folder, or the file by itself."""
    found = {unit if path.startswith(f"{unit}/") else path: None for path, unit in files}
    return list(found)


def move_entries(
    source: Path,
    base: str,
    entries: Sequence[str],
    trash_name: str,
    *,
    before_each: Callable[[], None] = lambda: None,
    after_each: Callable[[], None] = lambda: None,
) -> None:
    """Rename entries below ``source / base`` to the same paths below a folder of the trash.

    ``before_each`` is called right before a rename, and may raise to prevent it.
    """
    try:
        with opened(source) as top:
            with suppress(FileExistsError):
                os.mkdir(TRASH, 0o750, dir_fd=top)
            with opened(TRASH, top) as trash, suppress(FileExistsError):
                os.mkdir(trash_name, 0o750, dir_fd=trash)
            _rename_all(top, base, f"{TRASH}/{trash_name}", entries, before_each, after_each)
    except OSError as error:
        raise not_moved(error, entries[0], source) from error


def bring_entries_back(
    source: Path,
    base: str,
    entries: Sequence[str],
    trash_name: str,
    *,
    before_each: Callable[[], None] = lambda: None,
    after_each: Callable[[], None] = lambda: None,
) -> None:
    """The reverse of ``move_entries``; refuses when a place is taken, then moves nothing there."""
    try:
        with opened(source) as top:
            _rename_all(top, f"{TRASH}/{trash_name}", base, entries, before_each, after_each)
            with opened(TRASH, top) as trash:
                with opened(trash_name, trash) as batch:
                    left = remove_folders(batch, "")
                if not left:
                    os.rmdir(trash_name, dir_fd=trash)
    except OSError as error:
        raise not_moved(error, entries[0], source) from error


def in_place(
    source: Path, base: str, plan: Sequence[PlanItem], tick: Callable[[], None] = lambda: None
) -> set[str]:
    """The files of the plan that lie below ``source / base`` with their size and time of change.

    A rename gives another ctime, and a share that was mounted anew other inodes.
    """
    found: set[str] = set()
    for item in plan:
        tick()
        try:
            told = os.lstat(source / base / item.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise classify(error, item.path) from error
        same = (told.st_size, told.st_mtime_ns) == (item.stat.size, item.stat.mtime_ns)
        if same and stat.S_ISREG(told.st_mode):
            found.add(item.path)
    return found


def rename_to_free_name(name: str, before: int, after: int) -> None:
    """Rename between two open folders; ``FileExistsError`` when the name is taken there.

    Linux looks and renames in one: an instrument may make a file of that name at any moment.
    Some shares can't do that; there it is looked at just before.
    """
    if _renameat2 is not None:
        raw = os.fsencode(name)
        if _renameat2(before, raw, after, raw, _NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
            raise OSError(number, os.strerror(number), name)
    if _exists(name, after):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
    os.rename(name, name, src_dir_fd=before, dst_dir_fd=after)


def _rename_all(
    top: int,
    above_from: str,
    above_to: str,
    entries: Sequence[str],
    before_each: Callable[[], None],
    after_each: Callable[[], None],
) -> None:
    for entry in entries:
        parent, _, name = entry.rpartition("/")
        with (
            _walk(top, _joined(above_from, parent), make=False) as before,
            _walk(top, _joined(above_to, parent), make=True) as after,
        ):
            there = before is not None and _exists(name, before)
            if not there or before is None or after is None:
                continue  # moved by an earlier try, or gone: the caller's check tells
            if os.fstat(before).st_dev != os.fstat(after).st_dev:
                raise NeedsPerson(
                    f"{escape(entry)} lies on another file system than its trash",
                    why="only a rename within one file system moves it safely",
                    next_step="unmount what is mounted there, or set prune.enabled = false",
                )
            before_each()
            try:
                rename_to_free_name(name, before, after)
            except FileExistsError as error:
                taken, other = (
                    escape("/".join([*_joined(above, parent), name]))
                    for above in (above_to, above_from)
                )
                raise NeedsPerson(
                    f"{taken} is already there; the other one is {other}",
                    why="nothing is ever replaced",
                    next_step="look at both, move one of them away, and try again",
                ) from error
            os.fsync(after)
            os.fsync(before)
        after_each()


def _joined(above: str, parent: str) -> list[str]:
    return [part for part in f"{above}/{parent}".split("/") if part]


@contextmanager
def _walk(top: int, parts: Sequence[str], *, make: bool) -> Iterator[int | None]:
    """The folder at the end of ``parts``, made where it is missing; None when it is not there."""
    with ExitStack() as stack:
        folder = top
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o750, dir_fd=folder)
            try:
                folder = stack.enter_context(opened(part, folder))
            except FileNotFoundError:
                yield None
                return
        yield folder


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
