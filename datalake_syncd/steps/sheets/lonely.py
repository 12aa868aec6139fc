"""Sample sheets that belong to no run: a typing error in the name, or a run that never came."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datalake_syncd.core import staleness
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.sheets import sheets_without_run
from datalake_syncd.steps.reports import report_sheets
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets.files import list_sheets, places


class LonelySheets:
    """Remembers in the ledger since when each sheet of a folder has been without its run.

    By folder: instruments may share one, and a sheet of the other's run is not lonely.
    """

    def __init__(self, service: Service, instrument: str) -> None:
        self._service = service
        self._instrument = instrument
        self._due = 0.0

    def look(self) -> None:
        """Look if it is time to; a folder that does not answer is told by others."""
        service = self._service
        folder = service.config.instruments[self._instrument].sample_sheets
        limit = service.config.daemon.stale_after
        if folder is None or service.monotonic() < self._due:
            return
        self._due = service.monotonic() + staleness.probe_interval(limit)
        try:
            patience = service.sheet_patience(folder)
            lonely = patience.call(lambda tick: self._lonely(folder, tick))
        except (SourceOffline, SourceChanged, NeedsPerson):
            return
        key, now = f"lonely-sheets:{folder}", service.wall()
        text = service.ledger.desk.get(key)
        kept: dict[str, Any] = json.loads(text or '{"since": {}, "told": null}')
        since = staleness.new_sheets(kept["since"], lonely, now, first=text is None)
        names = staleness.lonely_sheets(since, now, limit)
        told = kept["told"]
        if names and staleness.due(told, now, limit):
            told = now
            report_sheets(service, self._instrument, staleness.tell_sheets(names, limit))
        new = json.dumps({"since": since, "told": told})
        if new != text:
            service.ledger.desk.put(key, new)

    def _lonely(self, folder: Path, tick: Callable[[], None]) -> dict[str, float]:
        """Path below the folder -> mtime of every sheet that belongs to no known run."""
        runs = self._service.ledger.runs
        # What looks like the sheet of a run that has none is told with that run.
        wanting = [run.name for run in runs.all(self._instrument) if run.sheet is None]
        kinds = [
            KINDS[one.kind]
            for one in self._service.config.instruments.values()
            if one.sample_sheets == folder
        ]
        alone = sheets_without_run(
            places(list_sheets(folder, tick)),
            runs.names(),
            wanting=wanting,
            is_run=lambda name: any(kind.is_run(name) for kind in kinds),
        )
        found: dict[str, float] = {}
        for path in alone:
            try:
                found[path] = (folder / path).stat().st_mtime
            except OSError:
                continue  # gone since the listing, or a link to nowhere
            tick()
        return found
