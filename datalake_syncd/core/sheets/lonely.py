"""Since when each sheet of a folder has been without its run, and when each was told of."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from posixpath import dirname
from typing import Any

from datalake_syncd.core import staleness


@dataclass(frozen=True, slots=True)
class Lonely:
    """What the ledger keeps of the sheets without a run in one sheet folder.

    Their paths below it, and times in seconds (wall clock of our own): ``since`` when each was
    first seen without its run (0 for history), and when each was ``told`` of. ``folders`` are
    those that were looked at before: "" for the sheet folder itself, and its years.
    """

    since: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, float] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()

    def next_look(
        self, mtimes: Mapping[str, float], folders: Collection[str], now: float
    ) -> Lonely:
        """After a look that found these sheets without a run, with their mtimes, in ``folders``.

        A sheet whose run has come is forgotten. Old sheets in a folder that was not looked at
        before are history.
        """
        since: dict[str, float] = {}
        for first in (False, True):
            found = {
                path: mtime
                for path, mtime in mtimes.items()
                if (dirname(path) not in self.folders) is first
            }
            since |= staleness.new_sheets(self.since, found, now, first=first)
        told = {path: at for path, at in self.told.items() if path in since}
        return Lonely(since, told, self.folders | frozenset(folders))

    def due(self, now: float, limit: float) -> list[str]:
        """The sheets that have waited for ``limit`` seconds, and were not told of for as long."""
        return [
            path
            for path in staleness.lonely_sheets(self.since, now, limit)
            if staleness.due(self.told.get(path), now, limit)
        ]

    def tell(self, paths: Collection[str], now: float) -> Lonely:
        """After these were told of."""
        return replace(self, told={**self.told, **dict.fromkeys(paths, now)})

    def text(self) -> str:
        """As the ledger keeps it."""
        document = {
            "since": dict(self.since),
            # One time for all is what older versions know: one may be started again.
            "told": max(self.told.values(), default=None),
            "each": dict(self.told),
            "folders": sorted(self.folders),
        }
        return json.dumps(document)


def read_lonely(text: str | None, folders: Collection[str], limit: float) -> Lonely:
    """What the ledger keeps (None: nothing yet), also as older versions wrote it.

    They had one time for all: when they told of those that had waited for ``limit`` seconds then.
    And they had looked at all ``folders`` that there are.
    """
    if text is None:
        return Lonely()
    kept: dict[str, Any] = json.loads(text)
    since, told = kept["since"], kept.get("each")
    if told is None:
        last = kept["told"]
        paths = [] if last is None else staleness.lonely_sheets(since, last, limit)
        told = dict.fromkeys(paths, last)
    return Lonely(since, told, frozenset(kept.get("folders", folders)))
