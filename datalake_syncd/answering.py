"""Answers what commands asked for: in the daemon's own loop, or in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from datalake_syncd.steps import requests
from datalake_syncd.worker import prune_now

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Request
    from datalake_syncd.steps.service import Service

#: What reads or moves much on a source is done in a thread of its own: a hold must get through,
#: and a share that hangs must not stop the loop.
_APART = {"prune": prune_now, "undo": requests.undo}


class Answering:
    """Takes the requests of one service's ledger up; used by the daemon's loop alone."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._apart: dict[int, threading.Thread] = {}

    @property
    def threads(self) -> list[threading.Thread]:
        """Those that answer, or have answered."""
        return list(self._apart.values())

    def answer(self) -> None:
        """Answer what is open; what takes long is begun."""
        for request in self._service.ledger.desk.open_requests():
            if request.action not in _APART:
                requests.answer(self._service, request, requests.ACTIONS)
            elif request.id not in self._apart:
                name = f"{request.action}-{request.id}"
                thread = threading.Thread(
                    target=self._answer_apart, args=(request,), name=name, daemon=True
                )
                self._apart[request.id] = thread
                thread.start()

    def _answer_apart(self, request: Request) -> None:
        with self._service.pulse.loop(threading.current_thread().name):
            requests.answer(self._service, request, _APART)
