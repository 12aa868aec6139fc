"""Drop folders of any other provider: a folder is a run, and the configuration says when."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from datalake_syncd.core.kinds.checksums import read_sum_list
from datalake_syncd.core.kinds.kind import Kind, TopFolder
from datalake_syncd.core.model import Assessment, Gate, Outcome
from datalake_syncd.core.names import escape

# What stands beside runs on instruments and shares, in lower case.
_NEIGHBOURS = frozenset(
    ("instrument", "nosync", "system volume information", "$recycle.bin", "lost+found")
)
_MAX_NAMED = 3


def is_neighbour(name: str) -> bool:
    """True for the name of a folder that is no run on any instrument: the system's, the trash."""
    lower = name.lower()
    return lower in _NEIGHBOURS or lower.startswith(".") or lower.endswith(".tmp")


def goes_on(run_name: re.Pattern[str], name: str) -> bool:
    """True for what begins with the name of a run and goes on, and is no copy that is under way."""
    begins = run_name.match(name)
    return begins is not None and begins[0] != name and not is_neighbour(name)


def flag_gates(top: TopFolder) -> Iterator[Gate]:
    """One gate for each of the configuration's completion_flags; they may be patterns."""
    for flag in top.flags or ():
        found = _matching(flag, top)
        needed = "in the run folder (set in the configuration)"
        name = f"flag {escape(top.filled(flag))}"
        yield Gate(name, bool(found), _named(found) or "not there", needed)


def assess(top: TopFolder) -> Assessment:
    """All that is configured must be there; without any of it the quiet time alone decides."""
    gates = [*flag_gates(top)]
    if top.ready_file is not None:
        wanted = top.filled(top.ready_file)
        beside = _of_this_run([n for n in top.beside if n.lower() == wanted.lower()], wanted, top)
        needed = "beside the run folder"
        name = f"ready file {escape(wanted)}"
        gates.append(Gate(name, bool(beside), _named(beside) or "not there", needed))
    if top.checksum_file is not None:
        lists = checksum_lists(top)
        needed = "a list of checksums in the run folder"
        name = f"checksum file {escape(top.filled(top.checksum_file))}"
        gates.append(Gate(name, bool(lists), _named(lists) or "not there", needed))
    if not gates:
        found = "no flag configured: quiet alone decides"
        gates.append(Gate("completion", True, found, "what the configuration asks for"))
    complete = all(gate.passed for gate in gates)
    return Assessment(tuple(gates), Outcome.GOOD if complete else Outcome.UNKNOWN)


def checksum_lists(top: TopFolder) -> tuple[str, ...]:
    """The lists of checksums in the top folder, if the configuration names any."""
    return () if top.checksum_file is None else tuple(_matching(top.checksum_file, top))


def _matching(pattern: str, top: TopFolder) -> list[str]:
    """Names in the run folder that are the pattern letter by letter, or fit it; in any case."""
    wanted = top.filled(pattern).lower()
    # What looks like a pattern in the name of a run is just its name.
    fits = replace(top, run_name=glob.escape(top.run_name)).filled(pattern).lower()
    return [n for n in top.names if n.lower() == wanted or fnmatchcase(n.lower(), fits)]


def _of_this_run(found: list[str], wanted: str, top: TopFolder) -> list[str]:
    """Of ready files that differ in upper and lower case only: the exact one, and no other's."""
    if wanted in found:
        return [wanted]
    twins = [n for n in top.beside if n.lower() == top.run_name.lower() and n != top.run_name]
    others = {replace(top, run_name=twin).filled(top.ready_file or "") for twin in twins}
    return [name for name in found if name not in others]


def _named(names: Iterable[str]) -> str:
    """``found a, b``, or nothing."""
    shown = [escape(name) for name in names]
    more = f" and {len(shown) - _MAX_NAMED} more" if len(shown) > _MAX_NAMED else ""
    return f"found {', '.join(shown[:_MAX_NAMED])}{more}" if shown else ""


FOLDER = Kind(
    name="folder",
    title="drop folder of any provider",
    flags=(),
    learned_flags=(),
    metadata_files=(),
    quiet=3600.0,
    is_run=lambda name: not is_neighbour(name),
    assess=assess,
    structure=lambda _facts: None,
    any_name=True,
    looks_beside=True,
    checksum_lists=checksum_lists,
    read_checksums=read_sum_list,
    lists_are_final=False,
)
