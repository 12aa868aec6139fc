"""Small file systems for tests, mounted for as long as they are needed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def tmpfs(place: Path, size: str) -> Iterator[None]:
    """A tmpfs over ``place``; skips the test where mounting is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"can't mount a tmpfs here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def unreadable_disk(file: Path) -> Iterator[None]:
    """Every read of ``file`` fails with EIO, as on a disk with a bad block."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    # Nothing of this process lies at address 0, so a read there is an input/output error.
    command = ["mount", "--bind", f"/proc/{os.getpid()}/mem", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"can't bind a file here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(file)], check=True)


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """The folder ``place`` can't be written, not even by root."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    done = subprocess.run(
        ["mount", "--bind", "-o", "ro", str(place), str(place)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"can't mount a folder here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> None:
    """Not one more byte fits."""
    with pytest.raises(OSError, match="No space"), place.open("wb", buffering=0) as file:  # noqa: PT012
        while True:
            file.write(b"x" * 4096)
