"""Sample sheets that are none: told by name, and no other run waits for them."""

from __future__ import annotations

import os
import time

from tests.e2e.lab import Lab
from tests.e2e.runs import (
    AnyRun,
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

BIG = 200 << 20


def sheet_of(lab: Lab, run: AnyRun) -> str:
    return f"miseq-out/{run.name}/SampleSheet.csv"


def test_what_is_no_sheet_is_told_and_mended(lab: Lab) -> None:
    link, pipe, folder, good = miseq(1), miseq(2), miseq(3), miseq(9)
    write(lab, link, pipe, folder, good)
    target = lab.root / "elsewhere.csv"
    target.write_text("secret of another lab")
    sheets = lab.sheets("miseq")
    (sheets / f"{link.name}.csv").symlink_to(target)
    os.mkfifo(sheets / f"{pipe.name}.csv")
    (sheets / f"{folder.name}.csv").mkdir()
    (sheets / f"{good.name}.csv").write_bytes(b"[Data]\nSample_ID\ngood\n")
    log = lab.once(expect=1)
    expect_published(lab, good, files=carried(good))
    for run, words in ((link, "symbolic link"), (pipe, "not a regular"), (folder, "not a regular")):
        expect_stopped(lab, run, "blocked", f"{run.name}.csv", words, done="verify")
        expect_alarm(log, run, f"{run.name}.csv")
        # The raw data are in the lake and proven all the same.
        lab.expect_in_lake(run.files(), f"miseq-out/{run.name}")
        assert row_of(lab, run).files_proven == len(run.files())
    assert lab.read(sheet_of(lab, link)) == link.sample_sheet(), "a link was followed"

    (sheets / f"{link.name}.csv").unlink()
    (sheets / f"{pipe.name}.csv").unlink()
    (sheets / f"{folder.name}.csv").rmdir()
    (sheets / f"{link.name}.csv").write_bytes(b"[Data]\nSample_ID\nmine\n")
    for run in (link, pipe, folder):
        lab.call("retry", run.name)
    go_on(lab, link, pipe, folder)
    assert lab.read(sheet_of(lab, link)) == b"[Data]\nSample_ID\nmine\n"
    for run in (pipe, folder):
        expect_published(lab, run)


def carried(run: AnyRun) -> dict[str, bytes]:
    """The run as it lies in the lake beside a sheet of the lab's."""
    files = run.files()
    files["SampleSheet.instrument.csv"] = files.pop("SampleSheet.csv")
    return files
