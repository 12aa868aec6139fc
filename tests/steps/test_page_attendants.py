"""The attendants behind the page: the server through reloads, and the samples."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.attendants import ATTENDANTS
from datalake_syncd.config import Web
from datalake_syncd.steps.notes import LAKE_UNREACHABLE
from datalake_syncd.steps.page import sampling
from datalake_syncd.steps.page.looks import (
    CARRIED,
    FREE,
    LAKE_BYTES,
    LAKE_REACHABLE,
    SIZE,
)
from datalake_syncd.steps.page.sampling import EVERY, Sampler
from datalake_syncd.steps.page.serving import AGAIN, PageServer
from datalake_syncd.steps.service import Service
from tests import page_scenes
from tests.steps.service import service_of

Said = list[tuple[int, str]]


class Clock:
    """Wall and monotonic clock, moved by the test."""

    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[Service]:
    web = '[web]\nlisten = "127.0.0.1:0"'
    one = service_of(tmp_path, "miseq", "nextseq", wall=clock, daemon=web)
    one.ledger.database.execute("PRAGMA synchronous=OFF")
    yield one
    one.ledger.close()


@pytest.fixture
def said(service: Service, monkeypatch: pytest.MonkeyPatch) -> Said:
    lines: Said = []
    monkeypatch.setattr(
        service, "log", lambda level, event, _text, **_: lines.append((level, event))
    )
    return lines


def reload(service: Service, **web: Any) -> None:
    """A new configuration comes into force, with this [web] or none."""
    section = Web.model_validate(web) if web else None
    changed = service.config.model_copy(update={"web": section})
    service.force = replace(service.force, config=changed)


def status(server: PageServer, host: str = "localhost") -> int:
    assert server.address is not None
    with closing(http.client.HTTPConnection(*server.address, timeout=10)) as connection:
        connection.request("GET", "/healthz", headers={"Host": host})
        return connection.getresponse().status


def listens(server: PageServer) -> bool:
    return server.address is not None


@pytest.fixture
def page(service: Service, said: Said) -> Iterator[PageServer]:
    one = PageServer(service)
    yield one
    one.close()


def test_both_attend() -> None:
    assert {Sampler, PageServer} <= set(ATTENDANTS)


def test_the_server_follows_the_configuration(
    service: Service, page: PageServer, said: Said
) -> None:
    page.round()
    assert not listens(page), "a pass for cron does one round, and serves nobody"
    page.round()
    assert status(page) == 200
    first = page.address
    page.round()
    assert page.address == first
    assert status(page, "syncd.example.org") == 421
    reload(service, listen="127.0.0.1:0", hosts=["syncd.example.org"])
    page.round()
    assert status(page, "syncd.example.org") == 200
    reload(service)
    page.round()
    assert not listens(page)
    assert first is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(first, timeout=2)
    assert [event for _, event in said] == [
        "web.listening", "web.stopped", "web.listening", "web.stopped",
    ]  # fmt: skip


def test_a_port_in_use_is_a_trouble_and_tried_again(
    service: Service, page: PageServer, said: Said, clock: Clock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        reload(service, listen=listen)
        for _ in range(4):
            page.round()
            clock.now += AGAIN + 1
        assert not listens(page)
        (trouble,) = service.ledger.desk.troubles()
        assert trouble.key == "web"
        assert f"{listen} can't be listened on: Address already in use" in trouble.message
        assert "web.listen" in trouble.next_step
        assert said == [(logging.ERROR, "web.unavailable")], "said once"
    clock.now -= AGAIN  # not yet
    page.round()
    assert not listens(page)
    clock.now += AGAIN + 1
    page.round()
    assert status(page) == 200
    assert service.ledger.desk.troubles() == []


def test_the_trouble_ends_with_the_section(service: Service, page: PageServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        reload(service, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        page.round()
        page.round()
        assert service.ledger.desk.troubles()
        reload(service)
        page.round()
        assert service.ledger.desk.troubles() == []


def test_other_addresses_are_allowed_and_warned_of(
    service: Service, page: PageServer, said: Said
) -> None:
    reload(service, listen="0.0.0.0:0")
    page.round()
    page.round()
    assert said == [(logging.INFO, "web.listening"), (logging.WARNING, "web.exposed")]


# --- samples -------------------------------------------------------------------------------------


@pytest.fixture
def sampler(service: Service, said: Said, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sampler]:
    # Nobody listens at the address of this service's lake.
    monkeypatch.setattr(sampling, "_LAKE_PATIENCE", 0.1)
    one = Sampler(service)
    yield one
    one.close()


def values(service: Service, name: str) -> dict[str, list[float]]:
    found = service.ledger.samples.since(name, 0)
    return {subject: [value for _, value in points] for subject, points in found.items()}


def test_a_sample_every_five_minutes(
    service: Service, sampler: Sampler, clock: Clock, tmp_path: Path
) -> None:
    sampler.round()
    told = os.statvfs(tmp_path)
    assert set(values(service, FREE)) == {"state", "source/miseq", "source/nextseq"}
    assert values(service, SIZE)["state"] == [told.f_blocks * told.f_frsize]
    assert 0 < values(service, FREE)["state"][0] < told.f_blocks * told.f_frsize
    assert values(service, LAKE_BYTES) == {"": [0.0]}
    clock.now += EVERY - 1
    sampler.round()
    assert len(values(service, CARRIED)[""]) == 1
    page_scenes.publish(service.ledger, "miseq", "R", clock.now, 5000, 60.0)
    clock.now += 2
    sampler.round()
    assert values(service, LAKE_BYTES) == {"": [0.0, 5000.0]}
    assert values(service, CARRIED) == {"": [0.0, 5000.0]}
    # A service that starts again goes on with the same sum.
    sampler.close()
    again = Sampler(service)
    clock.now += EVERY
    page_scenes.publish(service.ledger, "miseq", "S", clock.now, 700, 60.0)
    again.round()
    clock.now += EVERY
    page_scenes.publish(service.ledger, "miseq", "T", clock.now, 80, 60.0)
    again.round()
    assert values(service, CARRIED)[""][-1] == 5080.0, "what ended while nobody looked is left out"
    again.close()


def test_without_a_page_nothing_is_sampled(service: Service, sampler: Sampler) -> None:
    reload(service)
    sampler.round()
    assert values(service, FREE) == {}


def test_a_share_that_hangs_stops_no_sample(
    service: Service, sampler: Sampler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_DISK_PATIENCE", 0.2)
    real = os.statvfs
    let_go: list[bool] = []

    def statvfs(path: Path) -> os.statvfs_result:
        while "nextseq" in str(path) and not let_go:
            time.sleep(0.02)
        return real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)
    sampler.round()
    clock.now += EVERY
    started = time.monotonic()
    sampler.round()
    assert time.monotonic() - started < 5
    let_go.append(True)
    assert {name: len(found) for name, found in values(service, FREE).items()} == {
        "state": 2,
        "source/miseq": 2,
    }


def test_the_lake_is_asked_and_what_it_says_kept(
    service: Service,
    sampler: Sampler,
    clock: Clock,
    said: Said,
) -> None:
    sampler.round()
    reason = service.ledger.desk.get(LAKE_UNREACHABLE)
    assert reason is not None
    assert reason.startswith("the lake did not answer within")
    assert values(service, LAKE_REACHABLE) == {"": [0.0]}
    assert said == [(logging.WARNING, "lake.unreachable")]
    clock.now += EVERY
    sampler.round()
    assert said == [(logging.WARNING, "lake.unreachable")], "said once"
