"""What goes into one call of azcopy and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from datalake_syncd.adapters.azcopy.output import FileFailure, Progress
from datalake_syncd.core.access import LakeAccess


@dataclass(frozen=True, slots=True)
class AzcopySettings:
    """How azcopy may work.

    ``cap_mbps`` in megabits per second, 0 for none; ``concurrency`` in requests, 0 for azcopy's
    own choice; ``stall_timeout`` in seconds without a moved byte; ``put_blob_mb`` in MiB, the
    largest file that goes up in one request.
    """

    cap_mbps: float = 0.0
    concurrency: int = 0
    stall_timeout: float = 900.0
    put_blob_mb: int = 256


@dataclass(frozen=True, slots=True)
class CopyJob:
    """One upload: the listed files below ``source_root``, to the same paths below a prefix.

    ``destination`` is the prefix in the container, "" for its top. ``entries`` are paths
    relative to ``source_root``, with ``/``, already known to be regular files with names that
    the lake can carry; they are read once. ``count`` is their number, ``bytes`` their size.
    ``private_root`` is a folder of this service alone, in which each call has its own.
    """

    azcopy: str | Path
    source_root: Path
    destination: str
    entries: Iterable[str]
    count: int
    bytes: int
    access: LakeAccess
    settings: AzcopySettings
    private_root: Path


@dataclass(frozen=True, slots=True)
class CopyResult:
    """All that is known of one finished call. No text in it holds a secret.

    ``returncode`` is negative when a signal ended azcopy. ``last`` are the newest counters,
    ``ended`` says that they are the final ones (EndOfJob was seen). ``doubts`` are messages
    about files that azcopy passed over while calling the job a success. ``log_notes`` are
    the other lines of its log that name a failure. ``arrived``: all of it was seen in the lake,
    and azcopy was ended for that.
    """

    root: str
    container: str
    returncode: int
    last: Progress | None = None
    ended: bool = False
    failures: tuple[FileFailure, ...] = ()
    doubts: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    stray: str = ""
    stderr: str = ""
    log_notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    stopped: bool = False
    arrived: bool = False
    stalled: bool = False
    stall_reason: str = ""
    seconds: float = 0.0
