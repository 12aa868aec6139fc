"""Page and metrics of the real daemon, while the real azcopy carries a run into Azurite."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from contextlib import closing

from tests.e2e.lab import Daemon, Lab
from tests.e2e.runs import folder_of, miseq, row_of, write

ANY_PORT = ["[web]", 'listen = "127.0.0.1:0"']


def get(address: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def address_of(lab: Lab, daemon: Daemon, number: int = 0) -> str:
    lab.wait_for(lambda: len(daemon.lines("web.listening")) > number, 30, "a page")
    line = daemon.lines("web.listening")[number]
    return str(line["message"]).removeprefix("the page is at ").rstrip("/")


def value(metrics: str, name: str) -> float:
    found = re.search(rf"^datalake_syncd_{re.escape(name)} (\S+)$", metrics, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def test_a_run_is_seen_on_its_way(lab: Lab) -> None:
    run = miseq(1)
    write(lab, run)
    for path in folder_of(lab, run).rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))  # copied here with its old times
    lab.configure(log=ANY_PORT)
    with lab.daemon() as daemon:
        address = address_of(lab, daemon)
        lab.wait_published(run.name)
        lab.wait_for(lambda: get(address, "/readyz") == (200, "ok\n"), 30, "ready")
        assert get(address, "/healthz") == (200, "ok\n")
        lab.wait_for(
            lambda: 'publications_total{instrument="miseq"} 1.0' in get(address, "/metrics")[1]
        )
        metrics = get(address, "/metrics")[1]
        row = row_of(lab, run)
        assert value(metrics, 'published_bytes_total{instrument="miseq"}') == row.bytes
        assert value(metrics, 'published_files_total{instrument="miseq"}') == row.files
        assert value(metrics, 'sent_bytes_total{instrument="miseq"}') == row.bytes
        assert value(metrics, 'end_to_published_seconds_count{instrument="miseq"}') == 1
        # Complete when it was first seen: what counts is how long this service took.
        assert 0 < value(metrics, 'end_to_published_seconds_sum{instrument="miseq"}') < 120
        assert value(metrics, 'source_online{instrument="nextseq"}') == 1
        assert value(metrics, "lake_reachable") == 1
        assert value(metrics, 'filesystem_free_bytes{instrument="miseq",place="source"}') > 0
        assert run.name not in metrics
        page = get(address, "/")[1]
        assert run.name in page
        assert "2 instruments online; 0 runs on the way, none needs you." in page
        document = json.loads(get(address, "/status.json")[1])
        told = json.loads(lab.call("status", "--json").stdout)
        assert document["runs"][0]["published_at"] == told["runs"][0]["published_at"]
        assert document.keys() == told.keys()

        # A reload moves it, then takes it away; the daemon goes on.
        lab.configure(log=[*ANY_PORT, 'hosts = ["syncd.example.org"]'])
        daemon.process.send_signal(signal.SIGHUP)
        moved = address_of(lab, daemon, 1)
        assert moved != address or len(daemon.lines("web.stopped")) == 1
        assert get(moved, "/healthz")[0] == 200
        lab.configure(log=[])
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: len(daemon.lines("web.stopped")) == 2, 30, "closed")
    assert lab.once() is not None
    assert row_of(lab, run).status == "finished"


def test_one_pass_opens_no_port(lab: Lab) -> None:
    lab.configure(log=ANY_PORT)
    events = {line["event"] for line in lab.once()}
    assert not any(event.startswith("web.") for event in events)
    assert "attendant.failed" not in events
    with lab.ledger() as ledger:
        assert ledger.samples.since("free", 0), "a sample for the next page"
