"""The web server: answers GET and HEAD, and gives nobody a way to hold it up.

Each connection has one request, a thread of its own, and deadlines for all that the client does
in it. There are few threads; when all are taken, the connection that its client has let wait
the longest is closed. Who answers gets a path and gives a `Response`; nothing else of HTTP
leaves this module.
"""

from __future__ import annotations

import ipaddress
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from datalake_syncd.core.errors import SyncdError

#: So many requests are answered at once.
THREADS = 8
#: A client has so long (seconds) to say what it wants, all in all.
HEAD_SECONDS = 5.0
#: And so long to take the answer.
SEND_SECONDS = 10.0
#: Request line and headers, in bytes.
MAX_HEAD = 16 * 1024
#: A connection that has waited for its client for so long may be closed for a newer one.
_PATIENT = 1.0
#: The accepting thread waits so long for a free thread before it refuses.
_SEAT = 0.5
_DRAIN_SECONDS = 0.5

_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
)
_NOTHING_ALLOWED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: a path that begins with ``/``, its query, the Accept header."""

    path: str
    query: dict[str, str] = field(default_factory=dict)
    accept: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer; ``policy`` is its Content-Security-Policy."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    policy: str = _NOTHING_ALLOWED
    headers: tuple[tuple[str, str], ...] = ()


def plain(status: int, text: str) -> Response:
    """A line for people."""
    return Response(f"{text}\n".encode(), status=status)


Answer = Callable[[Request], Response]


class CannotListen(SyncdError):
    """The address can't be listened on: in use, not of this machine, or not allowed."""


class WebServer:
    """A server that listens from the moment it is made, in a thread of its own."""

    def __init__(self, address: tuple[str, int], hosts: Collection[str], answer: Answer) -> None:
        try:
            self._server = _Server(address, hosts, answer)
        except OSError as error:
            shown = shown_address(*address)
            raise CannotListen(
                f"{shown} can't be listened on: {error.strerror or error}",
                why="there is no page and no /metrics meanwhile; runs go on",
                next_step=f"find who has the port (ss -ltnp), or change web.listen ({shown})",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.name = "web"
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as bound; the port is a real one where 0 was asked for."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Listen no more; answers that are on their way are left to end by themselves."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def shown_address(host: str, port: int) -> str:
    """``127.0.0.1:9464``, ``[::1]:9464``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], hosts: Collection[str], answer: Answer) -> None:
        self.answer = answer
        self.names = {address[0].lower(), "localhost", *(host.lower() for host in hosts)}
        self._seats = threading.Semaphore(THREADS)
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, float] = {}
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.2)  # no descriptors left, say: without a pause the loop would spin
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._seats.acquire(blocking=False):
            self._make_room()
            if not self._seats.acquire(timeout=_SEAT):
                self._refuse(request)
                return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._seats.release()
            self._refuse(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._seats.release()

    def waits_for_client(self, connection: socket.socket, *, waits: bool) -> None:
        """Note that it is the client's turn, or no more."""
        with self._lock:
            if waits:
                self._waiting.setdefault(connection, time.monotonic())
            else:
                self._waiting.pop(connection, None)

    def _make_room(self) -> None:
        with self._lock:
            slowest = min(self._waiting, key=self._waiting.__getitem__, default=None)
            if slowest is not None and time.monotonic() - self._waiting[slowest] > _PATIENT:
                with suppress(OSError):
                    slowest.shutdown(socket.SHUT_RDWR)

    def _refuse(self, request: socket.socket) -> None:
        with suppress(OSError):
            request.settimeout(0.0)
            request.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n")
        self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away; what answers tells its own errors."""


class _Connection(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.connection = self.request
        self.wfile = self._written = BytesIO()
        self.server.waits_for_client(self.connection, waits=True)
        head = _read_head(self.connection)
        self.server.waits_for_client(self.connection, waits=False)
        self._head = head
        self.rfile = BytesIO(head or b"")

    def handle(self) -> None:
        if self._head is None:
            return  # it went away, or took too long
        self.raw_requestline = self.rfile.readline()
        if not self._head.endswith(b"\r\n\r\n"):
            self.requestline, self.request_version, self.command = "", self.protocol_version, ""
            self._send(plain(431, f"more than {MAX_HEAD} bytes of headers"))
        elif self.parse_request():
            self._send(self._answered())

    def finish(self) -> None:
        self.server.waits_for_client(self.connection, waits=True)
        try:
            self.connection.settimeout(SEND_SECONDS)
            self.connection.sendall(self._written.getvalue())
            # What the client still sends is read for a moment: else it may lose the answer.
            self.connection.shutdown(socket.SHUT_WR)
            until = time.monotonic() + _DRAIN_SECONDS
            while (rest := until - time.monotonic()) > 0:
                self.connection.settimeout(rest)
                if not self.connection.recv(65536):
                    break
        except OSError:
            pass  # it went away, or was too slow
        finally:
            self.server.waits_for_client(self.connection, waits=False)

    def _answered(self) -> Response:
        if self.command not in ("GET", "HEAD"):
            allow = (("Allow", "GET, HEAD"),)
            return Response(b"read-only: GET and HEAD\n", status=405, headers=allow)
        asked = self.headers.get_all("Host") or []
        if len(asked) != 1 or not self.path.startswith("/"):
            return plain(400, "not a request that is answered here")
        if not self._is_ours(asked[0]):
            return plain(
                421, "this name is not one of this service; add it to hosts in [web] to use it"
            )
        target = urlsplit(self.path)
        query = dict(parse_qsl(target.query, keep_blank_values=True, max_num_fields=20))
        return self.server.answer(
            Request(target.path, query, ", ".join(self.headers.get_all("Accept") or []))
        )

    def _is_ours(self, host: str) -> bool:
        """A name that leads here by our will: a page of somebody else's may not read this one.

        A browser that was led here under another name (DNS rebinding) sends that name; who
        asks by an address was not led by a name at all.
        """
        name = _host_name(host)
        if name in self.server.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _send(self, response: Response) -> None:
        with suppress(ValueError):
            status = HTTPStatus(response.status)
            self.send_response_only(status, status.phrase)
        self.send_header("Date", formatdate(usegmt=True))
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Content-Security-Policy", response.policy)
        for name, value in (*_ALWAYS, *response.headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def send_error(self, code: int, *_: object, **__: object) -> None:
        """What the standard library says of a request that it can't read."""
        self.request_version = self.protocol_version
        self._send(plain(int(code), "not a request that is answered here"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Who looks is not written down."""


def _read_head(connection: socket.socket) -> bytes | None:
    """Request line and headers; None when they did not come in time, cut when too long."""
    until = time.monotonic() + HEAD_SECONDS
    head = bytearray()
    while (end := head.find(b"\r\n\r\n")) < 0:
        rest = until - time.monotonic()
        if rest <= 0:
            return None
        try:
            connection.settimeout(rest)
            part = connection.recv(4096)
        except OSError:
            return None
        if not part:
            return None
        head += part
        if len(head) > MAX_HEAD:
            return bytes(head[:MAX_HEAD])
    return bytes(head[: end + 4])


def _host_name(host: str) -> str:
    """The name of a Host header, without its port and brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")
