"""What must lie apart: sources, our own files, and the prefixes of instruments in the lake."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datalake_syncd.config.faults import Fault
from datalake_syncd.config.lines import KeyPath
from datalake_syncd.core.kinds import Kind
from datalake_syncd.core.names import escape

Values = Mapping[str, Any]

_REALPATH_SECONDS = 2.0


def folders(instruments: Mapping[str, Values], daemon: Values, log: Values) -> Iterator[Fault]:
    """Sources inside each other, and our own files inside a source."""
    places: list[tuple[KeyPath, Path]] = [
        (("instruments", name, "source"), instrument["source"])
        for name, instrument in instruments.items()
        if "source" in instrument
    ]
    ours: list[tuple[KeyPath, Path]] = []
    if "state_dir" in daemon:
        ours.append((("daemon", "state_dir"), daemon["state_dir"]))
    if log.get("file") is not None:
        ours.append((("log", "file"), log["file"]))
    real = real_paths([path for _, path in (*places, *ours)])
    for number, (key, source) in enumerate(places):
        for other_key, other in places[:number]:
            relation = _relation(source, other, real)
            if relation:
                yield Fault(
                    key,
                    f'found "{escape(str(source))}", which {relation} the source of '
                    f'{other_key[1]} ("{escape(str(other))}")',
                    "sources apart from each other",
                    "one run must have one instrument",
                )
        for our_key, path in ours:
            relation = _relation(path, source, real)
            # A log file can't hold a source; only what lies inside the source matters.
            if relation and not (our_key[0] == "log" and relation != "is inside"):
                yield Fault(
                    our_key,
                    f'found "{escape(str(path))}", which {relation} the source of {key[1]}',
                    "a place outside all sources",
                    "it would be carried away with the runs, or the runs pruned around it",
                )


def _relation(path: Path, other: Path, real: Mapping[Path, Path]) -> str:
    for one, two in ((path, other), (real.get(path, path), real.get(other, other))):
        if one == two:
            return "is"
        if one.is_relative_to(two):
            return "is inside"
        if two.is_relative_to(one):
            return "holds"
    return ""


def real_paths(paths: list[Path]) -> dict[Path, Path]:
    """Each path with its symlinks followed; without those that don't answer in 2 seconds.

    A share that hangs blocks whoever looks at it, so each look has a thread of its own.
    """
    found: dict[Path, Path] = {}

    def look(path: Path) -> None:
        try:
            real = Path(os.path.realpath(path))
        except OSError:
            return
        found[path] = real

    threads = [threading.Thread(target=look, args=(path,), daemon=True) for path in set(paths)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _REALPATH_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def destinations(instruments: Mapping[str, Values], kinds: Mapping[str, Kind]) -> Iterator[Fault]:
    """Two instruments below one prefix, when their runs could have the same name.

    Runs of Illumina instruments carry its serial number in their name, so several of them may
    share a prefix, as labs are used to. Any two others could overwrite each other's runs.
    """
    first: dict[str, str] = {}
    for name, instrument in instruments.items():
        destination, kind = instrument.get("destination"), instrument.get("kind")
        if destination is None or kind is None:
            continue
        if kind in kinds and kinds[kind].unique_names:
            continue
        if destination in first:
            yield Fault(
                ("instruments", name, "destination"),
                f'found "{escape(destination)}", which is that of {first[destination]} too',
                "a prefix of its own",
                "their runs can have the same name, and would meet in the lake",
            )
        first.setdefault(destination, name)
    yield from _nested(instruments, kinds)


def _nested(instruments: Mapping[str, Values], kinds: Mapping[str, Kind]) -> Iterator[Fault]:
    """A prefix inside another, where a run of the outer one could be called like the inner."""
    for name, instrument in instruments.items():
        inner = instrument.get("destination")
        for other_name, other in instruments.items():
            outer, kind = other.get("destination"), kinds.get(other.get("kind", ""))
            if inner is None or outer is None or kind is None:
                continue
            above = f"{outer}/" if outer else ""
            if inner == outer or not inner.startswith(above):
                continue
            folder = inner.removeprefix(above).partition("/")[0]
            # What a growing data set is called in the lake is made of its name: any may fit.
            if kind.growing is None and not kind.is_run(folder):
                continue
            yield Fault(
                ("instruments", name, "destination"),
                f'found "{escape(inner)}", which lies inside that of {other_name} '
                f'("{escape(outer)}")',
                "prefixes apart from each other",
                f'a run of {other_name} that is called "{escape(folder)}" would meet its runs in '
                "the lake",
            )
