"""The attendant that takes a sample now and then: free space, the lake's size, what was carried.

What may hang (a share, the lake) is asked in a thread that is given up after a while.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.durations import HOUR, MINUTE
from datalake_syncd.core.errors import SourceOffline, SyncdError
from datalake_syncd.steps.notes import LAKE_UNREACHABLE
from datalake_syncd.steps.page.looks import (
    CARRIED,
    FREE,
    LAKE_BYTES,
    LAKE_REACHABLE,
    SIZE,
)
from datalake_syncd.steps.page.tally import Carried
from datalake_syncd.steps.service import Service

#: Seconds between two samples.
EVERY = 5 * MINUTE
_THIN_EVERY = HOUR
#: A source has so long (seconds) to tell its free space, the lake to answer.
_DISK_PATIENCE = 2.0
_LAKE_PATIENCE = 15.0
#: Nobody has a blob of this name: asking for it shows that the lake answers and takes our login.
_PROBE = ".datalake-syncd-probe"


class Sampler:
    """Samples while the configuration has a page to show them on."""

    name = "samples"
    every = 30.0

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ledger: Ledger | None = None
        self._counted: Carried | None = None
        self._carried = 0.0
        self._sampled_at: float | None = None
        self._thinned_at: float | None = None
        self._patience: dict[str, Patience] = {}
        self._lake = Patience("the lake", _LAKE_PATIENCE)

    def round(self) -> None:
        """Count what is on the way; every few minutes, write all down."""
        service = self._service
        if service.config.web is None:
            return
        if self._ledger is None or self._counted is None:
            self._ledger = Ledger(service.config.daemon.state_dir, writable=False)
            self._counted = Carried(self._ledger)
            self._carried = self._ledger.samples.latest(CARRIED, 0.0).get("", 0.0)
        self._carried += self._counted.new_bytes(self._ledger)
        now = service.monotonic()
        if self._sampled_at is not None and now - self._sampled_at < EVERY:
            return
        in_lake = float(self._ledger.runs.published_bytes())
        values = [(LAKE_BYTES, "", in_lake), (CARRIED, "", self._carried), *self._space()]
        service.ledger.samples.add(service.wall(), values)
        service.ledger_works()
        self._sampled_at = now
        if self._thinned_at is None or now - self._thinned_at >= _THIN_EVERY:
            service.ledger.samples.forget(self._ledger.samples.spare(service.wall()))
            self._thinned_at = now
        self._ask_lake()

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()

    def _space(self) -> Iterator[tuple[str, str, float]]:
        config = self._service.config
        places: dict[str, Path] = {"state": config.daemon.state_dir}
        if config.log.file is not None:
            places["log"] = config.log.file.parent
        places |= {f"source/{name}": one.source for name, one in config.instruments.items()}
        for place, path in places.items():
            if self._service.stopping.is_set():
                return
            patience = self._patience.setdefault(place, Patience(place, _DISK_PATIENCE))
            try:
                free, size = patience.call(lambda _tick, path=path: _free_and_size(path))  # type: ignore[misc]
            except (SourceOffline, OSError):
                continue  # it is away: the scans tell that
            if size > 0:
                yield FREE, place, free
                yield SIZE, place, size

    def _ask_lake(self) -> None:
        desk, lake = self._service.ledger.desk, self._service.force.lake
        reason: str | None = None
        try:
            self._lake.call(lambda _tick: lake.get(_PROBE))
        except SourceOffline:
            reason = f"the lake did not answer within {_LAKE_PATIENCE:.0f} s"
        except SyncdError as error:
            reason = str(error)
        self._service.ledger.samples.add(
            self._service.wall(), [(LAKE_REACHABLE, "", float(reason is None))]
        )
        if desk.get(LAKE_UNREACHABLE) != reason:
            desk.put(LAKE_UNREACHABLE, reason)
            self._service.log(
                logging.INFO if reason is None else logging.WARNING,
                "lake.reachable" if reason is None else "lake.unreachable",
                reason or "the lake answers and takes our login",
            )


def _free_and_size(path: Path) -> tuple[float, float]:
    """Bytes that the service's user may still write, and the size of the file system."""
    told = os.statvfs(path)
    return float(told.f_bavail * told.f_frsize), float(told.f_blocks * told.f_frsize)
