"""What a list says of a file: compared in the same read, and never forgotten by the ledger."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.kinds.checksums import read_sum_list
from datalake_syncd.core.model import FileEntry, FileStat, ManifestFile, Proof, Status, Step
from datalake_syncd.steps.checksum_lists import Lists

STAT = FileStat(10, 1, 2, 3, 4)
COLUMNS = {"done": Step.SETTLE, "status": Status.READY, "files": 1, "bytes": 10}
MD5 = "0123456789abcdef0123456789abcdef"


def sums(data: bytes) -> dict[str, str]:
    return {
        "crc32": f"{zlib.crc32(data):08x}",
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


@settings(max_examples=100)
@given(
    data=st.binary(max_size=50),
    cut=st.integers(0, 50),
    kinds=st.sets(st.sampled_from(["crc32", "md5", "sha256"]), min_size=1),
    other=st.binary(max_size=50),
)
def test_equal_bytes_differ_in_nothing_and_others_in_everything(
    data: bytes, cut: int, kinds: set[str], other: bytes
) -> None:
    listed = tree.ListedSums(" ".join(f"{kind}:{sums(other)[kind]}" for kind in sorted(kinds)))
    for piece in (data[:cut], data[cut:]):
        listed.update(piece)
    told = listed.difference(sums(data)["md5"])
    if data == other:
        assert told == ""
    else:
        assert [part.split()[0] for part in told.split("; ")] == sorted(kinds)
        for kind in kinds:
            assert f"{kind} {sums(other)[kind]} is listed, the file has {sums(data)[kind]}" in told


@pytest.mark.parametrize("expected", ["", "sha1:00", "md5:00 sha512:00", "0123", "listed:"])
def test_what_can_not_be_compared_is_not_taken_for_equal(expected: str) -> None:
    with pytest.raises(ValueError, match="no checksum that can be compared"):
        tree.ListedSums(expected)


def test_one_read_gives_the_md5_and_all_bytes(tmp_path: Path) -> None:
    data = b"x" * (5 << 20)
    (tmp_path / "a").write_bytes(data)
    listed = tree.ListedSums(f"crc32:{sums(data)['crc32']} sha256:{sums(data)['sha256']}")
    md5, _ = tree.hash_file(tmp_path, "a", None, also=listed.update)
    assert md5 == sums(data)["md5"]
    assert listed.difference(md5) == ""


@pytest.mark.parametrize("wrong", ["", "md5", "sha256"])
def test_a_list_with_two_kinds_of_one_file_is_compared_in_both(wrong: str) -> None:
    data = b"reads"
    lines = [
        f"{sums(data + b'!' if kind == wrong else data)[kind]}  a\n" for kind in ("md5", "sha256")
    ]
    lists = Lists(("md5sum.txt",), final=False)
    for name, checksums in read_sum_list("md5sum.txt", "".join(lines).encode()).entries.items():
        lists.take(name, checksums)
    # Another list may say the same again, and more.
    lists.take("a", f"md5:{sums(data)['md5']}" if wrong != "md5" else "")
    lists.take("a", f"crc32:{sums(data)['crc32']}")
    assert [one.partition(":")[0] for one in lists.expected["a"].split()] == [
        "md5", "sha256", "crc32",
    ]  # fmt: skip
    listed = tree.ListedSums(lists.expected["a"])
    listed.update(data)
    told = listed.difference(sums(data)["md5"])
    assert told.startswith(f"{wrong} ") if wrong else told == ""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, writable=True)


def settle(ledger: Ledger, expected: str | None, stat: FileStat = STAT) -> ManifestFile:
    """One look at a run of one file, with what a list says of it; gives its row."""
    run = ledger.runs.get("folder", "run")
    if run is None:
        run = ledger.runs.add("folder", "run", prefix="p", now=1.0, reason="new")
    ledger.files.begin_look(run.id)
    ledger.files.add_seen(run.id, [(FileEntry("a", stat), None)])
    if expected is not None:
        ledger.files.expect(run.id, [("a", expected), ("not there", "md5:00")])
    run, _ = ledger.settle(run, [], {**COLUMNS, "bytes": stat.size}, now=2.0, message="m")
    row = ledger.files.one(run.id, "a")
    assert row is not None
    return row


def carry(ledger: Ledger) -> ManifestFile:
    """The file was hashed and proven."""
    run = ledger.runs.get("folder", "run")
    assert run is not None
    ledger.files.write_md5s(run.id, [("a", MD5)])
    ledger.files.write_proofs(run.id, [("a", Proof.READ_BACK, "etag")])
    row = ledger.files.one(run.id, "a")
    assert row is not None
    return row


def test_a_list_that_says_the_same_keeps_what_is_known(ledger: Ledger) -> None:
    assert settle(ledger, "md5:1").expected == "md5:1"
    known = carry(ledger)
    assert (known.md5, known.proof) == (MD5, Proof.READ_BACK)
    assert settle(ledger, "md5:1") == known


@pytest.mark.parametrize(("before", "after"), [(None, "md5:1"), ("md5:1", "md5:2")])
def test_a_list_that_says_something_new_makes_the_file_unknown(
    ledger: Ledger, before: str | None, after: str
) -> None:
    settle(ledger, before)
    carry(ledger)
    row = settle(ledger, after)
    assert (row.expected, row.md5, row.proof, row.proof_etag) == (after, None, Proof.NONE, None)


def test_a_list_that_is_gone_takes_nothing_away(ledger: Ledger) -> None:
    settle(ledger, "md5:1")
    known = carry(ledger)
    assert settle(ledger, None) == replace(known, expected=None)
    # Should it come back, the file is compared with it again.
    assert settle(ledger, "md5:1").md5 is None


def test_what_a_list_says_is_not_left_over_for_the_next_look(ledger: Ledger) -> None:
    settle(ledger, "md5:1")
    assert settle(ledger, None, replace(STAT, size=11)).expected is None
