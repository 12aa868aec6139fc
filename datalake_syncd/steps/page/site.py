"""The addresses of the web server and what each answers; read-only."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from datalake_syncd.adapters.web import THREADS, Request, Response, plain
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.plotting import Figure
from datalake_syncd.steps.overview.document import document
from datalake_syncd.steps.page.figures import figures
from datalake_syncd.steps.page.health import not_alive, not_ready
from datalake_syncd.steps.page.looks import Looks
from datalake_syncd.steps.page.metrics import registry
from datalake_syncd.steps.page.view import page
from datalake_syncd.steps.service import Service

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = files("datalake_syncd.steps.page") / "templates"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
#: Plots are drawn anew after so long (seconds).
_DRAWN_FOR = 60.0
#: Of the threads of the web server so many may look into the ledger at once, or wait for those
#: who do: the others answer who asks whether the service lives, however slow its disk is.
LOOKING = THREADS - 3
#: Who finds no place is refused after so long (seconds): before the server refuses others.
_PLACE_WITHIN = 0.2

#: What is answered without a look into the ledger.
_BLIND = frozenset({"/healthz"})


class Site:
    """Answers requests; made once, asked by many threads.

    ``started_at``: when the service began to watch (seconds since the epoch).
    """

    def __init__(self, service: Service, started_at: float) -> None:
        self._service = service
        self._started_at = started_at
        self.looks = Looks(service)
        self._registry = registry(self.looks.look)
        self._lock = threading.Lock()
        self._template: Template | None = None
        self._drawn: tuple[float, tuple[Figure, ...]] = (-_DRAWN_FOR, ())
        self._style = (_TEMPLATES / "style.css").read_text()
        self._policy = _policy(self._style)
        self._told: set[str] = set()
        self._looking = threading.BoundedSemaphore(LOOKING)
        self._routes: dict[str, Callable[[Request], Response]] = {
            "/": self._page,
            "/metrics": self._metrics,
            "/healthz": self._alive,
            "/readyz": self._ready,
            "/status.json": self._status,
            "/favicon.svg": self._icon,
        }

    def answer(self, request: Request) -> Response:
        """The answer to a request; never raises."""
        route = self._routes.get(request.path)
        if route is None:
            return plain(404, f"there are only {', '.join(sorted(self._routes))}")
        if request.path in _BLIND:
            return self._answered(route, request)
        if not self._looking.acquire(timeout=_PLACE_WITHIN):
            again = (("Retry-After", "5"),)
            return Response(b"too many ask at once; ask again\n", status=503, headers=again)
        try:
            return self._answered(route, request)
        finally:
            self._looking.release()

    def _answered(self, route: Callable[[Request], Response], request: Request) -> Response:
        try:
            response = route(request)
        except SyncdError as error:
            self._tell(request.path, str(error), error.next_step)
            return plain(503, f"{error}; {error.next_step}")
        except Exception:  # noqa: BLE001 - a page that can't be made must not end its thread
            bug = "an error in datalake-syncd itself"
            self._tell(request.path, bug, "please report it with the trace", exc_info=True)
            return plain(500, f"{bug}; its trace is in the log (event web.failed)")
        self._told.discard(request.path)
        return response

    def _tell(self, path: str, what: str, next_step: str, *, exc_info: bool = False) -> None:
        if path not in self._told:  # once, until it works again
            self._told.add(path)
            self._service.log(
                logging.WARNING,
                "web.failed",
                f"{path} can't be answered: {what}",
                next_step=next_step,
                exc_info=exc_info,
            )

    def _page(self, request: Request) -> Response:
        look = self.looks.look()
        with self._lock:
            if self._template is None:
                self._template = _template()
            # They change slowly, and hold a month of samples of every source.
            if not 0 <= look.report.now - self._drawn[0] < _DRAWN_FOR:
                self._drawn = (look.report.now, figures(self.looks, look))
            drawn = self._drawn[1]
        told = page(look, drawn, refresh=request.query.get("refresh") != "off")
        html = self._template.render(page=told, style=self._style)
        return Response(html.encode(), _HTML, policy=self._policy)

    def _metrics(self, request: Request) -> Response:
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(request.accept)
        return Response(encode(self._registry), content_type)

    def _alive(self, request: Request) -> Response:
        # The ledger is not asked: a disk that is busy is no reason to be started again.
        return _reasons(request, not_alive(self._service.pulse.late()))

    def _ready(self, request: Request) -> Response:
        try:
            look = self.looks.look()
        except SyncdError as error:
            return _reasons(request, [f"the ledger can't be read: {error}"])
        return _reasons(request, not_ready(self._service, look, self._started_at))

    def _status(self, _request: Request) -> Response:
        text = json.dumps(document(self.looks.look().report))
        return Response(text.encode(), _JSON)

    def _icon(self, _request: Request) -> Response:
        bad = self.looks.look().report.needs_attention
        icon = (_TEMPLATES / ("bad.svg" if bad else "good.svg")).read_bytes()
        return Response(icon, "image/svg+xml")


def _reasons(request: Request, reasons: list[str]) -> Response:
    status = 503 if reasons else 200
    if "json" in request.accept or request.query.get("format") == "json":
        body = json.dumps({"ok": not reasons, "reasons": reasons}).encode()
        return Response(body, _JSON, status)
    return plain(status, "\n".join(["not ok", *reasons]) if reasons else "ok")


def _policy(style: str) -> str:
    """Nothing may be loaded or run; only this very style sheet, and the icon."""
    known = b64encode(sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{known}'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _template() -> Template:
    # Here and not above: whoever has no page does not wait for it.
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["as_it_is"] = Markup  # for our own style sheet alone
    return environment.from_string((_TEMPLATES / "page.html").read_text())
