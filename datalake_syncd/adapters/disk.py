"""Room on a file system: bytes and inodes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Room:
    """What is left for this user below ``place``, the folder itself or the nearest that is there.

    ``inodes`` is None on file systems that make them as they are needed.
    """

    place: Path
    free: int
    size: int
    inodes: int | None
    read_only: bool
    writable: bool


def room(folder: Path) -> Room:
    """Look at the file system of a folder that may not be there yet. Raises `OSError`."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    found = os.statvfs(place)
    return Room(
        place=place,
        free=found.f_bavail * found.f_frsize,
        size=found.f_blocks * found.f_frsize,
        inodes=found.f_favail if found.f_files else None,
        read_only=bool(found.f_flag & os.ST_RDONLY),
        writable=os.access(place, os.W_OK | os.X_OK),
    )
