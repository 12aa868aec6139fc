"""What all simulated sequencers have in common: how a run folder comes to be, and its faults."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from demo import runfiles

Pause = Callable[[], None]
# A file with its bytes, or None where a cycle is over and the instrument takes its time.
Event = tuple[str, bytes] | None

BASE_CALLS = "Data/Intensities/BaseCalls"
GZIP_MAGIC = b"\x1f\x8b\x08\x04"


@dataclass(kw_only=True)
class SequencerRun:
    """What all models have in common; ``demo.sequencer`` lists the models.

    ``cycles`` are the cycles of each read; reads whose number (from 1) is in ``index_reads`` are
    index reads. ``bytes_per_bcl`` is the size of each base call file. ``missing_cycles`` are not
    written in any lane, ``missing_in`` are (lane, cycle) pairs that are not written,
    ``empty_cycles`` are written with 0 bytes. ``outcome`` is the text of CompletionStatus; when
    it speaks of an early end, the run stops after ``completed_cycles`` (default: half of all).
    ``no_flags`` is a crash: nothing that says "done" is written. ``half_written_status`` cuts
    RunCompletionStatus.xml in the middle. ``without`` are paths that are never written, such as a
    flag that does not come. ``kind`` is the name of the rules that a run of this model follows.
    """

    kind: ClassVar[str]
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
    without: Collection[str] = ()
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
        for event in self._written():
            if event is None or event[0] not in self.without:
                yield event

    def _written(self) -> Iterator[Event]:
        yield from self._start()
        ends = {sum(self.cycles[:number]): number for number, _, _ in self.reads}
        for cycle in range(1, self.last_cycle + 1):
            yield from self._cycle(cycle)
            yield from self._metrics(cycle)
            yield None
            if cycle in ends and not self.no_flags:
                yield from self._read_end(ends[cycle])
        if not self.no_flags:
            yield from self._end()
            if self.copy_complete:
                yield "CopyComplete.txt", b""

    def _metrics(self, cycle: int) -> Iterator[Event]:
        # InterOp files are rewritten as a whole again and again, and so grow.
        for metric in ("ExtractionMetricsOut", "QMetricsOut", "TileMetricsOut"):
            yield f"InterOp/{metric}.bin", self._random(metric, 16 * cycle)

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
        return self._cut(status)

    def _cut(self, status: bytes) -> Event:
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


def _grow(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = len(content) // 2
    with path.open("wb") as file:
        file.write(content[:half])
        file.flush()
        file.write(content[half:])
