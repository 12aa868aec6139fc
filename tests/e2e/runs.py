"""Small runs by number, and what the ledger, the log and the lake must say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.manifest import parse_marker
from demo.sequencer import MiSeqRun, NextSeqRun, SequencerRun
from tests.e2e.lab import Lab, tree_of

Log = list[dict[str, Any]]


def miseq(number: int, **options: Any) -> MiSeqRun:
    """A MiSeq run of about 20 files."""
    name = f"230101_M00001_{number:04d}_000000000-AAAAA"
    return MiSeqRun(name, **{"cycles": (2,), "tiles": 1, **options})


def nextseq(number: int, **options: Any) -> NextSeqRun:
    """A NextSeq run of about 20 files."""
    name = f"230102_NB500001_{number:04d}_AHAAAAAAXX"
    return NextSeqRun(name, **{"cycles": (2,), "lanes": 1, "thumbnails": 0, **options})


def instrument_of(run: SequencerRun) -> str:
    """Instruments are named after their kind, and the NextSeq 500 in short."""
    return "nextseq" if run.kind == "nextseq500" else run.kind


def write(lab: Lab, *runs: SequencerRun) -> None:
    """Write these runs whole, each to the source of its instrument."""
    for run in runs:
        run.write_all(lab.source(instrument_of(run)))


def folder_of(lab: Lab, run: SequencerRun) -> Path:
    return lab.source(instrument_of(run)) / run.name


def go_on(lab: Lab, *runs: SequencerRun) -> None:
    """Let a daemon publish these runs; several side by side, since azcopy mostly waits."""
    lab.configure(daemon=["workers = 6"])
    with lab.daemon():
        for run in runs:
            lab.wait_published(run.name, instrument_of(run))
            lab.wait_for(lambda run=run: row_of(lab, run).status == "finished")  # type: ignore[misc]


def row_of(lab: Lab, run: SequencerRun) -> Run:
    return lab.the_run(run.name, instrument_of(run))


def expect_published(
    lab: Lab, run: SequencerRun, outcome: str = "good", files: dict[str, bytes] | None = None
) -> None:
    """In the lake byte for byte, labelled in ledger and marker, and still on the disk."""
    instrument = instrument_of(run)
    prefix = f"{instrument}-out/{run.name}"
    here = tree_of(lab.source(instrument) / run.name)
    if files is None:
        files = here
    row = row_of(lab, run)
    assert (row.done, row.status) == ("publish", "finished"), row
    assert (row.reason or "not pruned").startswith("not pruned"), row
    assert row.outcome == outcome
    assert row.files == row.files_proven == len(files)
    lab.expect_in_lake(files, prefix)
    there = set(lab.blobs(name_starts_with=f"{prefix}/"))
    assert there - {f"{prefix}/{path}" for path in files} <= {f"{prefix}/SampleSheet.csv"}
    _, fields = parse_marker(lab.read(f"{prefix}.sync"))
    assert fields["outcome"] == outcome
    assert fields["files"] == str(len(files))
    assert f"# outcome: {outcome}\n" in lab.read(f"{prefix}.md5").decode()
    assert here.items() >= files.items(), "the source must stay as it was"


def expect_stopped(
    lab: Lab,
    run: SequencerRun,
    status: str,
    *words: str,
    done: str = "sighted",
    begun: bool = False,
) -> Run:
    """Not published, with a reason that holds ``words``; a blocked one says what to do.

    Nothing of it is in the lake either, unless it had settled before and was ``begun`` with.
    """
    instrument = instrument_of(run)
    row = row_of(lab, run)
    assert (row.done, row.status) == (done, status), row
    for word in words:
        assert word in (row.reason or ""), row.reason
    if status == "blocked":
        assert row.next_step, f"nothing to do is told: {row.reason}"
    prefix = f"{instrument}-out/{run.name}"
    assert f"{prefix}.sync" not in lab.blobs(name_starts_with=prefix), "a marker before its time"
    if done == "sighted" and not begun:
        assert not lab.blobs(name_starts_with=prefix), "something was sent before its time"
    return row


def expect_alarm(log: Log, run: SequencerRun, *words: str, event: str = "run.blocked") -> None:
    """One ERROR line about the run, with these words in it."""
    key = f"{instrument_of(run)}/{run.name}"
    lines = [line for line in log if line.get("run") == key and line["event"] == event]
    assert len(lines) == 1, lines
    assert lines[0]["level"] == "ERROR", lines
    for word in words:
        assert word in lines[0]["message"], lines
