"""Runs that other scripts carried before: recognised, proven and adopted, never sent again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from azure.storage.blob import ContentSettings

from datalake_syncd.core.manifest import parse_marker, parse_md5
from demo.sequencer import SequencerRun
from tests.e2e.lab import Lab, log_lines, tree_of
from tests.e2e.runs import expect_published, folder_of, miseq, nextseq, row_of, write

OLD_TIME = b"2021-03-04T05:06:07.123456\n"
LAB_SHEET = b"[Data]\nSample_ID\nfrom-the-lab\n"


def carried_before(
    lab: Lab, run: SequencerRun, *, md5: bool = True, marker: bool = True, **changed: bytes
) -> dict[str, bytes]:
    """Put a run into the lake as the old scripts left it; gives what lies there.

    ``changed`` replaces the bytes of single files (``RunInfo_xml`` = RunInfo.xml); b"" leaves one
    out.
    """
    prefix = prefix_of(run)
    there = dict(run.files())
    for name, data in changed.items():
        path = name.replace("_", ".")
        there.pop(path, None)
        if data:
            there[path] = data
    for path, data in there.items():
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        settings = ContentSettings(content_md5=bytearray(digest)) if md5 else None
        lab.client.upload_blob(f"{prefix}/{path}", data, content_settings=settings)
        if not md5:
            blob = lab.client.get_blob_client(f"{prefix}/{path}")
            blob.set_http_headers(ContentSettings())
            assert not blob.get_blob_properties().content_settings.content_md5
    if marker:
        lab.client.upload_blob(f"{prefix}.sync", OLD_TIME)
    return there


def prefix_of(run: SequencerRun) -> str:
    return f"{'miseq' if 'M00001' in run.name else 'nextseq'}-out/{run.name}"


def etags(lab: Lab, run: SequencerRun) -> dict[str, str]:
    """ETags of the data blobs: not of marker and manifest, which are beside them."""
    start = f"{prefix_of(run)}/"
    return {name: blob.etag for name, blob in lab.blobs(name_starts_with=start).items()}


def snapshots(lab: Lab, name: str) -> list[bytes]:
    return [
        lab.client.get_blob_client(blob.name, snapshot=blob.snapshot).download_blob().readall()
        for blob in lab.client.list_blobs(name_starts_with=name, include=["snapshots"])
        if blob.snapshot and blob.name == name
    ]


def sent(log: list[dict[str, Any]], run: SequencerRun) -> int:
    return sum(
        line["files_sent"]
        for line in log
        if line["event"] == "transfer.finished" and str(line["run"]).endswith(run.name)
    )


def expect_adopted(lab: Lab, run: SequencerRun, files: dict[str, bytes]) -> None:
    prefix = prefix_of(run)
    first, fields = parse_marker(lab.read(f"{prefix}.sync"))
    assert first > "2026"
    assert (fields["outcome"], fields["generation"]) == ("good", "2")
    assert snapshots(lab, f"{prefix}.sync") == [OLD_TIME], "what consumers read so far is kept"
    lines = {path: md5 for md5, path in parse_md5(lab.read(f"{prefix}.md5").decode())[0]}
    assert lines == {
        path: hashlib.md5(data, usedforsecurity=False).hexdigest() for path, data in files.items()
    }


def test_e16_runs_with_and_without_md5_are_read_back_and_adopted(lab: Lab) -> None:
    good, bare, fresh = miseq(1), nextseq(2), nextseq(3)
    for run, md5 in ((good, True), (bare, False)):
        write(lab, run)
        carried_before(lab, run, md5=md5)
    write(lab, fresh)
    before = {run.name: etags(lab, run) for run in (good, bare)}
    log = lab.once()
    for run in (good, bare):
        assert sent(log, run) == 0
        assert etags(lab, run) == before[run.name], "not one byte was sent again"
        row = row_of(lab, run)
        assert (row.done, row.status, row.proof) == ("publish", "finished", "read-back")
        expect_adopted(lab, run, run.files())
    assert sent(log, fresh) == len(fresh.files())
    expect_published(lab, fresh)
    page = lab.call("status").stdout
    assert f"miseq/{good.name}" in page
    assert "generation 2" in page
    for run in (good, bare):
        lab.call("verify", run.name)
        lab.call("verify", run.name, "--read-back")
    # Nothing more at the second pass.
    markers = {name: blob.etag for name, blob in lab.blobs().items()}
    lab.once()
    assert {name: blob.etag for name, blob in lab.blobs().items()} == markers


def test_an_interrupted_old_sync_is_gone_on_with(lab: Lab) -> None:
    run = nextseq(1)
    write(lab, run)
    carried_before(lab, run, marker=False, RunInfo_xml=b"", RunParameters_xml=b"half")
    before = etags(lab, run)
    log = lab.once()
    assert sent(log, run) == 2, "what was missing, and what was half"
    after = etags(lab, run)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {f"{prefix_of(run)}/{name}" for name in ("RunInfo.xml", "RunParameters.xml")}
    assert snapshots(lab, f"{prefix_of(run)}/RunParameters.xml") == [b"half"]
    expect_published(lab, run)


def test_e5_what_differs_is_told_before_anything_is_overwritten(lab: Lab) -> None:
    longer, same_size, unclaimed = nextseq(1), nextseq(2), nextseq(3)
    info = {run.name: run.files()["RunInfo.xml"] for run in (longer, same_size, unclaimed)}
    write(lab, longer, same_size, unclaimed)
    carried_before(lab, longer, RunInfo_xml=b"another")
    carried_before(lab, same_size, RunInfo_xml=info[same_size.name][::-1])
    carried_before(lab, unclaimed, md5=False, RunInfo_xml=info[unclaimed.name][::-1])
    runs = (longer, same_size, unclaimed)
    before = {run.name: etags(lab, run) for run in runs}
    log = lab.once(expect=1)
    for run in runs:
        row = row_of(lab, run)
        assert row.status == "blocked"
        assert "already has a published run" in (row.reason or "")
        assert "RunInfo.xml" in (row.reason or "")
        assert "datalake-syncd release" in (row.next_step or "")
        assert etags(lab, run) == before[run.name]
        assert lab.read(f"{prefix_of(run)}.sync") == OLD_TIME
        assert sent(log, run) == 0
    page = lab.call("status", expect=1, COLUMNS="200").stdout
    assert "3 need you" in page
    assert "RunInfo.xml" in page
    assert f"release nextseq/{longer.name}" in page
    for run in runs:
        lab.call("release", run.name)
    log = lab.once()
    for run in runs:
        assert sent(log, run) == 1, "only what differs"
        for path, data in run.files().items():
            assert lab.read(f"{prefix_of(run)}/{path}") == data
        assert len(snapshots(lab, f"{prefix_of(run)}/RunInfo.xml")) == 1
        expect_adopted(lab, run, run.files())


def test_extra_blobs_stay_and_are_told(lab: Lab) -> None:
    run = nextseq(1)
    write(lab, run)
    carried_before(lab, run, Extra_txt=b"of somebody")
    before = etags(lab, run)
    log = lab.once()
    assert etags(lab, run) == before
    assert sent(log, run) == 0
    (proven,) = [line for line in log if line["event"] == "verify.proven"]
    assert "1 extra in the lake" in proven["message"]
    assert proven["extra"] == ["Extra.txt"]
    assert "Extra.txt" not in lab.read(f"{prefix_of(run)}.md5").decode()
    expect_adopted(lab, run, run.files())


def test_a_blob_of_another_type_needs_a_persons_word(lab: Lab) -> None:
    run = nextseq(1)
    write(lab, run)
    carried_before(lab, run, RTAComplete_txt=b"")
    name = f"{prefix_of(run)}/RTAComplete.txt"
    lab.client.upload_blob(name, run.files()["RTAComplete.txt"], blob_type="AppendBlob")
    before = etags(lab, run)
    lab.once(expect=1)
    assert "RTAComplete.txt (an AppendBlob)" in (row_of(lab, run).reason or "")
    assert etags(lab, run) == before
    lab.call("release", run.name)
    lab.once()
    assert lab.blobs()[name].blob_type == "BlockBlob"
    assert snapshots(lab, name) == [run.files()["RTAComplete.txt"]]
    expect_adopted(lab, run, run.files())


def test_a_sheet_that_was_attached_before_stays_and_the_instruments_own_joins_it(lab: Lab) -> None:
    """The old scripts wrote the lab's sheet over the instrument's own, which only the disk has."""
    own, none, bare = miseq(1), nextseq(2), miseq(3)
    for run, md5 in ((own, True), (none, True), (bare, False)):
        write(lab, run)
        carried_before(lab, run, md5=md5, SampleSheet_csv=LAB_SHEET)
    for instrument, run in (("miseq", own), ("nextseq", none), ("miseq", bare)):
        (lab.sheets(instrument) / f"{run.name}.csv").write_bytes(LAB_SHEET)
    before = {run.name: etags(lab, run) for run in (own, none, bare)}
    log = lab.once()
    for run in (own, bare):
        assert sent(log, run) == 1, "the instrument's own sheet alone"
        files = {**run.files(), "SampleSheet.csv": LAB_SHEET}
        files["SampleSheet.instrument.csv"] = run.files()["SampleSheet.csv"]
        assert etags(lab, run).items() >= before[run.name].items()
        assert {n.rpartition("/")[2] for n in set(etags(lab, run)) - set(before[run.name])} == {
            "SampleSheet.instrument.csv"
        }
        expect_adopted(lab, run, files)
    assert etags(lab, none) == before[none.name]
    expect_adopted(lab, none, {**none.files(), "SampleSheet.csv": LAB_SHEET})
    assert row_of(lab, none).sheet is not None


def test_an_old_sheet_that_nobody_has_any_more_is_not_overwritten_without_asking(lab: Lab) -> None:
    own, none, edited = miseq(1), nextseq(2), miseq(3)
    for run in (own, none, edited):
        write(lab, run)
        carried_before(lab, run, SampleSheet_csv=LAB_SHEET)
    (lab.sheets() / f"{edited.name}.csv").write_bytes(LAB_SHEET.upper())
    before = {run.name: etags(lab, run) for run in (own, none, edited)}
    lab.once(expect=1)
    # No file of the run lies there: it stays, as what it is.
    assert row_of(lab, none).status == "finished"
    assert (row_of(lab, none).sheet or {})["md5"] == hashlib.md5(LAB_SHEET).hexdigest()  # noqa: S324 - no secret
    assert etags(lab, none) == before[none.name]
    for run in (own, edited):
        assert row_of(lab, run).status == "blocked"
        assert "SampleSheet.csv" in (row_of(lab, run).reason or "")
        assert etags(lab, run) == before[run.name]
        lab.call("release", run.name)
    lab.once()
    assert lab.read(f"{prefix_of(edited)}/SampleSheet.csv") == LAB_SHEET.upper()
    kept = snapshots(lab, f"{prefix_of(edited)}/SampleSheet.csv")
    assert kept == [LAB_SHEET, edited.files()["SampleSheet.csv"]]
    assert lab.read(f"{prefix_of(own)}/SampleSheet.csv") == own.files()["SampleSheet.csv"]
    assert snapshots(lab, f"{prefix_of(own)}/SampleSheet.csv") == [LAB_SHEET]


def test_another_sheet_than_the_labs_is_told_before_it_is_replaced(lab: Lab) -> None:
    """No file of the run lies there; the sheet folder has another one."""
    taken, kept, own = nextseq(1), nextseq(2), miseq(3)
    for run in (taken, kept):
        write(lab, run)
        carried_before(lab, run, SampleSheet_csv=LAB_SHEET)
        (lab.sheets("nextseq") / f"{run.name}.csv").write_bytes(LAB_SHEET.upper())
    # The instrument's own is a file of the run: it stays beside the lab's, and nobody is asked.
    write(lab, own)
    carried_before(lab, own)
    (lab.sheets() / f"{own.name}.csv").write_bytes(LAB_SHEET)
    before = {run.name: etags(lab, run) for run in (taken, kept)}
    log = lab.once(expect=1)
    for run in (taken, kept):
        row = row_of(lab, run)
        assert row.status == "blocked"
        assert "already has a published run" in (row.reason or "")
        assert f"{lab.sheets('nextseq')}/{run.name}.csv" in (row.reason or "")
        assert f"datalake-syncd release nextseq/{run.name}" in (row.next_step or "")
        assert f"datalake-syncd retry nextseq/{run.name}" in (row.next_step or "")
        assert etags(lab, run) == before[run.name]
        assert snapshots(lab, f"{prefix_of(run)}/SampleSheet.csv") == []
        assert lab.read(f"{prefix_of(run)}.sync") == OLD_TIME
        assert sent(log, run) == 0
    files = {**own.files(), "SampleSheet.csv": LAB_SHEET}
    files["SampleSheet.instrument.csv"] = own.files()["SampleSheet.csv"]
    expect_adopted(lab, own, files)

    lab.call("release", taken.name)
    (lab.sheets("nextseq") / f"{kept.name}.csv").unlink()
    lab.call("retry", kept.name)
    lab.once()
    expect_adopted(lab, taken, {**taken.files(), "SampleSheet.csv": LAB_SHEET.upper()})
    assert snapshots(lab, f"{prefix_of(taken)}/SampleSheet.csv") == [LAB_SHEET]
    expect_adopted(lab, kept, {**kept.files(), "SampleSheet.csv": LAB_SHEET})
    assert etags(lab, kept) == before[kept.name]
    for run in (taken, kept):
        assert [gate for gate in row_of(lab, run).gates if not gate["passed"]] == []
    # From now on it is our run, and an edited sheet replaces the one before it as ever.
    (lab.sheets("nextseq") / f"{kept.name}.csv").write_bytes(LAB_SHEET.lower())
    lab.once()
    assert lab.read(f"{prefix_of(kept)}/SampleSheet.csv") == LAB_SHEET.lower()
    assert snapshots(lab, f"{prefix_of(kept)}/SampleSheet.csv") == [LAB_SHEET]


def test_a_run_that_is_only_in_the_lake_is_known_and_left_alone(lab: Lab) -> None:
    """The old scripts removed the source of what they had carried."""
    gone, here = miseq(1), miseq(2)
    carried_before(lab, gone)
    write(lab, here)
    before = etags(lab, gone)
    log = lab.once()
    expect_published(lab, here)
    row = row_of(lab, gone)
    assert (row.done, row.status) == ("prune", "finished")
    assert etags(lab, gone) == before
    assert lab.read(f"{prefix_of(gone)}.sync") == OLD_TIME
    assert not [line for line in log if line["level"] == "ERROR"]
    assert gone.name in lab.call("status", "--all").stdout
    why = json.loads(lab.call("why", gone.name, "--json").stdout)["gates"]["publish"]
    assert "only the marker is" in {gate["name"]: gate["found"] for gate in why}["sample sheet"]
    # A folder under its name comes back: nothing of the lake is touched.
    write(lab, gone)
    again = log_lines(lab.call("once", expect=None, SYNCD_LOOK_AGAIN="1").stdout)
    lab.once(expect=1)
    assert etags(lab, gone) == before
    assert not [line for line in again if line["event"] == "transfer.started"]
    assert row_of(lab, gone).status == "blocked"
    assert tree_of(folder_of(lab, gone)) == gone.files()
