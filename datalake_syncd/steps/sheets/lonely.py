"""Sample sheets that belong to no run: a typing error in the name, or a run that never came."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from datalake_syncd.core import staleness
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.sheets import Comparison, read_lonely, years
from datalake_syncd.steps.reports import report_sheets
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets.files import SheetNames, list_sheets, places
from datalake_syncd.steps.sheets.near import advice, in_time


class LonelySheets:
    """Remembers in the ledger since when each sheet of a folder has been without its run.

    By folder: instruments may share one, and a sheet of the other's run is not lonely.
    """

    def __init__(self, service: Service, instrument: str) -> None:
        self._service = service
        self._instrument = instrument
        self._comparison = Comparison()
        self._due = 0.0

    def look(self) -> None:
        """Look if it is time to; a folder that does not answer is told by others."""
        service = self._service
        folder = service.config.instruments[self._instrument].sample_sheets
        limit = service.config.daemon.stale_after
        if folder is None or service.monotonic() < self._due:
            return
        self._due = service.monotonic() + staleness.probe_interval(limit)
        patience = service.sheet_patience(folder)
        left_out: dict[str, NeedsPerson] = {}
        try:
            listed = patience.call(lambda tick: list_sheets(folder, tick, left_out))
            alone = self._alone(folder, listed)
            if alone is None:
                return
            folders = {"", *years(listed)} - left_out.keys()
            key, now = f"lonely-sheets:{folder}", service.wall()
            text = service.ledger.desk.get(key)
            kept = read_lonely(text, folders, limit)
            mtimes = patience.call(lambda tick: _mtimes(folder, alone, kept.since, tick))
        except (SourceOffline, SourceChanged, NeedsPerson):
            return
        kept = kept.next_look(mtimes, folders, now)
        due = kept.due(now, limit)
        if due:
            kept = kept.tell(due, now)
            report_sheets(service, self._instrument, staleness.tell_sheets(due, limit))
        if kept.text() != text:
            service.ledger.desk.put(key, kept.text())

    def _alone(self, folder: Path, listed: SheetNames) -> tuple[str, ...] | None:
        """Sheets of no known run; None until all are compared, or when that can't be done.

        Not in the patience of the folder: comparing names is no sign of a share that is dead.
        """
        configured = self._service.config.instruments
        shared = {name: one for name, one in configured.items() if one.sample_sheets == folder}
        runs = self._service.ledger.runs
        known = runs.names()
        # What looks like the sheet of a run that has none is told with that run.
        wanting = [run.name for name in shared for run in runs.all(name) if run.sheet is None]
        kinds = [KINDS[one.kind] for one in shared.values()]
        go_on = in_time(self._service)

        def ask() -> tuple[str, ...] | None:
            if not self._comparison.look(places(listed), wanting, known, go_on):
                self._due = 0.0  # the rest has its turn at the next scan
                return None
            return self._comparison.alone(lambda name: any(kind.is_run(name) for kind in kinds))

        return advice(ask, None, self._instrument)


def _mtimes(
    folder: Path, paths: Collection[str], known: Collection[str], tick: Callable[[], None]
) -> dict[str, float]:
    """Path below the folder -> mtime; of those that are known it is not asked for."""
    found: dict[str, float] = {}
    for path in paths:
        with suppress(OSError):  # gone since the listing, or a link to nowhere
            found[path] = 0.0 if path in known else (folder / path).stat().st_mtime
        tick()
    return found
