"""A new generation never tells of a smaller run without asking, and a blocked one still grows."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from datalake_syncd.core.manifest import parse_md5
from tests.e2e.lab import Lab
from tests.e2e.mounts import read_only
from tests.e2e.runs import folder_of, miseq, row_of, write

NAME = "r1"
OUT = f"drop-out/{NAME}"
KEY = f"drop/{NAME}"
AGAIN = {"SYNCD_LOOK_AGAIN": "0"}
PRUNED = ["enabled = true", 'keep = "0s"', 'trash = "0s"']


@pytest.fixture
def drop(lab: Lab) -> Path:
    """A drop folder with a run of five files that was published."""
    lab.kinds = {"drop": "folder"}
    lab.__post_init__()
    lab.configure(instruments__drop=['quiet = "0.2s"'])
    folder = lab.source("drop") / NAME
    folder.mkdir()
    for number in range(5):
        (folder / f"f{number}").write_bytes(b"content %d" % number)
    lab.once()
    assert names(lab) == {"f0", "f1", "f2", "f3", "f4"}
    return folder


def names(lab: Lab) -> set[str]:
    return {path for _, path in parse_md5(lab.read(f"{OUT}.md5").decode())[0]}


def passes(lab: Lab) -> None:
    """One that sees the change, one that acts on it."""
    lab.once(expect=None, **AGAIN)
    lab.once(expect=None, **AGAIN)


def expect_asked(lab: Lab, *missing: str) -> None:
    run = lab.the_run(NAME, "drop")
    assert (run.status, run.generation) == ("blocked", 1), run.reason
    assert "no longer in the run" in (run.reason or "")
    assert all(name in (run.reason or "") for name in missing), run.reason
    assert f"datalake-syncd release {KEY}" in (run.next_step or "")
    assert names(lab) == {"f0", "f1", "f2", "f3", "f4"}, "what was announced still is"


def test_a_file_that_was_announced_and_left_the_disk_is_asked_about(lab: Lab, drop: Path) -> None:
    (drop / "f3").unlink()
    passes(lab)
    expect_asked(lab, "f3")
    # Pruned as it is, the run would be told as smaller than it was, for good.
    lab.configure(instruments__drop=['quiet = "0.2s"'], instruments__drop__prune=PRUNED)
    passes(lab)
    assert len(os.listdir(drop)) == 4
    back = lab.root / "back"
    lab.call("restore", KEY, str(back))
    shutil.copy2(back / "f3", drop / "f3")
    lab.call("retry", KEY)
    passes(lab)
    assert lab.the_run(NAME, "drop").pruned_at is not None
    assert names(lab) == {"f0", "f1", "f2", "f3", "f4"}


def test_a_person_may_announce_the_run_without_them(lab: Lab, drop: Path) -> None:
    (drop / "f3").unlink()
    (drop / "f5").write_bytes(b"new")
    passes(lab)
    expect_asked(lab, "f3")
    lab.call("release", KEY)
    lab.once()
    run = lab.the_run(NAME, "drop")
    assert (run.generation, run.status, run.accepted) == (2, "finished", ())
    assert names(lab) == {"f0", "f1", "f2", "f4", "f5"}
    assert f"{OUT}/f3" in lab.blobs(), "no blob is ever removed"
    assert "run.smaller" in lab.events(NAME, "drop")
    # It counts for this generation alone.
    (drop / "f4").unlink()
    passes(lab)
    assert "f4" in (lab.the_run(NAME, "drop").reason or "")


def test_a_lost_ledger_does_not_hide_that_files_are_gone(lab: Lab, drop: Path) -> None:
    (drop / "f3").unlink()
    shutil.rmtree(lab.state)
    passes(lab)
    expect_asked(lab, "f3")


def test_another_folder_under_a_pruned_runs_name_is_asked_about_without_a_ledger(
    lab: Lab, drop: Path
) -> None:
    lab.configure(instruments__drop=['quiet = "0.2s"'], instruments__drop__prune=PRUNED)
    passes(lab)
    assert lab.the_run(NAME, "drop").emptied_at is not None
    shutil.rmtree(lab.state)
    drop.mkdir()
    (drop / "other0").write_bytes(b"another run")
    passes(lab)
    expect_asked(lab, "f0", "f4")
    assert (drop / "other0").exists()


def test_c15_a_file_that_left_before_its_first_marker_is_told_although_it_is_proven(
    lab: Lab,
) -> None:
    run = miseq(1)
    write(lab, run)
    lab.configure(instruments__miseq=['sample_sheet = "required"'])
    lab.once(expect=None)
    assert row_of(lab, run).done == "verify"
    victim = next((folder_of(lab, run) / "InterOp").iterdir())
    victim.unlink()
    (lab.sheets() / f"{run.name}.csv").write_text("[Data]\nSample_ID\nS1\n")
    lab.call("retry", run.name)
    lines = lab.once(expect=None)
    told = [line for line in lines if line["event"] == "run.files-lost"]
    assert told, [line["event"] for line in lines]
    assert victim.name in told[0]["message"]


def test_a_published_run_that_can_not_be_pruned_is_carried_again_all_the_same(lab: Lab) -> None:
    """Pruning that is enabled on a source mounted read-only blocks; the instrument goes on."""
    run = miseq(1)
    write(lab, run)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "1h"'])
    folder = folder_of(lab, run)
    with read_only(lab.source()):
        lab.once(expect=1)
        assert row_of(lab, run).status == "blocked"
        mount = ["mount", "-o"]
        subprocess.run([*mount, "remount,bind,rw", str(lab.source())], check=True)
        (folder / "late.txt").write_bytes(b"late")
        subprocess.run([*mount, "remount,bind,ro", str(lab.source())], check=True)
        passes(lab)
    assert row_of(lab, run).generation == 2
    assert lab.read(f"miseq-out/{run.name}/late.txt") == b"late"
