"""The made-up runs that everybody carries: many small files, few large ones, 100,000 thumbnails."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.sequencer import MiSeqRun, NextSeqRun, SequencerRun

_THUMBNAIL = 4000


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder on the disk, whole; ``flag`` is what says so."""

    shape: str
    folder: Path
    kind: str
    flag: str
    files: int
    bytes: int

    @property
    def source(self) -> Path:
        """The folder of its instrument, which holds this run alone."""
        return self.folder.parent


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of run; ``write`` puts it below a folder."""

    key: str
    told: str
    flag: str
    write: Callable[[Path], SequencerRun]


def build(shape: Shape, root: Path) -> Run:
    """Write the run of a shape once; all of it is in the page cache then."""
    source = root / shape.key
    source.mkdir(parents=True)
    run = shape.write(source)
    folder = source / run.name
    files = size = 0
    for path in _all_files(folder):
        files += 1
        size += path.stat().st_size
    # What is still on its way to the disk would slow down whoever is measured first.
    os.sync()
    return Run(shape.key, folder, run.kind, shape.flag, files, size)


def small_files(cycles: int) -> Shape:
    """A MiSeq run: two files for each of 28 tiles and each cycle."""

    def write(source: Path) -> SequencerRun:
        run = MiSeqRun(
            "260101_M00001_0001_000000000-AAAAA", cycles=(cycles,), tiles=28, bytes_per_bcl=60_000
        )
        run.write_all(source)
        return run

    return Shape("small", "many small files (MiSeq)", "RTAComplete.txt", write)


def large_files(cycles: int, mebibytes: int) -> Shape:
    """A NextSeq run without thumbnails: one file for each lane and cycle."""

    def write(source: Path) -> SequencerRun:
        run = NextSeqRun(
            "260102_NB500001_0002_AHAAAAAAXX",
            cycles=(cycles,),
            thumbnails=0,
            bytes_per_bcl=mebibytes << 20,
        )
        run.write_all(source)
        return run

    return Shape("large", "few large files (NextSeq)", "RunCompletionStatus.xml", write)


def thumbnails(count: int) -> Shape:
    """A NextSeq run with so many thumbnails."""

    def write(source: Path) -> SequencerRun:
        run = NextSeqRun(
            "260103_NB500001_0003_AHAAAAAAXX", cycles=(25,), thumbnails=0, bytes_per_bcl=200_000
        )
        run.write_all(source)
        content = random.Random(1)
        folder = source / run.name / "Thumbnail_Images"
        for number in range(count):
            lane, cycle = number % 4 + 1, number // 400 + 1
            parent = folder / f"L{lane:03d}" / f"C{cycle}.1"
            if number % 400 < 4:
                parent.mkdir(parents=True)
            image = parent / f"s_{lane}_111{number // 4 % 100:02d}_red.jpg"
            image.write_bytes(content.randbytes(_THUMBNAIL))
        return run

    told = f"a NextSeq run with {count:,} thumbnails"
    return Shape("thumbnails", told, "RunCompletionStatus.xml", write)


def _all_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
