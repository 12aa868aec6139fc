"""Small file systems for tests, mounted for as long as they are needed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    """``mount`` with these arguments and the place; skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    command = ["mount", *arguments, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"can't mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def tmpfs(place: Path, size: str) -> Iterator[None]:
    """A tmpfs over ``place``."""
    with _mounted(place, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield


@contextmanager
def ext4(place: Path, size: int) -> Iterator[None]:
    """An ext4 of its own, of so many bytes, over ``place``."""
    image = place.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with _mounted(place, "-o", "loop", str(image)):
        yield


@contextmanager
def bound(what: Path, place: Path) -> Iterator[None]:
    """The folder ``what`` is also at ``place``: the same file system, another mount."""
    with _mounted(place, "--bind", str(what)):
        yield


@contextmanager
def unreadable_disk(file: Path) -> Iterator[None]:
    """Every read of ``file`` fails with EIO, as on a disk with a bad block."""
    # Nothing of this process lies at address 0, so a read there is an input/output error.
    with _mounted(file, "--bind", f"/proc/{os.getpid()}/mem"):
        yield


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """The folder ``place`` can't be written, not even by root."""
    with _mounted(place, "--bind", "-o", "ro", str(place)):
        yield


def fill(place: Path) -> None:
    """Not one more byte fits."""
    with pytest.raises(OSError, match="No space"), place.open("wb", buffering=0) as file:  # noqa: PT012
        while True:
            file.write(b"x" * 4096)
