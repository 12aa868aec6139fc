"""Sequencers that write one file for each lane, cycle and surface: NovaSeq, NextSeq 2000, i100."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from demo import runfiles, runparameters
from demo.sequencers.run import BASE_CALLS, GZIP_MAGIC, Event, SequencerRun

CBCL_MAGIC = b"\x01\x00"
COPY_COMPLETE = "CopyComplete.txt"


@dataclass(kw_only=True)
class CbclRun(SequencerRun):
    """What the models with CBCL files have in common.

    ``surfaces`` are scanned in each lane; ``missing_surfaces`` are (cycle, surface) pairs that are
    not written. The last of the base calls arrives after RTAComplete.txt, as was measured on a
    NovaSeq 6000: that flag is no sign that everything is there.
    """

    run_info_version: ClassVar[int] = 6

    surfaces: int = 2
    missing_surfaces: Collection[tuple[int, int]] = ()

    @property
    def tile_names(self) -> list[str]:
        """The tiles of each lane: surface, swath and two digits, such as 1101."""
        return [
            f"{surface}1{tile:02d}"
            for surface in range(1, self.surfaces + 1)
            for tile in range(1, self.tiles + 1)
        ]

    @property
    def last_cycle(self) -> int:
        """The cycle after which the run ended."""
        broken = self.completed_cycles is None and "Errored" in (self.outcome or "")
        return self.total_cycles // 2 if broken else super().last_cycle

    def _metadata(self) -> Iterator[Event]:
        yield self.parameters_name, self._parameters()
        layout = (
            f'LaneCount="{self.lanes}" SurfaceCount="{self.surfaces}" SwathCount="1" '
            f'TileCount="{self.tiles}"'
        )
        info = runfiles.run_info(
            self.name,
            self.reads,
            version=self.run_info_version,
            layout=layout,
            tiles=[f"{lane}_{tile}" for lane in self._all_lanes for tile in self.tile_names],
            digits="FourDigit",
            flowcell=self._flowcell(),
            date=self._date(),
        )
        yield "RunInfo.xml", info

    @property
    def _all_lanes(self) -> range:
        return range(1, self.lanes + 1)

    def _parameters(self) -> bytes:
        raise NotImplementedError

    def _flowcell(self) -> str:
        return runfiles.without_side(self.name)

    def _date(self) -> str:
        return "2024-06-01T04:25:08Z"

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield from self._settings()
        yield "Data/Intensities/s.locs", self._random("locs", 32 * self.tiles)

    def _settings(self) -> Iterator[Event]:
        yield "RTA3.cfg", self._random("settings", 100)
        yield "Recipe/EffectiveRecipe.xml", b"<Recipe />"

    def _cycle(self, cycle: int) -> Iterator[Event]:
        files = self._cbcl(cycle)
        yield from files if cycle < self.last_cycle else files[:-1]

    def _cbcl(self, cycle: int) -> list[Event]:
        return [
            self._base_calls(
                f"{BASE_CALLS}/L{lane:03d}/C{cycle}.1/L{lane:03d}_{surface}.cbcl",
                cycle,
                CBCL_MAGIC,
            )
            for lane in self._lanes_of(cycle)
            for surface in range(1, self.surfaces + 1)
            if (cycle, surface) not in self.missing_surfaces
        ]

    def _metrics(self, cycle: int) -> Iterator[Event]:
        path = f"InterOp/C{cycle}.1/BasecallingMetricsOut.bin"
        yield path, self._random(path, 16)

    def _read_end(self, number: int) -> Iterator[Event]:  # noqa: ARG002 - nothing tells of a read
        return iter(())

    def _end(self) -> Iterator[Event]:
        for lane in self._all_lanes:
            for tile in self.tile_names:
                path = f"{BASE_CALLS}/L{lane:03d}/s_{lane}_{tile}.filter"
                yield path, self._random(path, 32)
        yield from super()._metrics(self.last_cycle)
        yield from self._sequenced()
        yield "RTAComplete.txt", b" "
        yield from self._cbcl(self.last_cycle)[-1:]
        yield self.parameters_name, self._parameters()
        yield from self._after()
        yield COPY_COMPLETE, b""

    def _sequenced(self) -> Iterator[Event]:
        return iter(())

    def _after(self) -> Iterator[Event]:
        return iter(())


@dataclass(kw_only=True)
class NovaSeq6000Run(CbclRun):
    """A NovaSeq 6000 run: no status file, CopyComplete.txt long after RTAComplete.txt."""

    kind: ClassVar[str] = "novaseq6000"
    run_info_version: ClassVar[int] = 5

    lanes: int = 2

    def _parameters(self) -> bytes:
        return runparameters.novaseq6000(self.name, self.reads, self.experiment)

    def _date(self) -> str:
        return "6/24/2020 4:30:24 PM"

    def _sequenced(self) -> Iterator[Event]:
        yield "SequenceComplete.txt", b""


@dataclass(kw_only=True)
class OnboardRun(CbclRun):
    """A run of a model that analyses on board and writes a status file of the second schema.

    ``analyses`` has the folders below Analysis and whether each is finished.
    """

    outcome: str | None = "RunCompleted"
    analyses: Mapping[str, bool] = field(default_factory=dict)

    def _written(self) -> Iterator[Event]:
        yield from super()._written()
        if not self.no_flags:
            for name, finished in self.analyses.items():
                yield from self._analysis(name, finished)

    def _analysis(self, name: str, finished: bool) -> Iterator[Event]:
        yield from self._analysed(f"Analysis/{name}")
        if finished:
            yield f"Analysis/{name}/{COPY_COMPLETE}", b""

    def _analysed(self, folder: str) -> Iterator[Event]:
        path = f"{folder}/Data/BCLConvert/fastq/sample-1_S1_L001_R1_001.fastq.gz"
        yield path, GZIP_MAGIC + self._random(path, 60)
        report = f"{folder}/Data/BCLConvert/fastq/Reports/Demultiplex_Stats.csv"
        yield report, b"Lane,SampleID,# Reads\n"
        yield f"{folder}/Data/BCLConvert/SampleSheet.csv", self.sample_sheet()

    def _after(self) -> Iterator[Event]:
        if self.outcome is not None:
            yield self._status(self.outcome)
        yield "Logs/Logs.zip", b"PK\x03\x04" + self._random("logs", 40)

    def _status(self, outcome: str) -> Event:
        return self._cut(runfiles.run_status(self.reads, self.last_cycle, outcome))


@dataclass(kw_only=True)
class NextSeq2000Run(OnboardRun):
    """A NextSeq 1000/2000 run: one lane, a status file without cycles."""

    kind: ClassVar[str] = "nextseq2000"

    def _parameters(self) -> bytes:
        return runparameters.nextseq2000(self.name, self.reads, self.last_cycle, self.experiment)

    def _flowcell(self) -> str:
        return runfiles.run_parts(self.name)[3]

    def _settings(self) -> Iterator[Event]:
        yield from super()._settings()
        yield "Config/Effective.cfg", self._random("config", 100)
        yield "Autocenter/Autocenter.csv", b"x,y\n"
        yield "FocusModelGeneration/C1.1/Model.csv", b"z\n"

    def _status(self, outcome: str) -> Event:
        return self._cut(runfiles.run_status((), 0, outcome))

    def _after(self) -> Iterator[Event]:
        yield "Autofocus/Autofocus.csv", b"z\n"
        yield from super()._after()
        yield "InstrumentAnalyticsLogs/Run.imf1", self._random("analytics", 40)
        yield "PrimaryAnalysisMetrics/PrimaryAnalysisMetrics.csv", b"Metric,Value\n"


@dataclass(kw_only=True)
class MiSeqI100Run(OnboardRun):
    """A MiSeq i100 run: one lane, one surface."""

    kind: ClassVar[str] = "miseq-i100"
    run_info_version: ClassVar[int] = 7

    surfaces: int = 1

    def _parameters(self) -> bytes:
        return runparameters.second_generation(
            self.name, self.reads, self.experiment, "MiSeqi100Series", "1.1.0.26158"
        )

    def _settings(self) -> Iterator[Event]:
        yield "RTA.cfg", self._random("settings", 100)
        yield "SampleSheet.csv", self.sample_sheet()


@dataclass(kw_only=True)
class NovaSeqXRun(OnboardRun):
    """A NovaSeq X run: with the CRC-32 of every file in Manifest.tsv, and so in each analysis.

    The checksum that is listed for the path ``wrong_checksum`` is another one than its bytes have.
    """

    kind: ClassVar[str] = "novaseqx"

    lanes: int = 2
    wrong_checksum: str | None = None

    def _parameters(self) -> bytes:
        return runparameters.second_generation(
            self.name, self.reads, self.experiment, "NovaSeqXSeries", "1.2.0.28691"
        )

    def _settings(self) -> Iterator[Event]:
        yield "RTA.cfg", self._random("settings", 100)
        yield "SampleSheet.csv", self.sample_sheet()

    def _written(self) -> Iterator[Event]:
        files: dict[str, bytes] = {}
        for event in super()._written():
            if event is not None:
                if event[0] == COPY_COMPLETE:
                    yield self._manifest("", files)
                files[event[0]] = event[1]
            yield event

    def _after(self) -> Iterator[Event]:
        yield "RTAExited.txt", b"0\n"
        yield from super()._after()

    def _analysed(self, folder: str) -> Iterator[Event]:
        files: dict[str, bytes] = {}
        for event in super()._analysed(folder):
            if event is not None:
                files[event[0]] = event[1]
            yield event
        yield self._manifest(f"{folder}/", files)

    def _manifest(self, folder: str, files: Mapping[str, bytes]) -> Event:
        lines = [
            f"{path.removeprefix(folder)}\t{self._checksum(path, data):08x}\n"
            for path, data in sorted(files.items())
        ]
        return f"{folder}Manifest.tsv", "".join(lines).encode()

    def _checksum(self, path: str, data: bytes) -> int:
        return zlib.crc32(data) ^ (path == self.wrong_checksum)
