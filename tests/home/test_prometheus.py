"""A real Prometheus scrapes the service, and its alerts fire."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters.web import WebServer
from datalake_syncd.steps.page.site import Site
from tests import page_scenes
from tests.servers import REPO
from tests.steps.service import service_of

pytestmark = pytest.mark.home


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def query(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())["data"]
    except (OSError, ValueError):
        return None  # it is still starting
    finally:
        connection.close()


def test_it_is_scraped_and_its_alerts_are_pending(tmp_path: Path) -> None:
    service = service_of(tmp_path, "miseq", wall=time.time)
    service.ledger.database.execute("PRAGMA synchronous=OFF")
    page_scenes.trouble(service.ledger, time.time())
    server = WebServer(("127.0.0.1", 0), (), Site(service, time.time()).answer)
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{REPO / "monitoring" / "prometheus.rules.yml"}]
scrape_configs:
  - job_name: datalake-syncd
    static_configs: [{{targets: ["127.0.0.1:{server.address[1]}"]}}]
""")
    with (tmp_path / "log").open("wb") as log:
        prometheus = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + 60
        pending: set[str] = set()
        expected = {"InstrumentOffline", "RunBlocked", "RunStuck", "UploadsPaused", "Trouble"}
        expected |= {"ConfigRefused", "NeedsAttention", "CredentialExpires"}
        while not expected <= pending:
            assert time.monotonic() < until, (pending, (tmp_path / "log").read_text()[-2000:])
            time.sleep(0.5)
            told = query(port, "/api/v1/alerts")
            alerts = told["alerts"] if told else []
            pending = {one["labels"]["alertname"].removeprefix("DatalakeSyncd") for one in alerts}
        assert "Down" not in pending
        assert "Missing" not in pending
        (target,) = query(port, "/api/v1/targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        found = query(port, "/api/v1/query?query=datalake_syncd_publications_total")["result"]
        assert {one["metric"]["instrument"]: one["value"][1] for one in found} == {
            "miseq": "1", "nextseq": "24", "proteomics": "0",
        }  # fmt: skip
    finally:
        prometheus.terminate()
        prometheus.wait(30)
        server.close()
        service.ledger.close()
