"""What runs beside the road of the runs: mail, page, signs of life. None of it can delay a run.

Each attendant has a thread of its own and does a short round again and again. What it raises is
told and never passed on: the road goes on without it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from datalake_syncd.adapters.ledger import LedgerFull
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.steps.expiry import ExpiryWatch
from datalake_syncd.steps.heartbeat import Heartbeat
from datalake_syncd.steps.log_copy import LogCopyWatch
from datalake_syncd.steps.mail.attendant import MailAttendant
from datalake_syncd.steps.on_event import EventHook
from datalake_syncd.steps.page.sampling import Sampler
from datalake_syncd.steps.page.serving import PageServer
from datalake_syncd.steps.scrub.attendant import Scrubber
from datalake_syncd.steps.service import Service


class Attendant(Protocol):
    """Something that looks at the service now and then; made once, used by one thread."""

    name: str
    #: Seconds between two rounds.
    every: float

    def round(self) -> None:
        """Do what is due now; reads the configuration in force anew each time."""

    def close(self) -> None:
        """The service stops: let go of what is held, send nothing."""


#: Who is there; a new one is one line here.
ATTENDANTS: tuple[Callable[[Service], Attendant], ...] = (
    MailAttendant,
    Heartbeat,
    EventHook,
    ExpiryWatch,
    LogCopyWatch,
    Sampler,
    PageServer,
    Scrubber,
)


class Attending:
    """The threads of all attendants of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._attendants = [make(service) for make in ATTENDANTS]
        self._troubled: set[str] = set()

    def start(self) -> list[threading.Thread]:
        """Start one thread each; they end when the service stops."""
        threads = [
            threading.Thread(target=self._attend, args=(one,), name=one.name, daemon=True)
            for one in self._attendants
        ]
        for thread in threads:
            thread.start()
        return threads

    def once(self) -> None:
        """One round of each, for a service that makes one pass."""
        for one in self._attendants:
            self._round(one)
            with suppress(Exception):  # what is held goes with the process
                one.close()

    def _attend(self, one: Attendant) -> None:
        while not self._service.stopping.is_set():
            self._round(one)
            self._service.stopping.wait(one.every)
        one.close()

    def _round(self, one: Attendant) -> None:
        try:
            one.round()
        except LedgerFull as error:
            self._service.ledger_trouble(error)
        except SyncdError as error:
            self._tell(one, str(error), error.next_step)
        except Exception:  # noqa: BLE001 - mail and page must never stop what carries runs
            bug = "an error in datalake-syncd itself"
            self._tell(one, bug, "please report it with the trace", exc_info=True)
        else:
            self._troubled.discard(one.name)

    def _tell(self, one: Attendant, what: str, next_step: str, *, exc_info: bool = False) -> None:
        if one.name not in self._troubled:  # once, until it works again
            self._troubled.add(one.name)
            self._service.log(
                logging.WARNING,
                "attendant.failed",
                f"{one.name}: {what}; runs go on without it",
                next_step=next_step,
                exc_info=exc_info,
            )
