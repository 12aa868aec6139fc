"""Growing data sets of which something is lost: taken from the disk, the lake or the trash."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from datalake_syncd.core.manifest import parse_md5
from tests.e2e.lab import Lab

NAME, REMOTE = "prot0001", "prot-out/PROT0001"


@pytest.fixture
def project(lab: Lab) -> Path:
    lab.kinds = {"prot": "proteomics"}
    lab.__post_init__()
    lab.configure(instruments__prot=['quiet = "1s"'])
    folder = lab.source("prot") / NAME
    folder.mkdir()
    (lab.source("prot") / "other").mkdir()
    (folder / "a.raw").write_bytes(b"first")
    return folder


def settled(lab: Lab) -> None:
    """Two passes, the second when what was new is old enough; what becomes of it is not judged."""
    lab.once(expect=None)
    time.sleep(1.2)
    lab.once(expect=None)


def manifest(lab: Lab) -> set[str]:
    return {path for _, path in parse_md5(lab.read(f"{REMOTE}.md5").decode())[0]}


def status(lab: Lab) -> tuple[str, str]:
    run = lab.the_run(NAME, "prot")
    return run.status, run.reason or ""


@pytest.mark.parametrize("why", ["pending", "behind a closed gate", "and a batch in the trash"])
def test_a_project_that_vanishes_with_files_that_were_not_carried_is_an_alarm(
    lab: Lab, project: Path, why: str
) -> None:
    if "trash" in why:
        lab.configure(instruments__prot__prune=["enabled = true", 'keep = "0s"', 'trash = "1h"'])
    settled(lab)
    if "trash" in why:
        lab.once(expect=None)
        assert lab.the_run(NAME, "prot").trash is not None
    if "gate" in why:
        (project / "b.raw").write_bytes(b"only here")
        (project / "w.raw").mkdir()
        (project / "w.raw" / "bad.").write_bytes(b"a name that the lake can't hold")
        settled(lab)
    else:
        lab.configure(instruments__prot=['quiet = "1h"'])
        (project / "b.raw").write_bytes(b"only here")
        lab.once(expect=None)
    project.rename(lab.root / "aside")
    lines = lab.once(expect=None)
    assert [line["event"] for line in lines if line["level"] == "ERROR"] == ["run.vanished"]
    assert status(lab)[0] == "blocked"


def test_a_project_that_vanishes_when_all_of_it_is_in_the_lake_is_no_alarm(
    lab: Lab, project: Path
) -> None:
    settled(lab)
    project.rename(lab.root / "aside")
    lines = lab.once()
    assert [line for line in lines if line["level"] == "ERROR"] == []
    assert status(lab)[0] == "finished"


def lost_in_the_lake(lab: Lab, project: Path) -> None:
    """Published; then disk and lake lose ``a.raw``, and a new file sends the set on its way."""
    (project / "b.raw").write_bytes(b"second")
    settled(lab)
    (project / "a.raw").unlink()
    lab.client.delete_blob(f"{REMOTE}/samples/a.raw")
    (project / "c.raw").write_bytes(b"third")
    settled(lab)
    assert status(lab)[0] == "blocked"


def test_a_release_that_was_cut_off_goes_on(lab: Lab, project: Path) -> None:
    lost_in_the_lake(lab, project)
    with lab.daemon(SYNCD_FAILPOINT="effect-transfer") as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        lab.call("release", NAME, expect=None)
        daemon.process.wait(30)
    lab.once()
    assert manifest(lab) == {"samples/b.raw", "samples/c.raw"}
    assert lab.the_run(NAME, "prot").accepted == (), "the leave was for what was lost then"
    (project / "d.raw").write_bytes(b"fourth")
    settled(lab)
    assert manifest(lab) == {"samples/b.raw", "samples/c.raw", "samples/d.raw"}


def test_a_file_that_is_put_back_on_the_disk_goes_again_at_retry(lab: Lab, project: Path) -> None:
    lost_in_the_lake(lab, project)
    (project / "a.raw").write_bytes(b"first")
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        lab.call("retry", NAME)
        lab.wait_published(NAME, "prot", gen=2)
    assert manifest(lab) == {"samples/a.raw", "samples/b.raw", "samples/c.raw"}
    assert lab.read(f"{REMOTE}/samples/a.raw") == b"first"


def test_a_destination_that_is_put_back_is_believed_at_retry(lab: Lab, project: Path) -> None:
    settled(lab)
    (project / "a.raw").unlink()
    (project / "c.raw").write_bytes(b"third")
    lab.configure(instruments__prot=['quiet = "1s"', 'destination = "elsewhere"'])
    settled(lab)
    assert status(lab)[0] == "blocked"
    lab.configure(instruments__prot=['quiet = "1s"', 'destination = "prot-out"'])
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        lab.call("retry", NAME)
        lab.wait_published(NAME, "prot", gen=2)
    assert manifest(lab) == {"samples/a.raw", "samples/c.raw"}
    assert lab.the_run(NAME, "prot").prefix == REMOTE


def test_what_the_lake_lost_and_the_trash_has_is_brought_back(lab: Lab, project: Path) -> None:
    lab.configure(instruments__prot__prune=["enabled = true", 'keep = "0s"', 'trash = "1h"'])
    (project / "Prot1.xlsx").write_bytes(b"r")
    settled(lab)
    lab.once(expect=None)
    assert lab.the_run(NAME, "prot").trash is not None
    lab.client.delete_blob(f"{REMOTE}/samples/a.raw")
    (project / "c.raw").write_bytes(b"third")
    settled(lab)
    assert status(lab)[0] == "blocked"
    assert f"datalake-syncd undo prot/{NAME}" in (lab.the_run(NAME, "prot").next_step or "")
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        lab.call("undo", NAME)
        lab.call("retry", NAME)
        lab.wait_published(NAME, "prot", gen=2)
    assert {"samples/a.raw", "samples/c.raw"} <= manifest(lab)
    assert lab.read(f"{REMOTE}/samples/a.raw") == b"first"


def test_a_batch_that_was_rescued_waits_until_it_is_still_and_says_so_once(
    lab: Lab, project: Path
) -> None:
    lab.configure(instruments__prot__prune=["enabled = true", 'keep = "0s"', 'trash = "6s"'])
    (project / "Prot1.xlsx").write_bytes(b"r")
    settled(lab)
    lab.once(expect=None)
    assert lab.the_run(NAME, "prot").trash is not None
    lab.configure(
        instruments__prot=['quiet = "8s"'],
        instruments__prot__prune=["enabled = true", 'keep = "1h"', 'trash = "6s"'],
    )
    lab.client.delete_blob(f"{REMOTE}/samples/a.raw")
    with lab.daemon() as daemon:
        lab.wait_for(lambda: f"{REMOTE}/samples/a.raw" in lab.blobs(), 60)
        told = [line["event"] for line in daemon.lines() if line["level"] == "WARNING"]
        assert told.count("run.changed") <= 2, told
    assert (project / "a.raw").read_bytes() == b"first"


def test_what_a_person_deleted_stops_no_pruning(lab: Lab, project: Path) -> None:
    lab.configure(instruments__prot__prune=["enabled = true", 'keep = "2s"', 'trash = "0s"'])
    (project / "b.raw").write_bytes(b"second")
    settled(lab)
    (project / "a.raw").unlink()
    time.sleep(2)
    lines = lab.once()
    assert [line for line in lines if line["event"] == "prune.refused"] == []
    assert not (project / "b.raw").exists()
    assert manifest(lab) == {"samples/a.raw", "samples/b.raw"}
    assert [line["message"] for line in lab.once() if line["event"].startswith("prune.")] == []


def test_many_doubts_are_counted_not_listed(lab: Lab, project: Path) -> None:
    lab.configure(instruments__prot__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lab.configure(instruments__prot__prune=["enabled = false"])
    for number in range(30):
        (project / f"b{number}.raw").write_bytes(b"second")
    settled(lab)
    for number in range(30):
        name = f"{REMOTE}/samples/b{number}.raw"
        lab.client.upload_blob(name, b"second", overwrite=True)
    lab.configure(instruments__prot__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lines = lab.once(expect=None)
    told = [line["message"] for line in lines if line["event"] == "prune.refused"]
    assert told
    assert all(message.count(".raw") <= 20 for message in told), told
    assert all("and 10 more" in message for message in told), told


def test_a_release_opens_no_look_that_failed(lab: Lab, project: Path) -> None:
    settled(lab)
    shutil.rmtree(project)
    project.symlink_to(lab.source("prot") / "other")
    lab.once(expect=None)
    assert status(lab)[0] == "blocked"
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        done = lab.call("release", NAME, expect=1)
    assert "can't be released" in done.stdout + done.stderr
    assert lab.the_run(NAME, "prot").accepted == ()


def test_a_unit_that_gets_its_other_files_is_not_gone(lab: Lab, project: Path) -> None:
    (project / "S1.timeseries.data").write_bytes(b"first")
    lab.once()
    (project / "S1.wiff").write_bytes(b"second")
    (project / "S1.wiff.scan").write_bytes(b"third")
    time.sleep(0.2)
    assert [line for line in lab.once() if line["event"] == "unit.vanished"] == []


def test_a_project_whose_name_changes_its_case_is_no_alarm(lab: Lab, project: Path) -> None:
    settled(lab)
    project.rename(lab.source("prot") / "PROT0001")
    for _ in range(2):
        lines = lab.once()
        assert [line["message"] for line in lines if line["level"] == "ERROR"] == []
