"""Comparing a manifest with the lake, and the files that tell of a run."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.core import manifest
from datalake_syncd.core.manifest import Comparison, ManifestHeader, Verdict, judge
from datalake_syncd.core.model import (
    Blob,
    EmptyDirectory,
    FileStat,
    ManifestFile,
    Oddity,
    Outcome,
    Proof,
)

STAT = FileStat(10, 1, 2, 3, 4)
MD5 = "0123456789abcdef" * 2
OTHER = "f" * 32
FILE = ManifestFile("a", "a", STAT, MD5)
SENT = replace(FILE, sent_over="", single_put=True)
BLOB = Blob("p/a", 10, MD5, "e1")


@pytest.mark.parametrize(
    ("file", "blob", "expected"),
    [
        (FILE, None, (Verdict.MISSING, Proof.NONE)),
        (FILE, replace(BLOB, size=9), (Verdict.DIFFERENT, Proof.NONE)),
        (FILE, replace(BLOB, md5=OTHER), (Verdict.DIFFERENT, Proof.NONE)),
        (FILE, replace(BLOB, blob_type="PageBlob"), (Verdict.DIFFERENT, Proof.NONE)),
        (replace(SENT, bad_etag="e1"), BLOB, (Verdict.DIFFERENT, Proof.NONE)),
        (replace(FILE, md5=None), BLOB, (Verdict.UNPROVEN, Proof.NONE)),
        # An equal stored MD5 alone is a claim.
        (FILE, BLOB, (Verdict.UNPROVEN, Proof.CLAIMED)),
        (FILE, replace(BLOB, md5=None), (Verdict.UNPROVEN, Proof.NONE)),
        # One request of ours, over an absent or another blob: the service checked it.
        (SENT, BLOB, (Verdict.PROVEN, Proof.CHECKED)),
        (replace(SENT, sent_over="e0"), BLOB, (Verdict.PROVEN, Proof.CHECKED)),
        # Sent, but the blob is still the one from before: it is not ours.
        (replace(SENT, sent_over="e1"), BLOB, (Verdict.UNPROVEN, Proof.CLAIMED)),
        # In blocks: nobody checked it.
        (replace(SENT, single_put=False), BLOB, (Verdict.UNPROVEN, Proof.CLAIMED)),
        # Read back at this ETag, with or without a stored MD5.
        (
            replace(FILE, proof=Proof.READ_BACK, proof_etag="e1"),
            BLOB,
            (Verdict.PROVEN, Proof.READ_BACK),
        ),
        (
            replace(FILE, proof=Proof.READ_BACK, proof_etag="e1"),
            replace(BLOB, md5=None),
            (Verdict.PROVEN, Proof.READ_BACK),
        ),
        # Read back once, written again since.
        (
            replace(FILE, proof=Proof.READ_BACK, proof_etag="e0"),
            BLOB,
            (Verdict.UNPROVEN, Proof.CLAIMED),
        ),
    ],
)
def test_judge(file: ManifestFile, blob: Blob | None, expected: tuple[Verdict, Proof]) -> None:
    assert judge(file, blob, needed=Proof.CHECKED) == expected


def test_read_back_mode_asks_for_more_than_checked() -> None:
    assert judge(SENT, BLOB, needed=Proof.READ_BACK) == (Verdict.UNPROVEN, Proof.CHECKED)


def test_claimed_mode_is_content_with_a_claim() -> None:
    assert judge(FILE, BLOB, needed=Proof.CLAIMED) == (Verdict.PROVEN, Proof.CLAIMED)


# Few values, so that the cases meet.
_md5s = st.sampled_from([None, MD5, OTHER])
_etags = st.sampled_from(["e0", "e1"])
_files = st.builds(
    ManifestFile,
    path=st.just("a"),
    lake_path=st.just("a"),
    stat=st.sampled_from([STAT, replace(STAT, size=11)]),
    md5=_md5s,
    proof=st.sampled_from(list(Proof)),
    proof_etag=st.one_of(st.none(), _etags),
    sent_over=st.one_of(st.none(), st.just(""), _etags),
    single_put=st.booleans(),
    bad_etag=st.one_of(st.none(), _etags),
)
_blobs = st.one_of(
    st.none(),
    st.builds(Blob, name=st.just("p/a"), size=st.sampled_from([10, 11]), md5=_md5s, etag=_etags),
)


@given(_files, _blobs, st.sampled_from([Proof.CHECKED, Proof.READ_BACK]))
def test_property_proven_needs_equal_bytes_seen_by_somebody_else_than_the_uploader(
    file: ManifestFile, blob: Blob | None, needed: Proof
) -> None:
    verdict, proof = judge(file, blob, needed=needed)
    if verdict is not Verdict.PROVEN:
        return
    assert blob is not None
    assert file.md5 is not None
    assert blob.size == file.stat.size
    assert blob.md5 in (None, file.md5)
    assert blob.etag != file.bad_etag
    seen_here = file.proof.rank >= needed.rank and file.proof_etag == blob.etag
    checked_on_arrival = (
        needed is Proof.CHECKED
        and file.single_put
        and file.sent_over is not None
        and file.sent_over != blob.etag
        and blob.md5 == file.md5
    )
    assert seen_here or checked_on_arrival
    assert proof.rank >= needed.rank


@given(st.lists(st.tuples(_files, _blobs), max_size=6))
def test_property_the_lists_of_a_comparison_add_up(
    pairs: list[tuple[ManifestFile, Blob | None]],
) -> None:
    result = Comparison()
    for number, (file, blob) in enumerate(pairs):
        verdict, proof = judge(file, blob, needed=Proof.CHECKED)
        result.add(f"f{number}", file.stat.size, verdict, proof)
    assert sum(result.counts.values()) == len(pairs)
    assert result.clean == (result.proven == len(pairs))


HEADER = ManifestHeader("RUN", "miseq", 1, Outcome.GOOD, Proof.CHECKED, 2, 9)


def test_a_manifest_names_just_the_files_of_its_lines_whatever_its_comments_say() -> None:
    lines = manifest.file_lines([("0" * 32, "a"), ("1" * 32, "b")])
    one = manifest.file_lines([("1" * 32, "b")])
    whole = manifest.render_md5(HEADER, lines, [EmptyDirectory("empty")], [])
    assert manifest.names_just(whole, lines)
    assert manifest.names_just(lines, lines)
    assert not manifest.names_just(whole, one)
    assert not manifest.names_just(manifest.render_md5(HEADER, one, [], []), lines)
    assert not manifest.names_just(b"# " + lines, lines)
    assert not manifest.names_just(b"", lines)
    assert manifest.names_just(b"# nothing\n", b"")
    # The ledgers of every version hold this sum: without the last newline.
    assert manifest.lines_digest(one) == manifest.digest(b"1" * 32 + b"  b")
    assert manifest.lines_digest(b"") == manifest.digest(b"")


def test_the_manifest_reads_back_and_md5sum_accepts_it(tmp_path: Path) -> None:
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "sub dir" / "100% #1.bin").write_bytes(b"hello")
    (tmp_path / "æ").write_bytes(b"more")
    lines = [
        ("5d41402abc4b2a76b9719d911017c592", "sub dir/100% #1.bin"),
        (_md5(b"more"), "æ"),
    ]
    data = manifest.render_md5(
        HEADER,
        manifest.file_lines(lines),
        [EmptyDirectory("empty/here")],
        [Oddity("link", "symlink", "points to /etc", blocks=False)],
    )
    assert manifest.parse_md5(data.decode()) == (lines, ["empty/here"])
    (tmp_path / "RUN.md5").write_bytes(data)
    md5sum = shutil.which("md5sum")
    assert md5sum is not None
    check = subprocess.run(
        [md5sum, "-c", "--strict", "RUN.md5"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert check.returncode == 0, check.stdout + check.stderr
    assert check.stderr == ""
    (tmp_path / "æ").write_bytes(b"less")
    assert subprocess.run([md5sum, "-c", "RUN.md5"], cwd=tmp_path, capture_output=True,
                          check=False).returncode == 1  # fmt: skip


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("line", ["abc  x", MD5 + " x", MD5, "z" * 32 + "  x"])
def test_what_is_not_md5sum_format_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"line|invalid"):
        manifest.parse_md5(line + "\n")


def test_the_markers_first_line_is_the_time() -> None:
    data = manifest.render_marker("2026-11-22T10:00:00+00:00", HEADER, "d" * 64)
    time, fields = manifest.parse_marker(data)
    assert time == "2026-11-22T10:00:00+00:00"
    assert data.decode().splitlines()[0] == time
    assert fields == {
        "generation": "1",
        "files": "2",
        "bytes": "9",
        "proof": "checked",
        "manifest-sha256": "d" * 64,
        "outcome": "good",
    }


def test_a_marker_of_the_old_scripts_is_read_too() -> None:
    assert manifest.parse_marker(b"2020-01-01T00:00:00\n") == ("2020-01-01T00:00:00", {})
    assert manifest.parse_marker(b"") == ("", {})


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_whatever_a_marker_holds_is_read(data: bytes) -> None:
    time, fields = manifest.parse_marker(data)
    assert "\n" not in time
    for text in (*fields.values(), None):
        number = manifest.marker_number(text)
        assert number is None or 0 <= number < 10**15


@given(st.text(alphabet="0123456789abcdefgA \n*#\\", max_size=120) | st.text(max_size=80))
def test_whatever_a_manifest_holds_is_read_or_refused(text: str) -> None:
    try:
        pairs, empty = manifest.parse_md5(text)
    except ValueError:
        return
    assert all(len(md5) == 32 and path and "\n" not in path for md5, path in pairs)
    assert len(pairs) + len(empty) <= len(text.split("\n"))
