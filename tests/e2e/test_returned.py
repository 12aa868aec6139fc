"""Folders that come back under the name of a pruned run, and what is left in the trash."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.lab import Lab

NAME = "r1"


@pytest.fixture
def drop(lab: Lab) -> Path:
    """A drop folder with a run of five files that was published and pruned."""
    lab.kinds = {"drop": "folder"}
    lab.__post_init__()
    lab.configure(
        instruments__drop=['quiet = "0.2s"'],
        instruments__drop__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'],
    )
    (lab.source("drop") / "other.tmp").mkdir()
    folder = lab.source("drop") / NAME
    write(folder, 5)
    lab.once()
    lab.once()
    assert lab.the_run(NAME, "drop").emptied_at is not None
    return folder


def write(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"f{number}").write_bytes(b"content %d" % number)


def passes(lab: Lab, count: int = 3) -> list[dict[str, object]]:
    lines = []
    for _ in range(count):
        lines += lab.once(expect=None)
        time.sleep(0.3)
    return lines


def test_the_only_copy_is_never_called_one_too_many(lab: Lab, drop: Path) -> None:
    lab.client.delete_blob(f"drop-out/{NAME}/f3")
    write(drop, 5)
    lines = passes(lab)
    assert [line for line in lines if line["event"] == "run.back"] == []
    run = lab.the_run(NAME, "drop")
    assert run.status == "blocked"
    assert "the lake no longer holds as it was proven: f3" in (run.reason or "")
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        lab.call("release", NAME)
        lab.wait_for(lambda: f"drop-out/{NAME}/f3" in lab.blobs(), 30)


def test_the_same_content_that_the_lake_has_is_told(lab: Lab, drop: Path) -> None:
    write(drop, 5)
    told = [line for line in passes(lab) if line["event"] == "run.back"]
    assert len(told) == 1
    assert lab.the_run(NAME, "drop").status == "finished"


def test_a_folder_that_lacks_files_makes_no_smaller_run(lab: Lab, drop: Path) -> None:
    before = lab.read(f"drop-out/{NAME}.md5")
    write(drop, 1)
    (drop / "f0").write_bytes(b"analysed again")
    passes(lab)
    assert lab.the_run(NAME, "drop").status == "blocked"
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        done = lab.call("release", NAME, expect=1)
        assert "4 files in the lake that are not in the folder" in done.stdout + done.stderr
        assert "datalake-syncd restore" in done.stdout + done.stderr
        # With the rest beside it, it is a whole run again.
        shutil.rmtree(drop)
        write(drop, 5)
        (drop / "f0").write_bytes(b"analysed again")
        lab.call("retry", NAME)
        lab.wait_for(lambda: lab.the_run(NAME, "drop").observed["returned"].get("missing") == 0, 30)
        lab.wait_for(lambda: lab.the_run(NAME, "drop").status == "blocked", 30)
        lab.call("release", NAME)
        lab.wait_published(NAME, "drop", gen=2)
    assert lab.read(f"drop-out/{NAME}.md5") != before
    assert lab.read(f"drop-out/{NAME}.md5").count(b"\n") >= 5


def test_what_a_lost_ledger_left_in_the_trash_is_told(lab: Lab) -> None:
    lab.kinds = {"drop": "folder"}
    lab.__post_init__()
    lab.configure(
        instruments__drop=['quiet = "0.2s"'],
        instruments__drop__prune=["enabled = true", 'keep = "0s"', 'trash = "1h"'],
    )
    (lab.source("drop") / "other.tmp").mkdir()
    write(lab.source("drop") / NAME, 1)
    assert [line for line in passes(lab, 2) if line["event"] == "trash.stray"] == []
    assert lab.the_run(NAME, "drop").trash is not None
    shutil.rmtree(lab.state)
    told = [line for line in lab.once(expect=None) if line["event"] == "trash.stray"]
    assert len(told) == 1
    assert NAME in str(told[0]["message"])
