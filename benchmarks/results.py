"""What was measured, as a table for people, as JSON, and as a drawing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import drawing, machine
from benchmarks.compared import BARE, OURS, TARGET, Comparison, Spread
from benchmarks.figure import Figure
from benchmarks.lakes import LINE

NAMES = {
    "azcopy": "`azcopy copy --put-md5`",
    "scripts": "old scripts",
    "rclone": "`rclone copy` + `check`",
    "service": "datalake-syncd",
}
LAKES = {
    "discard": "discarding server",
    "line": f"discarding server behind a line of {LINE / 1000:g} Gbit/s",
    "azurite": "Azurite",
}
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Results:
    """All of one call; ``missing`` says who could not take part."""

    comparisons: tuple[Comparison, ...]
    figures: tuple[Figure, ...]
    missing: tuple[str, ...]
    seconds: float
    quick: bool


def write(results: Results, folder: Path) -> None:
    """``RESULTS.md``, ``results.json`` and ``results.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(table(results) + "\n")
    (folder / "results.json").write_text(json.dumps(_document(results), indent=1) + "\n")
    (folder / "results.svg").write_text(drawing.render(_bars(results), TARGET))


def remove(folder: Path) -> None:
    """What is measured is gone: room for the next."""
    shutil.rmtree(folder)


def table(results: Results) -> str:
    """All of it in words."""
    return "\n".join(_lines(results))


def _lines(results: Results) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield f"{machine.sentence()} Written by `make bench` in {results.seconds / 60:.0f} minutes."
    if results.quick:
        yield ""
        yield "**Small sizes: these figures only show that everything can be measured.**"
    for reason in results.missing:
        yield f"Not measured: {reason}."
    if results.comparisons:
        yield from _compared(results)
        yield from _LIMITS
    if results.figures:
        yield from _standing(results)


#: What the figures can't say by themselves.
_LIMITS = (
    "",
    "### What limits it",
    "",
    "* azcopy alone ends only on a tick of two seconds, so that its times come in steps; "
    "datalake-syncd ends it when the lake has everything. What a run costs beyond azcopy is about "
    "the same for a short run and a long one of as many files: the notice of the flag (0.2 s), two "
    "looks at the tree, a listing of the lake after the last byte, another one and a third look "
    "right before the marker, and azcopy's own time for a list of exact names, which it goes "
    "through before its first byte (0.1 ms for each name). Where azcopy alone takes four or six "
    "seconds, a tenth of that is less than those looks. The second listing and the third look are "
    "a third of it, and stay: a marker must not rest on what was seen before.",
    "* Each byte is hashed twice: by azcopy, so that the service can refuse what arrives damaged, "
    "and by datalake-syncd from a read of its own, for a claim of azcopy is no proof. MD5 does "
    "about 700 MiB/s on a core. Against a server that takes everything at once, on two cores that "
    "carrier and server share, that second hash is seen in full; behind a line that is slower than "
    "the processors it is not.",
)


def _compared(results: Results) -> Iterator[str]:
    yield ""
    yield "## The same run, carried by each"
    yield ""
    yield (
        "From the flag that the instrument writes to the marker in the lake, for datalake-syncd; "
        "from start to end for the others. Seconds, and how many times as long as azcopy alone in "
        "the same round; median (least-most) of the rounds."
    )
    yield ""
    yield "![How many times as long as azcopy alone](results.svg)"
    for lake in dict.fromkeys(one.lake for one in results.comparisons):
        here = [one for one in results.comparisons if one.lake == lake]
        yield ""
        yield f"### {LAKES[lake]}"
        yield ""
        yield "| run | files, size | rounds | " + " | ".join(NAMES.values()) + " |"
        yield "|---|---|---|" + "---|" * len(NAMES)
        for one in here:
            yield _row(one)
    yield ""
    yield f"Of datalake-syncd's time, in seconds (target: at most {TARGET:.2f} x azcopy alone):"
    yield ""
    yield (
        "| lake, run | x azcopy | without `quiet` | x old scripts | x rclone "
        "| settle | transfer | verify | publish | CPU | daemon, azcopy |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for one in results.comparisons:
        yield _ours(one)


def _row(one: Comparison) -> str:
    cells = [one.told, f"{one.run.files:,}, {one.run.bytes / _MIB:,.0f} MiB"]
    cells.append(str(len(one.rounds[BARE])))
    for road in NAMES:
        if road not in one.rounds:
            cells.append("-")
            continue
        ratio = "" if road == BARE else f"; {_spread(one.ratio(road), 'x')}"
        cells.append(f"{_spread(one.seconds(road), 's')}{ratio}")
    return f"| {' | '.join(cells)} |"


def _ours(one: Comparison) -> str:
    ratio = one.ratio(OURS)
    cells = [f"{LAKES[one.lake]}, {one.run.shape}", _spread(ratio, "x")]
    cells.append(_spread(one.ratio(OURS, without_waiting=True), "x"))
    for other in ("scripts", "rclone"):
        cells.append(_spread(one.ratio(OURS, other), "x") if other in one.rounds else "-")
    middle = sorted(one.rounds[OURS], key=lambda each: each.seconds)[len(one.rounds[OURS]) // 2]
    cells += [f"{middle.parts.get(p, 0.0):.1f}" for p in ("settle", "transfer", "verify")]
    cells += [f"{middle.parts.get('publish', 0.0):.1f}", f"{middle.cpu or 0.0:.1f}"]
    cells.append(", ".join(f"{peak / _MIB:.0f} MiB" for peak in middle.peaks.values()))
    return f"| {' | '.join(cells)} |"


def _standing(results: Results) -> Iterator[str]:
    yield ""
    yield "## What it costs while it stands"
    yield ""
    yield "| figure | value | target | |"
    yield "|---|---|---|---|"
    for one in results.figures:
        target = "" if one.target is None else f"at most {one.target:g} {one.unit}"
        kept = {True: "kept", False: "**missed**", None: ""}[one.kept]
        note = ", ".join(word for word in (kept, one.note) if word)
        yield f"| {one.told} | {_number(one.value)} {one.unit} | {target} | {note} |"


def _spread(spread: Spread, unit: str) -> str:
    least, middle, most = map(_number, (spread.least, spread.middle, spread.most))
    return f"{middle} {unit} ({least}-{most})"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _bars(results: Results) -> list[drawing.Group]:
    return [
        drawing.Group(
            f"{LAKES[one.lake]}: {one.told}, {one.run.files:,} files",
            tuple(
                drawing.Bar(NAMES[road].replace("`", ""), (r := one.ratio(road)).least, r.middle,
                            r.most, road == OURS)
                for road in NAMES if road in one.rounds
            ),
        )
        for one in results.comparisons
    ]  # fmt: skip


def _document(results: Results) -> dict[str, Any]:
    return {
        "machine": machine.facts(),
        "quick": results.quick,
        "seconds": results.seconds,
        "missing": results.missing,
        "comparisons": [
            {
                "lake": one.lake,
                "shape": one.run.shape,
                "files": one.run.files,
                "bytes": one.run.bytes,
                "ratio": asdict(one.ratio(OURS)),
                "rounds": {road: [asdict(c) for c in all_] for road, all_ in one.rounds.items()},
            }
            for one in results.comparisons
        ],
        "figures": [{**asdict(one), "kept": one.kept} for one in results.figures],
    }
