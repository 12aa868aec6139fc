"""Names: the odd ones arrive byte for byte, those that can't arrive are named, none is skipped."""

from __future__ import annotations

import os
import socket
import stat
import unicodedata
from pathlib import Path

import pytest

from datalake_syncd.core.manifest import parse_md5
from tests.e2e.lab import Lab, tree_of
from tests.e2e.mounts import tmpfs
from tests.e2e.runs import (
    expect_alarm,
    expect_published,
    expect_stopped,
    folder_of,
    go_on,
    miseq,
    nextseq,
    row_of,
    write,
)

ODD = [
    "a file with spaces.txt",
    " leading and trailing ",
    "100%.txt",
    "%20 and %2F.txt",
    "r%x/in a folder.txt",
    "hash#1+2?3&4=5;6.txt",
    "[a]*{b}~$^`'\".csv",
    unicodedata.normalize("NFC", "Prøve-Å-é.txt"),
    unicodedata.normalize("NFD", "Prøve-Å-é.txt"),
    "試料/計測.txt",
    "\U0001f9ec\U0001f52c.txt",
    "Case.txt",
    "case.txt",
    "-rf",
    "--delete-destination=true",
    ".hidden",
    "x" * 255,
    "é" * 127,
    "/".join(f"d{depth:02d}" for depth in range(60)) + "/deep.txt",
    "disk.vhd",
    "image.vhdx",
]
EMPTY = ["zero.bin", "empty.vhd"]


def add(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name in EMPTY else f"{number}: {name}".encode())


def test_h7_odd_names_arrive_byte_for_byte(lab: Lab) -> None:
    run = miseq(1)
    write(lab, run)
    add(folder_of(lab, run), ODD + EMPTY)
    files = tree_of(folder_of(lab, run))
    assert len(files) == len(run.files()) + len(ODD) + len(EMPTY), "this disk folds names"
    lab.once()
    expect_published(lab, run, files=files)
    there = lab.blobs(name_starts_with=f"miseq-out/{run.name}/")
    assert {blob.blob_type for blob in there.values()} == {"BlockBlob"}
    text = lab.read(f"miseq-out/{run.name}.md5").decode()
    assert {path for _, path in parse_md5(text)[0]} == set(files)
    # A second pass finds nothing to do: what was listed is what was asked for.
    assert not [line for line in lab.once() if line["event"].startswith("transfer")]


BAD = {
    b"back\\slash.txt": ("backslash", "back\\slash.txt"),
    b"bell\x07.txt": ("control-character", "bell\\x07.txt"),
    b"new\nline.txt": ("control-character", "new\\x0aline.txt"),
    b"esc\x1b[31m.txt": ("control-character", "esc\\x1b[31m.txt"),
    b"latin-\xe6.txt": ("not-utf-8", "latin-\\udce6.txt"),
    b"dot.": ("trailing-dot", "dot."),
    b"folder./inside.txt": ("trailing-dot", "folder./inside.txt"),
    b"/".join([b"l" * 250] * 4) + b"/long.txt": ("too-long", "/long.txt"),
}


def test_h4_h5_h6_h7_names_that_the_lake_can_not_hold_block_their_run_by_name(lab: Lab) -> None:
    # "skip" is for links and specials; a file with a bad name is data all the same.
    lab.configure(instruments__nextseq=['special_files = "skip"'])
    runs = {name: miseq(number) for number, name in enumerate(BAD, start=1)}
    skipping, good = nextseq(1), miseq(99)
    write(lab, *runs.values(), skipping, good)
    for name, run in [*runs.items(), (b"a\\b", skipping)]:
        path = os.path.join(os.fsencode(folder_of(lab, run)), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(b"data")
    log = lab.once(expect=1)
    expect_published(lab, good)
    for name, run in runs.items():
        kind, shown = BAD[name]
        row = expect_stopped(lab, run, "blocked", shown, f"({kind}: ")
        assert (row.reason or "").isprintable()
        assert "rename" in (row.next_step or "")
        expect_alarm(log, run, shown)
    expect_stopped(lab, skipping, "blocked", "a\\b (backslash")
    told = lab.call("why", runs[b"new\nline.txt"].name, expect=None).stdout
    assert "new\\x0aline.txt" in told.replace("\n", "")
    refused = lab.call("release", skipping.name, expect=None)
    assert refused.returncode != 0, "what can't be carried can't be released"

    for name, run in [*runs.items(), (b"a\\b", skipping)]:
        path = os.path.join(os.fsencode(folder_of(lab, run)), name)
        os.rename(path, os.path.join(os.fsencode(folder_of(lab, run)), b"renamed.txt"))
        if name.startswith(b"folder."):
            os.rmdir(os.path.dirname(path))
    go_on(lab, *runs.values(), skipping)
    for run in (*runs.values(), skipping):
        expect_published(lab, run)
        assert lab.read(f"{row_of(lab, run).prefix}/renamed.txt") == b"data"


def _specials(folder: Path, outside: Path) -> dict[str, str]:
    """One of each; name -> what the ledger calls it."""
    (outside / "secret.txt").write_text("not part of any run")
    (folder / "to-file").symlink_to(outside / "secret.txt")
    (folder / "to-dir").symlink_to(outside)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    # A socket's path is bound by a short relative name: the limit is 108 bytes.
    here = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("socket")
    finally:
        os.chdir(here)
    kinds = dict.fromkeys(["to-file", "to-dir", "dangling", "loop"], "symlink")
    kinds |= {"pipe": "fifo", "socket": "socket"}
    if os.geteuid() == 0:
        os.mknod(folder / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        kinds["null"] = "device"
    return kinds


def test_h1_h3_links_and_special_files_block_or_are_told(lab: Lab, tmp_path: Path) -> None:
    lab.configure(instruments__nextseq=['special_files = "skip"'])
    blocked, skipped, good = miseq(1), nextseq(2), miseq(9)
    write(lab, blocked, skipped, good)
    outside = tmp_path / "outside"
    outside.mkdir()
    kinds = _specials(folder_of(lab, blocked), outside)
    _specials(folder_of(lab, skipped), outside)
    log = lab.once(expect=1)
    expect_published(lab, good)
    row = expect_stopped(lab, blocked, "blocked", "names: ")
    told = lab.call("why", blocked.name, expect=None).stdout
    named = [name for name, kind in kinds.items() if f"{name} ({kind}" in (row.reason or "")]
    assert len(named) == 5, row.reason
    assert f"and {len(kinds) - 5} more" in (row.reason or "")
    expect_alarm(log, blocked, "symlink")
    assert "symlink" in told
    # Nothing was read through a link: the lake holds the run's own files and no more.
    expect_published(lab, skipped, files=skipped.files())
    manifest = lab.read(f"nextseq-out/{skipped.name}.md5").decode()
    for name, kind in kinds.items():
        assert f"# not carried: {name} ({kind}: " in manifest, manifest
    assert f"# not carried: to-file (symlink: points to {outside}/secret.txt)" in manifest
    assert set(os.listdir(folder_of(lab, skipped))) >= set(kinds), "the source stays as it is"

    for name in kinds:
        (folder_of(lab, blocked) / name).unlink()
    lab.once()
    expect_published(lab, blocked)


def test_c24_empty_folders_and_what_is_excluded_are_written_down(lab: Lab) -> None:
    lab.configure(instruments__nextseq=['exclude = ["Thumbnail_Images/**", "*.tmp"]'])
    run, other = nextseq(1, thumbnails=2), miseq(2)
    write(lab, run, other)
    junk = ["Thumbs.db", "Data/desktop.ini", "._RunInfo.xml", ".DS_Store", "~$book.xlsx"]
    add(folder_of(lab, run), [*junk, "Data/scratch.tmp"])
    add(folder_of(lab, other), ["Thumbnail_Images/kept.jpg", "kept.tmp"])
    (folder_of(lab, run) / "Empty" / "Inner é").mkdir(parents=True)
    lab.once()
    expect_published(lab, other)
    files = {p: d for p, d in run.files().items() if not p.startswith("Thumbnail_Images/")}
    expect_published(lab, run, files=files)
    text = lab.read(f"nextseq-out/{run.name}.md5").decode()
    assert parse_md5(text)[1] == ["Empty/Inner é"]
    for pattern, count in (("Thumbs.db", 1), ("*.tmp", 1), ("Thumbnail_Images/**", 4)):
        assert f"# not carried: by the pattern {pattern} (excluded: {count} files)" in text, text
    assert tree_of(folder_of(lab, run)).keys() >= {*junk, "Data/scratch.tmp"}


@pytest.mark.root
def test_g5_another_file_system_inside_a_run_is_not_entered(lab: Lab) -> None:
    lab.configure(instruments__miseq=['special_files = "skip"'])
    run, good = miseq(1), miseq(9)
    write(lab, run, good)
    inside = folder_of(lab, run) / "mounted"
    inside.mkdir()
    with tmpfs(inside, "1m"):
        (inside / "foreign.txt").write_text("of another disk")
        log = lab.once(expect=1)
        expect_published(lab, good)
        expect_stopped(lab, run, "blocked", "mounted (other-file-system: a mount point")
        expect_alarm(log, run, "mount point")
    lab.once()
    expect_published(lab, run)
