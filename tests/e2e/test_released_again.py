"""What a person released counts for one generation: the next one is judged anew."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Run
from demo.providers import Delivery, NanoporeRun, PacBioRun, Protocol
from tests.e2e.lab import Lab
from tests.servers import Azurite

FIRST = Protocol()
SECOND = Protocol(
    sample="sample_2", position="3D", flowcell="PAS97781", run_id="595b5663", acquisition="efc7f02e"
)


@pytest.fixture
def lab(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Lab:
    """A drop folder with lists of checksums, and a nanopore instrument."""
    assert azcopy_path.exists()
    lab = Lab(tmp_path, azurite, container, kinds={"sums": "folder", "nanopore": "nanopore"})
    lab.configure(
        daemon=['scan_interval = "0.3s"', 'stale_after = "3s"'],
        instruments__sums=['checksum_file = "md5sum.txt"'],
    )
    return lab


def blocked(lab: Lab, *words: str) -> None:
    def is_so() -> bool:
        row = lab.run("run", "sums")
        return (
            row is not None
            and row.status == "blocked"
            and all(word in (row.reason or "") for word in words)
        )

    lab.wait_for(is_so, 30, f"{lab.run('run', 'sums')} {words}")


def published(lab: Lab, name: str, instrument: str, generation: int, outcome: str) -> Run:
    def is_so() -> bool:
        row = lab.run(name, instrument)
        told = None if row is None else (row.done, row.status, row.generation)
        return told == ("publish", "finished", generation)

    lab.wait_for(is_so, 30, f"{lab.run(name, instrument)}")
    marker = lab.read(f"{instrument}-out/{name}.sync").decode()
    assert f"generation: {generation}\n" in marker
    assert f"outcome: {outcome}\n" in marker
    return lab.the_run(name, instrument)


def why_released(lab: Lab) -> list[str]:
    told: list[str] = json.loads(lab.call("why", "sums/run", "--json").stdout)["released"]
    return told


def test_content_that_was_released_once_is_compared_again_in_the_next_generation(lab: Lab) -> None:
    run = Delivery("run", algorithm="md5", content={"a.bin": b"a", "b.bin": b"b"}, wrong=["a.bin"])
    folder = run.write_all(lab.source("sums"))
    with lab.daemon(SYNCD_LOOK_AGAIN="1"):
        blocked(lab, "1 file is not what the list of checksums says: a.bin")
        lab.call("release", "sums/run")
        row = published(lab, "run", "sums", 1, "unknown")
        assert row.accepted == ()
        assert why_released(lab) == ["checksum list"]
        etag = lab.blobs()["sums-out/run/a.bin"].etag
        # Something else changes: what differs still differs.
        (folder / "c.bin").write_bytes(b"c")
        blocked(lab, "1 file is not what the list of checksums says: a.bin")
        assert b"generation: 1\n" in lab.read("sums-out/run.sync")
        lab.call("release", "sums/run")
        published(lab, "run", "sums", 2, "unknown")
        # Another file goes bad: nobody released that.
        (folder / "b.bin").write_bytes(b"B")
        blocked(lab, "2 files are not what the list of checksums says", "a.bin", "b.bin")
        assert b"generation: 2\n" in lab.read("sums-out/run.sync")
        assert lab.blobs()["sums-out/run/a.bin"].etag == etag, "the bytes are the same"
        (folder / "a.bin").write_bytes(b"a!")
        (folder / "b.bin").write_bytes(b"b")
        lab.call("retry", "sums/run")
        published(lab, "run", "sums", 3, "good")
        assert why_released(lab) == []


def test_a_listed_file_that_lost_bytes_replaces_nothing_in_the_lake(lab: Lab) -> None:
    """Its size alone says that it differs; its list says that the blob is the right one."""
    run = Delivery("run", algorithm="md5", content={"a.bin": b"a" * 1000, "b.bin": b"b" * 1000})
    folder = run.write_all(lab.source("sums"))
    with lab.daemon(SYNCD_LOOK_AGAIN="1"):
        published(lab, "run", "sums", 1, "good")
        before = {name: blob.etag for name, blob in lab.blobs().items()}
        (folder / "b.bin").write_bytes(b"b" * 500)
        blocked(lab, "1 file is not what the list of checksums says: b.bin")
        assert {name: blob.etag for name, blob in lab.blobs().items()} == before
        lab.call("verify", "sums/run", expect=0)
        # A person says that it is right all the same: now it goes, and the old one is kept.
        lab.call("release", "sums/run")
        published(lab, "run", "sums", 2, "unknown")
        assert lab.read("sums-out/run/b.bin") == b"b" * 500
        kept = lab.client.list_blobs("sums-out/run/b.bin", include=["snapshots"])
        assert sorted(blob.size for blob in kept) == [500, 1000]


def test_a_second_flow_cell_is_waited_for_although_the_first_was_released(lab: Lab) -> None:
    run = NanoporeRun("exp", listed=False, protocols=(FIRST,))
    folder = run.write_all(lab.source("nanopore"), without=[run.place(FIRST) + FIRST.summary])
    with lab.daemon(SYNCD_LOOK_AGAIN="1") as daemon:
        lab.wait_for(lambda: daemon.lines("run.stale"), 30)
        lab.call("release", "nanopore/exp")
        row = published(lab, "exp", "nanopore", 1, "unknown")
        given_up = f"final summary of {run.place(FIRST).rstrip('/')}"
        assert row.accepted == (given_up,), "as long as it is not there"
        # The first one is mended by hand, the second one begins.
        summary = run.place(FIRST) + FIRST.summary
        (folder / summary).write_bytes(run.files()[summary])
        more = NanoporeRun("exp", listed=False, protocols=(SECOND,))
        more.write_all(lab.source("nanopore"), without=[more.place(SECOND) + SECOND.summary])
        lab.wait_for(
            lambda: "final summary of sample_2" in (lab.the_run("exp", "nanopore").reason or ""), 30
        )
        time.sleep(1.5)
        assert b"generation: 1\n" in lab.read("nanopore-out/exp.sync")
        summary = more.place(SECOND) + SECOND.summary
        (folder / summary).write_bytes(more.files()[summary])
        assert published(lab, "exp", "nanopore", 2, "good").accepted == ()


def test_a_cell_that_never_ends_is_given_up_and_the_others_are_not(lab: Lab) -> None:
    """Of a PacBio run whose cells finish days apart; the one that broke stays as it is."""
    lab.kinds["pacbio"] = "pacbio"
    lab.__post_init__()
    lab.configure(daemon=['scan_interval = "0.3s"', 'stale_after = "3s"'])
    run = PacBioRun("r84047_20230404_164149", cells=("1_A01", "1_B01", "1_C01"))
    done = {cell: run.done(cell) for cell in ("1_B01", "1_C01")}
    late = [path for path in run.files() if path.startswith("1_C01/")]
    folder = run.write_all(lab.source("pacbio"), without=[done["1_B01"], *late])
    key = f"pacbio/{run.name}"

    def put(*paths: str) -> None:
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(run.files()[path])

    with lab.daemon(SYNCD_LOOK_AGAIN="1") as daemon:
        lab.wait_for(lambda: lab.run(run.name, "pacbio") is not None)
        early = lab.call("release", key, expect=1)
        assert "it can be released when nothing was written to it for 3 s" in early.stderr
        lab.wait_for(lambda: daemon.lines("run.stale"), 30)
        assert "SMRT cell 1_B01: not transferred yet" in daemon.lines("run.stale")[0]["message"]
        lab.call("release", key)
        published(lab, run.name, "pacbio", 1, "unknown")
        # Another cell begins: it is waited for, nobody gave that one up.
        put(*(path for path in late if path != done["1_C01"]))
        lab.wait_for(
            lambda: "SMRT cell 1_C01" in (lab.the_run(run.name, "pacbio").reason or ""), 30
        )
        assert "1_B01" not in (lab.the_run(run.name, "pacbio").reason or "")
        assert b"generation: 1\n" in lab.read(f"pacbio-out/{run.name}.sync")
        # It ends: it goes at once, though the other one is still missing.
        put(done["1_C01"])
        published(lab, run.name, "pacbio", 2, "unknown")
        # The one that was given up ends after all: now nothing is missing.
        put(done["1_B01"])
        row = published(lab, run.name, "pacbio", 3, "good")
        assert row.accepted == ()
