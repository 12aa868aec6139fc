"""G: pruning meets open files, links, mounts and files that can't be removed. No byte is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import need
from tests.e2e.lab import Lab, tree_of
from tests.e2e.mounts import bound, tmpfs
from tests.e2e.runs import expect_alarm, folder_of, miseq, row_of, write
from tests.faults.fuse_source import faulty

TRASH = ".datalake-syncd-trash"
RUN, OTHER = miseq(1), miseq(2)
NAMED = "Config/Effective.cfg"
CYCLE = "Data/Intensities/BaseCalls/L001/C1.1"


def prune(lab: Lab, trash: str = "1h", **more: str) -> None:
    """Pruning is on, as soon as a run is published."""
    lines = ["enabled = true", 'keep = "0s"', f'trash = "{trash}"']
    lab.configure(instruments__miseq__prune=[*lines, *(f"{k} = {v}" for k, v in more.items())])


def published(lab: Lab) -> dict[str, bytes]:
    """Two published runs; the files of the one that things happen to."""
    write(lab, RUN, OTHER)
    lab.once()
    return tree_of(folder_of(lab, RUN))


def trashed(lab: Lab) -> Path:
    """Where the run waits in the trash."""
    (folder,) = (lab.source() / TRASH).glob(f"{RUN.name}.*")
    return folder


def test_g3_who_still_has_a_file_open_and_writes_keeps_it(lab: Lab) -> None:
    """The handle outlives every rename, and no time need change: the bytes decide."""
    files = published(lab)
    path = folder_of(lab, RUN) / NAMED
    with path.open("r+b") as handle:
        prune(lab)
        lab.once()
        assert row_of(lab, RUN).done == "prune"
        told = path_in_trash = trashed(lab) / NAMED
        before = told.stat()
        handle.write(b"written after the proof")
        handle.flush()
        os.utime(path_in_trash, ns=(before.st_atime_ns, before.st_mtime_ns))
        written = path_in_trash.read_bytes()
        assert written != files[NAMED]
        prune(lab, trash="0s")
        log = lab.once(expect=1)
        row = row_of(lab, RUN)
        assert row.status == "blocked", row
        assert f"{NAMED} in {TRASH}" in (row.reason or "")
        assert "undo" in (row.next_step or "")
        expect_alarm(log, RUN, NAMED)
        assert tree_of(trashed(lab)) == {**files, NAMED: written}, "nothing of it was unlinked"
        assert row_of(lab, OTHER).emptied_at is not None, "the rest went on"
    lab.call("undo", RUN.name)
    assert tree_of(folder_of(lab, RUN)) == {**files, NAMED: written}


def test_g3_who_writes_between_proof_and_rename_brings_the_run_back(lab: Lab) -> None:
    files = published(lab)
    prune(lab)
    lab.once(expect=-9, SYNCD_FAILPOINT="prune-renamed")
    with (trashed(lab) / NAMED).open("r+b") as handle:
        handle.write(b"W")
    lab.once(expect=None)
    written = {**files, NAMED: b"W" + files[NAMED][1:]}
    rest = folder_of(lab, RUN)
    assert tree_of(rest if rest.exists() else trashed(lab)) == written
    assert "prune.refused" in lab.events(RUN.name)
    lab.once(expect=None)
    lab.expect_in_lake(written, f"miseq-out/{RUN.name}")


def test_g4_a_link_in_the_place_of_a_folder_is_never_followed(lab: Lab, tmp_path: Path) -> None:
    files = published(lab)
    elsewhere = tmp_path / "elsewhere"
    folder = folder_of(lab, RUN) / CYCLE
    folder.rename(elsewhere)  # the very files of the plan, with their inodes
    folder.symlink_to(elsewhere)
    before = tree_of(elsewhere)
    prune(lab, trash="0s")
    lab.once(expect=None)
    assert tree_of(elsewhere) == before
    assert tree_of(folder_of(lab, RUN)).keys() == files.keys() - {f"{CYCLE}/{n}" for n in before}
    assert row_of(lab, RUN).pruned_at is None
    assert row_of(lab, OTHER).emptied_at is not None
    lab.expect_in_lake(files, f"miseq-out/{RUN.name}")


def test_g4_nor_one_that_is_put_into_the_trash(lab: Lab, tmp_path: Path) -> None:
    files = published(lab)
    prune(lab)
    lab.once()
    elsewhere = tmp_path / "elsewhere"
    folder = trashed(lab) / CYCLE
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    before = tree_of(elsewhere)
    prune(lab, trash="0s")
    lab.once(expect=None)
    assert before
    assert tree_of(elsewhere) == before
    assert folder.is_symlink()
    lab.expect_in_lake(files, f"miseq-out/{RUN.name}")


@pytest.mark.root
def test_g5_a_mount_inside_a_published_run_keeps_all_of_it(lab: Lab) -> None:
    files = published(lab)
    inside = folder_of(lab, RUN) / CYCLE
    prune(lab, trash="0s")
    with tmpfs(inside, "1m"):
        (inside / "s_1_1101.bcl").write_bytes(b"of another disk")
        lab.once(expect=None)
        assert row_of(lab, RUN).pruned_at is None
        assert (inside / "s_1_1101.bcl").read_bytes() == b"of another disk"
        assert row_of(lab, OTHER).emptied_at is not None
    assert tree_of(folder_of(lab, RUN)) == files


@pytest.mark.root
def test_g5_g6_a_run_that_is_a_mount_point_stays_and_says_so(lab: Lab) -> None:
    """Its files are the right ones, on the right disk; only the kernel says no (EBUSY)."""
    files = published(lab)
    prune(lab)
    with bound(folder_of(lab, RUN), folder_of(lab, RUN)):
        lab.once(expect=1)
        row = row_of(lab, RUN)
        assert row.pruned_at is None
        assert "busy" in (row.reason or ""), row
        assert tree_of(folder_of(lab, RUN)) == files
        assert row_of(lab, OTHER).done == "prune"
    lab.call("retry", RUN.name, expect=None)
    lab.once()
    assert tree_of(trashed(lab)) == files


@pytest.mark.root
def test_g5_another_folder_mounted_into_the_trash_is_not_emptied(lab: Lab, tmp_path: Path) -> None:
    """With names and bytes of the plan, and on the same file system: only the mount tells."""
    files = published(lab)
    prune(lab)
    lab.once()
    victim = tmp_path / "victim"
    shutil.copytree(trashed(lab) / CYCLE, victim)
    before = tree_of(victim)
    prune(lab, trash="0s")
    with bound(victim, trashed(lab) / CYCLE):
        lab.once(expect=1)
        assert tree_of(victim) == before
        assert f"something is mounted at {CYCLE}" in (row_of(lab, RUN).reason or "")
        assert tree_of(trashed(lab)) == files, "nothing was unlinked"
    lab.call("retry", RUN.name)
    lab.once()
    assert row_of(lab, RUN).emptied_at is not None
    lab.expect_in_lake(files, f"miseq-out/{RUN.name}")


@pytest.mark.root
def test_g5_a_folder_bound_into_a_run_is_not_carried_and_not_pruned(
    lab: Lab, tmp_path: Path
) -> None:
    write(lab, RUN)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "of another project.txt").write_text("precious")
    inside = folder_of(lab, RUN) / "bound"
    inside.mkdir()
    prune(lab, trash="0s")
    with bound(victim, inside):
        lab.once(expect=1)
        assert "bound (other-file-system: a mount point" in (row_of(lab, RUN).reason or "")
        assert tree_of(victim) == {"of another project.txt": b"precious"}
        assert not list(lab.blobs())


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Not even root may change, rename or unlink it: EPERM."""
    need(shutil.which("chattr") is not None, "chattr (e2fsprogs)")
    done = subprocess.run(["chattr", "+i", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this file system has no such attribute: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


@pytest.mark.root
def test_g6_a_run_that_may_not_be_moved_needs_a_person_and_the_others_go(lab: Lab) -> None:
    files = published(lab)
    prune(lab)
    with immutable(folder_of(lab, RUN)):
        log = lab.once(expect=1)
        row = row_of(lab, RUN)
        assert (row.done, row.status) == ("publish", "blocked"), row
        assert f"{RUN.name} can't be moved: Operation not permitted" in (row.reason or "")
        assert row.next_step
        expect_alarm(log, RUN, "can't be moved")
        assert tree_of(folder_of(lab, RUN)) == files
        assert row_of(lab, OTHER).done == "prune"
    lab.call("retry", RUN.name)
    lab.once()
    assert tree_of(trashed(lab)) == files


@pytest.mark.root
def test_g6_a_file_that_may_not_be_unlinked_needs_a_person_and_the_rest_goes(lab: Lab) -> None:
    files = published(lab)
    prune(lab)
    lab.once()
    prune(lab, trash="0s")
    # The ctime of the file changes with the attribute, so its MD5 is looked at as well.
    with immutable(trashed(lab) / "RunInfo.xml"):
        log = lab.once(expect=1)
        row = row_of(lab, RUN)
        assert row.status == "blocked", row
        assert "can't be moved: Operation not permitted" in (row.reason or "")
        expect_alarm(log, RUN, "Operation not permitted")
        assert tree_of(trashed(lab))["RunInfo.xml"] == files["RunInfo.xml"]
        assert row_of(lab, OTHER).emptied_at is not None
    lab.call("retry", RUN.name)
    lab.once()
    assert row_of(lab, RUN).emptied_at is not None
    assert not list((lab.source() / TRASH).iterdir())
    lab.expect_in_lake(files, f"miseq-out/{RUN.name}")


@pytest.mark.root
def test_g9_a_lake_that_is_mounted_as_a_folder_is_no_source_to_prune(lab: Lab) -> None:
    """By the type of its mount: what was proven in it would be deleted from it."""
    with faulty(lab.source(), lab.root / "behind", "blobfuse2"):
        lab.call("config", "check")
        prune(lab)
        told = lab.call("config", "check", expect=2)
        words = " ".join((told.stdout + told.stderr).split())
        assert "instruments.miseq.source" in words
        assert "a lake that is mounted as a folder (fuse.blobfuse2)" in words
        lab.call("once", expect=2)
    lab.call("config", "check")


# --- a dry run --------------------------------------------------------------------------------

Damage = Callable[[Lab, Path, str], object]


def _rewrite(_lab: Lab, folder: Path, _name: str) -> None:
    path = folder / NAMED
    told, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def _copy_over(lab: Lab, _folder: Path, name: str) -> None:
    blob = lab.client.get_blob_client(f"miseq-out/{name}/RunInfo.xml")
    blob.upload_blob(blob.download_blob().readall(), overwrite=True)


def _unlink(_lab: Lab, folder: Path, _name: str) -> None:
    (folder / NAMED).unlink()


DAMAGES: tuple[Damage, ...] = (
    _rewrite,
    _copy_over,
    lambda _lab, folder, _name: os.utime(folder / NAMED, ns=(1, 1)),
    lambda _lab, folder, _name: (folder / NAMED).chmod(0o600),
    lambda _lab, folder, _name: (folder / "late.txt").write_text("late"),
    _unlink,
    lambda _lab, folder, _name: (folder / "to-passwd").symlink_to("/etc/passwd"),
    lambda _lab, folder, _name: (folder / "Thumbs.db").write_text("junk"),
    lambda lab, _folder, name: lab.client.delete_blob(f"miseq-out/{name}/RunInfo.xml"),
    lambda lab, _folder, name: lab.client.delete_blob(f"miseq-out/{name}.sync"),
    lambda lab, _folder, name: lab.call("hold", name, "--reason", "Anna looks"),
)


def test_g12_whatever_happened_a_dry_run_prints_what_a_real_one_takes(lab: Lab) -> None:
    """Each thing alone, none, and some at once as a seed has it; the sets must be equal."""
    seed = int(os.environ.get("SEED", time.time_ns() % 10_000))
    draw = random.Random(seed)
    cases: list[tuple[Damage, ...]] = [(), *((one,) for one in DAMAGES)]
    cases += [tuple(draw.sample(DAMAGES[2:], 2)) for _ in range(3)]
    runs = [miseq(number) for number, _ in enumerate(cases, start=1)]
    write(lab, *runs)
    lab.once()
    before: dict[str, dict[str, bytes]] = {}
    for run, case in zip(runs, cases, strict=True):
        for damage in sorted(case, key=lambda one: one is _unlink):  # nothing can follow that
            damage(lab, folder_of(lab, run), run.name)
        before[run.name] = tree_of(folder_of(lab, run))
    prune(lab, max_runs_per_day="1")
    taken = dry_and_real(lab)
    assert list(taken) == [f"miseq/{runs[0].name}"], "one a day"
    prune(lab)
    taken |= dry_and_real(lab)
    assert 1 < len(taken) < len(runs) // 2, "undamaged ones go, damaged ones stay"
    for run in runs:
        here = folder_of(lab, run)
        gone = f"miseq/{run.name}" in taken
        assert here.exists() is not gone
        (rest,) = (lab.source() / TRASH).glob(f"{run.name}.*") if gone else (here,)
        assert tree_of(rest) == before[run.name], f"SEED={seed} {run.name}"


def dry_and_real(lab: Lab) -> dict[str, object]:
    """A dry run, then a real one of now: run -> files, equal in both."""
    trash = lab.source() / TRASH
    waiting = sorted(trash.iterdir()) if trash.exists() else []
    ledger = (lab.state / "ledger.sqlite").read_bytes()
    told = json.loads(lab.call("prune", "--dry-run", "--json", expect=None).stdout)["runs"]
    assert (lab.state / "ledger.sqlite").read_bytes() == ledger, "a dry run writes nothing"
    assert (sorted(trash.iterdir()) if trash.exists() else []) == waiting
    shown = {
        one["run"]: [(item["path"], item["size"], item["md5"]) for item in one["items"]]
        for one in told
        if one["would_prune"]
    }
    done = json.loads(lab.call("prune", "--json", expect=None).stdout)["runs"]
    taken: dict[str, object] = {
        one["run"]: [(item["path"], item["size"], item["md5"]) for item in one["items"]]
        for one in done
        if one["pruned"]
    }
    assert shown == taken
    return taken
