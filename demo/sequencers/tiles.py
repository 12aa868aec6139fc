"""Sequencers that write one base call file for each tile: MiSeq, HiSeq 2500, HiSeq X."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from demo import runfiles, runparameters
from demo.sequencers.run import BASE_CALLS, GZIP_MAGIC, Event, SequencerRun


@dataclass(kw_only=True)
class TileRun(SequencerRun):
    """What the models with one file for each cycle and tile have in common.

    ``missing_tiles`` are (cycle, tile) pairs that are not written, a tile by its place from 1.
    """

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

    @property
    def _layout(self) -> str:
        return (
            f'LaneCount="{self.lanes}" SurfaceCount="{self._surfaces}" SwathCount="1" '
            f'TileCount="{self.tiles // self._surfaces}"'
        )

    def _tiles_of(self, cycle: int) -> Iterator[tuple[int, str]]:
        for lane in self._lanes_of(cycle):
            for place, tile in enumerate(self.tile_names, start=1):
                if (cycle, place) not in self.missing_tiles:
                    yield lane, tile

    def _all_tiles(self) -> Iterator[tuple[int, str]]:
        return ((lane, tile) for lane in range(1, self.lanes + 1) for tile in self.tile_names)

    def _filters(self) -> Iterator[Event]:
        for lane, tile in self._all_tiles():
            path = f"{BASE_CALLS}/L{lane:03d}/s_{lane}_{tile}.filter"
            yield path, self._random(path, 32)


@dataclass(kw_only=True)
class MiSeqRun(TileRun):
    """A MiSeq run: one file per cycle and tile.

    ``analysis`` is how far the analysis on the instrument is: none at all, "queued", "done" or
    "error". With an ``outcome`` the run has a RunCompletionStatus.xml, as from control software 4.
    """

    kind: ClassVar[str] = "miseq"
    parameters_name: ClassVar[str] = "runParameters.xml"

    analysis: Literal["none", "queued", "done", "error"] = "none"

    def _metadata(self) -> Iterator[Event]:
        parameters = runparameters.miseq(self.name, self.reads, self.experiment)
        yield self.parameters_name, parameters
        yield (
            "RunInfo.xml",
            runfiles.run_info(self.name, self.reads, version=2, layout=self._layout),
        )

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield "SampleSheet.csv", self.sample_sheet()
        yield "Config/Effective.cfg", self._random("config", 200)
        yield "Recipe/MS0000001-300V2.xml", b"<Recipe />"
        for lane, tile in self._all_tiles():
            locs = f"Data/Intensities/L{lane:03d}/s_{lane}_{tile}.locs"
            yield locs, self._random(locs, 32)

    def _cycle(self, cycle: int) -> Iterator[Event]:
        for lane, tile in self._tiles_of(cycle):
            path = f"{BASE_CALLS}/L{lane:03d}/C{cycle}.1/s_{lane}_{tile}"
            clusters = struct.pack("<I", max(0, self.bytes_per_bcl - 4))
            yield self._base_calls(f"{path}.bcl", cycle, clusters)
            yield f"{path}.stats", self._random(f"{path}.stats", 16)

    def _read_end(self, number: int) -> Iterator[Event]:
        yield f"ImageAnalysis_Netcopy_complete_Read{number}.txt", b"1/5/2018,06:20:25.841\r\n"
        yield f"Basecalling_Netcopy_complete_Read{number}.txt", b"1/5/2018,06:20:25.841\r\n"

    def _end(self) -> Iterator[Event]:
        yield from self._filters()
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
                yield path, GZIP_MAGIC + self._random(path, 60)
            error = "Analysis failed" if self.analysis == "error" else None
            yield "CompletedJobInfo.xml", runfiles.job_info(self.name, error)


@dataclass(kw_only=True)
class HiSeq2500Run(TileRun):
    """A HiSeq 2500 run in rapid mode: compressed tiles, and flags for each read and for all."""

    kind: ClassVar[str] = "hiseq2500"
    parameters_name: ClassVar[str] = "runParameters.xml"

    lanes: int = 2

    def _metadata(self) -> Iterator[Event]:
        parameters = runparameters.hiseq(
            self.name, self.reads, self.experiment, version="2.2.58", rta="1.18.64"
        )
        yield self.parameters_name, parameters
        flowcell = runfiles.without_side(self.name)
        info = runfiles.run_info(
            self.name, self.reads, version=2, layout=self._layout, flowcell=flowcell
        )
        yield "RunInfo.xml", info

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield "Config/HiSeqControlSoftware.Options.cfg", self._random("options", 100)
        yield "Config/RTAStart.bat", b"@echo off\r\n"
        yield "Data/Intensities/RTAConfiguration.xml", b"<RTAConfiguration />"
        for lane, tile in self._all_tiles():
            locs = f"Data/Intensities/L{lane:03d}/s_{lane}_{tile}.clocs"
            yield locs, self._random(locs, 32)

    def _cycle(self, cycle: int) -> Iterator[Event]:
        for lane, tile in self._tiles_of(cycle):
            path = f"{BASE_CALLS}/L{lane:03d}/C{cycle}.1/s_{lane}_{tile}"
            yield self._base_calls(f"{path}.bcl.gz", cycle, GZIP_MAGIC)
            yield f"{path}.stats", self._random(f"{path}.stats", 16)
        yield "Data/Status_Files/ByCycle.htm", b"<html>%d</html>\r\n" % cycle

    def _read_end(self, number: int) -> Iterator[Event]:
        yield f"ImageAnalysis_Netcopy_complete_Read{number}.txt", b"7/27/2017,10:44:50\r\n"
        yield f"Basecalling_Netcopy_complete_Read{number}.txt", b"7/27/2017,10:44:50\r\n"

    def _end(self) -> Iterator[Event]:
        yield from self._filters()
        yield "ImageAnalysis_Netcopy_complete.txt", b"7/27/2017,10:44:50\r\n"
        yield "Basecalling_Netcopy_complete.txt", b"7/27/2017,10:44:50\r\n"
        yield "RTAComplete.txt", b"7/27/2017,10:44:50.123,Illumina RTA 1.18.64\r\n"
        yield from self._metadata()


@dataclass(kw_only=True)
class HiSeqXRun(TileRun):
    """A HiSeq X, 3000 or 4000 run: compressed tiles, one file of locations for all of them."""

    kind: ClassVar[str] = "hiseqx"
    parameters_name: ClassVar[str] = "runParameters.xml"

    lanes: int = 2

    def _metadata(self) -> Iterator[Event]:
        parameters = runparameters.hiseq(
            self.name, self.reads, self.experiment, version="3.4.0.38", rta="2.7.7"
        )
        yield self.parameters_name, parameters
        tiles = [f"{lane}_{tile}" for lane, tile in self._all_tiles()]
        info = runfiles.run_info(
            self.name, self.reads, version=4, layout=self._layout, tiles=tiles, digits="FourDigit"
        )
        yield "RunInfo.xml", info

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield "RTAConfiguration.xml", b"<RTAConfiguration />"
        yield "Data/Intensities/s.locs", self._random("locs", 32 * self.tiles)

    def _cycle(self, cycle: int) -> Iterator[Event]:
        for lane, tile in self._tiles_of(cycle):
            path = f"{BASE_CALLS}/L{lane:03d}/C{cycle}.1/s_{lane}_{tile}.bcl.gz"
            yield self._base_calls(path, cycle, GZIP_MAGIC)

    def _read_end(self, number: int) -> Iterator[Event]:
        yield f"RTARead{number}Complete.txt", b"Read complete 5/18/2017 10:02:11 PM"

    def _end(self) -> Iterator[Event]:
        yield from self._filters()
        yield "RTAComplete.txt", b"RTA 2.7.7 completed on 5/19/2017 3:15:12 AM\r\n"
        yield from self._metadata()
        yield "SequencingComplete.txt", b"Sequencing completed on 5/19/2017 3:20:41 AM, HCS\r\n"
