"""A simulated sequencer: writes MiSeq and NextSeq 500 run folders the way the instruments do.

The order of the files, their names and the shape of the metadata follow real run folders; the
base calls are random bytes from a seed, so that the same run can be written twice. Options make
the near misses that a service must notice: missing cycles, a run that ended early, no flags,
a status file that is half there.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from demo import runfiles

Pause = Callable[[], None]
# A file with its bytes, or None where a cycle is over and the instrument takes its time.
Event = tuple[str, bytes] | None

BASE_CALLS = "Data/Intensities/BaseCalls"
_GZIP_MAGIC = b"\x1f\x8b\x08\x04"


@dataclass(kw_only=True)
class SequencerRun:
    """What both instruments have in common; use ``MiSeqRun`` or ``NextSeqRun``.

    ``cycles`` are the cycles of each read; reads whose number (from 1) is in ``index_reads`` are
    index reads. ``bytes_per_bcl`` is the size of each base call file. ``missing_cycles`` are not
    written in any lane, ``missing_in`` are (lane, cycle) pairs that are not written,
    ``empty_cycles`` are written with 0 bytes. ``outcome`` is the text of CompletionStatus; when
    it speaks of an early end, the run stops after ``completed_cycles`` (default: half of all).
    ``no_flags`` is a crash: nothing that says "done" is written. ``half_written_status`` cuts
    RunCompletionStatus.xml in the middle.
    """

    parameters_name: ClassVar[str] = "RunParameters.xml"

    name: str = field(kw_only=False)
    cycles: tuple[int, ...] = (8, 6)
    index_reads: Collection[int] = ()
    tiles: int = 2
    lanes: int = 1
    bytes_per_bcl: int = 64
    seed: int = 1
    outcome: str | None = None
    completed_cycles: int | None = None
    missing_cycles: Collection[int] = ()
    missing_in: Collection[tuple[int, int]] = ()
    empty_cycles: Collection[int] = ()
    no_flags: bool = False
    half_written_status: bool = False
    copy_complete: bool = False
    experiment: str = "demo"

    @property
    def total_cycles(self) -> int:
        """All cycles of all reads, as planned."""
        return sum(self.cycles)

    @property
    def last_cycle(self) -> int:
        """The cycle after which the run ended."""
        if self.completed_cycles is not None:
            return self.completed_cycles
        return self.total_cycles // 2 if "Early" in (self.outcome or "") else self.total_cycles

    @property
    def reads(self) -> list[runfiles.Read]:
        """The reads as (number, cycles, is index)."""
        return [
            (number, cycles, number in self.index_reads)
            for number, cycles in enumerate(self.cycles, start=1)
        ]

    def write(self, folder: Path, pause: Pause | float = 0.0) -> Path:
        """Write the run below ``folder``; gives the run folder, ``folder / name``.

        ``pause`` comes after each cycle: a call, or seconds. Files appear under their final name
        and grow, as on the instrument.
        """
        run = folder / self.name
        for event in self.events():
            if event is not None:
                _grow(run / event[0], event[1])
            elif callable(pause):
                pause()
            elif pause > 0:
                time.sleep(pause)
        return run

    def write_all(self, folder: Path) -> Path:
        """Write the whole run below ``folder`` at once; gives the run folder."""
        return self.write(folder)

    def files(self) -> dict[str, bytes]:
        """The finished run: path relative to the run folder -> bytes."""
        return dict(event for event in self.events() if event is not None)

    def sample_sheet(self) -> bytes:
        """The sample sheet (v1) that the lab would keep for this run."""
        return runfiles.sample_sheet(self.experiment, self.reads)

    def events(self) -> Iterator[Event]:
        """Every file in the order in which the instrument writes it, some more than once."""
        yield from self._start()
        ends = {sum(self.cycles[:number]): number for number, _, _ in self.reads}
        for cycle in range(1, self.last_cycle + 1):
            yield from self._cycle(cycle)
            # InterOp files are rewritten as a whole again and again, and so grow.
            for metric in ("ExtractionMetricsOut", "QMetricsOut", "TileMetricsOut"):
                yield f"InterOp/{metric}.bin", self._random(metric, 16 * cycle)
            yield None
            if cycle in ends and not self.no_flags:
                yield from self._read_end(ends[cycle])
        if not self.no_flags:
            yield from self._end()
            if self.copy_complete:
                yield "CopyComplete.txt", b""

    def _metadata(self) -> Iterator[Event]:
        raise NotImplementedError

    def _start(self) -> Iterator[Event]:
        raise NotImplementedError

    def _cycle(self, cycle: int) -> Iterator[Event]:
        raise NotImplementedError

    def _read_end(self, number: int) -> Iterator[Event]:
        raise NotImplementedError

    def _end(self) -> Iterator[Event]:
        raise NotImplementedError

    def _status(self, outcome: str) -> Event:
        status = runfiles.completion_status(self.name, self.reads, self.last_cycle, outcome)
        half = len(status) // 2 if self.half_written_status else len(status)
        return "RunCompletionStatus.xml", status[:half]

    def _lanes_of(self, cycle: int) -> list[int]:
        if cycle in self.missing_cycles:
            return []
        lanes = range(1, self.lanes + 1)
        return [lane for lane in lanes if (lane, cycle) not in self.missing_in]

    def _base_calls(self, path: str, cycle: int, header: bytes) -> Event:
        size = 0 if cycle in self.empty_cycles else self.bytes_per_bcl
        return path, (header + self._random(path, max(0, size - len(header))))[:size]

    def _random(self, path: str, size: int) -> bytes:
        # Seeded by path too: a file has the same bytes whatever else was written before it.
        source = random.Random(f"{self.seed}/{self.name}/{path}")  # noqa: S311 - no secret
        return source.randbytes(size)


@dataclass(kw_only=True)
class MiSeqRun(SequencerRun):
    """A MiSeq run: one file per cycle and tile.

    ``analysis`` is how far the analysis on the instrument is: none at all, "queued", "done" or
    "error". ``missing_tiles`` are (cycle, tile) pairs that are not written, a tile by its place
    from 1. With an ``outcome`` the run has a RunCompletionStatus.xml, as control software 4 writes.
    """

    parameters_name: ClassVar[str] = "runParameters.xml"

    analysis: Literal["none", "queued", "done", "error"] = "none"
    missing_tiles: Collection[tuple[int, int]] = ()

    @property
    def tile_names(self) -> list[str]:
        """The tiles of each lane: surface, swath and two digits, such as 1101."""
        surfaces = self._surfaces
        return [
            f"{surface}1{tile:02d}"
            for surface in range(1, surfaces + 1)
            for tile in range(1, self.tiles // surfaces + 1)
        ]

    @property
    def _surfaces(self) -> int:
        return 2 if self.tiles > 2 and self.tiles % 2 == 0 else 1

    def _metadata(self) -> Iterator[Event]:
        layout = (
            f'LaneCount="{self.lanes}" SurfaceCount="{self._surfaces}" SwathCount="1" '
            f'TileCount="{self.tiles // self._surfaces}"'
        )
        parameters = runfiles.miseq_parameters(self.name, self.reads, self.experiment)
        yield self.parameters_name, parameters
        yield "RunInfo.xml", runfiles.run_info(self.name, self.reads, version=2, layout=layout)

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield "SampleSheet.csv", self.sample_sheet()
        yield "Config/Effective.cfg", self._random("config", 200)
        yield "Recipe/MS0000001-300V2.xml", b"<Recipe />"
        for lane in range(1, self.lanes + 1):
            for tile in self.tile_names:
                locs = f"Data/Intensities/L{lane:03d}/s_{lane}_{tile}.locs"
                yield locs, self._random(locs, 32)

    def _cycle(self, cycle: int) -> Iterator[Event]:
        for lane in self._lanes_of(cycle):
            for place, tile in enumerate(self.tile_names, start=1):
                if (cycle, place) in self.missing_tiles:
                    continue
                path = f"{BASE_CALLS}/L{lane:03d}/C{cycle}.1/s_{lane}_{tile}"
                clusters = struct.pack("<I", max(0, self.bytes_per_bcl - 4))
                yield self._base_calls(f"{path}.bcl", cycle, clusters)
                yield f"{path}.stats", self._random(f"{path}.stats", 16)

    def _read_end(self, number: int) -> Iterator[Event]:
        yield f"ImageAnalysis_Netcopy_complete_Read{number}.txt", b"1/5/2018,06:20:25.841\r\n"
        yield f"Basecalling_Netcopy_complete_Read{number}.txt", b"1/5/2018,06:20:25.841\r\n"

    def _end(self) -> Iterator[Event]:
        for lane in range(1, self.lanes + 1):
            for tile in self.tile_names:
                path = f"{BASE_CALLS}/L{lane:03d}/s_{lane}_{tile}.filter"
                yield path, self._random(path, 32)
        yield "ImageAnalysis_Netcopy_complete.txt", b"1/5/2018,06:20:25.841\r\n"
        yield "Basecalling_Netcopy_complete.txt", b"1/5/2018,06:20:25.841\r\n"
        yield from self._metadata()
        yield "RTAComplete.txt", b"1/5/2018,06:20:25.841,Illumina RTA 1.18.54\r\n"
        if self.outcome is not None:
            yield self._status(self.outcome)
        if self.analysis != "none":
            yield "QueuedForAnalysis.txt", runfiles.job_info(self.name)
        if self.analysis in ("done", "error"):
            for sample in ("sample-1_S1", "sample-2_S2"):
                path = f"{BASE_CALLS}/{sample}_L001_R1_001.fastq.gz"
                yield path, _GZIP_MAGIC + self._random(path, 60)
            error = "Analysis failed" if self.analysis == "error" else None
            yield "CompletedJobInfo.xml", runfiles.job_info(self.name, error)


@dataclass(kw_only=True)
class NextSeqRun(SequencerRun):
    """A NextSeq 500 run: one file per lane and cycle, thumbnails, a status file last.

    ``thumbnails`` is their number in each lane and cycle; a real run has about a hundred.
    """

    lanes: int = 4
    outcome: str | None = "CompletedAsPlanned"
    thumbnails: int = 1

    @property
    def tile_names(self) -> list[str]:
        """The tiles of each lane: surface, swath, camera and two digits, such as 11101."""
        return [f"111{tile:02d}" for tile in range(1, self.tiles + 1)]

    def _metadata(self) -> Iterator[Event]:
        layout = (
            f'LaneCount="{self.lanes}" SurfaceCount="1" SwathCount="1" TileCount="{self.tiles}" '
            'SectionPerLane="1" LanePerSection="2"'
        )
        tiles = [f"{lane}_{tile}" for lane in range(1, self.lanes + 1) for tile in self.tile_names]
        info = runfiles.run_info(self.name, self.reads, version=4, layout=layout, tiles=tiles)
        yield (
            self.parameters_name,
            runfiles.nextseq_parameters(self.name, self.reads, self.experiment),
        )
        yield "RunInfo.xml", info

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield "RTAConfiguration.xml", b"<RTAConfiguration />"
        yield "Config/Effective.cfg", self._random("config", 200)
        yield "Recipe/NS2641105-REAGT.xml", b"<Recipe />"
        for lane in range(1, self.lanes + 1):
            locs = f"Data/Intensities/L{lane:03d}/s_{lane}.locs"
            yield locs, self._random(locs, 32 * self.tiles)

    def _cycle(self, cycle: int) -> Iterator[Event]:
        for lane in self._lanes_of(cycle):
            path = f"{BASE_CALLS}/L{lane:03d}/{cycle:04d}.bcl.bgzf"
            yield self._base_calls(path, cycle, _GZIP_MAGIC)
            yield f"{path}.bci", self._random(f"{path}.bci", 8 * self.tiles)
            for number in range(1, self.thumbnails + 1):
                image = f"Thumbnail_Images/L{lane:03d}/C{cycle}.1/s_{lane}_111{number:02d}_red.jpg"
                yield image, b"\xff\xd8\xff\xe0" + self._random(image, 40)
        yield "RTALogs/GlobalLog_00.tsv", b"6/10/2017\tWork Manager\tInfo\tcycle done\r\n" * cycle

    def _read_end(self, number: int) -> Iterator[Event]:
        yield f"RTARead{number}Complete.txt", b"Read complete 6/10/2017 5:29:35 AM"

    def _end(self) -> Iterator[Event]:
        for lane in range(1, self.lanes + 1):
            for name in (f"s_{lane}.bci", f"s_{lane}.filter"):
                path = f"{BASE_CALLS}/L{lane:03d}/{name}"
                yield path, self._random(path, 16 * self.tiles)
        yield "RTAComplete.txt", b"RTA 2.4.11 completed on 6/10/2017 2:09:31 PM\r\n"
        # The flag goes out before the last copies of what was rewritten along the way.
        yield from self._metadata()
        yield "RTALogs/WarningLog_00.tsv", b"6/10/2017\tWork Manager\tWarning\tnone\r\n"
        if self.outcome is not None:
            yield self._status(self.outcome)


def _grow(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = len(content) // 2
    with path.open("wb") as file:
        file.write(content[:half])
        file.flush()
        file.write(content[half:])
