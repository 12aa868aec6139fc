"""Sequencers that write one base call file for each lane and cycle: NextSeq 500, MiniSeq, iSeq."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from demo import runfiles, runparameters
from demo.sequencers.run import BASE_CALLS, GZIP_MAGIC, Event, SequencerRun


@dataclass(kw_only=True)
class BgzfRun(SequencerRun):
    """What the models with one file for each lane and cycle have in common."""

    sections: ClassVar[str] = 'SectionPerLane="1" LanePerSection="1"'

    @property
    def tile_names(self) -> list[str]:
        """The tiles of each lane: surface, swath, camera and two digits, such as 11101."""
        return [f"111{tile:02d}" for tile in range(1, self.tiles + 1)]

    def _metadata(self) -> Iterator[Event]:
        yield self.parameters_name, self._parameters()
        layout = (
            f'LaneCount="{self.lanes}" SurfaceCount="1" SwathCount="1" TileCount="{self.tiles}" '
            f"{self.sections}"
        )
        info = runfiles.run_info(
            self.name,
            self.reads,
            version=4,
            layout=layout,
            tiles=[f"{lane}_{tile}" for lane in self._all_lanes for tile in self.tile_names],
            flowcell=self._flowcell(),
        )
        yield "RunInfo.xml", info

    @property
    def _all_lanes(self) -> range:
        return range(1, self.lanes + 1)

    def _parameters(self) -> bytes:
        raise NotImplementedError

    def _flowcell(self) -> str:
        return runfiles.without_side(self.name)

    def _locations(self) -> Iterator[Event]:
        for lane in self._all_lanes:
            locs = f"Data/Intensities/L{lane:03d}/s_{lane}.locs"
            yield locs, self._random(locs, 32 * self.tiles)

    def _lane(self, lane: int, cycle: int) -> Iterator[Event]:
        path = f"{BASE_CALLS}/L{lane:03d}/{cycle:04d}.bcl.bgzf"
        yield self._base_calls(path, cycle, GZIP_MAGIC)
        yield f"{path}.bci", self._random(f"{path}.bci", 8 * self.tiles)

    def _read_end(self, number: int) -> Iterator[Event]:
        yield f"RTARead{number}Complete.txt", b"Read complete 6/10/2017 5:29:35 AM"

    def _filters(self) -> Iterator[Event]:
        for lane in self._all_lanes:
            for name in (f"s_{lane}.bci", f"s_{lane}.filter"):
                path = f"{BASE_CALLS}/L{lane:03d}/{name}"
                yield path, self._random(path, 16 * self.tiles)


@dataclass(kw_only=True)
class NextSeqRun(BgzfRun):
    """A NextSeq 500 run: one file per lane and cycle, thumbnails, a status file last.

    ``thumbnails`` is their number in each lane and cycle; a real run has about a hundred.
    """

    kind: ClassVar[str] = "nextseq500"
    sections: ClassVar[str] = 'SectionPerLane="1" LanePerSection="2"'

    lanes: int = 4
    outcome: str | None = "CompletedAsPlanned"
    thumbnails: int = 1

    def _parameters(self) -> bytes:
        return runparameters.nextseq(self.name, self.reads, self.experiment)

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield "RTAConfiguration.xml", b"<RTAConfiguration />"
        yield "Config/Effective.cfg", self._random("config", 200)
        yield "Recipe/NS2641105-REAGT.xml", b"<Recipe />"
        yield from self._locations()

    def _cycle(self, cycle: int) -> Iterator[Event]:
        for lane in self._lanes_of(cycle):
            yield from self._lane(lane, cycle)
            for number in range(1, self.thumbnails + 1):
                image = f"Thumbnail_Images/L{lane:03d}/C{cycle}.1/s_{lane}_111{number:02d}_red.jpg"
                yield image, b"\xff\xd8\xff\xe0" + self._random(image, 40)
        yield (
            "RTALogs/20170609-2057_GlobalLog_00.tsv",
            b"6/10/2017\tWork Manager\tInfo\tcycle done\r\n" * cycle,
        )

    def _end(self) -> Iterator[Event]:
        yield from self._filters()
        yield "RTAComplete.txt", b"RTA 2.4.11 completed on 6/10/2017 2:09:31 PM\r\n"
        # The flag goes out before the last copies of what was rewritten along the way.
        yield from self._metadata()
        warnings = b"6/10/2017\tWork Manager\tWarning\tnone\r\n"
        yield "RTALogs/20170609-2057_WarningLog_00.tsv", warnings
        if self.outcome is not None:
            yield self._status(self.outcome)


@dataclass(kw_only=True)
class MiniSeqRun(BgzfRun):
    """A MiniSeq run: one lane, and an analysis of its own in ``Alignment_1``.

    ``analysis`` is how far that is: none at all, "queued", "done" or "error".
    """

    kind: ClassVar[str] = "miniseq"

    analysis: Literal["none", "queued", "done", "error"] = "done"

    def _parameters(self) -> bytes:
        return runparameters.miniseq(self.name, self.reads, self.experiment)

    def _start(self) -> Iterator[Event]:
        yield from self._metadata()
        yield "RTAConfiguration.xml", b"<RTAConfiguration />"
        yield from self._locations()

    def _cycle(self, cycle: int) -> Iterator[Event]:
        for lane in self._lanes_of(cycle):
            yield from self._lane(lane, cycle)

    def _end(self) -> Iterator[Event]:
        yield from self._filters()
        yield "RTAComplete.txt", b"RTA 2.8.6 completed on 1/3/2018 9:48:12 AM\r\n"
        yield from self._metadata()
        yield "RTALogs/20180102-1531_GlobalLog_00.tsv", b"1/3/2018\tWork Manager\tInfo\tdone\r\n"
        if self.outcome is not None:
            yield self._status(self.outcome)
        yield from self._analysis()

    def _analysis(self) -> Iterator[Event]:
        if self.analysis == "none":
            return
        yield "QueuedForAnalysis.txt", runfiles.job_info(self.name)
        if self.analysis == "queued":
            return
        folder = "Alignment_1/20180103_110937"
        for sample in ("sample-1_S1", "sample-2_S2"):
            path = f"{folder}/Fastq/{sample}_L001_R1_001.fastq.gz"
            yield path, GZIP_MAGIC + self._random(path, 60)
        job = runfiles.job_info(self.name, "Analysis failed" if self.analysis == "error" else None)
        yield f"{folder}/SampleSheetUsed.csv", self.sample_sheet()
        yield f"{folder}/Checkpoint.txt", b"3\r\n\r\n"
        yield f"{folder}/CompletedJobInfo.xml", job
        yield "CompletedJobInfo.xml", job


@dataclass(kw_only=True)
class ISeqRun(MiniSeqRun):
    """An iSeq 100 run: as a MiniSeq's, with CopyComplete.txt at the end of the sequencing."""

    kind: ClassVar[str] = "iseq"

    analysis: Literal["none", "queued", "done", "error"] = "none"

    def _parameters(self) -> bytes:
        return runparameters.iseq(self.name, self.reads, self.last_cycle, self.experiment)

    def _flowcell(self) -> str:
        return runfiles.run_parts(self.name)[3]

    def _locations(self) -> Iterator[Event]:
        yield "Data/Intensities/s.locs", self._random("locs", 32 * self.tiles)

    def _analysis(self) -> Iterator[Event]:
        yield "CopyComplete.txt", b""
        yield from super()._analysis()
