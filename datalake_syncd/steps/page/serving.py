"""The attendant that keeps the web server where the configuration says, through every reload."""

from __future__ import annotations

import logging

from datalake_syncd.adapters.web import CannotListen, WebServer, shown_address
from datalake_syncd.config import Web
from datalake_syncd.config.grammar import is_loopback
from datalake_syncd.steps.page.site import Site
from datalake_syncd.steps.service import Service

_TROUBLE = "web"
#: A port in use is tried again after so long (seconds).
AGAIN = 15.0


class PageServer:
    """Starts, moves and stops the server; its answers come from threads of their own."""

    name = "page"
    every = 1.0

    def __init__(self, service: Service) -> None:
        self._service = service
        self._started_at = service.wall()
        self._site: Site | None = None
        self._server: WebServer | None = None
        self._serving: Web | None = None
        #: The address that could not be had, and when it is tried again.
        self._failed: Web | None = None
        self._again_at = 0.0
        #: A trouble may stand in the ledger, also from the service that ran before.
        self._stands = True
        self._first = True

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens now."""
        return None if self._server is None else self._server.address

    def round(self) -> None:
        """Follow the configuration in force."""
        if self._first:
            self._first = False
            return  # a pass for cron does one round, and serves nobody
        wanted = self._service.config.web
        if wanted != self._serving:
            self._stop()
            if wanted is not None:
                self._start(wanted)
        if wanted is None and self._stands:
            self._stands, self._failed = False, None
            self._service.trouble_over(_TROUBLE)
        if self._site is not None:
            self._site.looks.forget()

    def close(self) -> None:
        """Listen no more."""
        self._stop()
        if self._site is not None:
            self._site.looks.close()

    def _start(self, wanted: Web) -> None:
        service = self._service
        now = service.monotonic()
        if wanted == self._failed and now < self._again_at:
            return
        if self._site is None:
            self._site = Site(service, self._started_at)
        try:
            self._server = WebServer(wanted.address, wanted.hosts, self._site.answer)
        except CannotListen as error:
            self._again_at = now + AGAIN
            if wanted != self._failed:
                self._failed, self._stands = wanted, True
                service.log(logging.ERROR, "web.unavailable", str(error), next_step=error.next_step)
                service.trouble(_TROUBLE, str(error), error.next_step)
            return
        self._serving, self._failed = wanted, None
        service.trouble_over(_TROUBLE)
        shown = shown_address(*self._server.address)
        service.log(logging.INFO, "web.listening", f"the page is at http://{shown}/")
        if not is_loopback(wanted.address[0]):
            service.log(
                logging.WARNING,
                "web.exposed",
                f"{shown} can be reached from other machines: names of runs and sources are read "
                "there without a login",
                next_step="put a proxy with a login in front, or listen on 127.0.0.1",
            )

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server, self._serving = None, None
            self._service.log(logging.INFO, "web.stopped", "the page is closed")
