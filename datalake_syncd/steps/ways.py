"""Where the path of a file differs between disk and lake.

azcopy keeps the path below its source folder, so it can only carry files together for which the
part that differs is the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """The folders that differ: ``local`` below the run's folder, ``lake`` below its prefix."""

    local: str
    lake: str


_SAME = Way("", "")


def way_between(path: str, lake_path: str) -> Way | None:
    """The way of a file, None when its very name is another one in the lake."""
    if path == lake_path:
        return _SAME
    local, lake = path.split("/"), lake_path.split("/")
    same = 0
    while same < min(len(local), len(lake)) and local[-1 - same] == lake[-1 - same]:
        same += 1
    if same == 0:
        return None
    return Way("/".join(local[:-same]), "/".join(lake[:-same]))
