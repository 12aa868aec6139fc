"""The road of a run, end to end: the real azcopy, the real Azurite, the service as a process."""

from __future__ import annotations

from demo.sequencer import MiSeqRun, NextSeqRun
from tests.e2e.lab import MISEQ, NEXTSEQ, Lab, tree_of


def test_both_instruments_reach_the_lake(lab: Lab) -> None:
    miseq, nextseq = MiSeqRun(MISEQ), NextSeqRun(NEXTSEQ)
    miseq.write_all(lab.source("miseq"))
    nextseq.write_all(lab.source("nextseq"))
    (lab.sheets("nextseq") / f"{NEXTSEQ}.csv").write_bytes(nextseq.sample_sheet())
    lab.once()
    for name, instrument, run in ((MISEQ, "miseq", miseq), (NEXTSEQ, "nextseq", nextseq)):
        lab.expect_in_lake(run.files(), f"{instrument}-out/{name}")
        row = lab.the_run(name, instrument)
        assert (row.done, row.status) == ("publish", "finished")
        assert row.outcome == "good"
        assert row.proof == "checked"
        assert row.files == row.files_proven == len(run.files())
        marker = lab.read(f"{instrument}-out/{name}.sync").decode().splitlines()
        assert marker[0][:4] == "2026" or marker[0][:2] == "20"
    assert lab.read(f"nextseq-out/{NEXTSEQ}/SampleSheet.csv") == nextseq.sample_sheet()
    assert tree_of(lab.source("miseq") / MISEQ) == miseq.files()


def test_a_second_pass_changes_nothing(lab: Lab) -> None:
    MiSeqRun(MISEQ).write_all(lab.source())
    lab.once()
    before = {name: blob.etag for name, blob in lab.blobs().items()}
    row = lab.the_run()
    lab.once()
    assert {name: blob.etag for name, blob in lab.blobs().items()} == before
    assert lab.the_run() == row


def test_nothing_there_is_fine(lab: Lab) -> None:
    lab.once()
    assert lab.blobs() == {}
