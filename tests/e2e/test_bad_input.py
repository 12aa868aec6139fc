"""What can be wrong with a run on the source: said clearly, and nobody else waits for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, tree_of
from tests.e2e.mounts import unreadable_disk
from tests.e2e.runs import (
    expect_alarm,
    expect_published,
    expect_stopped,
    folder_of,
    go_on,
    miseq,
    nextseq,
    row_of,
    write,
)

BCL = "Data/Intensities/BaseCalls/L001/C1.1/s_1_1101.bcl"
NAMED = "Config/Effective.cfg"


class DeniedLab(Lab):
    """The service without the right of root to read whatever it likes."""

    def command(self, *arguments: str) -> list[str]:
        command = super().command(*arguments)
        if os.geteuid() != 0:
            return command
        return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--", *command]


def test_c8_what_may_not_be_read_blocks_only_its_run(lab: Lab) -> None:
    lab = DeniedLab(lab.root, lab.azurite, lab.container)
    probe = subprocess.run(lab.command("--version"), capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"can't give up root's rights here: {probe.stderr!r}")
    file, folder, metadata, top = (miseq(number) for number in (1, 2, 3, 4))
    good, other = miseq(9), nextseq(9)
    write(lab, file, folder, metadata, top, good, other)
    closed = [
        folder_of(lab, file) / NAMED,
        folder_of(lab, folder) / "InterOp",
        folder_of(lab, metadata) / "RunInfo.xml",
        folder_of(lab, top),
    ]
    modes = [path.stat().st_mode for path in closed]
    for path in closed:
        path.chmod(0)
    log = lab.once(expect=1)
    expect_published(lab, good)
    expect_published(lab, other)
    row = expect_stopped(lab, file, "blocked", NAMED, "Permission denied", done="settle")
    assert "read access" in (row.next_step or "")
    expect_stopped(lab, folder, "blocked", "InterOp (unreadable: Permission denied)")
    expect_stopped(lab, metadata, "blocked", "RunInfo.xml can't be read: Permission denied")
    expect_stopped(lab, top, "blocked", f"{top.name} can't be read: Permission denied")
    expect_alarm(log, file, NAMED)
    expect_alarm(log, folder, "InterOp")
    expect_alarm(log, metadata, "RunInfo.xml")

    for path, mode in zip(closed, modes, strict=True):
        path.chmod(mode)
    lab.call("retry", file.name)
    go_on(lab, file, folder, metadata, top)
    for run in (file, folder, metadata, top):
        expect_published(lab, run)


def test_c12_c15_c16_what_changes_between_settling_and_transfer_is_settled_again(lab: Lab) -> None:
    lost, hole, grown, touched = (miseq(number) for number in (1, 2, 3, 4))
    gone, moved, good = nextseq(5), nextseq(6), miseq(9)
    write(lab, lost, hole, grown, touched, gone, moved, good)
    lab.once(expect=-9, SYNCD_FAILPOINT="before-transfer")
    assert row_of(lab, lost).done == row_of(lab, moved).done == "settle"

    (folder_of(lab, lost) / NAMED).unlink()
    (folder_of(lab, hole) / BCL).unlink()
    with (folder_of(lab, grown) / NAMED).open("ab") as file:
        file.write(b"more")
    _rewrite(folder_of(lab, touched) / NAMED)
    aside = lab.root / "aside"
    folder_of(lab, gone).rename(aside)
    renamed = lab.source("nextseq") / nextseq(7).name
    folder_of(lab, moved).rename(renamed)
    lab.once(expect=1)
    log = lab.once(expect=1)
    expect_published(lab, good)
    # What a person must know is named; what is there goes on.
    expect_published(lab, lost)
    assert "run.files-lost" in lab.events(lost.name)
    assert NAMED in lab.call("why", lost.name, expect=None).stdout
    # azcopy may have sent some of its files before the hole was met.
    expect_stopped(lab, hole, "blocked", "cycle 1 of 1..2 is missing", begun=True)
    expect_published(lab, grown)
    expect_published(lab, touched)
    for run in (grown, touched):
        assert "run.changed" in lab.events(run.name)
    for run_ in (gone, moved):
        expect_stopped(lab, run_, "blocked", "vanished from the source")
        assert "run.vanished" in lab.events(run_.name, "nextseq")
    expect_stopped(lab, nextseq(7), "blocked", "the same RunInfo.xml as")
    assert not [line for line in log if line["event"] == "run.vanished"], "told once"

    aside.rename(folder_of(lab, gone))
    write(lab, hole)
    lab.call("release", nextseq(7).name)
    lab.once(expect=None)
    expect_published(lab, nextseq(7))
    expect_published(lab, gone)
    expect_published(lab, hole)


def _rewrite(path: Path) -> bytes:
    """Other bytes of the same length, and the old times put back, as ``cp -p`` does."""
    told, old = path.stat(), path.read_bytes()
    new = old[:-1] + bytes([old[-1] ^ 1])
    with path.open("r+b") as file:
        file.write(new)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    return new


def test_c10_c11_a_file_that_is_written_while_it_is_carried_is_carried_again(lab: Lab) -> None:
    lab.configure(azcopy=["cap_mbps = 24"], daemon=["workers = 3"])
    written, restored, good = miseq(1), miseq(2), miseq(9)
    write(lab, written, restored, good)
    for run in (written, restored):
        (folder_of(lab, run) / "big.bin").write_bytes(os.urandom(8 << 20))
    with lab.daemon() as daemon:
        keys = {f"miseq/{written.name}", f"miseq/{restored.name}"}
        lab.wait_for(lambda: keys <= {x.get("run") for x in daemon.lines("transfer.started")})
        time.sleep(0.5)
        for run in (written, restored):
            assert row_of(lab, run).status == "running", "too fast: nothing to see"
        with (folder_of(lab, written) / "big.bin").open("r+b") as file:
            file.write(b"other bytes in the middle of the upload")
        _rewrite(folder_of(lab, restored) / "big.bin")
        for run in (written, restored, good):
            lab.wait_published(run.name)
    for run in (written, restored, good):
        expect_published(lab, run)
        assert lab.events(run.name).count("run.published") == 1, "no marker before its time"
    for run in (written, restored):
        assert "run.changed" in lab.events(run.name)
        assert (
            lab.read(f"miseq-out/{run.name}/big.bin")
            == (folder_of(lab, run) / "big.bin").read_bytes()
        )


def test_h2_a_run_folder_that_is_a_link_is_not_followed(lab: Lab, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    link, good, other = miseq(1), miseq(9), nextseq(9)
    link.write_all(elsewhere)
    folder_of(lab, link).symlink_to(elsewhere / link.name)
    write(lab, good, other)
    log = lab.once(expect=1)
    expect_published(lab, good)
    expect_published(lab, other)
    row = expect_stopped(lab, link, "blocked", "symbolic link")
    assert "real folder" in (row.next_step or "")
    expect_alarm(log, link, "symbolic link")
    lab.once(expect=1)
    expect_stopped(lab, link, "blocked", "symbolic link")

    folder_of(lab, link).unlink()
    (elsewhere / link.name).rename(folder_of(lab, link))
    lab.once()
    expect_published(lab, link)


def test_a_file_under_the_name_of_a_run_harms_nobody(lab: Lab) -> None:
    file, pipe, good = miseq(1), miseq(2), miseq(9)
    folder_of(lab, file).write_text("no folder")
    os.mkfifo(folder_of(lab, pipe))
    write(lab, good)
    log = lab.once(expect=1)
    expect_published(lab, good)
    for run in (file, pipe):
        expect_stopped(lab, run, "blocked", "is not a folder")
        expect_alarm(log, run, "is not a folder")
    folder_of(lab, file).unlink()
    folder_of(lab, pipe).unlink()
    write(lab, file, pipe)
    go_on(lab, file, pipe)


def test_a_run_that_vanishes_while_it_is_waited_for_comes_back(lab: Lab) -> None:
    half, good = miseq(1, no_flags=True), miseq(9)
    write(lab, half, good)
    lab.once()
    shutil.rmtree(folder_of(lab, half))
    log = lab.once(expect=1)
    expect_published(lab, good)
    row = expect_stopped(lab, half, "blocked", "vanished from the source before")
    assert "bring the folder back" in (row.next_step or "")
    expect_alarm(log, half, "vanished", event="run.vanished")
    write(lab, miseq(1))
    lab.once()
    expect_published(lab, half)


def test_c18_two_runs_that_would_meet_in_the_lake_never_mix(lab: Lab) -> None:
    lab.kinds["second"] = "miseq"
    lab.source("second").mkdir()
    lab.sheets("second").mkdir()
    first = miseq(1)
    twin, good = miseq(1, seed=2), miseq(9, seed=3)
    lab.configure(instruments__second=['destination = "miseq-out"'])
    write(lab, first)
    twin.write_all(lab.source("second"))
    good.write_all(lab.source("second"))
    log = lab.once(expect=1)
    expect_published(lab, first)
    lab.expect_in_lake(good.files(), f"miseq-out/{good.name}")
    row = lab.the_run(twin.name, "second")
    assert (row.done, row.status) == ("sighted", "blocked"), row
    assert f"miseq/{first.name} already goes to miseq-out/{first.name}" in (row.reason or "")
    assert "rename" in (row.next_step or "")
    levels = [line["level"] for line in log if line.get("run") == row.key]
    assert levels == ["INFO", "ERROR", "WARNING"], "sighted, blocked, and told at the end"
    # Still so in the next pass, and nothing of the twin was lost or sent.
    lab.once(expect=1)
    assert lab.the_run(twin.name, "second").status == "blocked"
    expect_published(lab, first)
    assert tree_of(lab.source("second") / twin.name) == twin.files()

    lab.configure(instruments__second=['destination = "second-out"'])
    lab.once()
    lab.expect_in_lake(twin.files(), f"second-out/{twin.name}")
    expect_published(lab, first)


@pytest.mark.root
def test_c7_a_bad_block_in_one_run_stops_no_other(lab: Lab) -> None:
    bad, good, other = miseq(1), miseq(9), nextseq(9)
    write(lab, bad, good, other)
    with unreadable_disk(folder_of(lab, bad) / "RunInfo.xml"):
        lab.once(expect=1)
        expect_published(lab, good)
        expect_published(lab, other)
        row = expect_stopped(lab, bad, "waiting", "RunInfo.xml", "Input/output error")
        assert "check the mount" in (row.next_step or "")
    lab.once()
    expect_published(lab, bad)
