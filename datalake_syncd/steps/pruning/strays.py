"""Folders in the trash that no run of the ledger names: what an earlier ledger had put there."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from datalake_syncd.adapters.tree import trash
from datalake_syncd.core.names import escape
from datalake_syncd.steps.service import Service

_NAMED = 5


def strays(source: Path, known: Collection[str]) -> list[str]:
    """Names of entries in the source's trash besides the known ones; raises ``SourceOffline``."""
    return sorted(set(trash.names(source)) - set(known))


def tell_strays(service: Service, instrument: str, found: list[str]) -> None:
    """Say so: nothing empties them, and nothing else would ever show them."""
    if not found:
        return
    named = ", ".join(map(escape, found[:_NAMED]))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    service.log(
        logging.WARNING,
        "trash.stray",
        f"{named}{more} in {trash.TRASH}: no run waits there under that name; nothing removes it",
        instrument=instrument,
        next_step="compare it with the run in the lake (md5sum -c NAME.md5), then remove it by "
        "hand; what the lake lacks: move it back beside the runs",
    )
