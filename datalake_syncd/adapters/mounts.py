"""The mount table: which file system a path is on, without ever touching the path.

A share that hangs blocks whoever looks at it, so nothing here does: paths are compared with
/proc/self/mountinfo, and symlinks are followed only while they lie on local file systems.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from datalake_syncd.config.filesystems import NETWORK_TYPES, is_network_type

__all__ = ["NETWORK_TYPES", "Mount", "filesystem_type", "is_mount_point", "is_network", "mount_of"]

MOUNTINFO = Path("/proc/self/mountinfo")

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table."""

    number: int
    parent: int
    point: str
    filesystem_type: str
    device: str  # major:minor
    source: str


def mount_of(path: Path, mountinfo: Path = MOUNTINFO) -> Mount | None:
    """The mount that a path is on, also of a path that does not exist; None if unknown.

    An autofs trigger counts only while nothing is mounted on it.
    """
    table = read_table(mountinfo)
    resolved = _resolved(os.path.abspath(path), table)
    return None if resolved is None else _covering(resolved, table)


def filesystem_type(path: Path, mountinfo: Path = MOUNTINFO) -> str | None:
    """The type of the file system that a path is on, e.g. ``ext4``, ``cifs``; None if unknown.

    ``autofs`` means that the share is not mounted now and the next access will try to.
    """
    mount = mount_of(path, mountinfo)
    return None if mount is None else mount.filesystem_type


def is_network(path: Path, mountinfo: Path = MOUNTINFO) -> bool:
    """True when a path is behind a network, or may be: poll it, expect no events from it."""
    return is_network_type(filesystem_type(path, mountinfo))


def is_mount_point(path: Path, mountinfo: Path = MOUNTINFO) -> bool:
    """True when something is mounted exactly here. An autofs trigger alone is not enough.

    Autofs mounts at the first access: look into the folder first (in a thread that may hang),
    then ask.
    """
    table = read_table(mountinfo)
    resolved = _resolved(os.path.abspath(path), table)
    if resolved is None:
        return False
    mount = _covering(resolved, table)
    return mount is not None and mount.point == resolved and mount.filesystem_type != "autofs"


def read_table(mountinfo: Path = MOUNTINFO) -> tuple[Mount, ...]:
    """The mount table as it is now, in the order of mounting; empty if it can't be read."""
    try:
        return _parsed(mountinfo.read_bytes())
    except OSError:
        return ()


@functools.lru_cache(maxsize=2)
def _parsed(data: bytes) -> tuple[Mount, ...]:
    # Read at every scan, and nearly always the same.
    mounts = []
    for line in data.split(b"\n"):
        fields = line.split(b" ")
        # 22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw: optional fields end at "-".
        try:
            separator = fields.index(b"-", 6)
            mounts.append(
                Mount(
                    number=int(fields[0]),
                    parent=int(fields[1]),
                    device=os.fsdecode(fields[2]),
                    point=_unescaped(fields[4]),
                    filesystem_type=_unescaped(fields[separator + 1]),
                    source=_unescaped(fields[separator + 2]),
                )
            )
        except (ValueError, IndexError):
            continue  # an empty or unknown line
    return tuple(mounts)


def _covering(path: str, table: tuple[Mount, ...]) -> Mount | None:
    """Walk down from the root as the kernel does; a mount hidden below a later one is not met."""
    numbers = {mount.number for mount in table}
    roots = [m for m in table if m.parent not in numbers or m.parent == m.number]
    starts = [mount for mount in roots if _is_below(path, mount.point)]
    if not starts:
        return None
    # In a container or chroot the root itself may be absent: begin at the nearest we have.
    current = max(starts, key=lambda mount: (len(mount.point), table.index(mount)))
    passed = {current.number}
    while True:
        below = [
            mount
            for mount in table
            if mount.parent == current.number
            and mount.number not in passed
            and _is_below(path, mount.point)
        ]
        if not below:
            return current
        # The first mount point met on the way down; of two on one point the later is on top.
        nearest = min(len(mount.point) for mount in below)
        current = [mount for mount in below if len(mount.point) == nearest][-1]
        passed.add(current.number)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder == "/" else f"{folder}/")


def _resolved(path: str, table: tuple[Mount, ...]) -> str | None:
    """The path with the symlinks on local file systems followed; None for a loop of them."""
    links = 0
    done, ahead = "/", [part for part in path.split("/") if part]
    while ahead:
        part = ahead.pop(0)
        if part == "..":
            done = os.path.dirname(done)
            continue
        here = os.path.join(done, part)
        mount = _covering(here, table)
        if mount is None or is_network_type(mount.filesystem_type):
            # From here on nothing may be touched: the rest is taken as it is written.
            return os.path.normpath(os.path.join(here, *ahead))
        try:
            target = os.readlink(here)
        except OSError:
            done = here
            continue
        links += 1
        if links > _MAX_LINKS:
            return None
        if target.startswith("/"):
            done = "/"
        ahead = [part for part in target.split("/") if part not in {"", "."}] + ahead
    return done


def _unescaped(field: bytes) -> str:
    """Spaces, tabs, newlines and backslashes are written as three octal digits."""
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))
