"""A power cut: what a journaled disk holds at one instant, without what the kernel still had.

The disk is an ext4 in an image that lies in memory. The image is what was written to the disk;
a copy of it is the disk after the cut, and what was only in the page cache is not in it.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import need

MEMORY = Path("/dev/shm")


@dataclass
class Disk:
    """A mounted image; ``cut`` gives the disk as it would be after a power cut now."""

    image: Path
    place: Path

    def copy(self) -> Path:
        """The image at this instant."""
        made = self.image.with_name(f"{self.image.name}.cut")
        while True:
            shutil.copyfile(self.image, made)
            # The kernel writes by itself now and then; a copy must be of one instant.
            if filecmp.cmp(self.image, made, shallow=False):
                return made

    def swap(self, image: Path) -> None:
        """Go on with another image at the same place; nobody may use it meanwhile."""
        unmount(self.place)
        image.rename(self.image)
        mount(self.image, self.place)


def mount(image: Path, place: Path) -> None:
    done = subprocess.run(
        ["mount", "-o", "loop", str(image), str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"can't mount an image here: {done.stderr.strip()}")


def unmount(place: Path, seconds: float = 10.0) -> None:
    """Wait until nobody uses it: a killed process lets go of its files a moment later."""
    until = time.monotonic() + seconds
    while (
        done := subprocess.run(["umount", str(place)], capture_output=True, check=False)
    ).returncode:
        assert time.monotonic() < until, done.stderr.decode()
        time.sleep(0.05)


@contextmanager
def disk(place: Path, size: str = "48M") -> Iterator[Disk]:
    """A fresh disk, mounted at ``place``."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    need(shutil.which("mkfs.ext4") is not None, "mkfs.ext4 (e2fsprogs)")
    need(MEMORY.is_dir(), str(MEMORY))
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="power-cut-") as folder:
        image = Path(folder) / "disk.img"
        subprocess.run(["truncate", "-s", size, str(image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(image)], check=True)
        mount(image, place)
        try:
            yield Disk(image, place)
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=False)


@contextmanager
def after(image: Path, place: Path) -> Iterator[Path]:
    """The disk after the cut, mounted for a look."""
    place.mkdir(exist_ok=True)
    mount(image, place)
    try:
        yield place
    finally:
        unmount(place)
