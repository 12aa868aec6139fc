"""A sign of life after every good pass over all sources, for a dead-man's switch elsewhere."""

from __future__ import annotations

import logging

from datalake_syncd import __version__
from datalake_syncd.adapters import dead_man
from datalake_syncd.core.errors import Stopped, SyncdError
from datalake_syncd.steps.errand import Errand
from datalake_syncd.steps.service import Service

#: Not more often than this (seconds).
PAUSE = 60.0
#: One ping may take so long (seconds) in all.
WITHIN = 20.0


class Heartbeat:
    """The attendant that asks for ``daemon.heartbeat_url``."""

    name = "heartbeat"
    every = 1.0

    def __init__(self, service: Service) -> None:
        self._service = service
        self._errand = Errand("the heartbeat", service.stopping)
        #: The scans that are no news any more, by instrument: those that the last ping told
        #: of, and those of an earlier process, which are not our sign of life.
        self._told = {one.name: one.last_scan for one in service.ledger.desk.instruments()}
        self._next = 0.0
        self._failing = False

    def round(self) -> None:
        """Ping if every source was scanned well since the last time."""
        service = self._service
        url, now = service.config.daemon.heartbeat_url, service.monotonic()
        if url is None or now < self._next:
            return
        scans = self.good_scans()
        if scans is None:
            return
        self._next = now + PAUSE
        try:
            self._errand.run(
                lambda: dead_man.ask(url, f"datalake-syncd/{__version__}"), within=WITHIN
            )
        except Stopped:
            return
        except SyncdError as error:
            if not self._failing:  # once, until it works again
                self._failing = True
                service.log(
                    logging.WARNING, "heartbeat.failed", str(error), next_step=error.next_step
                )
            return
        self._told = dict(scans)
        if self._failing:
            self._failing = False
            service.log(logging.INFO, "heartbeat.works", "the dead-man's switch is reached again")

    def close(self) -> None:
        """Nothing is held."""

    def good_scans(self) -> dict[str, float] | None:
        """When each source was scanned; None unless all were, well, since the last ping.

        A scan writes its time down only when it came to its end.
        """
        service = self._service
        if service.pulse.late() or not service.config.instruments:
            return None
        if any(one.key.startswith("scan/") for one in service.ledger.desk.troubles()):
            return None
        rows = {row.name: row for row in service.ledger.desk.instruments()}
        scans = {}
        for name in service.config.instruments:
            row = rows.get(name)
            if row is None or row.online is not True or row.last_scan is None:
                return None
            if row.last_scan == self._told.get(name):
                return None
            scans[name] = row.last_scan
        return scans
