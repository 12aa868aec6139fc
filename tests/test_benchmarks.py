"""`make bench` measures everything that it promises, in its quick form; nothing is timed here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import need
from tests.servers import AZCOPY, AZURITE, REPO

ROADS = {"azcopy", "scripts", "rclone", "service"}
FIGURES = {
    "idle_cpu", "idle_memory", "start", "status", "status_large", "detect_local", "look", "carry",
    "carry_memory", "carry_azcopy",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.azurite
def test_the_benchmarks_can_all_be_run(tmp_path: Path) -> None:
    need(AZCOPY.exists() and AZURITE.exists(), "azcopy and Azurite (make setup)")
    out = tmp_path / "out"
    argv = [sys.executable, "-m", "benchmarks", "--quick", "--out", str(out)]
    done = subprocess.run(
        [*argv, "--work", str(tmp_path)],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "something was left behind"
    told = json.loads((out / "results.json").read_text())
    roads = ROADS if shutil.which("rclone") else ROADS - {"rclone"}
    there = {(one["lake"], one["shape"]) for one in told["comparisons"]}
    assert there == {
        ("discard", "small"),
        ("discard", "large"),
        ("discard", "thumbnails"),
        ("line", "large"),
        ("azurite", "small"),
    }
    for one in told["comparisons"]:
        assert set(one["rounds"]) == roads
        assert all(carried["seconds"] > 0 for each in one["rounds"].values() for carried in each)
        parts = {"settle", "transfer", "verify", "publish"}
        assert all(set(carried["parts"]) == parts for carried in one["rounds"]["service"])
    # Polling needs a user namespace, which not every machine allows.
    assert {figure["key"] for figure in told["figures"]} - {"detect_polled"} == FIGURES
    table = (out / "RESULTS.md").read_text()
    assert table.strip() in done.stdout
    assert all(figure["told"] in table for figure in told["figures"])
    drawing = (out / "results.svg").read_text()
    bars = ElementTree.fromstring(drawing).findall("{http://www.w3.org/2000/svg}rect")  # noqa: S314 - our own
    assert len(bars) == 1 + sum(len(one["rounds"]) for one in told["comparisons"])
