"""Folders, files, sheets and prefixes with drawn names, and a service that carries them.

The real road from the first look to the marker, on a real disk; the lake is in memory, and the
clock is turned by hand.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from hypothesis import strategies as some

from datalake_syncd.adapters.lake.reading import Hashed
from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.config import ConfigErrors, load_text
from datalake_syncd.steps import startup
from datalake_syncd.steps.service import Service
from datalake_syncd.watch import Watcher
from datalake_syncd.worker import Worker
from tests.model.lake import SimulatedLake

KINDS = {"drop": "folder", "prot": "proteomics", "meta": "metabolomics"}
_QUIET = 480.0

#: Few, so that names meet: by case, and by a letter that is two in upper case.
_FINE = some.text("aAsSß", min_size=1, max_size=2)
#: What paths and addresses stumble over, and what the lake would take for something else.
_ODD = ["a.", "...", ".a.", "a\\A", "\\", "a\n", "\x7f", "\udcff", " a ", "a%", "*", "ß. "]
#: Whatever a disk can hold.
_ANY = some.text(
    some.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=3
).filter(lambda name: name not in (".", ".."))
#: What the service itself writes into a run or beside it, and folders that layouts make.
_SHEETS = ["SampleSheet.csv", "SampleSheet.instrument.csv"]
_OURS = ["a.md5", "a.sync", "results.ready", "metadata.xlsx", "raw", "mzML", "samples"]
_NAMES = some.one_of(_FINE, some.sampled_from(_ODD), some.sampled_from(_OURS), _ANY)


@dataclass
class Drawn:
    """Paths below the source of each instrument, names of sheets, a prefix for each."""

    files: dict[str, set[str]] = field(default_factory=dict)
    sheets: set[str] = field(default_factory=set)
    prefixes: dict[str, str] = field(default_factory=lambda: {name: name for name in KINDS})


@some.composite
def worlds(draw: some.DrawFn) -> Drawn:
    """A few names, and paths that are made of them; runs are called by the first two."""
    pool = draw(some.lists(_NAMES, min_size=2, max_size=4, unique=True))
    names, runs = some.sampled_from(pool), some.sampled_from(pool[:2])
    around = some.one_of(some.just(""), some.text("aA./\\ \n\x7f", max_size=2), _ANY)
    drawn = Drawn()
    for instrument in KINDS:
        # With a word of its own: two prefixes never lie in each other.
        drawn.prefixes[instrument] = draw(around) + instrument + draw(around)
        paths = some.lists(_PATHS[instrument](names, runs), min_size=1, max_size=8)
        drawn.files[instrument] = set(draw(paths))
    near = some.sampled_from(["{}.csv", "{}.csv", "a {}.csv", "{} {}.csv", "{}.xlsx"])
    sheets = some.builds(lambda name, run, text: text.format(run, name), names, runs, near)
    drawn.sheets = set(draw(some.lists(sheets, max_size=4)))
    return drawn


_Names = some.SearchStrategy[str]


@some.composite
def _dropped(draw: some.DrawFn, names: _Names, runs: _Names) -> str:
    inside = draw(some.lists(names, max_size=2))
    return "/".join([draw(runs), *inside, draw(some.one_of(names, some.sampled_from(_SHEETS)))])


@some.composite
def _of_a_project(draw: some.DrawFn, names: _Names, runs: _Names) -> str:
    """What has a place by its ending or its folder, and what has none."""
    place = draw(some.sampled_from(["{}.raw", "{}.meth", "Prot{}.xlsx", "a.d/AcqData/{}", "{}"]))
    return f"{draw(some.sampled_from(['prot1', 'PROT1']))}{draw(runs)}/{place.format(draw(names))}"


@some.composite
def _of_a_sample(draw: some.DrawFn, names: _Names, runs: _Names) -> str:
    """Methods meet files of the run where one of them lies in a folder of the layout."""
    name = draw(names) + draw(some.sampled_from([".raw", ".m", ""]))
    inside = draw(some.sampled_from(["", "", "raw/", "mzML/"]))
    folder = draw(some.sampled_from(["RawData_{}/1", "RawData_{}/01", "DataProcessingMethod_{}"]))
    return f"{folder.format(draw(runs))}/{inside}{name}"


_PATHS: dict[str, Callable[[_Names, _Names], _Names]] = {
    "drop": _dropped,
    "prot": _of_a_project,
    "meta": _of_a_sample,
}


class Lake(SimulatedLake):
    """With what it takes to set a sheet aside."""

    def download_to(self, name: str, into: BinaryIO, **_: object) -> Hashed | None:
        found = self.hash(name)
        if found is not None:
            into.write(self.blobs[name].data)
        return found


@dataclass
class Machine:
    """One VM; ``refused`` are the instruments whose prefix was none, so that they got another.

    ``written`` are the paths that the disk took, ``prefixes`` those in force.
    """

    root: Path
    drawn: Drawn
    lake: Lake = field(default_factory=Lake)
    refused: set[str] = field(default_factory=set)
    written: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    prefixes: dict[str, str] = field(init=False)
    now: float = 1_800_000_000.0
    ledger: Ledger = field(init=False)
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.prefixes = dict(self.drawn.prefixes)
        for place, paths in [*self.drawn.files.items(), ("sheets", self.drawn.sheets)]:
            self._write(self.root / place, paths)
        (self.root / "secret").write_text("UseDevelopmentStorage=true")
        (self.root / "secret").chmod(0o600)
        try:
            load_text(self._configuration(), self.root / "config.toml", {})
        except ConfigErrors as errors:
            if any(fault.path[-1] != "destination" for fault in errors.faults):
                raise
            self.refused = {str(fault.path[1]) for fault in errors.faults}
            self.prefixes.update((name, name) for name in self.refused)
        config = load_text(self._configuration(), self.root / "config.toml", {}).config
        self.ledger = Ledger(None, writable=True)
        logger = logging.Logger("names")  # noqa: LOG001 - apart from the log's tree
        logger.addHandler(logging.NullHandler())
        self.service = Service(
            config, self.ledger, logger, wall=lambda: self.now, monotonic=lambda: self.now
        )
        lake: Any = self.lake
        self.service.force = replace(self.service.force, lake=lake)

    def _write(self, place: Path, paths: set[str]) -> None:
        place.mkdir()
        for path in sorted(paths):
            # No two have one content, so that it would be seen if one took the place of another.
            with suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (place / path).write_bytes(os.fsencode(place / path))
                self.written[place.name].add(path)

    def _configuration(self) -> str:
        text = (
            '[lake]\naccount_url = "https://account.blob.core.windows.net"\ncontainer = "lake"\n'
            f'auth = "connection-string"\nsecret_file = "{self.root / "secret"}"\n'
            f'[daemon]\nstate_dir = "{self.root / "state"}"\n'
        )
        for name, kind in KINDS.items():
            prefix = "".join(f"\\U{ord(letter):08x}" for letter in self.prefixes[name])
            text += (
                f'[instruments.{name}]\nkind = "{kind}"\nsource = "{self.root / name}"\n'
                f'destination = "{prefix}"\nquiet = "{_QUIET:.0f}s"\n'
            )
            if name == "drop":
                text += f'sample_sheets = "{self.root / "sheets"}"\n'
        return text

    def work(self) -> None:
        """Looks, ``quiet`` apart, and all steps that are ready after each."""
        startup.prepare(self.service)
        watchers = [Watcher(self.service, name) for name in self.service.config.instruments]
        worker = Worker(self.service)
        for _ in range(4):
            for watcher in watchers:
                watcher.scan()
            while worker.work_once():
                pass
            self.now += _QUIET
