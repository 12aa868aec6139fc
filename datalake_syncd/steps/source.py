"""Is the source there? A missing, empty, changed or silent source is offline, never deletion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datalake_syncd.adapters import mounts, tree
from datalake_syncd.adapters.ledger import InstrumentRow
from datalake_syncd.adapters.tree import trash
from datalake_syncd.config import Instrument
from datalake_syncd.core.errors import SourceOffline, SyncdError


@dataclass(frozen=True, slots=True)
class SourceView:
    """One listing of a source that may be believed: its names and its ``st_dev``."""

    names: tuple[str, ...]
    device: int


def view(
    instrument: Instrument,
    known: InstrumentRow | None,
    expected: frozenset[str],
    tick: Callable[[], None],
) -> SourceView:
    """List the source, or raise ``SourceOffline`` with what is wrong with it.

    ``expected`` are the names of runs that should still be on the disk. A new ``st_dev`` is
    normal for a share that was mounted again; it is another disk when none of them is there.
    """
    source = instrument.source
    # The first access makes autofs mount; only then does the mount table tell the truth.
    device = trash.source_device(source)
    tick()
    if instrument.require_mount and not mounts.is_mount_point(source):
        raise _offline(source, "is not a mount point", "require_mount = true asks for one")
    try:
        names = tuple(tree.top_names(source, configured=True))
    except SourceOffline:
        raise
    except SyncdError as error:
        raise _offline(source, f"can't be listed: {error}", "") from error
    if not names and known is not None and known.ever_seen_runs:
        raise _offline(source, "is empty where runs were before", "the share is probably away")
    other_device = known is not None and known.device is not None and known.device != device
    if other_device and expected and not expected & set(names):
        raise _offline(
            source,
            "is another file system than before, with none of the known runs on it",
            "another disk may be mounted there",
            "mount the right disk; one that replaces it for good is taken when it has another "
            "path: set source to that",
        )
    return SourceView(names, device)


def _offline(
    source: Path,
    what: str,
    why: str,
    next_step: str = "check the mount and that the instrument's computer is on",
) -> SourceOffline:
    return SourceOffline(f"{source} {what}", why=why, next_step=next_step)
