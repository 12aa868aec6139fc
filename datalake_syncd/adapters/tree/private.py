"""Clearing the service's own scratch folders (azcopy's logs and plans)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from datalake_syncd.adapters.tree.removal import unlink_at
from datalake_syncd.core.errors import SyncdError

#: A folder may be cleared only below a folder that carries this file: it is ours.
OURS = ".datalake-syncd-private"


def make_private_root(root: Path) -> None:
    """Make ``root`` (mode 0700) and mark it as the service's own."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    (root / OURS).touch(mode=0o600)


def clear_private(folder: Path) -> None:
    """Remove a scratch folder and all below it; refuses one that does not lie in our own root.

    Links inside are removed as links, never followed; a missing folder is fine.
    """
    if not (folder.parent / OURS).is_file():
        raise SyncdError(
            f"{folder} is not one of this service's scratch folders",
            why=f"its parent has no {OURS} file, so nothing in it is removed",
            next_step="this is a bug: please report it",
        )
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        _clear(descriptor)
    finally:
        os.close(descriptor)
    os.rmdir(folder)


def _clear(folder: int) -> None:
    with os.scandir(folder) as listing:
        names = [entry.name for entry in listing]
    for name in names:
        told = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(told.st_mode):
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                _clear(inner)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=folder)
        else:
            unlink_at(name, folder)
