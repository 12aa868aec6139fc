"""Runs that change, move or meet each other later on: nothing mixes, nothing lies."""

from __future__ import annotations

import shutil
import time

from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, Lab, tree_of
from tests.proxy import Proxy, Request

OUT = f"miseq-out/{MISEQ}"
OWN = b"[Data]\nSample_ID\nfrom-the-instrument\n"
SHEET = b"[Data]\nSample_ID\nfrom-the-lab\n"


def published(lab: Lab, own: bytes | None = None) -> dict[str, bytes]:
    folder = MiSeqRun(MISEQ).write_all(lab.source())
    if own is not None:
        (folder / "SampleSheet.csv").write_bytes(own)
    lab.once()
    assert lab.the_run().published_at is not None
    return tree_of(folder)


def manifest(lab: Lab) -> dict[str, str]:
    lines = lab.read(f"{OUT}.md5").decode().splitlines()
    return {line[34:]: line[:32] for line in lines if not line.startswith("#")}


def test_a_published_run_that_changes_becomes_the_next_generation(lab: Lab) -> None:
    files = published(lab)
    folder = lab.source() / MISEQ
    with lab.daemon(SYNCD_LOOK_AGAIN="1"):
        time.sleep(3)
        assert lab.the_run().generation == 1, "a look that finds nothing new changes nothing"
        (folder / "Alignment_2").mkdir()
        (folder / "Alignment_2" / "new.txt").write_bytes(b"new")
        (folder / "RunInfo.xml").write_bytes(files["RunInfo.xml"] + b"\n")
        lab.wait_published(gen=2)
    lab.expect_in_lake(tree_of(folder), OUT)
    assert b"generation: 2" in lab.read(f"{OUT}.sync")
    kept = [
        lab.client.get_blob_client(b.name, snapshot=b.snapshot).download_blob().readall()
        for b in lab.client.list_blobs(include=["snapshots"])
        if b.snapshot and b.name == f"{OUT}/RunInfo.xml"
    ]
    assert kept == [files["RunInfo.xml"]], "what was proven stays as a snapshot"


def test_flags_that_are_touched_again_alone_change_nothing(lab: Lab) -> None:
    files = published(lab)
    before = {name: blob.etag for name, blob in lab.blobs().items()}
    flags = [name for name in files if name.endswith("omplete.txt")]
    assert "RTAComplete.txt" in flags
    for name in flags:
        (lab.source() / MISEQ / name).touch()
    with lab.daemon(SYNCD_LOOK_AGAIN="1") as daemon:
        lab.wait_for(
            lambda: daemon.lines("run.published"), told="looked at, and published as it is"
        )
        lab.wait_for(lambda: lab.the_run().status == "finished")
        assert [line["files_sent"] for line in daemon.lines("transfer.finished")] == [0]
        assert len(daemon.lines("run.changed")) == 1, "known as it is now"
    assert {name: blob.etag for name, blob in lab.blobs().items()} == before
    assert lab.the_run().generation == 1


def test_an_analysis_that_is_queued_again_is_the_next_generation(lab: Lab) -> None:
    run = MiSeqRun(MISEQ, analysis="done")
    folder = run.write_all(lab.source())
    lab.once()
    files = run.files()
    before = {name: blob.etag for name, blob in lab.blobs(name_starts_with=f"{OUT}/").items()}
    (fastq, *_) = [path for path in files if path.endswith(".fastq.gz")]
    changed = {
        fastq: files[fastq][::-1],
        "QueuedForAnalysis.txt": files["QueuedForAnalysis.txt"] + b" ",
        "CompletedJobInfo.xml": files["CompletedJobInfo.xml"] + b"\n",
    }
    new = {"Data/Intensities/BaseCalls/Alignment_2/Summary.xml": b"<Summary/>"}
    (folder / "CompletedJobInfo.xml").unlink()
    with lab.daemon(SYNCD_LOOK_AGAIN="1"):
        for path, data in {**new, **changed}.items():
            if path == "CompletedJobInfo.xml":
                lab.wait_for(lambda: "local analysis" in (lab.the_run().reason or ""))
                assert lab.the_run().generation == 1, "it waits for the analysis to end"
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        lab.wait_published(gen=2)
    assert lab.the_run().generation == 2
    lab.expect_in_lake({**files, **changed, **new}, OUT)
    after = {name: blob.etag for name, blob in lab.blobs(name_starts_with=f"{OUT}/").items()}
    rest = {f"{OUT}/{path}" for path in files if path not in changed}
    assert all(after[name] == before[name] for name in rest), "only what changed is sent"
    kept = {
        blob.name: lab.client.get_blob_client(blob.name, snapshot=blob.snapshot)
        for blob in lab.client.list_blobs(name_starts_with=f"{OUT}/", include=["snapshots"])
        if blob.snapshot
    }
    assert {name: blob.download_blob().readall() for name, blob in kept.items()} == {
        f"{OUT}/{path}": files[path] for path in changed
    }
    assert set(manifest(lab)) == {*files, *new}
    assert b"# generation: 2\n" in lab.read(f"{OUT}.md5")
    assert b"generation: 2\n" in lab.read(f"{OUT}.sync")


def test_a_failed_first_try_gives_no_right_to_overwrite_somebody_else(lab: Lab) -> None:
    """Our azcopy failed; meanwhile somebody publishes another run under that name."""
    MiSeqRun(MISEQ).write_all(lab.source())
    refusing = [True]

    def rule(request: Request) -> None:
        if request.put_blob and refusing[0]:
            request.status, request.error = 400, "InvalidHeaderValue"

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure()
        lab.once(expect=1)
        refusing[0] = False
        other = MiSeqRun(MISEQ, seed=5).files()
        for path, data in other.items():
            lab.client.upload_blob(f"{OUT}/{path}", data)
        lab.client.upload_blob(f"{OUT}.sync", b"2020-01-01T00:00:00\n")
        lab.call("retry", MISEQ, expect=None)
        lab.once(expect=1)
    assert lab.the_run().status == "blocked"
    assert "already has a published run" in (lab.the_run().reason or "")
    lab.expect_in_lake(other, OUT)


def test_a_lost_ledger_and_a_sheet_do_not_shrink_a_pruned_runs_manifest(lab: Lab) -> None:
    files = published(lab)
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lab.once()
    lab.once()
    before = lab.read(f"{OUT}.md5")
    assert len(manifest(lab)) >= len(files)
    shutil.move(lab.state, lab.root / "lost")
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("ledger.rederived"), told="learned")
        time.sleep(4)
    assert lab.read(f"{OUT}.md5") == before
    assert (lab.the_run().done, lab.the_run().status) == ("prune", "finished")


def test_a_marker_never_goes_to_a_lake_that_has_not_got_the_files(lab: Lab) -> None:
    files = published(lab)
    other = lab.container + "-b"
    lab.azurite.make_container(other)
    lab.container = other
    lab.configure()
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    lab.once(expect=None)
    lab.once(expect=None)
    assert "lake.changed" in lab.events()
    assert f"{OUT}.sync" in lab.blobs()
    expected = {p: d for p, d in files.items() if p != "SampleSheet.csv"}
    lab.expect_in_lake({**expected, "SampleSheet.csv": SHEET}, OUT)


def test_a_marker_waits_for_evidence_of_now_not_of_last_week(lab: Lab) -> None:
    lab.configure(instruments__miseq=['sample_sheet = "required"'])
    folder = MiSeqRun(MISEQ).write_all(lab.source())
    lab.once(expect=None)
    assert lab.the_run().done == "verify"
    lab.client.delete_blob(f"{OUT}/RunInfo.xml")
    (folder / "late.txt").write_bytes(b"late")
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    with lab.daemon():
        lab.wait_published()
    files = {p: d for p, d in tree_of(folder).items() if p != "SampleSheet.csv"}
    lab.expect_in_lake({**files, "SampleSheet.csv": SHEET}, OUT)
    assert {*files, "SampleSheet.csv"} <= set(manifest(lab))


def test_an_own_sheet_that_is_edited_later_counts_once_and_truly(lab: Lab) -> None:
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(OWN)
    published(lab, OWN)
    marker = lab.read(f"{OUT}.sync").decode()
    assert f"bytes: {lab.the_run().bytes}\n" in marker, "one blob, counted once"
    (lab.sheets() / f"{MISEQ}.csv").unlink()
    edited = OWN + b"edited\n"
    (lab.source() / MISEQ / "SampleSheet.csv").write_bytes(edited)
    with lab.daemon(SYNCD_LOOK_AGAIN="1"):
        lab.wait_published(gen=2)
    assert lab.read(f"{OUT}/SampleSheet.csv") == edited
    lab.call("verify", MISEQ, "--read-back")


def test_read_back_pruning_with_automatic_proof_ends_in_the_trash_not_in_a_loop(lab: Lab) -> None:
    published(lab)
    lab.configure(
        instruments__miseq__prune=[
            "enabled = true", 'keep = "0s"', 'trash = "1h"', 'proof = "read-back"',
        ]
    )  # fmt: skip
    lab.once(expect=None)
    lab.once(expect=None)
    assert lab.the_run().done == "prune"
    assert lab.the_run().proof == "read-back"
    assert len(lab.events()) < 30


def test_pruning_that_is_turned_off_keeps_what_is_in_the_trash(lab: Lab) -> None:
    files = published(lab)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "1s"'])
    lab.once()
    lab.configure(instruments__miseq__prune=["enabled = false", 'keep = "0s"', 'trash = "1s"'])
    time.sleep(1.2)
    lab.once()
    (trash,) = (lab.source() / ".datalake-syncd-trash").iterdir()
    assert tree_of(trash) == files
    assert "no longer enabled" in (lab.the_run().reason or "")
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "1s"'])
    lab.once()
    assert lab.the_run().emptied_at is not None


def test_a_file_with_the_name_of_the_set_aside_sheet_is_named_and_stops_nobody(lab: Lab) -> None:
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    published(lab, OWN)
    (lab.source() / MISEQ / "SampleSheet.instrument.csv").write_bytes(b"clash")
    later = MiSeqRun("230201_M00001_0002_000000000-BBBBB")
    with lab.daemon(SYNCD_LOOK_AGAIN="1"):
        lab.wait_for(lambda: lab.the_run().status == "blocked", told="blocked")
        assert "SampleSheet.instrument.csv" in (lab.the_run().reason or "")
        later.write_all(lab.source())
        lab.wait_published(later.name)


def test_a_change_that_vanishes_before_it_was_carried_is_told(lab: Lab) -> None:
    published(lab)
    folder = lab.source() / MISEQ
    lab.configure(instruments__miseq=['quiet = "30s"'])
    (lab.source() / "keep").mkdir()
    with lab.daemon(SYNCD_LOOK_AGAIN="1") as daemon:
        time.sleep(1.5)
        (folder / "new.bin").write_bytes(b"only here")
        lab.wait_for(lambda: lab.the_run().done == "sighted", told="settles again")
        folder.rename(lab.root / "aside")
        lab.wait_for(lambda: daemon.lines("run.vanished"), told="told")
        assert lab.the_run().status == "blocked"
    lab.configure(instruments__miseq=['quiet = "0.2s"'])
    (lab.root / "aside").rename(folder)
    lab.once()
    assert lab.read(f"{OUT}/new.bin") == b"only here"


def test_a_sheet_that_is_mended_lets_its_run_go_on(lab: Lab) -> None:
    lab.configure(instruments__miseq=['sample_sheet = "required"'])
    MiSeqRun(MISEQ).write_all(lab.source())
    sheet = lab.sheets() / f"{MISEQ}.csv"
    sheet.symlink_to("elsewhere.csv")
    with lab.daemon():
        lab.wait_for(lambda: lab.run() is not None and lab.the_run().status == "blocked")
        assert f"{MISEQ}.csv" in (lab.the_run().reason or "")
        sheet.unlink()
        sheet.write_bytes(SHEET)
        lab.wait_published()
    assert lab.read(f"{OUT}/SampleSheet.csv") == SHEET


def test_a_source_that_is_a_link_to_a_folder_works(lab: Lab) -> None:
    real = lab.root / "real"
    lab.source().rename(real)
    lab.source().symlink_to(real)
    run = MiSeqRun(MISEQ)
    run.write_all(real)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lab.once()
    lab.expect_in_lake(run.files(), OUT)
    assert lab.the_run().emptied_at is not None
    assert not (real / MISEQ).exists()
