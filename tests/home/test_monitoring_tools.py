"""promtool's word on rules, their tests, and the metrics as they are really told."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from datalake_syncd.adapters.web import Request
from datalake_syncd.core.durations import HOUR
from datalake_syncd.steps.page.looks import LAKE_REACHABLE
from datalake_syncd.steps.page.site import Site
from tests import page_scenes
from tests.servers import REPO
from tests.steps.service import service_of

pytestmark = pytest.mark.home

FOLDER = REPO / "monitoring"


def promtool(*arguments: str, given: bytes = b"") -> tuple[int, str]:
    done = subprocess.run(
        ["promtool", *arguments],
        input=given,
        capture_output=True,
        timeout=60,
        cwd=FOLDER,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_the_rules_are_good() -> None:
    code, told = promtool("check", "rules", "prometheus.rules.yml")
    assert (code, "17 rules found" in told) == (0, True), told


def test_the_rules_do_what_they_say() -> None:
    code, told = promtool("test", "rules", "prometheus.rules_test.yml")
    assert code == 0, told


@pytest.mark.parametrize("scene", ["empty", "busy", "trouble"])
def test_the_metrics_keep_the_rules_of_prometheus(scene: str, tmp_path: Path) -> None:
    service = service_of(tmp_path, "seq", wall=time.time)
    service.ledger.database.execute("PRAGMA synchronous=OFF")
    if scene != "empty":
        getattr(page_scenes, scene)(service.ledger, time.time())
        service.ledger.samples.add(time.time() - HOUR / 60, [(LAKE_REACHABLE, "", 1)])
    text = Site(service, service.wall()).answer(Request("/metrics")).body
    service.ledger.close()
    assert promtool("check", "metrics", given=text) == (0, "")


def test_promtool_would_complain() -> None:
    code, told = promtool("check", "metrics", given=b"# TYPE a_ms counter\na_ms 1\n")
    assert code != 0
    assert told
