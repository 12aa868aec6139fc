"""Sample sheets: early, late, missing, edited, in a year folder, beside the instrument's own."""

from __future__ import annotations

import json
import time
from typing import Any

from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, NEXTSEQ, Lab, tree_of

OWN = b"[Data]\nSample_ID\nfrom-the-instrument\n"
SHEET = b"[Data]\nSample_ID\nfrom-the-lab\n"
OUT = f"miseq-out/{MISEQ}"


def write_run(lab: Lab, own: bytes | None = None, name: str = MISEQ) -> dict[str, bytes]:
    run = MiSeqRun(name)
    folder = run.write_all(lab.source())
    sheet = folder / "SampleSheet.csv"
    if own is not None:
        sheet.write_bytes(own)
    elif sheet.exists():
        sheet.unlink()
    return tree_of(folder)


def manifest_paths(lab: Lab, out: str = OUT) -> dict[str, str]:
    lines = lab.read(f"{out}.md5").decode().splitlines()
    return {line[34:]: line[:32] for line in lines if not line.startswith("#")}


def test_a_sheet_that_is_there_early_is_attached_unchanged(lab: Lab) -> None:
    files = write_run(lab)
    odd = b"\xff\xfe not utf-8; \r\n;;;\r\n"
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(odd)
    lab.once()
    lab.expect_in_lake({**files, "SampleSheet.csv": odd}, OUT)
    assert set(manifest_paths(lab)) == {*files, "SampleSheet.csv"}


def test_the_newest_year_folder_is_looked_into_too(lab: Lab) -> None:
    write_run(lab)
    for year, text in (("2020", b"old"), ("2023", b"new"), ("misc", b"no")):
        (lab.sheets() / year).mkdir()
        (lab.sheets() / year / f"{MISEQ}.csv").write_bytes(text)
    lab.once()
    assert lab.read(f"{OUT}/SampleSheet.csv") == b"new"


def test_the_instruments_own_different_sheet_keeps_a_name_of_its_own(lab: Lab) -> None:
    files = write_run(lab, OWN)
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    lab.once()
    files["SampleSheet.instrument.csv"] = files.pop("SampleSheet.csv")
    lab.expect_in_lake({**files, "SampleSheet.csv": SHEET}, OUT)
    assert set(manifest_paths(lab)) == {*files, "SampleSheet.csv"}
    verified = lab.call("verify", MISEQ, "--read-back")
    assert "missing" not in verified.stdout.lower() or "0 missing" in verified.stdout.lower()


def test_an_equal_sheet_needs_no_second_name(lab: Lab) -> None:
    files = write_run(lab, OWN)
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(OWN)
    lab.once()
    lab.expect_in_lake(files, OUT)
    assert f"{OUT}/SampleSheet.instrument.csv" not in lab.blobs()
    assert list(manifest_paths(lab)).count("SampleSheet.csv") == 1


def test_a_late_sheet_is_attached_after_publishing_and_an_edited_one_again(lab: Lab) -> None:
    files = write_run(lab, OWN)
    lab.once()
    first = lab.read(f"{OUT}.md5")
    assert lab.the_run().generation == 1
    lab.expect_in_lake(files, OUT)

    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    with lab.daemon():
        lab.wait_published(gen=2)
        assert lab.read(f"{OUT}/SampleSheet.csv") == SHEET
        assert lab.read(f"{OUT}/SampleSheet.instrument.csv") == OWN
        assert b"generation: 2" in lab.read(f"{OUT}.sync")
        edited = SHEET + b"one-more\n"
        (lab.sheets() / f"{MISEQ}.csv").write_bytes(edited)
        lab.wait_published(gen=3)
    sheet = lab.the_run().sheet or {}
    assert (sheet["format"], sheet["samples"]) == ("v1", 2), "the report is about the new one"
    assert lab.read(f"{OUT}/SampleSheet.csv") == edited
    snapshots = [
        lab.client.get_blob_client(blob.name, snapshot=blob.snapshot).download_blob().readall()
        for blob in lab.client.list_blobs(include=["snapshots"])
        if blob.snapshot and blob.name == f"{OUT}/SampleSheet.csv"
    ]
    assert sorted(snapshots) == sorted([OWN, SHEET]), "earlier sheets stay as snapshots"
    kept = [
        lab.client.get_blob_client(blob.name, snapshot=blob.snapshot).download_blob().readall()
        for blob in lab.client.list_blobs(include=["snapshots"])
        if blob.snapshot and blob.name == f"{OUT}.md5"
    ]
    assert first in kept


def test_a_required_sheet_withholds_the_marker_until_it_is_there(lab: Lab) -> None:
    files = write_run(lab)
    other = write_run(lab, name="230103_M00001_0003_000000000-CCCCC")
    lab.configure(instruments__miseq=['sample_sheet = "required"'])
    (lab.sheets() / "230103_M00001_0003_000000000-CCCCC.csv").write_bytes(SHEET)
    lab.once(expect=None)
    lab.expect_in_lake(files, OUT)
    assert f"{OUT}.sync" not in lab.blobs()
    assert f"{OUT}.md5" not in lab.blobs()
    row = lab.the_run()
    assert (row.done, row.status) == ("verify", "waiting")
    assert f"{MISEQ}.csv is required" in (row.reason or "")
    lab.expect_in_lake(other, "miseq-out/230103_M00001_0003_000000000-CCCCC")
    assert "miseq-out/230103_M00001_0003_000000000-CCCCC.sync" in lab.blobs()
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    with lab.daemon():
        lab.wait_published()
    assert lab.read(f"{OUT}/SampleSheet.csv") == SHEET


def test_a_late_sheet_reaches_a_run_that_was_pruned(lab: Lab) -> None:
    files = write_run(lab, OWN)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lab.once()
    assert lab.the_run().emptied_at is not None
    assert not (lab.source() / MISEQ).exists()
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    with lab.daemon():
        lab.wait_published(gen=2)
        lab.wait_for(lambda: lab.the_run().status == "finished", told="rests again")
    files["SampleSheet.instrument.csv"] = files.pop("SampleSheet.csv")
    lab.expect_in_lake({**files, "SampleSheet.csv": SHEET}, OUT)
    row = lab.the_run()
    assert (row.done, row.status) == ("prune", "finished")
    assert not (lab.source() / MISEQ).exists()


def test_a_late_sheet_while_the_run_is_in_the_trash_harms_nothing(lab: Lab) -> None:
    files = write_run(lab, OWN)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "6s"'])
    lab.once()
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(SHEET)
    with lab.daemon():
        lab.wait_published(gen=2)
        lab.wait_for(lambda: lab.the_run().emptied_at is not None, told="trash emptied")
    assert "prune.rescued" not in lab.events()
    files["SampleSheet.instrument.csv"] = files.pop("SampleSheet.csv")
    lab.expect_in_lake({**files, "SampleSheet.csv": SHEET}, OUT)


def test_what_looks_like_the_sheet_is_told_once_and_never_attached(lab: Lab) -> None:
    files = write_run(lab)
    other = "230103_M00001_0003_000000000-CCCCC"
    write_run(lab, name=other)
    (lab.sheets() / "2023").mkdir()
    near = [f"{MISEQ} (1).csv", f"2023/{MISEQ}.xlsx"]
    for name in (*near, f"~${MISEQ}.csv", f"~${other}.csv", "template.csv"):
        (lab.sheets() / name).write_bytes(SHEET)
    log = lab.once() + lab.once()
    told = [line for line in log if line["event"] == "sheet.near-miss"]
    assert [(line["level"], line["run"]) for line in told] == [("WARNING", f"miseq/{MISEQ}")]
    assert all(name in told[0]["message"] for name in near)
    assert "~$" not in told[0]["message"]
    assert f"name it {MISEQ}.csv" in told[0]["next_step"]
    lab.expect_in_lake(files, OUT)
    assert lab.the_run().sheet is None
    assert f"{OUT}/SampleSheet.csv" not in lab.blobs()
    why = json.loads(lab.call("why", MISEQ, "--json").stdout)
    assert len(why["near_sheets"]) == 3, "what a program left is named, but wakes nobody"

    # A new one is told, and all of them again after stale_after.
    (lab.sheets() / f"{MISEQ[:-1]}B.csv").write_bytes(SHEET)
    assert "1 character differs" in the_near_miss(lab.once())["message"]
    lab.configure(daemon=['stale_after = "1s"'])
    time.sleep(1.1)
    assert near[0] in the_near_miss(lab.once())["message"]

    # Named as it should be it is attached, and nothing more is said of the others.
    (lab.sheets() / near[0]).rename(lab.sheets() / f"{MISEQ}.csv")
    log = lab.once()
    assert not [line for line in log if line["event"] == "sheet.near-miss"]
    assert lab.read(f"{OUT}/SampleSheet.csv") == SHEET
    assert json.loads(lab.call("why", MISEQ, "--json").stdout)["near_sheets"] == []


def the_near_miss(log: list[dict[str, Any]]) -> dict[str, Any]:
    (line,) = [line for line in log if line["event"] == "sheet.near-miss"]
    return line


def test_who_waits_for_a_required_sheet_names_what_looks_like_it(lab: Lab) -> None:
    write_run(lab)
    lab.configure(instruments__miseq=['sample_sheet = "required"'])
    (lab.sheets() / f"{MISEQ}.CSV").write_bytes(SHEET)
    lab.once(expect=None)
    assert f"what looks like it: {MISEQ}.CSV (upper and lower case differ)" in (
        lab.the_run().reason or ""
    )
    assert f"{OUT}.sync" not in lab.blobs()


def test_sheets_of_nobody_are_left_alone(lab: Lab) -> None:
    write_run(lab)
    (lab.sheets() / f"{NEXTSEQ}.csv").write_bytes(SHEET)
    (lab.sheets() / f"{MISEQ} (1).csv").write_bytes(SHEET)
    lab.once()
    assert f"{OUT}/SampleSheet.csv" not in lab.blobs()
