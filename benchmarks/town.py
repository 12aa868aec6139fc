"""A state directory as after years: many instruments, thousands of runs that were published."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.configuration import configure
from benchmarks.lakes import CONTAINER, Lake
from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.model import Outcome, Proof
from demo.sequencer import NextSeqRun

_FILES = 20
_EVENTS = (
    ("run.sighted", "sighted"),
    ("run.settled", "settle"),
    ("transfer.finished", "transfer"),
    ("verify.proven", "verify"),
    ("sheet.none", "attach-sheet"),
    ("run.published", "publish"),
)
_DAY = 86400.0
_FACTS = json.dumps({"run_id": "250101_NB500001_0001_AH0000001", "experiment": "demo", "reads": 4})
#: As many as a run of this kind has, in such words.
_GATES = json.dumps(
    [
        {
            "name": name,
            "passed": True,
            "found": "all of it is there, as the instrument wrote it",
            "needed": "every lane and cycle of RunInfo.xml",
            "needs_person": False,
            "unreadable": False,
        }
        for name in ("flags", "status", "names", "files", "structure")
    ]
)


@dataclass(frozen=True, slots=True)
class Town:
    """Where its configuration and its state are."""

    config: Path
    state: Path
    instruments: int
    runs: int


def build(work: Path, lake: Lake, *, instruments: int, runs: int, on_disk: int) -> Town:
    """``on_disk`` of the runs are still there; the others were pruned."""
    names = [f"sequencer{number:02d}" for number in range(instruments)]
    sources = {name: ("nextseq500", work / "sources" / name) for name in names}
    config = configure(work, lake, sources, quiet="1h", scan_interval="1m")
    for _, source in sources.values():
        source.mkdir(parents=True)
    for number in range(on_disk):
        _write(sources[names[number % instruments]][1], number)
    state = work / "state"
    state.mkdir(mode=0o700)
    ledger = Ledger(state, writable=True)
    try:
        _fill(ledger, names, runs, on_disk, f"{lake.account_url}/{CONTAINER}")
    finally:
        ledger.close()
    return Town(config, state, instruments, runs)


def _name(number: int) -> str:
    return (
        f"{250101 + number % 28:06d}_NB{500000 + number % 50}_{number % 10000:04d}_AH{number:07d}"
    )


def _write(source: Path, number: int) -> None:
    run = NextSeqRun(_name(number), cycles=(1,), lanes=1, thumbnails=0)
    run.write_all(source)


def _fill(ledger: Ledger, names: Sequence[str], runs: int, on_disk: int, lake: str) -> None:
    now = time.time()
    # All in one: a commit for each of 10,000 runs would take longer than all measurements.
    with ledger.database.transaction():
        for number in range(runs):
            instrument = names[number % len(names)]
            here = number < on_disk
            # Published today, so that no look at the whole run is due during a measurement.
            at = now - 60.0 if here else now - _DAY * (30 + number % 300)
            run_id = _insert(
                ledger,
                "runs",
                instrument=instrument,
                name=_name(number),
                done="publish" if here else "prune",
                status="finished",
                outcome=Outcome.GOOD.value,
                files=_FILES,
                bytes=_FILES * 4000,
                files_proven=_FILES,
                proof=Proof.CHECKED.value,
                lake=lake,
                prefix=f"{instrument}/{_name(number)}",
                facts=_FACTS,
                gates=_GATES,
                observed=f'{{"waited_for": {{}}, "looked_again_at": {at}}}',
                tree_digest=f"{number:064x}",
                manifest_digest=f"{number:064x}",
                fingerprint=f"{number:064x}",
                sighted_at=at - 7200,
                moved_at=at,
                settled_at=at - 3600,
                published_at=at,
                pruned_at=None if here else at + _DAY * 14,
                emptied_at=None if here else at + _DAY * 17,
            )
            for file in range(_FILES):
                _insert_file(ledger, run_id, number, file)
            for event, step in _EVENTS:
                _insert(
                    ledger, "events", at=at, run_id=run_id, event=event, step=step, message=event
                )


def _insert(ledger: Ledger, table: str, **columns: Any) -> int:
    marks = ", ".join("?" for _ in columns)
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - own words
    return ledger.database.insert(sql, columns.values())


def _insert_file(ledger: Ledger, run_id: int, number: int, file: int) -> None:
    path = f"Data/Intensities/BaseCalls/L001/{file:04d}.bcl.bgzf"
    _insert(
        ledger,
        "files",
        run_id=run_id,
        path=path,
        lake_path=path,
        size=4000,
        mtime_ns=10**18,
        ctime_ns=10**18,
        inode=number * 100 + file,
        device=1,
        md5=f"{number * 100 + file:032x}",
        proof=Proof.CHECKED.value,
        proof_etag="0x1",
    )
