"""The structure check: lanes x cycles that RunInfo.xml promises against the base call files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from datalake_syncd.core.kinds.illumina.runinfo import IlluminaFacts
from datalake_syncd.core.kinds.illumina.runstatus import outcome_of
from datalake_syncd.core.kinds.kind import StructureCheck
from datalake_syncd.core.model import Outcome, RunFacts

# Beyond any instrument (8 lanes, 650 cycles): a RunInfo.xml that says more is not believed,
# because the lists below would grow with it.
MAX_LANES = 32
MAX_CYCLES = 5_000
_MAX_PARTS = 4_096
_MAX_SHOWN = 8

_BASE_CALLS = r"Data/Intensities/BaseCalls/L(?P<lane>\d{3})/"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an instrument puts its base calls.

    ``shown`` is the file's name as people know it; ``pattern`` matches a whole path and names the
    groups lane and cycle, and part where a cycle is several files; ``part`` is the word for those.
    """

    shown: str
    pattern: re.Pattern[str]
    part: str = ""


def _layout(shown: str, pattern: str, part: str = "") -> Layout:
    return Layout(shown, re.compile(_BASE_CALLS + pattern, re.IGNORECASE | re.ASCII), part)


# NextSeq 500/550, MiniSeq, iSeq: one file per lane and cycle. Its index NNNN.bcl.bgzf.bci is no
# cycle, and a plain NNNN.bcl was never seen in a real run folder, so it does not count as one.
BGZF = _layout("NNNN.bcl.bgzf", r"(?P<cycle>\d{4})\.bcl\.bgzf")
# MiSeq, and HiSeq (compressed): one file per lane, cycle and tile.
TILES = _layout(
    "C<n>.1/s_<lane>_<tile>.bcl",
    r"C(?P<cycle>\d{1,4})\.1/s_\d{1,3}_(?P<part>\d{1,6})\.bcl(?:\.gz)?",
    "tile",
)
# NextSeq 1000/2000, NovaSeq, MiSeq i100: one file per lane, cycle and surface.
CBCL = _layout(
    "C<n>.1/L00n_<surface>.cbcl",
    r"C(?P<cycle>\d{1,4})\.1/L\d{3}_(?P<part>\d{1,2})\.cbcl",
    "surface",
)


def check_of(layouts: tuple[Layout, ...], facts: RunFacts) -> StructureCheck:
    """The check of a model whose base calls lie in any one of these layouts."""
    checks = tuple(CycleCheck(layout, facts) for layout in layouts)
    return checks[0] if len(checks) == 1 else AnyLayoutCheck(checks)


class CycleCheck:
    """Counts base call files; keeps one number per lane and cycle, however many files there are.

    A run that ended early owes only the cycles that its status file calls completed. When that
    file doesn't say how many those are, each lane owes an unbroken row from cycle 1; its last
    cycle may then be incomplete, because it is the one that was cut short.
    """

    def __init__(self, layout: Layout, facts: RunFacts) -> None:
        self._layout = layout
        self._lanes = facts.lanes or 0
        self._cycles = facts.cycles
        self._refusal = _refusal(facts)
        self._owed: int | None = self._cycles
        if outcome_of(facts.status_text) in (Outcome.ENDED_EARLY, Outcome.FAILED):
            completed = facts.completed_cycles
            self._owed = None if completed is None else min(completed, self._cycles)
        self._promised_parts = 0
        if isinstance(facts, IlluminaFacts):
            promised = {TILES.part: facts.tiles, CBCL.part: facts.surfaces}
            self._promised_parts = promised.get(layout.part) or 0
        # (lane, cycle) -> which parts were seen, one bit for each name in _parts[lane]
        self._seen: dict[tuple[int, int], int] = {}
        self._parts: dict[int, dict[str, int]] = defaultdict(dict)
        self._empty: dict[int, set[int]] = defaultdict(set)

    @property
    def shown(self) -> str:
        """The name of the files that it counts, as people know it."""
        return self._layout.shown

    @property
    def refused(self) -> bool:
        """Whether RunInfo.xml gives nothing to count against."""
        return bool(self._refusal)

    @property
    def found(self) -> int:
        """In how many lanes and cycles a base call file was seen."""
        return len(self._seen)

    def see(self, path: str, size: int) -> None:
        """Take in one regular file: path relative to the run with ``/``, size in bytes."""
        match = self._layout.pattern.fullmatch(path)
        if match is None or self._refusal:
            return
        lane, cycle = int(match["lane"]), int(match["cycle"])
        if not (1 <= lane <= self._lanes and 1 <= cycle <= self._cycles):
            return
        parts = self._parts[lane]
        name = match["part"] if self._layout.part else ""
        if name not in parts and len(parts) >= _MAX_PARTS:
            return
        bit = parts.setdefault(name, len(parts))
        self._seen[lane, cycle] = self._seen.get((lane, cycle), 0) | 1 << bit
        if size == 0:
            self._empty[lane].add(cycle)

    def problems(self) -> tuple[str, ...]:
        """Say in words what is missing of the files seen so far; empty when nothing is."""
        if self._refusal:
            return (self._refusal,)
        if not self._seen and self._owed:
            return (f"{self.nothing} ({self._layout.shown})",)
        return tuple(
            problem for lane in range(1, self._lanes + 1) for problem in self._lane_problems(lane)
        )

    @property
    def nothing(self) -> str:
        """What to say when no base call file was seen."""
        lanes, cycles = _count(self._lanes, "lane"), _count(self._owed or 0, "cycle")
        return f"no base calls at all: {lanes} x {cycles} are missing"

    def _lane_problems(self, lane: int) -> Iterable[str]:
        present = {cycle for seen_lane, cycle in self._seen if seen_lane == lane}
        last = self._owed if self._owed is not None else max(present, default=1) - 1
        owed = range(1, last + 1)
        missing = [cycle for cycle in owed if cycle not in present]
        shown = self._layout.shown
        if missing and len(missing) == last:
            yield f"lane {lane}: all of cycles 1..{last} are missing ({shown})"
        elif missing:
            yield f"lane {lane}: {_cycles(missing)} of 1..{last} {_are(missing)} missing ({shown})"
        if self._layout.part:
            yield from self._part_problems(lane, [cycle for cycle in owed if cycle in present])
        empty = [cycle for cycle in owed if cycle in self._empty[lane]]
        if empty:
            yield f"lane {lane}: files of {_cycles(empty)} have 0 bytes ({shown})"

    def _part_problems(self, lane: int, cycles: list[int]) -> Iterable[str]:
        """Each cycle must have the same parts, and as many as RunInfo.xml promises."""
        names = self._parts[lane]
        wanted = max(self._promised_parts, max(map(len, self._parts.values()), default=0))
        groups: dict[int, list[int]] = defaultdict(list)
        for cycle in cycles:
            mask = self._seen[lane, cycle]
            if mask.bit_count() < wanted:
                groups[mask].append(cycle)
        for mask, incomplete in list(groups.items())[:_MAX_SHOWN]:
            absent = sorted((name for name, bit in names.items() if not mask >> bit & 1), key=int)
            which = f"; missing: {_some(absent)}" if absent else ""
            yield (
                f"lane {lane}: {_cycles(incomplete)} {'has' if len(incomplete) == 1 else 'have'} "
                f"{mask.bit_count()} of {_count(wanted, self._layout.part)}{which} "
                f"({self._layout.shown})"
            )
        if len(groups) > _MAX_SHOWN:
            more = sum(len(group) for group in list(groups.values())[_MAX_SHOWN:])
            yield f"lane {lane}: {_count(more, 'more cycle')} with too few {self._layout.part}s"


class AnyLayoutCheck:
    """For a model whose layout is not known for certain: whole in one layout is whole.

    What is missing is told in the layout of which most was found.
    """

    def __init__(self, checks: tuple[CycleCheck, ...]) -> None:
        self._checks = checks

    def see(self, path: str, size: int) -> None:
        """Take in one regular file: path relative to the run with ``/``, size in bytes."""
        for check in self._checks:
            check.see(path, size)

    def problems(self) -> tuple[str, ...]:
        """Say in words what is missing of the files seen so far; empty when nothing is."""
        # A layout of which nothing was found owes nothing when nobody knows how far the run came:
        # it must not speak for the one that has gaps.
        checks = [check for check in self._checks if check.found] or self._checks
        told = {check.problems(): check for check in checks}
        if () in told:
            return ()
        problems, best = max(told.items(), key=lambda item: item[1].found)
        if best.found or best.refused:
            return problems
        shown = " or ".join(check.shown for check in self._checks)
        return (f"{best.nothing} ({shown})",)


def _refusal(facts: RunFacts) -> str:
    if not facts.lanes:
        reason = "RunInfo.xml gives no number of lanes"
    elif not facts.cycles:
        reason = "RunInfo.xml gives no reads with cycles"
    elif facts.lanes > MAX_LANES or facts.cycles > MAX_CYCLES:
        reason = f"RunInfo.xml gives {facts.lanes} lanes x {facts.cycles} cycles"
    else:
        return ""
    return f"can't check structure: {reason}"


def _cycles(cycles: list[int]) -> str:
    """Sorted cycles as people write them: ``cycles 3, 37-40``."""
    ranges: list[list[int]] = []
    for cycle in cycles:
        if ranges and cycle == ranges[-1][1] + 1:
            ranges[-1][1] = cycle
        else:
            ranges.append([cycle, cycle])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return f"cycle{'' if len(cycles) == 1 else 's'} {_some(words)}"


def _some(words: list[str]) -> str:
    more = len(words) - _MAX_SHOWN
    return ", ".join(words[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _are(things: list[int]) -> str:
    return "is" if len(things) == 1 else "are"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
