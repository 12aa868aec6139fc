"""The machine: azcopy, room for state and log, the kernel's limit of watches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from datalake_syncd.adapters import disk, events, mounts
from datalake_syncd.adapters.azcopy import TESTED_VERSIONS, inspect
from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.steps.doctor.finding import Finding, Machine, fault, fine, from_error, warning

# A ledger of 10,000 runs and the plan files of a large transfer take about this much.
_SCARCE = 1024**3
_TOO_LITTLE = 64 * 1024**2
_SCARCE_INODES = 10_000
_TOO_FEW_INODES = 200


def azcopy(machine: Machine, _of: str) -> Iterator[Finding]:
    """Found, runs, of a version that was tested."""
    try:
        found = inspect(machine.config.azcopy.path)
    except SyncdError as error:
        yield from_error(error)
        return
    told = f"{found.version} at {escape(str(found.path))}, SHA-256 {found.sha256}"
    if found.tested:
        yield fine(told)
    else:
        yield warning(
            f"{told}; this version was not tested",
            f"install azcopy {TESTED_VERSIONS[-1]} and set azcopy.path to it",
        )


def state(machine: Machine, _of: str) -> Iterator[Finding]:
    """The state directory: on a local disk, writable, with room."""
    folder = machine.config.daemon.state_dir
    if mounts.is_network(folder):
        yield fault(
            f"{escape(str(folder))} is on a network file system "
            f"({mounts.filesystem_type(folder)}): SQLite loses data where locks are not exact",
            "set daemon.state_dir to a folder on a local disk",
        )
    yield _room(folder, is_state=True)


def log(machine: Machine, _of: str) -> Iterator[Finding]:
    """The copy of the log: its folder is there, writable, with room."""
    file = machine.config.log.file
    if file is None:
        yield fine("no copy of the log is configured; it goes to stdout")
        return
    if not file.parent.is_dir():
        yield warning(
            f"the folder {escape(str(file.parent))} is not there, so that no copy is written",
            f"mkdir {escape(str(file.parent))}, owned by the service's user",
        )
        return
    if file.exists() and not file.is_file() and not file.is_char_device():
        yield warning(
            f"{escape(str(file))} is no regular file, so that no copy is written",
            "move away what is there, or change log.file",
        )
        return
    yield _room(file.parent, is_state=False)


def watches(machine: Machine, _of: str) -> Iterator[Finding]:
    """Whether the kernel lets us watch as many folders as we would."""
    local = [
        name
        for name, one in machine.config.instruments.items()
        if not mounts.is_network(one.source)
    ]
    needed = len(local) * (1 + events.MOST_RUNS)
    most, instances = events.limit("watches"), events.limit("instances")
    if not local:
        yield fine("all sources are on network file systems, which are polled")
    elif most is None:
        yield fine(f"up to {needed} watches may be used; the kernel does not tell its limit")
    elif needed > most or instances == 0:
        yield warning(
            f"up to {needed} watches may be used, the kernel allows {min(most, instances or 0)}; "
            "runs are then found by the periodic scan alone, later",
            f"sysctl fs.inotify.max_user_watches={max(8192, 2 * needed)}",
        )
    else:
        yield fine(f"up to {needed} watches may be used, the kernel allows {most}")


def _room(folder: Path, *, is_state: bool) -> Finding:
    shown = escape(str(folder))
    # Without the copy of the log runs go on; without the ledger nothing does.
    judged = fault if is_state else warning
    try:
        found = disk.room(folder)
    except OSError as error:
        return judged(f"{shown} can't be looked at: {error.strerror}", "give the service access")
    if found.read_only:
        return judged(f"{shown} is on a read-only file system", "mount it writable")
    if not found.writable:
        there = shown if found.place == folder else f"{escape(str(found.place))} (for {shown})"
        return judged(
            f"{there} can't be written by this user",
            f"mkdir -p {shown} && chown USER {shown}, with the service's user",
        )
    free = f"{format_bytes(found.free)} of {format_bytes(found.size)} free"
    if found.inodes is not None:
        free += f", {found.inodes} inodes"
    lacks = found.inodes is not None and found.inodes < _TOO_FEW_INODES
    scarce = found.inodes is not None and found.inodes < _SCARCE_INODES
    step = f"free some space on the disk of {shown}"
    if lacks or found.free < _TOO_LITTLE:
        return judged(f"{shown}: only {free}", step)
    if scarce or found.free < _SCARCE:
        return warning(f"{shown}: only {free}", step)
    return fine(f"{shown}: {free}")
