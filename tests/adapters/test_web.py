"""The web server over real loopback connections: its answers, and that nobody can hold it up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from datalake_syncd.adapters import web
from datalake_syncd.adapters.web import CannotListen, Request, Response, WebServer, plain

SEEN: list[Request] = []


def answer(request: Request) -> Response:
    SEEN.append(request)
    if request.path == "/large":
        return Response(b"x" * 30_000_000)
    if request.path == "/slow":
        time.sleep(0.4)
    return Response(b"hello\n", headers=(("X-Mine", "yes"),))


@contextmanager
def serving(*hosts: str, listen: str = "127.0.0.1") -> Iterator[WebServer]:
    SEEN.clear()
    server = WebServer((listen, 0), hosts, answer)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def running() -> Iterator[WebServer]:
    with serving("Proxy.example.org") as one:
        yield one


@pytest.fixture
def server(running: WebServer) -> WebServer:
    SEEN.clear()
    return running


def say(server: WebServer, text: str | bytes, *, wait: float = 10.0) -> bytes:
    """All that comes back for these bytes, until the server closes."""
    with socket.create_connection(server.address, timeout=wait) as connection:
        connection.sendall(text.encode() if isinstance(text, str) else text)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def ask(server: WebServer, path: str = "/", host: str = "localhost", method: str = "GET") -> bytes:
    return say(server, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")


def status(answered: bytes) -> int:
    return int(answered.split(b" ", 2)[1])


# --- what it answers ---------------------------------------------------------------------------


def test_answer_has_its_headers(server: WebServer) -> None:
    head, _, body = ask(server, "/a%20b?x=1&y=&x=2").partition(b"\r\n\r\n")
    assert body == b"hello\n"
    (seen,) = SEEN
    assert seen == Request("/a%20b", {"x": "2", "y": ""}, "")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers.pop("Date").endswith("GMT")
    # Nothing says what program or version this is.
    assert headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "6",
        "Content-Security-Policy": (
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
        "Connection": "close",
        "X-Mine": "yes",
    }


def test_head_has_no_body(server: WebServer) -> None:
    answered = ask(server, method="HEAD")
    assert answered.endswith(b"\r\n\r\n")
    assert b"Content-Length: 6\r\n" in answered


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X"])
def test_other_methods_are_refused(server: WebServer, method: str) -> None:
    answered = ask(server, method=method)
    assert status(answered) == 405
    assert b"Allow: GET, HEAD\r\n" in answered
    assert SEEN == []


def test_a_body_does_not_lose_the_answer(server: WebServer) -> None:
    body = b"x" * 50_000
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    assert status(say(server, head.encode() + body)) == 405


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.0.0.1:9464", "[::1]:1",
        "proxy.example.org", "192.0.2.7:9464",
    ],
)  # fmt: skip
def test_hosts_that_are_ours(server: WebServer, host: str) -> None:
    assert status(ask(server, host=host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.org", "localhost.evil.example.org", "127.0.0.1.evil.example.org", "",
        "evil.example.org:9464", "[evil", "proxy.example.org.evil", "1.2.3.4.5", "0x7f.1",
    ],
)  # fmt: skip
def test_j7_hosts_of_others_read_nothing(server: WebServer, host: str) -> None:
    answered = ask(server, host=host)
    assert status(answered) == 421
    assert SEEN == []


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET http://evil.example.org/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9.9\r\nHost: localhost\r\n\r\n",
        "\x16\x03\x01 nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\n" + "".join(f"A{n}: b\r\n" for n in range(150)) + "\r\n",
    ],
)
def test_what_is_no_request_is_refused(server: WebServer, text: str) -> None:
    answered = say(server, text)
    assert answered == b"not a request that is answered here\n" or status(answered) in (400, 431)
    assert SEEN == []


def test_j7_long_headers_are_refused(server: WebServer) -> None:
    head = "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "x" * (web.MAX_HEAD + 1000) + "\r\n\r\n"
    assert status(say(server, head)) == 431
    assert status(ask(server)) == 200


def test_a_port_in_use_is_told(server: WebServer) -> None:
    with pytest.raises(CannotListen, match="can't be listened on: Address already in use"):
        WebServer(server.address, (), answer)


def test_closing_frees_the_port() -> None:
    with serving() as one:
        address = one.address
        ask(one)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=2).close()
    WebServer(address, (), answer).close()


def test_ipv6() -> None:
    with serving(listen="::1") as one:
        assert status(ask(one, host=f"[::1]:{one.address[1]}")) == 200


def test_plain_is_one_line() -> None:
    assert plain(404, "no") == Response(b"no\n", status=404)


# --- nobody can hold it up ---------------------------------------------------------------------


def test_who_says_nothing_is_let_go(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.5)
    started = time.monotonic()
    assert say(server, b"GET / HTTP/1.1\r\n") == b""
    assert time.monotonic() - started < 3


def test_j7_drops_do_not_lengthen_the_time(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A time-out for each read would let a client that sends a byte a second stay for hours.
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.8)
    started = time.monotonic()
    with socket.create_connection(server.address, timeout=5) as connection:
        with suppress(OSError):  # reset or broken pipe, as it comes
            for _ in range(40):
                connection.sendall(b"X")
                time.sleep(0.1)
        assert time.monotonic() - started < 3


def test_j7_who_does_not_read_is_let_go(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SEND_SECONDS", 0.5)
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1.5)
        received = 0
        while part := connection.recv(1 << 20):
            received += len(part)
    assert received < 30_000_000, "it was cut, not waited for"


def threads_of_connections() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_j7_silent_clients_exhaust_nothing(server: WebServer) -> None:
    # As many as there are threads, and more: all of them say nothing, and go on to come.
    silent = [socket.create_connection(server.address) for _ in range(web.THREADS * 3)]
    try:
        time.sleep(1.2)
        for _ in range(4):
            started = time.monotonic()
            assert status(ask(server)) == 200
            assert time.monotonic() - started < 3
            silent += [socket.create_connection(server.address) for _ in range(3)]
        assert threads_of_connections() <= web.THREADS
    finally:
        for connection in silent:
            connection.close()


def test_many_at_once_are_all_answered(server: WebServer) -> None:
    got: list[int] = []
    most = 0
    threads = [
        threading.Thread(target=lambda: got.append(status(ask(server, "/slow"))))
        for _ in range(web.THREADS * 2)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, threads_of_connections())
        time.sleep(0.01)
    assert got == [200] * len(threads)
    assert most <= web.THREADS


def test_when_all_are_busy_it_says_so(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_SEAT", 0.05)
    busy = [
        threading.Thread(target=ask, args=(server, "/slow"), daemon=True)
        for _ in range(web.THREADS)
    ]
    for thread in busy:
        thread.start()
    until = time.monotonic() + 5
    while len(SEEN) < web.THREADS and time.monotonic() < until:
        time.sleep(0.005)
    assert status(ask(server)) == 503
    for thread in busy:
        thread.join(10)
    assert status(ask(server)) == 200
