"""Hashing a run's files: those that differ from their lists get no MD5 until a person says so."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.tree import file_stat
from datalake_syncd.core.errors import SourceChanged
from datalake_syncd.core.model import FileStat, ManifestFile
from datalake_syncd.steps import hash_pool
from datalake_syncd.steps.hash_pool import HashPool


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Table:
    """The rows of a run, as the ledger keeps them."""

    def __init__(self, root: Path, expected: dict[str, str | None]) -> None:
        self.root = root
        self.expected = expected
        self.md5s: dict[str, str] = {}
        self.released: set[str] = set()
        for path in expected:
            (root / path).write_bytes(path.encode())

    def pages(self) -> Iterator[list[ManifestFile]]:
        yield [
            ManifestFile(
                path, path, file_stat(os.stat(self.root / path)), md5=self.md5s.get(path),
                expected=told,
            )
            for path, told in self.expected.items()
        ]  # fmt: skip

    def hash(self, *, accept: bool = False) -> HashPool:
        pool = HashPool(
            self.root,
            self.pages(),
            self._record,
            record_differing=self._record_released if accept else None,
        )
        pool.start()
        pool.wait(20)
        pool.finish()
        return pool

    def _record(self, batch: list[tuple[str, str]]) -> None:
        self.md5s.update(batch)

    def _record_released(self, batch: list[tuple[str, str]]) -> None:
        self.md5s.update(batch)
        self.released.update(path for path, _ in batch)


def test_files_that_differ_are_counted_named_and_left_without_md5(tmp_path: Path) -> None:
    expected: dict[str, str | None] = {f"bad{n}": f"md5:{md5_of(b'other')}" for n in range(8)}
    expected |= {"good": f"md5:{md5_of(b'good')}", "unlisted": None}
    table = Table(tmp_path, expected)
    pool = table.hash()
    assert pool.error is None
    assert pool.differing == 8
    assert len(pool.named) == 5
    assert all(path.startswith("bad") and "is listed" in told for path, told in pool.named)
    assert table.md5s == {"good": md5_of(b"good"), "unlisted": md5_of(b"unlisted")}
    # Again, as after a crash: what was never found equal is read again, and found again.
    assert table.hash().differing == 8
    assert len(table.md5s) == 2
    # A person released it.
    assert table.hash(accept=True).differing == 8
    assert len(table.md5s) == 10
    assert table.released == {f"bad{n}" for n in range(8)}
    assert table.hash().differing == 0


def test_a_checksum_of_an_unknown_kind_is_no_equality(tmp_path: Path) -> None:
    table = Table(tmp_path, {"a": "sha1:0123"})
    pool = table.hash()
    assert isinstance(pool.error, ValueError)
    assert table.md5s == {}


def test_a_file_that_changed_is_no_difference_from_a_list(tmp_path: Path) -> None:
    table = Table(tmp_path, {"a": f"md5:{md5_of(b'a')}"})
    pages = list(table.pages())
    (tmp_path / "a").write_bytes(b"changed")
    pool = HashPool(tmp_path, iter(pages), lambda _batch: pytest.fail("an MD5 was recorded"))
    pool.start()
    pool.wait(20)
    pool.finish()
    assert isinstance(pool.error, SourceChanged)
    assert pool.differing == 0


class Reads:
    """Stands in for reading a file, which takes ``seconds``; counts how many go side by side."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float, threads: int = 4) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.read: list[str] = []
        monkeypatch.setattr(hash_pool, "THREADS", threads)
        monkeypatch.setattr(tree, "hash_file", self)

    def __call__(self, _root: Path, path: str, stat: FileStat, **_: object) -> tuple[str, FileStat]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1
            self.read.append(path)
        return md5_of(path.encode()), stat


def page(*sizes: int, name: str = "f") -> list[ManifestFile]:
    return [
        ManifestFile(f"{name}{number}", f"{name}{number}", FileStat(size, 1, 1, number, 1))
        for number, size in enumerate(sizes)
    ]


def hashed(*pages: list[ManifestFile]) -> dict[str, str]:
    md5s: dict[str, str] = {}
    pool = HashPool(Path("/nowhere"), iter(pages), md5s.update)
    pool.start()
    pool.wait(20)
    assert not pool.working, "its threads wait for each other"
    pool.finish()
    assert pool.error is None
    assert pool.files == sum(map(len, pages))
    return md5s


SMALL, LARGE = hash_pool.SMALL, hash_pool.SMALL + 1


def test_small_files_are_one_threads_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_pool, "SLOW", 5.0)
    reads = Reads(monkeypatch, 0.0005)
    files = page(*[SMALL] * 100)
    assert hashed(files[:50], files[50:]) == {f.path: md5_of(f.path.encode()) for f in files}
    assert reads.most == 1
    assert reads.read == [file.path for file in files], "not in the order in which azcopy reads"


def test_small_files_of_a_slow_share_are_read_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = Reads(monkeypatch, 2 * hash_pool.SLOW)
    files = page(*[SMALL] * 400)
    assert len(hashed(files)) == 400
    assert reads.most == 4
    assert sorted(reads.read) == sorted(file.path for file in files)


def test_large_files_are_read_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads(monkeypatch, 0.05)
    assert len(hashed(page(*[LARGE] * 8))) == 8
    assert reads.most == 4


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("seconds", [0.0, 0.002])
def test_every_file_of_every_page_is_hashed_once(
    monkeypatch: pytest.MonkeyPatch, threads: int, seconds: float
) -> None:
    reads = Reads(monkeypatch, seconds, threads)
    draw = random.Random(5)
    pages = [
        page(*(draw.choice((0, SMALL, LARGE)) for _ in range(draw.randrange(90))), name=f"p{n}-")
        for n in range(9)
    ]
    paths = sorted(file.path for one in pages for file in one)
    assert sorted(hashed(*pages)) == paths
    assert sorted(reads.read) == paths


def test_threads_that_wait_for_others_end_with_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_pool, "SLOW", 60.0)
    Reads(monkeypatch, 0.05)
    pool = HashPool(Path("/nowhere"), iter([page(*[SMALL] * 1000)]), lambda _batch: None)
    pool.start()
    pool.wait(0.2)
    assert pool.working
    pool.stop()
    assert not pool.working


def test_an_error_ends_threads_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        time.sleep(0.05)
        raise SourceChanged("it changed")

    monkeypatch.setattr(hash_pool, "THREADS", 4)
    monkeypatch.setattr(tree, "hash_file", fails)
    pool = HashPool(Path("/nowhere"), iter([page(*[SMALL] * 100)]), lambda _batch: None)
    pool.start()
    pool.wait(20)
    assert not pool.working
    assert isinstance(pool.error, SourceChanged)


def test_nothing_is_read_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads(monkeypatch, 0.0)
    pool = HashPool(Path("/nowhere"), iter([page(1)]), lambda _batch: None)
    pool.wait(0.1)
    assert pool.working, "there is work to do"
    assert pool.silent_for() == 0.0, "what was not begun does not hang"
    pool.stop()
    assert reads.read == []


def test_one_small_file_that_takes_for_ever_keeps_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hash_pool, "_PATIENCE", 0.1)
    monkeypatch.setattr(hash_pool, "THREADS", 4)
    back, read = threading.Event(), set[str]()

    def hash_file(_root: Path, path: str, stat: FileStat, **_: object) -> tuple[str, FileStat]:
        if path == "f0":
            assert back.wait(20)
        read.add(path)
        return md5_of(path.encode()), stat

    monkeypatch.setattr(tree, "hash_file", hash_file)
    pool = HashPool(Path("/nowhere"), iter([page(*[SMALL] * 500)]), lambda _batch: None)
    pool.start()
    for _ in range(100):
        if len(read) >= 500 - 32:
            break
        time.sleep(0.1)
    assert len(read) >= 500 - 32, "all but those that the stuck thread has taken"
    back.set()
    pool.wait(20)
    assert not pool.working
    assert len(read) == 500


def test_what_was_hashed_before_says_nothing_of_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that is slow stays so while a part of its files needs no reading."""
    reads = Reads(monkeypatch, 2 * hash_pool.SLOW)
    files = page(*[SMALL] * 640)
    known = [
        replace(file, md5="0" * 32) if number // 32 % 2 else file
        for number, file in enumerate(files)
    ]
    hashed(known)
    assert reads.most == 4
