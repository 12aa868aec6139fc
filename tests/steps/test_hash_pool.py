"""Hashing a run's files: those that differ from their lists get no MD5 until a person says so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters.tree import file_stat
from datalake_syncd.core.errors import SourceChanged
from datalake_syncd.core.model import ManifestFile
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
    pool.wait(20)
    pool.finish()
    assert isinstance(pool.error, SourceChanged)
    assert pool.differing == 0
