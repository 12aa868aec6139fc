"""A proxy between the service and its lake that does harm on request, on loopback only."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers import Certificate

_HOP = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}


@dataclass
class Request:
    """One request on its way; a rule may change ``body``, answer it, or break its connection.

    ``status`` answers it with ``error`` as the service's word and ``headers``; ``page`` answers
    it as a captive portal does. ``cut_off`` closes the connection, ``cut_after`` resets it after
    so many bytes of the body (only `Proxy.head` can ask for that, before the body is read),
    ``lose_answer`` resets it after the lake did what it was asked, and ``drip`` lets the answer
    through byte by byte, one in so many seconds.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    body: bytes
    status: int | None = None
    error: str = "Injected"
    headers: dict[str, str] = field(default_factory=dict)
    page: bytes | None = None
    cut_off: bool = False
    cut_after: int | None = None
    lose_answer: bool = False
    drip: float | None = None

    @property
    def block(self) -> bool:
        """One block of a blob that goes up in blocks."""
        return self.method == "PUT" and self.query.get("comp") == ["block"]

    @property
    def put_blob(self) -> bool:
        """A whole blob in one request."""
        return self.method == "PUT" and "comp" not in self.query


@dataclass
class Response:
    """What the lake answered; a rule may change the body."""

    request: Request
    status: int
    body: bytes


@dataclass
class Proxy:
    """Passes everything on to ``upstream`` (host:port) after ``rule`` and ``answer`` saw it.

    ``head`` sees each request before its body was read. With a certificate it speaks https.
    ``ended`` is set at its end, for rules that keep a request waiting.
    """

    upstream: str
    rule: Callable[[Request], None] = lambda _request: None
    answer: Callable[[Response], None] = lambda _response: None
    head: Callable[[Request], None] = lambda _request: None
    certificate: Certificate | None = None
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

            def handle_any(self) -> None:
                proxy._pass_on(self)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any  # noqa: N815

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_arguments: object) -> None:
                """A client that goes away is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate.path, self.certificate.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def account_url(self) -> str:
        """The lake's account as seen through this proxy."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/devstoreaccount1"

    def _pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        request = _head(handler)
        self.head(request)
        if request.cut_after is not None:
            handler.rfile.read(
                min(request.cut_after, int(handler.headers.get("Content-Length") or 0))
            )
            _reset(handler)
            return
        request.body = _body(handler)
        self.rule(request)
        if request.cut_off:
            handler.close_connection = True
            handler.connection.close()
            return
        if request.status is not None or request.page is not None:
            self.seen.append((request.method, request.path, request.status or 200))
            _refuse(handler, request)
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=120)
        try:
            connection.putrequest(
                request.method, handler.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in handler.headers.items():
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            if request.body or request.method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body or None)
            answer = connection.getresponse()
            response = Response(request, answer.status, answer.read())
            self.answer(response)
            self.seen.append((request.method, request.path, response.status))
            if request.lose_answer:
                _reset(handler)
                return
            handler.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    handler.send_header(name, value)
            length = answer.getheader("Content-Length") if request.method == "HEAD" else None
            handler.send_header("Content-Length", length or str(len(response.body)))
            handler.end_headers()
            if request.method != "HEAD":
                self._write(handler, request, response.body)
        except OSError:
            handler.close_connection = True
        finally:
            connection.close()

    def _write(self, handler: BaseHTTPRequestHandler, request: Request, body: bytes) -> None:
        if request.drip is None:
            handler.wfile.write(body)
            return
        for byte in body:
            handler.wfile.write(bytes([byte]))
            if self.ended.wait(request.drip):
                return


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """End the connection as a firewall does: without good-bye."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _head(handler: BaseHTTPRequestHandler) -> Request:
    address = urlsplit(handler.path)
    query = parse_qs(address.query, keep_blank_values=True)
    return Request(handler.command, unquote(address.path), query, b"")


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in handler.headers.get("Transfer-Encoding", "").lower():
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


def _refuse(handler: BaseHTTPRequestHandler, request: Request) -> None:
    told = (
        request.page
        or (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{request.error}</Code><Message>injected</Message></Error>"
        ).encode()
    )
    handler.send_response(request.status or 200)
    if request.page is None:
        handler.send_header("x-ms-error-code", request.error)
    handler.send_header("Content-Type", "text/html" if request.page else "application/xml")
    for name, value in request.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0" if request.method == "HEAD" else str(len(told)))
    handler.end_headers()
    if request.method != "HEAD":
        handler.wfile.write(told)


class Times:
    """True for the first ``times`` calls, counted over all threads."""

    def __init__(self, times: int) -> None:
        self._left = times
        self._lock = threading.Lock()
        self.first: float | None = None

    def __call__(self) -> bool:
        with self._lock:
            self.first = self.first or time.monotonic()
            self._left -= 1
            return self._left >= 0


def flipped(data: bytes) -> bytes:
    """The same bytes with one bit changed in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
