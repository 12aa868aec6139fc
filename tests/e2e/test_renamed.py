"""Folders that get another name, and folders that come back: nothing goes twice, nothing mixes."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from tests.e2e.lab import Daemon, Lab, tree_of
from tests.e2e.runs import expect_published, folder_of, go_on, miseq, row_of, write
from tests.proxy import Proxy, Request

NEW = "230101_M00001_0077_000000000-BBBBB"
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "0s"']
LOOK = {"SYNCD_LOOK_AGAIN": "1"}


def rename(lab: Lab, old: str, new: str) -> None:
    (lab.source() / old).rename(lab.source() / new)


def blobs_of(lab: Lab, run: str) -> list[str]:
    return [name for name in lab.blobs() if name.startswith(f"miseq-out/{run}")]


def etags(lab: Lab) -> dict[str, str]:
    return {name: blob.etag for name, blob in lab.blobs().items()}


# --- another name ------------------------------------------------------------------------------


def test_c16_a_published_run_under_a_new_name_is_not_sent_again_until_a_person_says_so(
    lab: Lab,
) -> None:
    run = miseq(1)
    (lab.source() / "keep").mkdir()
    write(lab, run)
    lab.once()
    expect_published(lab, run)
    before = etags(lab)
    rename(lab, run.name, NEW)
    log = lab.once(expect=1)
    row = lab.the_run(NEW)
    assert (row.done, row.status) == ("sighted", "blocked")
    assert f"the same RunInfo.xml as miseq/{run.name}, which was published on" in (row.reason or "")
    assert "rename the folder back" in (row.next_step or "")
    assert f"datalake-syncd release miseq/{NEW}" in (row.next_step or "")
    assert etags(lab) == before, "nothing is sent before a person decides"
    assert [line["run"] for line in log if line["level"] == "ERROR"] == [f"miseq/{NEW}"]
    lab.once(expect=1)
    assert etags(lab) == before

    # Renamed back: both are content, nothing is sent.
    rename(lab, NEW, run.name)
    log = lab.once()
    assert not [line for line in log if line["level"] == "ERROR"]
    assert lab.the_run(NEW).status == "finished"
    assert f"goes on as miseq/{run.name}" in (lab.the_run(NEW).reason or "")
    assert etags(lab) == before

    rename(lab, run.name, NEW)
    lab.once(expect=1)
    lab.call("release", NEW)
    lab.once()
    assert lab.the_run(NEW).outcome == "good", "a name says nothing about the run"
    lab.expect_in_lake(run.files(), f"miseq-out/{NEW}")
    assert etags(lab).items() >= before.items(), "the old name stays as it was"


def forget_fingerprints(lab: Lab, *, facts: bool = True) -> None:
    """The ledger as it was before it had fingerprints."""
    with contextlib.closing(sqlite3.connect(lab.state / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE runs SET fingerprint=NULL")
        if not facts:
            ledger.execute("UPDATE runs SET facts='{}'")


def expect_asked(lab: Lab, told: str) -> None:
    """The new name waits for a person, and nothing of it is in the lake."""
    row = lab.the_run(NEW)
    assert (row.done, row.status) == ("sighted", "blocked")
    assert told in (row.reason or "")
    assert not blobs_of(lab, NEW)


def test_a_run_from_before_fingerprints_gets_its_own_at_the_next_scan(lab: Lab) -> None:
    run = miseq(1)
    (lab.source() / "keep").mkdir()
    write(lab, run)
    lab.once()
    first = row_of(lab, run)
    forget_fingerprints(lab, facts=False)
    lab.once()
    assert row_of(lab, run).fingerprint == first.fingerprint is not None
    assert row_of(lab, run).generation == 1
    rename(lab, run.name, NEW)
    lab.once(expect=1)
    expect_asked(lab, f"the same RunInfo.xml as miseq/{run.name}, which was published on")


def test_a_run_that_went_before_it_had_a_fingerprint_is_known_by_its_id(lab: Lab) -> None:
    """Its folder had another name than its id even then: the facts in the ledger tell."""
    run, odd = miseq(1), "230101_M00001_0033_000000000-CCCCC"
    (lab.source() / "keep").mkdir()
    write(lab, run)
    rename(lab, run.name, odd)
    lab.once()
    forget_fingerprints(lab)
    rename(lab, odd, NEW)
    lab.once(expect=1)
    expect_asked(lab, f"the run id of miseq/{odd}, which was published on")
    lab.call("release", NEW)
    lab.once()
    lab.expect_in_lake(run.files(), f"miseq-out/{NEW}")


def test_a_lost_ledger_knows_renamed_runs_by_what_the_lake_calls_them(lab: Lab) -> None:
    run, other = miseq(1), miseq(2)
    write(lab, run, other)
    lab.once()
    before = etags(lab)
    rename(lab, run.name, NEW)
    shutil.move(lab.state, lab.root / "lost")
    lab.once(expect=1)
    assert row_of(lab, run).reason == "learned from the lake; not on this disk"
    expect_asked(lab, f"the run id of miseq/{run.name}, which was published on")
    assert "pruned here" not in (lab.the_run(NEW).reason or "")
    assert row_of(lab, other).status == "finished"
    unchanged = etags(lab)
    files = [f"miseq-out/{run.name}/{path}" for path in run.files()]
    assert all(unchanged[path] == before[path] for path in files)


def test_a_run_that_was_only_seen_goes_on_under_its_new_name(lab: Lab) -> None:
    run = miseq(1, no_flags=True)
    write(lab, run)
    with lab.daemon() as daemon:
        lab.wait_for(lambda: lab.run(run.name) is not None and row_of(lab, run).fingerprint)
        rename(lab, run.name, NEW)
        lab.wait_for(lambda: daemon.lines("run.renamed"), told="renamed")
        (folder_of(lab, run).parent / NEW / "RTAComplete.txt").write_text("done")
        lab.wait_published(NEW)
        assert not daemon.lines("run.vanished")
        assert not daemon.lines("run.blocked")
    row = row_of(lab, run)
    assert (row.done, row.status) == ("sighted", "finished")
    assert f"goes on as miseq/{NEW}" in (row.reason or "")
    assert not blobs_of(lab, run.name)
    assert "no longer followed" in lab.call("why", run.name, expect=None).stdout


def test_c16_a_run_that_is_renamed_in_the_middle_waits_for_a_person(lab: Lab) -> None:
    run, other = miseq(1), miseq(2)
    write(lab, run, other)
    with lab.daemon(SYNCD_FAILPOINT="record-transfer") as daemon:
        lab.wait_for(lambda: daemon.process.poll() is not None, told="died after its transfer")
    sent = set(blobs_of(lab, run.name))
    assert row_of(lab, run).settled_at is not None
    rename(lab, run.name, NEW)
    lab.once(expect=1)
    lab.once(expect=1)
    assert lab.the_run(NEW).status == row_of(lab, run).status == "blocked"
    assert "on its way to the lake" in (lab.the_run(NEW).reason or "")
    assert not blobs_of(lab, NEW)
    expect_published(lab, other)
    lab.call("release", NEW)
    lab.once()
    lab.expect_in_lake(run.files(), f"miseq-out/{NEW}")
    assert row_of(lab, run).status == "finished", "its new name was released: no alarm is left"
    assert set(blobs_of(lab, run.name)) == sent


def test_runs_that_only_look_alike_go_side_by_side(lab: Lab) -> None:
    """No run id, or another RunInfo.xml: nothing to recognise a run by."""
    first, second = miseq(1), miseq(2)
    write(lab, first, second)
    for run in (first, second):
        info = folder_of(lab, run) / "RunInfo.xml"
        text = info.read_bytes().replace(run.name.encode(), b"")
        info.write_bytes(text.replace(b'Number="1"', b"").replace(b'Number="2"', b""))
    infos = {(folder_of(lab, run) / "RunInfo.xml").read_bytes() for run in (first, second)}
    third, fourth = miseq(3), miseq(4)
    write(lab, third, fourth)
    info = folder_of(lab, fourth) / "RunInfo.xml"
    info.write_bytes((folder_of(lab, third) / "RunInfo.xml").read_bytes() + b"\n")
    go_on(lab, first, second, third, fourth)
    assert len(infos) == 1, "the two have the same bytes, and no id in them"
    for run in (first, second, third, fourth):
        expect_published(lab, run)


# --- back again --------------------------------------------------------------------------------


def pruned(lab: Lab) -> tuple[Path, dict[str, bytes]]:
    """A run that was published, pruned and emptied; gives a copy of it and its files."""
    run = miseq(1)
    lab.configure(instruments__miseq__prune=PRUNE)
    (lab.source() / "keep").mkdir()
    write(lab, run)
    copy = lab.root / "copy"
    shutil.copytree(folder_of(lab, run), copy)
    lab.once()
    lab.once()
    assert row_of(lab, run).emptied_at is not None
    assert not folder_of(lab, run).exists()
    return copy, tree_of(copy)


def verdict(lab: Lab, daemon: Daemon, event: str) -> None:
    lab.wait_for(lambda: daemon.lines(event), told=event)


def test_the_same_content_that_comes_back_is_told_once_and_left_alone(lab: Lab) -> None:
    copy, files = pruned(lab)
    before, run = etags(lab), miseq(1)
    shutil.copytree(copy, folder_of(lab, run))
    with lab.daemon(**LOOK) as daemon:
        verdict(lab, daemon, "run.back")
        time.sleep(3)
        assert len(daemon.lines("run.back")) == 1
    with lab.daemon(**LOOK) as daemon:
        time.sleep(3)
        assert len(daemon.lines("run.back")) == 1, "known from the ledger, also after a restart"
        assert not daemon.lines("run.blocked")
    row = row_of(lab, run)
    assert (row.done, row.status) == ("prune", "finished")
    assert etags(lab) == before
    assert tree_of(folder_of(lab, run)) == files, "nothing of it is removed"
    lab.once()
    lab.call("status")

    # Then it changes after all.
    (folder_of(lab, run) / "RunInfo.xml").write_bytes(files["RunInfo.xml"][::-1])
    with lab.daemon(**LOOK) as daemon:
        verdict(lab, daemon, "run.blocked")
    assert "with other content: RunInfo.xml" in (row_of(lab, run).reason or "")
    assert etags(lab) == before
    assert tree_of(folder_of(lab, run)).keys() == files.keys()


def test_c17_other_content_that_comes_back_needs_a_person(lab: Lab) -> None:
    copy, files = pruned(lab)
    before, run = etags(lab), miseq(1)
    (copy / "late.txt").write_text("late")
    shutil.copytree(copy, folder_of(lab, run))
    with lab.daemon() as daemon:
        verdict(lab, daemon, "run.blocked")
        row = row_of(lab, run)
        assert (row.done, row.status) == ("prune", "blocked")
        assert "came back under the name of this run" in (row.reason or "")
        assert "late.txt is new" in (row.reason or "")
        assert "datalake-syncd release" in (row.next_step or "")
        # A person takes the stranger out: what is left is what was published.
        (folder_of(lab, run) / "late.txt").unlink()
        lab.call("retry", run.name)
        verdict(lab, daemon, "run.back")
        lab.wait_for(lambda: row_of(lab, run).status == "finished")
        assert etags(lab) == before
    with lab.daemon(**LOOK):
        (folder_of(lab, run) / "late.txt").write_text("late")
        lab.wait_for(lambda: row_of(lab, run).status == "blocked")
    lab.configure(instruments__miseq__prune=["enabled = false"])
    lab.call("release", run.name)
    lab.once()
    lab.expect_in_lake({**files, "late.txt": b"late"}, f"miseq-out/{run.name}")
    assert row_of(lab, run).generation == 2
    after = etags(lab)
    assert all(after[f"miseq-out/{run.name}/{path}"] == before[f"miseq-out/{run.name}/{path}"]
               for path in files), "what is there and equal is not sent again"  # fmt: skip


def test_a_copy_that_is_under_way_is_no_verdict(lab: Lab) -> None:
    _, files = pruned(lab)
    run = miseq(1)
    lab.configure(instruments__miseq=['quiet = "2s"'], daemon=['scan_interval = "0.2s"'])
    with lab.daemon(**LOOK) as daemon:
        for number, (path, data) in enumerate(files.items()):
            place = folder_of(lab, run) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            time.sleep(0 if number < len(files) - 4 else 1)  # shorter than quiet
        assert not daemon.lines("run.blocked")
        verdict(lab, daemon, "run.back")
        assert not daemon.lines("run.blocked")
    assert row_of(lab, run).status == "finished"


def test_a_new_name_is_recognised_although_ledger_and_lake_were_away(
    lab: Lab, proxy: Proxy
) -> None:
    """At the first scan nobody can say what the lake has; when it answers, it is asked first."""
    run = miseq(1)
    (lab.source() / "keep").mkdir()
    write(lab, run)
    lab.once()
    expect_published(lab, run)
    before = etags(lab)
    rename(lab, run.name, NEW)
    shutil.move(lab.state, lab.root / "lost")

    def away(request: Request) -> None:
        request.status, request.error = 503, "ServerBusy"

    proxy.rule = away
    with lab.daemon() as daemon:
        lab.wait_for(lambda: (row := lab.run(NEW)) is not None and row.done == "settle", 120)
        assert daemon.lines("ledger.rederive"), "the lake could not be asked"
        proxy.rule = lambda _request: None
        lab.wait_for(lambda: lab.the_run(NEW).status == "blocked", 120)
        row = lab.the_run(NEW)
        assert f"the run id of miseq/{run.name}" in (row.reason or "")
        assert f"datalake-syncd release miseq/{NEW}" in (row.next_step or "")
        assert etags(lab) == before, "nothing is sent before a person decides"
        lab.call("release", NEW)
        lab.wait_published(NEW)
    lab.expect_in_lake(run.files(), f"miseq-out/{NEW}")
    assert etags(lab).items() >= before.items()
