"""Growing data sets and what the lake says of them: lost ledgers, lost blobs, shut folders."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.manifest import parse_md5
from demo.massspec import Acquisition, MetabolomicsSample
from tests.e2e.lab import Lab, log_lines
from tests.servers import REPO

NAME, REMOTE = "prot0001", "prot-out/PROT0001"


@pytest.fixture
def project(lab: Lab) -> Path:
    lab.kinds = {"prot": "proteomics"}
    lab.__post_init__()
    lab.configure(instruments__prot=['quiet = "1s"'])
    folder = lab.source("prot") / NAME
    folder.mkdir()
    (folder / "a.raw").write_bytes(b"first")
    (folder / "Prot1.xlsx").write_bytes(b"r")
    return folder


def settled(lab: Lab) -> None:
    lab.once()
    time.sleep(1.1)
    lab.once()


def manifest(lab: Lab, remote: str = REMOTE) -> set[str]:
    return {path for _, path in parse_md5(lab.read(f"{remote}.md5").decode())[0]}


def test_a_young_file_after_a_lost_ledger_was_never_freed(lab: Lab, project: Path) -> None:
    settled(lab)
    assert manifest(lab) == {"samples/a.raw", "results/prot1.xlsx"}
    shutil.rmtree(lab.state)
    lab.configure(instruments__prot=['quiet = "1h"'])
    lab.once()
    assert [run.name for run in runs(lab)] == [NAME], "no second row under its name in the lake"
    age(lab, "a.raw")
    (project / "Prot1.xlsx").write_bytes(b"edited today")
    lab.once()
    run = lab.the_run(NAME, "prot")
    assert (run.published_at is not None, run.generation) == (True, 1)
    assert manifest(lab) == {"samples/a.raw", "results/prot1.xlsx"}
    age(lab, "Prot1.xlsx")
    lab.once()
    run = lab.the_run(NAME, "prot")
    assert run.status != "blocked", run.reason
    assert lab.read(f"{REMOTE}/results/prot1.xlsx") == b"edited today"


def age(lab: Lab, path: str) -> None:
    with sqlite3.connect(lab.state / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE watched SET since=since-3601 WHERE path=?", (path,))
    ledger.close()


def runs(lab: Lab) -> list[Run]:
    with lab.ledger() as ledger:
        return list(ledger.runs.all("prot"))


def test_what_the_lake_lost_before_the_ledger_was_lost_is_not_dropped(
    lab: Lab, project: Path
) -> None:
    (project / "b.raw").write_bytes(b"second")
    settled(lab)
    (project / "b.raw").unlink()
    lab.client.delete_blob(f"{REMOTE}/samples/b.raw")
    shutil.rmtree(lab.state)
    lab.once()
    time.sleep(1.1)
    lab.once(expect=None)
    run = lab.the_run(NAME, "prot")
    assert (run.status, run.published_at) == ("blocked", None)
    assert "samples/b.raw" in (run.reason or "")
    assert "samples/b.raw" in manifest(lab)
    with lab.daemon():
        lab.call("release", NAME)
        lab.wait_published(NAME, "prot")
    assert manifest(lab) == {"samples/a.raw", "results/prot1.xlsx"}


def test_what_is_lost_for_good_can_be_given_up(lab: Lab, project: Path) -> None:
    (project / "b.raw").write_bytes(b"second")
    settled(lab)
    (project / "a.raw").unlink()
    lab.client.delete_blob(f"{REMOTE}/samples/a.raw")
    (project / "c.raw").write_bytes(b"third")
    lab.once()
    time.sleep(1.1)
    lab.once(expect=None)
    run = lab.the_run(NAME, "prot")
    assert run.status == "blocked"
    assert "release" in (run.next_step or "")
    with lab.daemon():
        lab.call("release", NAME)
        lab.wait_published(NAME, "prot", gen=2)
        (project / "d.raw").write_bytes(b"fourth")
        lab.wait_published(NAME, "prot", gen=3)
    told = {"samples/b.raw", "samples/c.raw", "samples/d.raw", "results/prot1.xlsx"}
    assert manifest(lab) == told
    with sqlite3.connect(lab.state / "ledger.sqlite") as ledger:
        query = "SELECT message FROM events WHERE event='lake.given-up'"
        (given_up,) = ledger.execute(query).fetchall()
    ledger.close()
    assert "samples/a.raw" in given_up[0]
    assert "lost in the lake" not in lab.the_run(NAME, "prot").accepted


def test_another_destination_is_told_as_the_reason(lab: Lab, project: Path) -> None:
    settled(lab)
    (project / "a.raw").unlink()
    (project / "c.raw").write_bytes(b"third")
    lab.configure(instruments__prot=['quiet = "1s"', 'destination = "elsewhere"'])
    lab.once()
    time.sleep(1.1)
    lab.once(expect=None)
    run = lab.the_run(NAME, "prot")
    assert run.status == "blocked"
    assert f"{lab.container}/{REMOTE}" in (run.reason or "")


@pytest.fixture
def metab(lab: Lab) -> Lab:
    lab.kinds = {"metab": "metabolomics"}
    lab.__post_init__()
    lab.configure(instruments__metab=['quiet = "1s"'])
    return lab


def test_a_raw_that_only_the_lake_has_decides_after_a_lost_ledger(metab: Lab) -> None:
    sample = MetabolomicsSample("S", runs={"1": (Acquisition("a.raw"),)}, methods={"m": b"m"})
    run = sample.write_all(metab.source("metab")) / "1"
    settled(metab)
    assert manifest(metab, "metab-out/S/1") == {"raw/a.raw", "m"}
    (run / "a.raw").unlink()
    (run / "late.mzML").write_bytes(b"late")
    shutil.rmtree(metab.state)
    settled(metab)
    assert manifest(metab, "metab-out/S/1") == {"raw/a.raw", "m", "raw/late.mzML"}
    assert not [name for name in metab.blobs() if "/mzML/" in name]


def test_a_folder_that_may_not_be_read_stops_no_other(metab: Lab) -> None:
    # Root may read everything, unless it is started without that right.
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() != 0:
        plain = []
    elif shutil.which("setpriv") is None:
        pytest.skip("root may read everything")
    for name in ("S", "T"):
        runs = {"1": (Acquisition("a.raw"),)}
        MetabolomicsSample(name, runs=runs, methods={"m": b"m"}).write_all(metab.source("metab"))
    metab.once()
    shut = metab.source("metab") / "RawData_S"
    shut.chmod(0)
    try:
        time.sleep(1.1)
        done = subprocess.run(
            [*plain, *metab.command("once")], capture_output=True, text=True, timeout=60,
            cwd=REPO, check=False,
        )  # fmt: skip
        lines = log_lines(done.stdout)
    finally:
        shut.chmod(0o755)
    (told,) = [line for line in lines if line["event"] == "source.unreadable"]
    assert "RawData_S" in told["message"]
    assert metab.the_run("T/1", "metab").published_at is not None
    assert "run.vanished" not in {line["event"] for line in lines}
    metab.once()
    assert metab.the_run("S/1", "metab").published_at is not None
