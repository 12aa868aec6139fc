"""What the ledger decides of many files at once is what is found of each of them by itself."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.manifest import Verdict, judge
from datalake_syncd.core.model import Blob, ManifestFile, Proof

OURS, OTHER = "1" * 32, "2" * 32
PREFIX = "m/run/"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, writable=True)


def fill(ledger: Ledger) -> int:
    """Every combination of what a file's row and its blob can say; gives the run's id."""
    run = ledger.runs.add("m", "run", prefix="m/run", now=1.0, reason="new")
    files, blobs = [], []
    told = itertools.product(
        (None, OURS),  # MD5 of the manifest
        tuple(Proof),
        (None, "e1", "e2"),  # seen at this ETag
        (None, "", "e1"),  # sent over this one
        (0, 1),  # in one request
        (None, "e1", "e2"),  # known to be bad
        (None, ("BlockBlob", 10), ("BlockBlob", 11), ("PageBlob", 10)),
        (None, OURS, OTHER),  # MD5 of the blob
    )
    for number, (md5, proof, etag, over, single, bad, blob, stored) in enumerate(told):
        path = f"{number:06}"
        files.append((run.id, path, path, 10, md5, proof.value, etag, over, single, bad))
        if blob is not None:
            blobs.append(Blob(PREFIX + path, blob[1], stored, "e1", blob[0]))
    with ledger.database.transaction():
        ledger.database.execute_many(
            "INSERT INTO files (run_id, path, lake_path, size, md5, proof, proof_etag, sent_over, "
            "single_put, bad_etag, mtime_ns, ctime_ns, inode, device) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,1,1,1,1)",
            files,
        )
    ledger.files.add_listing(run.id, PREFIX, blobs)
    return run.id


def judged(ledger: Ledger, run_id: int) -> dict[str, tuple[ManifestFile, Blob | None]]:
    pages = ledger.files.pairs(run_id, PREFIX)
    return {file.path: (file, blob) for page in pages for file, blob in page}


@pytest.mark.parametrize("needed", [Proof.CLAIMED, Proof.CHECKED, Proof.READ_BACK])
def test_what_is_left_out_would_be_judged_proven_as_it_was(ledger: Ledger, needed: Proof) -> None:
    run_id = fill(ledger)
    everything = judged(ledger, run_id)
    enough = [proof for proof in Proof if proof.rank >= needed.rank]
    left_in = {
        file.path for page in ledger.files.pairs(run_id, PREFIX, but=enough) for file, _ in page
    }
    left_out = everything.keys() - left_in
    assert len(left_out) > 5, "nothing is left out: this says nothing"
    for path in left_out:
        file, blob = everything[path]
        assert judge(file, blob, needed=needed) == (Verdict.PROVEN, file.proof), (file, blob)
        assert blob is not None
        assert blob.etag == file.proof_etag  # nothing has to be written down
    counted = ledger.files.proven_as_before(run_id, enough)
    assert sum(files for _, files, _ in counted) == len(left_out)
    assert sum(size for _, _, size in counted) == 10 * len(left_out)
    for proof, files, _ in counted:
        assert files == sum(everything[path][0].proof is proof for path in left_out)


def test_what_was_sent_in_one_request_is_judged_as_one_by_one(ledger: Ledger) -> None:
    run_id = fill(ledger)
    before = judged(ledger, run_id)
    ledger.files.prove_as_sent(run_id)
    proven = 0
    for path, (file, _) in judged(ledger, run_id).items():
        earlier, blob = before[path]
        if file != earlier:
            proven += 1
            assert judge(earlier, blob, needed=Proof.CHECKED) == (Verdict.PROVEN, Proof.CHECKED)
            assert blob is not None
            written = (file.proof, file.proof_etag, file.sent_over, file.single_put)
            assert written == (Proof.CHECKED, blob.etag, None, False)
            assert (file.md5, file.stat, file.bad_etag) == (OURS, earlier.stat, earlier.bad_etag)
    assert proven > 10, "nothing was proven: this says nothing"


def test_all_has_arrived_only_when_each_file_is_another_blob_of_its_size(ledger: Ledger) -> None:
    run_id = fill(ledger)
    assert ledger.files.all_arrived(run_id)  # nothing was sent
    arrived = {}
    everything = judged(ledger, run_id)
    write = "UPDATE files SET todo=? WHERE run_id=? AND path=?"
    with ledger.database.transaction():
        for path in everything:
            ledger.database.execute(write, ("send" if int(path) % 2 else "sent", run_id, path))
            arrived[path] = ledger.files.all_arrived(run_id)
            ledger.database.execute(write, (None, run_id, path))
    assert set(arrived.values()) == {True, False}
    for path, (file, blob) in everything.items():
        assert arrived[path] == (
            blob is not None
            and blob.blob_type == "BlockBlob"
            and blob.size == file.stat.size
            and file.sent_over not in (None, blob.etag)
            and blob.md5 is not None
            and file.md5 in (None, blob.md5)
        ), (file, blob)


def test_what_is_missing_is_sent_and_noted_as_sent_to_nothing(ledger: Ledger) -> None:
    run_id = fill(ledger)
    there = {path for path, (_, blob) in judged(ledger, run_id).items() if blob is not None}
    paths = sorted(judged(ledger, run_id))
    missing = [path for path in paths if path not in there]
    assert missing
    assert ledger.files.send_what_is_missing(run_id) == (len(missing), 10 * len(missing))
    half = sorted(there)[::2]
    ledger.files.write_todo(run_id, [(path, "send") for path in half])
    wanted = list(ledger.files.to_send(run_id, ""))
    assert [file.path for file in wanted] == sorted({*missing, *half})
    assert {file.path for file in wanted if file.there} == set(half)
    before = judged(ledger, run_id)
    first, last = wanted[5].path, wanted[-5].path
    ledger.files.mark_sent_to_nothing(run_id, first, last, 9)
    for path, (file, _) in judged(ledger, run_id).items():
        if path in there or not first < path <= last:
            assert file == before[path][0]
        else:
            note = (file.sent_over, file.single_put, file.proof, file.proof_etag)
            assert note == ("", False, Proof.NONE, None)
    ledger.files.mark_sent_to_nothing(run_id, first, last, 10)
    noted = judged(ledger, run_id)
    assert all(noted[path][0].single_put for path in missing if first < path <= last)
    ledger.files.all_sent(run_id, first, last)
    assert [f.path for f in ledger.files.to_send(run_id, "")] == [
        file.path for file in wanted if not first < file.path <= last
    ]


def test_pairs_can_be_those_of_a_part_that_is_listed(ledger: Ledger) -> None:
    run_id = fill(ledger)
    everything = judged(ledger, run_id)
    first, last = sorted(everything)[100], sorted(everything)[3000]
    part = ledger.files.pairs(run_id, PREFIX, listed=True, between=(first, last))
    assert {file.path: (file, blob) for page in part for file, blob in page} == {
        path: pair
        for path, pair in everything.items()
        if pair[1] is not None and first < path <= last
    }
