"""What an errno of the source means for a run."""

from __future__ import annotations

import errno

from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline, SyncdError
from datalake_syncd.core.names import escape

# A disk that says "no such file" under a live mount means just that; everything that a network
# file system says when its server is away must never be read as "the file is gone".
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_DENIED = {errno.EACCES, errno.EPERM}


def classify(error: OSError, path: str, at: int | None = None) -> SyncdError:
    """Turn an operating-system error about ``path`` (raw or escaped) into one of our kinds.

    ``at`` is the byte from which the read that failed began.
    """
    shown = escape(path)
    text = error.strerror or str(error)
    if error.errno in _GONE:
        return SourceChanged(
            f"{shown} vanished or was replaced while it was read ({text})",
            why="the run is looked at again until it stands still",
        )
    if error.errno in _DENIED:
        return NeedsPerson(
            f"{shown} can't be read: {text}",
            why="a file that can't be read can't be carried",
            next_step="give the service's user read access to it, then: datalake-syncd retry RUN",
        )
    where = "" if at is None else f" from byte {at}"
    return SourceOffline(
        f"reading {shown}{where} failed: {text} (errno {error.errno})",
        why="the source's disk or share has a fault, or its server is away",
        next_step="check the mount and the instrument's disk; the service tries again by itself",
    )
