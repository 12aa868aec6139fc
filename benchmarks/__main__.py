"""All measurements, one after the other; `make bench` calls it.

python -m benchmarks [--quick] [--only NAME ...] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import compared, results
from benchmarks.figure import Figure
from benchmarks.lakes import LAKES
from benchmarks.roads import rclone
from benchmarks.shapes import Run, Shape, build
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.standing import detection, idle, scan, starting
from demo.stage import missing_tools

STANDING: dict[str, Callable[[Path, Sizes], Iterator[Figure]]] = {
    "idle": idle.measure,
    "starting": starting.measure,
    "detection": detection.measure,
    "scan": scan.measure,
}
NAMES = (*LAKES, *STANDING)


def main() -> int:
    """Measure, print the table, write it down."""
    given = _arguments()
    missing = missing_tools()
    if missing:
        print(f"missing: {', '.join(missing)}; run 'make setup'", file=sys.stderr)
        return 2
    sizes = QUICK if given.quick else FULL
    # Where the environment forbids Python to keep what it compiled, as that of containers often
    # does, each start would compile all of it again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=given.work) as folder:
        root = Path(folder).resolve()
        comparisons = tuple(_compare(sizes, given.only, root))
        figures = tuple(_stand(sizes, given.only, root))
    told = results.Results(
        comparisons=comparisons,
        figures=figures,
        missing=tuple(filter(None, [rclone.missing()])),
        seconds=time.monotonic() - begun,
        quick=given.quick,
    )
    results.write(told, given.out)
    print(results.table(told))
    print(f"written: {given.out}/RESULTS.md, results.json, results.svg")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure.")
    parser.add_argument("--quick", action="store_true", help="small sizes: only to try it")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="only these")
    parser.add_argument(
        "--out", type=Path, default=Path("build/bench"), help="folder for the results"
    )
    parser.add_argument("--work", type=Path, default=None, help="folder for runs and lakes")
    return parser.parse_args()


def _compare(sizes: Sizes, only: list[str], root: Path) -> Iterator[compared.Comparison]:
    roads = [road for road in compared.ROADS if road != "rclone" or rclone.missing() is None]
    for kind, shapes in sizes.shapes.items():
        if kind not in only:
            continue
        for shape, rounds in shapes:
            run = _built(shape, root)
            yield compared.compare(kind, run, shape.told, rounds, roads, root)
            results.remove(run.source)


def _built(shape: Shape, root: Path) -> Run:
    print(f"writing {shape.told}")
    return build(shape, root / "runs")


def _stand(sizes: Sizes, only: list[str], root: Path) -> Iterator[Figure]:
    for name, measure in STANDING.items():
        if name in only:
            folder = root / name
            folder.mkdir()
            for figure in measure(folder, sizes):
                print(f"  {figure.told}: {figure.value:.2f} {figure.unit}")
                yield figure
            results.remove(folder)


if __name__ == "__main__":
    sys.exit(main())
