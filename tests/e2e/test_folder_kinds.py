"""Nanopore, PacBio and drop folders end to end: whole runs go, near misses wait or are named."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.manifest import parse_marker
from demo.providers import Delivery, NanoporeRun, PacBioRun, Protocol
from tests.e2e.lab import Lab, tree_of
from tests.servers import Azurite

FIRST = Protocol()
SECOND = Protocol(
    sample="sample_2", position="3D", flowcell="PAS97781", run_id="595b5663", acquisition="efc7f02e"
)
RULES = {
    "flags": ['completion_flags = ["*.done", "Checked.txt"]'],
    "ready": ['ready_file = "{name}.ready"'],
    "sums": ['checksum_file = "*sum.txt"'],
    "quiet": [],
    "all": [
        'completion_flags = ["DONE"]',
        'ready_file = "{name}.ready"',
        'checksum_file = "md5sum.txt"',
    ],
}


@pytest.fixture
def lab(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Lab:
    """One instrument of each kind, and a drop folder for each rule."""
    assert azcopy_path.exists()
    kinds = {"nanopore": "nanopore", "pacbio": "pacbio", **dict.fromkeys(RULES, "folder")}
    settings = {f"instruments.{name}": lines for name, lines in RULES.items()}
    settings["daemon"] = ["workers = 6"]
    return Lab(tmp_path, azurite, container, kinds=kinds, settings=settings)


def wait_row(lab: Lab, instrument: str, name: str, status: str, *words: str) -> Run:
    """Until a run stands so, for these words."""

    def is_so() -> bool:
        row = lab.run(name, instrument)
        return (
            row is not None and row.status == status and all(w in (row.reason or "") for w in words)
        )

    lab.wait_for(is_so, 40, f"{instrument}/{name}: {lab.run(name, instrument)} {words}")
    return lab.the_run(name, instrument)


def expect_published(lab: Lab, instrument: str, name: str, outcome: str = "good") -> None:
    """In the lake byte for byte, and its marker says how it ended."""

    def finished() -> bool:
        row = lab.run(name, instrument)
        return row is not None and (row.done, row.status) == ("publish", "finished")

    lab.wait_for(finished, 40, f"{instrument}/{name}: {lab.run(name, instrument)}")
    prefix = f"{instrument}-out/{name}"
    files = tree_of(lab.source(instrument) / name)
    lab.expect_in_lake(files, prefix)
    there = set(lab.blobs(name_starts_with=f"{prefix}/"))
    assert there == {f"{prefix}/{path}" for path in files}
    _, fields = parse_marker(lab.read(f"{prefix}.sync"))
    assert fields["outcome"] == outcome
    assert fields["files"] == str(len(files))


def expect_no_marker(lab: Lab, instrument: str, name: str) -> None:
    assert f"{instrument}-out/{name}.sync" not in lab.blobs(name_starts_with=f"{instrument}-out/")


def put(lab: Lab, instrument: str, path: str, data: bytes = b"") -> None:
    file = lab.source(instrument) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def gates_of(row: Run) -> dict[str, dict[str, Any]]:
    return {gate["name"]: gate for gate in row.gates}


def test_runs_of_nanopore_and_pacbio_go_when_all_their_parts_are_through(lab: Lab) -> None:
    both = NanoporeRun("two flow cells", protocols=(FIRST, SECOND))
    in_one = replace(SECOND, sample="sample_1")
    pool = NanoporeRun("pool", protocols=(FIRST, in_one), pooled=True, listed=False)
    half = NanoporeRun("half", protocols=(FIRST, SECOND))
    half_pool = NanoporeRun("half pool", protocols=(FIRST, in_one), pooled=True)
    begun = NanoporeRun("begun", listed=False)
    lacking = [(half, SECOND), (half_pool, in_one), (begun, FIRST)]
    revio = PacBioRun("r84047_20230404_164149")
    sequel = PacBioRun("r64089e_20220615_171559", model="sequel")
    late = PacBioRun("r84047_20230405_164149")
    lossy = PacBioRun("r84047_20230406_164149")
    lost = next(path for path in lossy.files() if path.startswith("1_A01/hifi_reads"))
    for run in (both, pool):
        run.write_all(lab.source("nanopore"))
    for run, protocol in lacking:
        run.write_all(lab.source("nanopore"), without=[run.place(protocol) + protocol.summary])
    for cells in (revio, sequel):
        cells.write_all(lab.source("pacbio"))
    late.write_all(lab.source("pacbio"), without=[late.done("1_B01")])
    lossy.write_all(lab.source("pacbio"), without=[lost])
    put(lab, "nanopore", "queued_reads/a.pod5")
    put(lab, "pacbio", "nosync/1_A01/m1.transferdone")

    with lab.daemon() as daemon:
        for name in (both.name, pool.name):
            expect_published(lab, "nanopore", name)
        for name in (revio.name, sequel.name):
            expect_published(lab, "pacbio", name)
        why = f"final summary of sample_2/{SECOND.folder}: not there, needed"
        wait_row(lab, "nanopore", half.name, "waiting", why)
        pooled = f"final summary of run {SECOND.run_id} of sample_1:"
        wait_row(lab, "nanopore", half_pool.name, "waiting", pooled)
        wait_row(lab, "nanopore", begun.name, "waiting", f"sample_1/{FIRST.folder}")
        wait_row(lab, "pacbio", late.name, "waiting", "SMRT cell 1_B01: not transferred")
        blocked = wait_row(lab, "pacbio", lossy.name, "blocked", "listed files: 1 of 14", lost)
        assert blocked.next_step
        for name in (half.name, half_pool.name, begun.name):
            expect_no_marker(lab, "nanopore", name)
        for name in (late.name, lossy.name):
            expect_no_marker(lab, "pacbio", name)
        with lab.ledger() as ledger:
            known = {f"{run.instrument}/{run.name}" for run in ledger.runs.all()}
        assert known == {
            *(f"nanopore/{run.name}" for run in (both, pool, half, half_pool, begun)),
            *(f"pacbio/{run.name}" for run in (revio, sequel, late, lossy)),
        }
        # What was missing comes: each goes on by itself, and the alarm was one.
        for run, protocol in lacking:
            path = run.place(protocol) + protocol.summary
            put(lab, "nanopore", f"{run.name}/{path}", run.files()[path])
        put(lab, "pacbio", f"{late.name}/{late.done('1_B01')}", late.files()[late.done("1_B01")])
        put(lab, "pacbio", f"{lossy.name}/{lost}", lossy.files()[lost])
        for name in (half.name, half_pool.name, begun.name):
            expect_published(lab, "nanopore", name)
        for name in (late.name, lossy.name):
            expect_published(lab, "pacbio", name)
        assert len([line for line in daemon.lines() if line["level"] == "ERROR"]) == 1
    facts = lab.the_run(both.name, "nanopore").facts
    assert facts["flowcell"] == "PAS86456, PAS97781"
    gates = gates_of(lab.the_run(both.name, "nanopore"))
    assert gates["listed files"]["found"] == "all 12 are there"
    assert "listed files" not in gates_of(lab.the_run(sequel.name, "pacbio"))


def test_lists_and_names_from_which_something_is_lost_never_pass_for_whole(lab: Lab) -> None:
    sequel = PacBioRun("r64089e_20220615_171559", model="sequel")
    revios = [PacBioRun(f"r84047_2023040{day}_164149", cells=("1_A01",)) for day in range(4, 8)]
    headless, fewer, empty, mended = revios
    sequel.write_all(lab.source("pacbio"), without=[sequel.done("1_B01")])
    for run in revios:
        lost = [path for path in run.files() if path.startswith("1_A01/hifi_reads/")]
        run.write_all(lab.source("pacbio"), without=lost if run in (headless, empty) else [])
        done = f"{run.name}/{run.done('1_A01')}"
        lines = run.files()[run.done("1_A01")].rstrip(b"\n").split(b"\n")
        # The first line says how many there must be.
        kept = {headless.name: lines[1:], empty.name: []}.get(run.name, lines[:-1])
        put(lab, "pacbio", done, b"\n".join(kept))
    pool = NanoporeRun(
        "pool", protocols=(FIRST, replace(SECOND, sample="sample_1")), pooled=True, listed=False
    )
    last = f"sample_1/{SECOND.summary}"
    sheet = f"sample_1/sample_sheet_{SECOND.flowcell}_{SECOND.started}_{SECOND.run_id}.csv"
    pool.write_all(lab.source("nanopore"), without=[last, sheet])
    old_mac, both = Delivery("old mac", algorithm="md5"), Delivery("both", algorithm="md5")
    listed = old_mac.list_of_sums()
    for delivery in (old_mac, both):
        delivery.write_all(lab.source("sums"))
    put(lab, "sums", "old mac/md5sum.txt", listed.replace(b"\n", b"\r"))
    sha = replace(both, algorithm="sha256").list_of_sums()
    put(lab, "sums", "both/md5sum.txt", both.list_of_sums() + sha)
    for name in (f"{sequel.name}_old", f"{sequel.name} (2)"):
        put(lab, "pacbio", f"{name}/1_A01/m1.transferdone")

    with lab.daemon() as daemon:
        expect_published(lab, "pacbio", empty.name)
        expect_published(lab, "sums", "old mac")
        expect_published(lab, "sums", "both")
        wait_row(lab, "pacbio", sequel.name, "waiting", "SMRT cell 1_B01: not transferred")
        told = f"{headless.done('1_A01')}: line 1: no line 'nfiles: N', 7 listed"
        wait_row(lab, "pacbio", headless.name, "blocked", told, "2 of 7 are not there")
        for run in (fewer, mended):
            wait_row(lab, "pacbio", run.name, "blocked", "line 1: 7 files announced, 6 listed")
        wait_row(lab, "nanopore", "pool", "waiting", f"final summary of run {SECOND.run_id} of")
        for run in (sequel, headless, fewer, mended):
            expect_no_marker(lab, "pacbio", run.name)
        expect_no_marker(lab, "nanopore", "pool")
        (line,) = daemon.lines("run.no-checksums")
        assert (line["run"], line["level"]) == (f"pacbio/{empty.name}", "WARNING")
        assert f"{empty.done('1_A01')} lists no file" in line["message"]
        odd = {line["message"].partition(" looks")[0] for line in daemon.lines("run.odd-name")}
        assert odd == {f"{sequel.name}_old", f"{sequel.name} (2)"}
        # The rest comes: each goes on by itself, and one as it is, because a person says so.
        put(lab, "pacbio", f"{sequel.name}/{sequel.done('1_B01')}")
        whole = mended.done("1_A01")
        put(lab, "pacbio", f"{mended.name}/{whole}", mended.files()[whole])
        put(lab, "nanopore", f"pool/{last}", pool.files()[last])
        lab.call("release", f"pacbio/{fewer.name}")
        expect_published(lab, "pacbio", sequel.name)
        expect_published(lab, "pacbio", mended.name)
        expect_published(lab, "pacbio", fewer.name, outcome="unknown")
        expect_published(lab, "nanopore", "pool")


def test_a_drop_folder_goes_by_the_rule_that_is_configured(lab: Lab) -> None:
    plain, summed = Delivery("batch 7"), Delivery("batch 7", algorithm="md5")
    for instrument in ("flags", "ready", "quiet"):
        plain.write_all(lab.source(instrument))
        replace(plain, name="batch 8").write_all(lab.source(instrument))
    for name in ("batch 7", "batch 8"):
        replace(summed, name=name).write_all(lab.source("sums"))
        replace(summed, name=name).write_all(lab.source("all"))
    sha = Delivery("sha", algorithm="sha256", list_name="SHA256SUM.txt", unwritten={"late": b"x"})
    sha.write_all(lab.source("sums"))
    Delivery("no list").write_all(lab.source("sums"))
    put(lab, "flags", "batch 7/S1.DONE")
    put(lab, "flags", "batch 7/checked.txt")
    put(lab, "flags", "batch 8/S1.done")
    put(lab, "ready", "Batch 7.READY")
    put(lab, "ready", "batch 8.ready.part")
    put(lab, "all", "batch 7/DONE")
    put(lab, "all", "batch 7.ready")
    put(lab, "all", "batch 8/DONE")
    for neighbour in ("Instrument", "copy.tmp", "nosync", ".hidden", "lost+found", "$RECYCLE.BIN"):
        put(lab, "quiet", f"{neighbour}/a.txt", b"a")

    with lab.daemon() as daemon:
        for instrument in ("flags", "ready", "sums", "all", "quiet"):
            expect_published(lab, instrument, "batch 7")
        expect_published(lab, "quiet", "batch 8")
        expect_published(lab, "sums", "batch 8")
        wait_row(lab, "flags", "batch 8", "waiting", "flag Checked.txt: not there")
        wait_row(lab, "ready", "batch 8", "waiting", "ready file batch 8.ready: not there")
        wait_row(lab, "all", "batch 8", "waiting", "ready file batch 8.ready: not there")
        wait_row(lab, "sums", "no list", "waiting", "checksum file *sum.txt: not there")
        wait_row(lab, "sums", "sha", "waiting", "listed files: 1 of 4 are not there: late")
        for instrument, name in (("flags", "batch 8"), ("ready", "batch 8"), ("all", "batch 8"),
                                 ("sums", "no list"), ("sums", "sha")):  # fmt: skip
            expect_no_marker(lab, instrument, name)
        put(lab, "sums", "sha/late", b"x")
        put(lab, "flags", "batch 8/Checked.txt")
        put(lab, "ready", "batch 8.ready")
        expect_published(lab, "sums", "sha")
        expect_published(lab, "flags", "batch 8")
        expect_published(lab, "ready", "batch 8")
        assert not [line for line in daemon.lines() if line["level"] in ("ERROR", "CRITICAL")]
    with lab.ledger() as ledger:
        assert {run.name for run in ledger.runs.all("quiet")} == {"batch 7", "batch 8"}
        assert {run.name for run in ledger.runs.all("ready")} == {"batch 7", "batch 8"}
    gates = gates_of(lab.the_run("batch 7", "quiet"))
    assert gates["completion"]["found"] == "no flag configured: quiet alone decides"


def stopped_by_content(lab: Lab, instrument: str, name: str, path: str) -> Run:
    row = wait_row(lab, instrument, name, "blocked", "not what the list of checksums says", path)
    expect_no_marker(lab, instrument, name)
    assert not gates_of(row)["checksum list"]["passed"]
    assert row.next_step
    assert "retry" in row.next_step
    assert "release" in row.next_step
    return row


def test_content_that_differs_from_its_list_is_named_and_gets_no_marker(lab: Lab) -> None:
    bad = "reads/S1_R1.fastq.gz"
    right = hashlib.md5(Delivery("x").content[bad], usedforsecurity=False).hexdigest()
    mended = Delivery("mended", algorithm="md5", wrong=[bad])
    released = Delivery("released", algorithm="sha256", list_name="sha256sum.txt", wrong=[bad])
    corrected = Delivery("corrected", algorithm="md5", wrong=[bad])
    for run in (mended, released, corrected):
        run.write_all(lab.source("sums"))
    ont = NanoporeRun("ont")
    folder = ont.write_all(lab.source("nanopore"))
    fastq = next(path for path in ont.files() if "fastq_pass" in path)
    good = (folder / fastq).read_bytes()
    (folder / fastq).write_bytes(bytes([good[0] ^ 1]) + good[1:])  # one bit, the size is the same

    with lab.daemon() as daemon:
        row = stopped_by_content(lab, "sums", "mended", bad)
        listed = hashlib.md5(mended.content[bad] + b"!", usedforsecurity=False).hexdigest()
        assert f"1 file is not what the list of checksums says: {bad} " in (row.reason or "")
        assert f"md5 {listed} is listed, the file has {right}" in (row.reason or "")
        stopped_by_content(lab, "sums", "corrected", bad)
        stopped_by_content(lab, "sums", "released", bad)
        row = stopped_by_content(lab, "nanopore", "ont", fastq)
        assert f"sha256 {hashlib.sha256(good).hexdigest()} is listed" in (row.reason or "")
        assert len(daemon.lines("run.blocked")) == 4
    # After a restart, with the MD5s of all other files known, it is still what it was.
    lab.call("retry", "sums/mended")
    log = lab.once(expect=1)
    stopped_by_content(lab, "sums", "mended", bad)
    assert [line["run"] for line in log if line["event"] == "run.blocked"] == ["sums/mended"]

    put(lab, "sums", f"mended/{bad}", mended.content[bad] + b"!")
    corrected = replace(corrected, wrong=())
    put(lab, "sums", "corrected/md5sum.txt", corrected.list_of_sums())
    (folder / fastq).write_bytes(good)
    with lab.daemon() as daemon:
        for key in ("sums/mended", "sums/corrected", "nanopore/ont"):
            lab.call("retry", key)
        lab.call("release", "sums/released")
        expect_published(lab, "sums", "mended")
        expect_published(lab, "sums", "corrected")
        expect_published(lab, "nanopore", "ont")
        expect_published(lab, "sums", "released", outcome="unknown")
        (told,) = daemon.lines("content.released")
        assert told["run"] == "sums/released"
        assert bad in told["message"]
    document = json.loads(lab.call("why", "sums/released", "--json").stdout)
    assert document["released"] == ["checksum list"]


def test_a_list_that_can_not_be_read_or_lists_what_is_left_out(lab: Lab) -> None:
    broken = Delivery("broken", algorithm="md5").write_all(lab.source("sums"))
    (broken / "md5sum.txt").write_text("no list at all\n")
    junk = Delivery("junk", algorithm="md5", content={"a.txt": b"a", "Thumbs.db": b"junk"})
    junk.write_all(lab.source("sums"))
    final = PacBioRun("r84047_20230404_164149")
    folder = final.write_all(lab.source("pacbio"))
    (folder / "1_A01/hifi_reads" / f"{final.movie('1_A01')}.hifi_reads.bc2001.bam").unlink()
    lab.configure(instruments__sums=[*RULES["sums"], 'quiet = "1.5s"'])
    with lab.daemon() as daemon:
        row = wait_row(
            lab, "sums", "broken", "blocked", "md5sum.txt: line 1: no line of a checksum"
        )
        assert not lab.blobs(name_starts_with="sums-out/broken")
        assert gates_of(row)["listed files"]["needs_person"]
        wait_row(lab, "pacbio", final.name, "blocked", "listed files: 1 of 14")
        time.sleep(3)  # what one look found stands until the next one, and is one alarm
        assert lab.events("broken", "sums") == ["run.sighted", "run.blocked"]
        assert len([one for one in daemon.lines("run.blocked") if "broken" in one["run"]]) == 1
        lab.call("release", "sums/broken")
        lab.call("release", f"pacbio/{final.name}")
        expect_published(lab, "sums", "broken", outcome="unknown")
        expect_published(lab, "pacbio", final.name, outcome="unknown")
        lab.wait_published("junk", "sums")
    found = gates_of(lab.the_run("junk", "sums"))["listed files"]["found"]
    assert found == "all 2 are there; not carried, nor compared: Thumbs.db"
