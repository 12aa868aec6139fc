"""The source tree: looks without following anything, and removal by plan only."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from pathlib import Path

import pytest

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.tree import private, trash
from datalake_syncd.core.errors import (
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    SyncdError,
)
from datalake_syncd.core.model import EmptyDirectory, FileEntry, Oddity
from datalake_syncd.core.names import JUNK, Excluder
from datalake_syncd.core.pruning import PlanItem


def look(root: Path, *patterns: str, block: bool = True) -> list[tree.Entry]:
    return list(
        tree.look(
            root, lake_prefix="p/run", excluder=Excluder((*JUNK, *patterns)), block_special=block
        )
    )


def sum_of(root: Path) -> tree.Look:
    total = tree.Look()
    for entry in look(root):
        total.add(entry)
    return total


@pytest.fixture
def run(tmp_path: Path) -> Path:
    root = tmp_path / "source" / "run"
    (root / "Data" / "L001").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "RunInfo.xml").write_bytes(b"<RunInfo/>")
    (root / "Data" / "L001" / "0001.bcl").write_bytes(b"a" * 3000)
    (root / "Data" / "%41 #+é.txt").write_bytes(b"")
    return root


def test_a_look_names_every_file_once_with_its_stat(run: Path) -> None:
    entries = look(run)
    files = {entry.path: entry.stat for entry in entries if isinstance(entry, FileEntry)}
    assert set(files) == {"RunInfo.xml", "Data/L001/0001.bcl", "Data/%41 #+é.txt"}
    told = (run / "RunInfo.xml").stat()
    assert files["RunInfo.xml"].size == told.st_size
    assert files["RunInfo.xml"].mtime_ns == told.st_mtime_ns
    assert files["RunInfo.xml"].ctime_ns == told.st_ctime_ns
    assert files["RunInfo.xml"].inode == told.st_ino
    assert [e.path for e in entries if isinstance(e, EmptyDirectory)] == ["empty"]


@pytest.mark.parametrize(
    "change",
    [
        lambda run: (run / "RunInfo.xml").write_bytes(b"<RunInfo>>"),
        lambda run: os.utime(run / "RunInfo.xml", ns=(1, 1)),
        lambda run: (run / "new").write_bytes(b""),
        lambda run: (run / "RunInfo.xml").rename(run / "Runinfo.xml"),
        lambda run: (run / "another-empty").mkdir(),
        lambda run: (run / "RunInfo.xml").chmod(0o600),
    ],
    ids=["rewritten", "touched", "added", "renamed", "empty-directory", "ctime"],
)
def test_the_digest_of_two_looks_differs_after_any_change(run: Path, change: object) -> None:
    before = sum_of(run)
    assert sum_of(run).digest == before.digest
    change(run)  # type: ignore[operator]
    assert sum_of(run).digest != before.digest


def test_c11_a_rewrite_with_the_old_mtime_is_seen(run: Path) -> None:
    file = run / "Data" / "L001" / "0001.bcl"
    told = file.stat()
    before = sum_of(run).digest
    file.write_bytes(b"b" * 3000)
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert file.stat().st_mtime_ns == told.st_mtime_ns
    assert sum_of(run).digest != before


def test_h1_h3_nothing_special_is_followed_opened_or_lost(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("no")
    (run / "to-folder").symlink_to(outside)
    (run / "to-file").symlink_to(outside / "secret")
    (run / "dangling").symlink_to("nowhere\n")
    os.mkfifo(run / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(run / "sock"))
        (run / "back\\slash").write_bytes(b"")
        (run / "line\nfeed").write_bytes(b"")
        (run / "dot.").write_bytes(b"")
        Path(os.fsdecode(os.fsencode(run) + b"/\xff\xfe")).write_bytes(b"")
        entries = look(run)
    odd = {e.path: e for e in entries if isinstance(e, Oddity)}
    assert {path: e.kind for path, e in odd.items()} == {
        "to-folder": "symlink",
        "to-file": "symlink",
        "dangling": "symlink",
        "fifo": "fifo",
        "sock": "socket",
        "back\\slash": "backslash",
        "line\\x0afeed": "control-character",
        "dot.": "trailing-dot",
        "\\udcff\\udcfe": "not-utf-8",
    }
    assert all(e.blocks for e in odd.values())
    assert odd["dangling"].detail == "points to nowhere\\x0a"
    assert not any("secret" in e.path for e in entries)


def test_special_files_may_be_passed_but_bad_names_never(run: Path) -> None:
    (run / "link").symlink_to("RunInfo.xml")
    (run / "a\\b").write_bytes(b"")
    odd = {e.path: e.blocks for e in look(run, block=False) if isinstance(e, Oddity)}
    assert odd == {"link": False, "a\\b": True}


def test_junk_and_excluded_files_are_counted_by_pattern(run: Path) -> None:
    (run / "Thumbnail_Images").mkdir()
    for number in range(5):
        (run / "Thumbnail_Images" / f"{number}.jpg").write_bytes(b"x")
    (run / "Thumbs.db").write_bytes(b"x")
    total = tree.Look()
    for entry in look(run, "Thumbnail_Images/**"):
        total.add(entry)
    assert total.files == 3
    assert sum(total.excluded.values()) == 6
    assert total.oddities == []


def test_h2_a_run_folder_that_is_a_link_is_refused(run: Path) -> None:
    link = run.parent / "link"
    link.symlink_to(run)
    with pytest.raises(NeedsPerson, match="symbolic link"):
        look(link)


def test_a_missing_folder_is_a_change_not_an_empty_run(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged):
        look(tmp_path / "nothing")


def test_a_folder_that_vanishes_during_the_look_is_a_change(run: Path) -> None:
    walk = tree.look(
        run, lake_prefix="p", excluder=Excluder(()), block_special=True,
        on_entry=lambda: (run / "RunInfo.xml").unlink(missing_ok=True),
    )  # fmt: skip
    with pytest.raises(SourceChanged, match=r"RunInfo\.xml"):
        list(walk)


def test_hashing_gives_the_md5_and_watches_the_file(run: Path) -> None:
    entry = next(e for e in look(run) if isinstance(e, FileEntry) and e.path.endswith(".bcl"))
    md5, stat = tree.hash_file(run, entry.path, entry.stat)
    assert md5 == hashlib.md5(b"a" * 3000, usedforsecurity=False).hexdigest()
    assert stat == entry.stat
    (run / entry.path).write_bytes(b"a" * 3001)
    with pytest.raises(SourceChanged, match="size 3000 -> 3001"):
        tree.hash_file(run, entry.path, entry.stat)


def test_a_file_that_changes_while_it_is_read_is_not_hashed(run: Path) -> None:
    file = run / "big"
    file.write_bytes(b"x" * (5 << 20))

    def grow(_count: int) -> None:
        with file.open("ab") as stream:
            stream.write(b"y")

    with pytest.raises(SourceChanged, match="big changed while it was carried"):
        tree.hash_file(run, "big", None, on_bytes=grow)


def test_h3_hashing_never_opens_a_link_or_waits_for_a_fifo(run: Path) -> None:
    (run / "link").symlink_to("RunInfo.xml")
    os.mkfifo(run / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(NeedsPerson, match=name):
            tree.hash_file(run, name, None)


def test_small_files_are_capped(run: Path) -> None:
    assert tree.read_small(run / "RunInfo.xml", 100) == b"<RunInfo/>"
    assert tree.read_small(run / "RunInfo.xml", 5) is None


# --- the trash ------------------------------------------------------------------------------


def plan_of(run: Path) -> list[PlanItem]:
    return [
        PlanItem(e.path, e.stat, "0" * 32, "etag") for e in look(run) if isinstance(e, FileEntry)
    ]


def test_a_run_goes_to_the_trash_and_comes_back_as_it_was(run: Path) -> None:
    source, before = run.parent, sum_of(run).digest
    trash.move_to_trash(source, "run", "run.1")
    assert not run.exists()
    assert trash.is_there(source, "run.1", trash=True)
    trash.bring_back(source, "run.1", "run")
    assert sum_of(run).digest == before


def test_g11_emptying_unlinks_the_plan_and_the_empty_folders_only(run: Path) -> None:
    source = run.parent
    plan = plan_of(run)
    (run / "Data" / "stranger").write_bytes(b"came later")
    trash.move_to_trash(source, "run", "run.1")
    done = trash.empty(source, "run.1", plan)
    assert (done.unlinked, done.freed, done.left) == (3, 3010, ("Data/stranger",))
    rest = source / trash.TRASH / "run.1"
    assert [str(p.relative_to(rest)) for p in rest.rglob("*")] == ["Data", "Data/stranger"]


def test_emptying_twice_is_the_same_as_once(run: Path) -> None:
    source, plan = run.parent, plan_of(run)
    trash.move_to_trash(source, "run", "run.1")
    (source / trash.TRASH / "run.1" / "RunInfo.xml").unlink()  # an interrupted first try
    done = trash.empty(source, "run.1", plan)
    assert (done.unlinked, done.already_gone, done.left) == (2, 1, ())
    assert list((source / trash.TRASH).iterdir()) == []
    again = trash.empty(source, "run.1", plan)
    assert (again.unlinked, again.left) == (0, ())


def test_nothing_is_unlinked_once_the_last_word_says_no(run: Path) -> None:
    source, plan = run.parent, plan_of(run)
    trash.move_to_trash(source, "run", "run.1")

    def given_up() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        trash.empty(source, "run.1", plan, before_each=given_up)
    assert trash.missing(source, "run.1", plan) == set()


def test_g2_a_file_that_is_not_the_planned_one_stays(run: Path) -> None:
    source, plan = run.parent, plan_of(run)
    trash.move_to_trash(source, "run", "run.1")
    file = source / trash.TRASH / "run.1" / "RunInfo.xml"
    told = file.stat()
    file.write_bytes(b"<RunInfo2>")
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert trash.strangers(source, "run.1", plan) == ["RunInfo.xml"]
    done = trash.empty(source, "run.1", plan)
    assert done.left == ("RunInfo.xml",)
    assert file.read_bytes() == b"<RunInfo2>"


def test_c23_hard_links_are_both_unlinked(run: Path) -> None:
    os.link(run / "RunInfo.xml", run / "second")
    source, plan = run.parent, plan_of(run)
    trash.move_to_trash(source, "run", "run.1")
    assert trash.empty(source, "run.1", plan).left == ()


def test_g4_a_link_swapped_in_for_a_folder_is_never_followed(run: Path, tmp_path: Path) -> None:
    source, plan = run.parent, plan_of(run)
    victim = tmp_path / "victim"
    (victim / "L001").mkdir(parents=True)
    (victim / "L001" / "0001.bcl").write_bytes(b"a" * 3000)
    trash.move_to_trash(source, "run", "run.1")
    inside = source / trash.TRASH / "run.1"
    (inside / "Data").rename(tmp_path / "moved-away")
    (inside / "Data").symlink_to(victim)
    done = trash.empty(source, "run.1", plan)
    assert "Data" in done.left
    assert (victim / "L001" / "0001.bcl").exists()
    assert (tmp_path / "moved-away" / "L001" / "0001.bcl").exists()


def test_g4_a_swap_race_never_reaches_outside(run: Path, tmp_path: Path) -> None:
    """Folders are swapped for links all the time while the trash is emptied."""
    for number in range(300):
        folder = run / f"f{number}"
        folder.mkdir()
        (folder / "x").write_bytes(b"a")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "x").write_bytes(b"precious")
    source, plan = run.parent, plan_of(run)
    trash.move_to_trash(source, "run", "run.1")
    inside, stop = source / trash.TRASH / "run.1", threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            folder, aside = inside / f"f{number % 300}", tmp_path / f"aside{number}"
            number += 1
            try:
                folder.rename(aside)
                folder.symlink_to(victim)
            except OSError:
                continue

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(3):
            trash.empty(source, "run.1", plan)
    except SyncdError:
        pass  # a clean refusal is fine; following a link is not
    finally:
        stop.set()
        swapper.join()
    assert (victim / "x").read_bytes() == b"precious"


def test_nothing_is_replaced_by_a_move(run: Path) -> None:
    source = run.parent
    trash.move_to_trash(source, "run", "run.1")
    run.mkdir()
    with pytest.raises(NeedsPerson, match="already there"):
        trash.bring_back(source, "run.1", "run")
    with pytest.raises(NeedsPerson, match="already there"):
        trash.move_to_trash(source, "run", "run.1")
    assert (source / trash.TRASH / "run.1" / "RunInfo.xml").exists()


def test_a_source_that_is_away_is_offline() -> None:
    with pytest.raises(SourceOffline):
        trash.source_device(Path("/nonexistent/source"))


def test_scratch_folders_are_cleared_without_following_links(tmp_path: Path) -> None:
    root = tmp_path / "azcopy"
    private.make_private_root(root)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("x")
    (root / "job" / "plans").mkdir(parents=True)
    (root / "job" / "plans" / "p").write_text("x")
    (root / "job" / "link").symlink_to(outside)
    private.clear_private(root / "job")
    assert not (root / "job").exists()
    assert (outside / "keep").exists()
    private.clear_private(root / "job")


def test_only_our_own_scratch_folders_are_ever_cleared(run: Path) -> None:
    with pytest.raises(SyncdError, match="not one of this service's scratch folders"):
        private.clear_private(run)
    assert (run / "RunInfo.xml").exists()
