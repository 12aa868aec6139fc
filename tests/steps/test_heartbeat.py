"""The dead-man's switch: pinged after good passes over all sources, and only then."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datalake_syncd.adapters import dead_man
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.steps.heartbeat import PAUSE, Heartbeat
from tests.mail_server import silent_server
from tests.steps.service import service_of


class Switch(ThreadingHTTPServer):
    """Counts what is asked for; answers as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.answer: tuple[int, str] = (200, "")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/ping/0000-secret-0000"


class Answer(BaseHTTPRequestHandler):
    server: Switch

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        code, location = self.server.answer
        self.send_response(code)
        if location:
            self.send_header("Location", location)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def serving() -> Iterator[Switch]:
    with Switch() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Machine:
    """Two instruments that are scanned when the test says so."""

    def __init__(self, root: Path, url: str) -> None:
        self.now = 2_000_000_000.0
        self.service = service_of(
            root, "a", "b", wall=lambda: self.now, daemon=f'heartbeat_url = "{url}"'
        )
        self.desk = self.service.ledger.desk
        self.desk.set_instruments({"a": ("miseq", "/a"), "b": ("miseq", "/b")})
        self.scan("a", "b")  # by an earlier process
        self.heart = Heartbeat(self.service)

    def scan(self, *names: str) -> None:
        for name in names:
            self.desk.update_instrument(name, online=1, last_scan=self.now)

    def later(self, seconds: float = PAUSE + 1) -> None:
        self.now += seconds
        self.heart.round()


@pytest.fixture
def switch() -> Iterator[Switch]:
    with serving() as server:
        yield server


@pytest.fixture
def machine(tmp_path: Path, switch: Switch) -> Iterator[Machine]:
    made = Machine(tmp_path, switch.url)
    yield made
    made.service.ledger.close()


def test_j6_every_source_has_to_be_scanned_since_the_last_ping(
    machine: Machine, switch: Switch
) -> None:
    machine.later()
    machine.scan("a")
    machine.later()
    assert switch.asked == [], "b was scanned by an earlier process only"
    machine.scan("b")
    machine.later()
    assert switch.asked == ["/ping/0000-secret-0000"]
    machine.scan("a")
    machine.later()
    assert len(switch.asked) == 1, "b hangs"
    machine.scan("a", "b")
    machine.later()
    assert len(switch.asked) == 2


def test_not_more_often_than_once_a_minute(machine: Machine, switch: Switch) -> None:
    for _ in range(65):
        machine.now += 1
        machine.scan("a", "b")
        machine.later(1)
    assert len(switch.asked) == 3  # 130 seconds


def test_j6_no_ping_while_a_source_is_away_or_its_scan_fails_or_a_loop_hangs(
    machine: Machine, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.later(1)
    machine.scan("a", "b")
    machine.desk.update_instrument("b", online=0)
    machine.later()
    machine.desk.update_instrument("b", online=1)
    machine.service.trouble("scan/a", "it failed", "look")
    machine.later()
    machine.service.trouble_over("scan/a")
    with monkeypatch.context() as hanging:
        hanging.setattr(machine.service.pulse, "late", lambda: ["worker-0"])
        machine.later()
    assert switch.asked == []
    machine.later()
    assert len(switch.asked) == 1


def test_failures_are_told_once_and_tried_again(machine: Machine, switch: Switch) -> None:
    told: list[str] = []
    machine.service.log = lambda _level, event, message, **_: told.append(  # type: ignore[method-assign]
        f"{event}: {message}"
    )
    switch.answer = (500, "")
    for _ in range(3):
        machine.now += 1
        machine.scan("a", "b")
        machine.later()
    assert len(switch.asked) == 3
    assert len(told) == 1
    assert "it answered 500" in told[0]
    assert "secret" not in told[0]
    switch.answer = (200, "")
    machine.later()
    assert told[1].startswith("heartbeat.works")
    assert len(told) == 2


def test_it_is_led_to_the_web_alone(switch: Switch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    for target in (f"file://{secret}", "ftp://127.0.0.1/x", "gopher://x/"):
        switch.answer = (302, target)
        with pytest.raises(SyncdError, match=r"unknown url type|is not allowed"):
            dead_man.ask(switch.url, "test")
    with serving() as other:
        switch.answer = (302, other.url)
        dead_man.ask(switch.url, "test")
        assert len(other.asked) == 1


def test_the_proxy_of_the_environment_is_used(
    switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", switch.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    dead_man.ask("http://hc.invalid/ping/1", "test")
    assert switch.asked == ["http://hc.invalid/ping/1"]


def test_a_switch_that_is_silent_or_gone_costs_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_man, "ANSWER_WITHIN", 0.5)
    with silent_server() as port:
        began = time.monotonic()
        with pytest.raises(SyncdError, match=r"no answer within 0\.5 s"):
            dead_man.ask(f"http://127.0.0.1:{port}/x", "test")
        assert time.monotonic() - began < 3
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = int(closed.getsockname()[1])
    with pytest.raises(SyncdError, match="refused"):
        dead_man.ask(f"http://127.0.0.1:{port}/x", "test")
