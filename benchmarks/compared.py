"""Everybody carries the same run, in turn, round after round; ratios are taken within a round."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lakes import Lake, fresh
from benchmarks.roads import azcopy, rclone, scripts, service
from benchmarks.roads.carried import Carried
from benchmarks.shapes import Run

#: The order of the columns; the first is what the others are compared with.
ROADS: dict[str, Callable[[Run, Lake, Path], Carried]] = {
    "azcopy": azcopy.carry,
    "scripts": scripts.carry,
    "rclone": rclone.carry,
    "service": service.carry,
}
BARE, OURS = "azcopy", "service"
TARGET = 1.10


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, middle and most of some values."""

    least: float
    middle: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of values, at least one."""
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One shape, one lake: what each road took in each round."""

    lake: str
    run: Run
    told: str
    rounds: dict[str, list[Carried]]

    def seconds(self, road: str) -> Spread:
        """Wall times."""
        return Spread.of([one.seconds for one in self.rounds[road]])

    def ratio(self, road: str, to: str = BARE, *, without_waiting: bool = False) -> Spread:
        """Wall time beside that of another road in the same round."""
        pairs = zip(self.rounds[road], self.rounds[to], strict=True)
        return Spread.of(
            [
                (one.seconds - (one.waited if without_waiting else 0.0)) / other.seconds
                for one, other in pairs
            ]
        )


def compare(
    kind: str, run: Run, told: str, rounds: int, roads: Sequence[str], root: Path
) -> Comparison:
    """Let everybody carry a run; each on a fresh server and with fresh folders."""
    carried: dict[str, list[Carried]] = {road: [] for road in roads}
    for number in range(rounds):
        # Who goes first changes: nobody always meets the machine as the same one left it.
        turn = number % len(roads)
        for road in (*roads[turn:], *roads[:turn]):
            work = root / "work"
            work.mkdir()
            try:
                with fresh(kind, root) as lake:
                    one = ROADS[road](run, lake, work)
            finally:
                shutil.rmtree(work, ignore_errors=True)
            carried[road].append(one)
            print(f"  {kind}, {run.shape}, round {number + 1}: {road} {one.seconds:.2f} s")
    return Comparison(kind, run, told, carried)
