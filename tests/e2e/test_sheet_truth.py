"""What the marker says of the sample sheet is what the lake holds, and nobody is left waiting."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from azure.storage.blob import ContentSettings

from datalake_syncd.core.manifest import parse_md5
from demo.sequencer import SequencerRun
from tests.e2e.lab import Lab, log_lines
from tests.e2e.runs import folder_of, instrument_of, miseq, nextseq, row_of, write
from tests.e2e.test_adoption import carried_before, prefix_of, snapshots
from tests.proxy import Proxy, Request

SHEET = b"[Data]\nSample_ID\nS1\n"
LONGER = SHEET + b"S2\n"
OTHER = b"of somebody else"
SHEETS = "SampleSheet.csv"
OWN = "SampleSheet.instrument.csv"
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "0s"']


def sheet_of(lab: Lab, run: SequencerRun) -> Any:
    return lab.sheets(instrument_of(run)) / f"{run.name}.csv"


def blob_of(run: SequencerRun, name: str = SHEETS) -> str:
    return f"{prefix_of(run)}/{name}"


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def put(lab: Lab, name: str, data: bytes, claimed: bytes | None = None) -> None:
    """Somebody else writes a blob, and may claim that it holds other bytes."""
    lab.client.upload_blob(name, data, overwrite=True)
    if claimed is not None:
        md5 = bytearray(hashlib.md5(claimed, usedforsecurity=False).digest())
        blob = lab.client.get_blob_client(name)
        blob.set_http_headers(ContentSettings(content_md5=md5))


def delete(lab: Lab, name: str) -> None:
    lab.client.delete_blob(name, delete_snapshots="include")


def carried_again(lab: Lab, *runs: SequencerRun, expect: int) -> list[dict[str, Any]]:
    """Something is added to published runs, and the service looks at them again."""
    for run in runs:
        (folder_of(lab, run) / "more.txt").write_text("later")
    log = log_lines(lab.call("once", expect=None, SYNCD_LOOK_AGAIN="0").stdout)
    return log + lab.once(expect=expect)


def manifest(lab: Lab, run: SequencerRun) -> dict[str, str]:
    return {path: md5 for md5, path in parse_md5(lab.read(f"{prefix_of(run)}.md5").decode())[0]}


def generation(lab: Lab, run: SequencerRun) -> int:
    """Of a marker that tells nothing but the truth about the sheet."""
    marker = lab.read(f"{prefix_of(run)}.sync").decode()
    names = manifest(lab, run)
    for name in (SHEETS, OWN):
        there = lab.blobs(name_starts_with=blob_of(run, name))
        assert (name in names) == bool(there), f"{name}: {sorted(names)}"
        if there:
            assert names[name] == md5_of(lab.read(blob_of(run, name))), name
    return int(marker.partition("generation: ")[2].partition("\n")[0])


def expect_rests(lab: Lab, run: SequencerRun, done: str = "publish") -> None:
    row = row_of(lab, run)
    assert (row.done, row.status) == (done, "finished"), row
    assert [gate for gate in row.gates if not gate["passed"]] == []


def expect_needs_person(lab: Lab, run: SequencerRun, *words: str) -> None:
    row = row_of(lab, run)
    assert row.status == "blocked", row
    for word in words:
        assert word in f"{row.reason} -> {row.next_step}"


# --- the sheet that is attached is one more file of the run ----------------------------------


def test_a_marker_names_no_sheet_that_the_lake_has_lost(lab: Lab) -> None:
    lost, given_up, replaced = nextseq(1), nextseq(2), nextseq(3)
    runs = (lost, given_up, replaced)
    write(lab, *runs)
    for run in runs:
        sheet_of(lab, run).write_bytes(SHEET)
    lab.once()
    for run in runs:
        assert generation(lab, run) == 1
        sheet_of(lab, run).unlink()
    delete(lab, blob_of(lost))
    delete(lab, blob_of(given_up))
    put(lab, blob_of(replaced), OTHER)

    carried_again(lab, *runs, expect=1)
    folder = str(lab.sheets("nextseq"))
    for run in (lost, given_up):
        expect_needs_person(
            lab, run, f"{SHEETS} is gone from the lake", f"{run.name}.csv", folder,
            f"datalake-syncd retry nextseq/{run.name}",
            f"datalake-syncd release nextseq/{run.name}",
        )  # fmt: skip
    expect_needs_person(lab, replaced, f"{SHEETS} in the lake is not the sheet", md5_of(SHEET))
    for run in runs:
        assert "generation: 1\n" in lab.read(f"{prefix_of(run)}.sync").decode()

    # Each way out that was told leads somewhere.
    sheet_of(lab, lost).write_bytes(SHEET)
    lab.call("retry", lost.name)
    lab.call("release", given_up.name)
    lab.call("release", replaced.name)
    lab.once(expect=None)
    if "no longer in the run" in (row_of(lab, given_up).reason or ""):
        lab.call("release", given_up.name)  # and its manifest is a smaller one
        lab.once()
    for run in runs:
        expect_rests(lab, run)
        assert generation(lab, run) == 2
    assert lab.read(blob_of(lost)) == SHEET
    assert SHEETS not in manifest(lab, given_up)
    assert row_of(lab, given_up).sheet is None
    assert lab.read(blob_of(replaced)) == OTHER
    assert (row_of(lab, replaced).sheet or {})["path"] is None
    for run in runs:
        lab.call("verify", run.name, "--read-back")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_sheet_that_is_lost_before_the_marker_is_attached_again(lab: Lab, replaced: bool) -> None:
    run = nextseq(1)
    write(lab, run)
    sheet_of(lab, run).write_bytes(SHEET)
    # It dies between the two; what happens to the lake then is seen by nobody.
    done = lab.call("once", expect=None, SYNCD_FAILPOINT="before-publish")
    assert done.returncode == -9
    assert row_of(lab, run).done == "attach-sheet"
    if replaced:
        put(lab, blob_of(run), OTHER)
    else:
        delete(lab, blob_of(run))
    log = lab.once()
    expect_rests(lab, run)
    assert generation(lab, run) == 1
    assert lab.read(blob_of(run)) == SHEET
    (told,) = [one for one in log if one["event"] == "verify.mismatch"]
    assert SHEETS in told["message"]
    assert row_of(lab, run).rounds == 0
    assert snapshots(lab, blob_of(run)) == ([OTHER] if replaced else [])


def test_a_sheet_that_the_lake_loses_again_and_again_needs_a_person(lab: Lab, proxy: Proxy) -> None:
    run = nextseq(1)
    write(lab, run)
    sheet_of(lab, run).write_bytes(SHEET)

    def take_away(request: Request) -> None:
        if request.query.get("comp") == ["list"] and blob_of(run) in lab.blobs():
            delete(lab, blob_of(run))

    proxy.rule = take_away
    lab.once(expect=1)
    expect_needs_person(lab, run, f"{SHEETS} is gone from the lake after it was attached again 3")
    assert lab.events(run.name, "nextseq").count("sheet.attached") == 4
    assert f"{prefix_of(run)}.sync" not in lab.blobs()
    proxy.rule = lambda _request: None
    lab.call("retry", run.name)
    lab.once()
    expect_rests(lab, run)
    assert generation(lab, run) == 1
    assert row_of(lab, run).rounds == 0


def test_a_sheet_that_was_written_again_as_it_was_is_no_other_one(lab: Lab) -> None:
    run = nextseq(1)
    write(lab, run)
    sheet_of(lab, run).write_bytes(SHEET)
    lab.once()
    sheet_of(lab, run).unlink()
    put(lab, blob_of(run), SHEET)
    etag = lab.blobs()[blob_of(run)].etag
    carried_again(lab, run, expect=0)
    expect_rests(lab, run)
    assert generation(lab, run) == 2
    assert lab.blobs()[blob_of(run)].etag == etag
    assert snapshots(lab, blob_of(run)) == []
    assert (row_of(lab, run).sheet or {})["etag"] == etag.strip('"')


def test_an_md5_that_somebody_claims_for_a_sheet_is_not_believed(lab: Lab) -> None:
    fresh, published = nextseq(1), nextseq(2)
    for run in (fresh, published):
        write(lab, run)
        sheet_of(lab, run).write_bytes(SHEET)
        carried_before(lab, run, marker=run is published)
        put(lab, blob_of(run), SHEET[::-1], claimed=SHEET)
    lab.once(expect=1)
    expect_rests(lab, fresh)
    assert generation(lab, fresh) == 1
    assert lab.read(blob_of(fresh)) == SHEET
    assert snapshots(lab, blob_of(fresh)) == [SHEET[::-1]]
    # In a run that others published a person is asked first.
    expect_needs_person(lab, published, "already has a published run", SHEETS)
    assert lab.read(blob_of(published)) == SHEET[::-1]


# --- no way that was told leads nowhere ------------------------------------------------------


def test_a_run_with_both_names_goes_on_when_one_is_renamed(lab: Lab) -> None:
    renamed, without = miseq(1), miseq(2)
    write(lab, renamed, without)
    for run in (renamed, without):
        (folder_of(lab, run) / OWN).write_bytes(b"x")
        sheet_of(lab, run).write_bytes(SHEET)
    lab.once(expect=1)
    for run in (renamed, without):
        expect_needs_person(lab, run, f"both {SHEETS} and {OWN}", "rename", f"{run.name}.csv")
    (folder_of(lab, renamed) / OWN).rename(folder_of(lab, renamed) / "renamed.csv")
    sheet_of(lab, without).unlink()
    for run in (renamed, without):
        lab.call("retry", run.name)
    lab.once()
    for run in (renamed, without):
        expect_rests(lab, run)
        assert generation(lab, run) == 1
    assert lab.read(blob_of(renamed)) == SHEET
    assert lab.read(blob_of(renamed, OWN)) == renamed.files()[SHEETS]
    assert lab.read(blob_of(renamed, "renamed.csv")) == b"x"
    assert snapshots(lab, blob_of(renamed, OWN)) == [b"x"]
    assert lab.read(blob_of(without)) == without.files()[SHEETS]
    assert lab.read(blob_of(without, OWN)) == b"x"


def test_an_own_sheet_that_somebody_replaced_is_sent_again_from_the_disk(lab: Lab) -> None:
    replaced, deleted, forged = miseq(1), miseq(2), miseq(3)
    runs = (replaced, deleted, forged)
    write(lab, *runs)
    lab.configure(instruments__miseq=['sample_sheet = "required"'])
    lab.once(expect=None)
    own = forged.files()[SHEETS]
    put(lab, blob_of(replaced), OTHER)
    delete(lab, blob_of(deleted))
    put(lab, blob_of(forged), own[::-1], claimed=own)
    for run in runs:
        sheet_of(lab, run).write_bytes(SHEET)
        lab.call("retry", run.name)
    lab.once()
    for run in runs:
        expect_rests(lab, run)
        assert generation(lab, run) == 1
        assert lab.read(blob_of(run)) == SHEET
        assert lab.read(blob_of(run, OWN)) == run.files()[SHEETS]
    assert OTHER in snapshots(lab, blob_of(replaced))
    assert own[::-1] in snapshots(lab, blob_of(forged))


def test_an_own_sheet_that_the_lake_lost_is_sent_again_from_the_disk(lab: Lab) -> None:
    lost, forged = miseq(1), miseq(2)
    write(lab, lost, forged)
    for run in (lost, forged):
        sheet_of(lab, run).write_bytes(SHEET)
    lab.once()
    own = forged.files()[SHEETS]
    delete(lab, blob_of(lost, OWN))
    put(lab, blob_of(forged, OWN), own[::-1], claimed=own)
    for run in (lost, forged):
        sheet_of(lab, run).write_bytes(LONGER)
    lab.once()
    for run in (lost, forged):
        expect_rests(lab, run)
        assert generation(lab, run) == 2
        assert lab.read(blob_of(run)) == LONGER
        assert lab.read(blob_of(run, OWN)) == run.files()[SHEETS]
    assert own[::-1] in snapshots(lab, blob_of(forged, OWN))


def test_of_a_pruned_run_a_person_is_told_which_blob_is_gone(lab: Lab) -> None:
    aside, first = miseq(1), miseq(2)
    write(lab, aside, first)
    sheet_of(lab, aside).write_bytes(SHEET)
    lab.configure(instruments__miseq__prune=PRUNE)
    lab.once()
    lab.once()
    for run in (aside, first):
        assert row_of(lab, run).emptied_at is not None
        assert not folder_of(lab, run).exists()
    own = {run.name: run.files()[SHEETS] for run in (aside, first)}
    delete(lab, blob_of(aside, OWN))
    delete(lab, blob_of(first))
    sheet_of(lab, aside).write_bytes(LONGER)
    sheet_of(lab, first).write_bytes(SHEET)
    lab.once(expect=1)
    expect_needs_person(lab, aside, f"{OWN} is gone from the lake", md5_of(own[aside.name]))
    expect_needs_person(lab, first, f"{SHEETS} is gone from the lake", md5_of(own[first.name]))
    for run in (aside, first):
        assert "generation: 1\n" in lab.read(f"{prefix_of(run)}.sync").decode()
        expect_needs_person(lab, run, "soft delete", f"datalake-syncd retry miseq/{run.name}")

    put(lab, blob_of(aside, OWN), own[aside.name])
    put(lab, blob_of(first), own[first.name])
    for run in (aside, first):
        lab.call("retry", run.name)
    lab.once()
    for run, sheet in ((aside, LONGER), (first, SHEET)):
        expect_rests(lab, run, "prune")
        assert generation(lab, run) == 2
        assert lab.read(blob_of(run)) == sheet
        assert lab.read(blob_of(run, OWN)) == own[run.name]


# --- required, and no folder for it ----------------------------------------------------------


def without_folders(lab: Lab) -> None:
    """``sample_sheet = "required"`` for both instruments, and no folder to look into."""
    lab.configure(
        instruments__miseq=['sample_sheet = "required"'],
        instruments__nextseq=['sample_sheet = "required"'],
    )
    lines = lab.config.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("sample_sheets")]
    lab.config.write_text("\n".join(kept) + "\n")


def test_without_a_folder_the_instruments_own_sheet_is_the_required_one(lab: Lab) -> None:
    own, none = miseq(1), nextseq(2)
    write(lab, own, none)
    without_folders(lab)
    told = lab.call("config", "check").stdout
    assert "only a SampleSheet.csv that the instrument itself writes opens the way" in told
    log = lab.once(expect=None)
    expect_rests(lab, own)
    assert generation(lab, own) == 1
    assert lab.read(blob_of(own)) == own.files()[SHEETS]
    (line,) = [one for one in log if one["event"] == "sheet.own"]
    assert line["run"] == f"miseq/{own.name}"
    why = lab.call("why", own.name).stdout
    assert "the instrument's own" in why
    assert "NO   sample sheet" not in why

    row = row_of(lab, none)
    assert (row.done, row.status) == ("verify", "waiting")
    assert "None" not in (row.reason or "")
    assert "no sample_sheets folder" in (row.reason or "")
    assert 'sample_sheet = "optional"' in (row.reason or "")
    assert f"{prefix_of(none)}.sync" not in lab.blobs()
    # One that comes into the run itself is seen.
    (folder_of(lab, none) / SHEETS).write_bytes(SHEET)
    lab.call("retry", none.name)
    lab.once()
    expect_rests(lab, none)
    assert generation(lab, none) == 1
    assert lab.read(blob_of(none)) == SHEET
