"""Every Illumina model end to end: whole runs are published, near misses wait or need a person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.core.kinds import KINDS
from demo.sequencer import SequencerRun
from tests.e2e.lab import Lab
from tests.e2e.runs import (
    expect_published,
    expect_stopped,
    folder_of,
    instrument_of,
    row_of,
    write,
)
from tests.illumina import NAMES, run_of
from tests.servers import Azurite

RTA, COPY = "RTAComplete.txt", "CopyComplete.txt"
STATUS, NETCOPY = "RunCompletionStatus.xml", "Basecalling_Netcopy_complete.txt"
# Seconds; two dozen runs side by side are slow on a busy machine.
PATIENCE = 180.0


def small(kind: str, number: int, **options: Any) -> SequencerRun:
    """A run of about 20 files."""
    lean = {"thumbnails": 0} if kind == "nextseq500" else {}
    return run_of(kind, number, **{"cycles": (2,), "tiles": 1, "lanes": 1, **lean, **options})


@pytest.fixture
def lab(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Lab:
    """One instrument of each kind."""
    assert azcopy_path.exists()
    kinds = {instrument_of(small(kind, 1)): kind for kind in NAMES}
    return Lab(tmp_path, azurite, container, kinds=kinds)


def put(lab: Lab, run: SequencerRun, *names: str) -> None:
    for name in names:
        (folder_of(lab, run) / name).write_bytes(b"")


def wait_stopped(lab: Lab, *runs: SequencerRun) -> None:
    """Until each of these was looked at and something of it was found missing."""
    for run in runs:

        def told(run: SequencerRun = run) -> bool:
            row = lab.run(run.name, instrument_of(run))
            reason = (row.reason if row is not None else None) or ""
            return bool(reason) and "complete; waiting" not in reason

        lab.wait_for(told, PATIENCE, f"{run.name} stopped")


def wait_blocked(lab: Lab, *runs: SequencerRun) -> None:
    for run in runs:

        def blocked(run: SequencerRun = run) -> bool:
            row = lab.run(run.name, instrument_of(run))
            return row is not None and row.status == "blocked"

        lab.wait_for(blocked, PATIENCE, f"{run.name} blocked")


def publish(lab: Lab, *runs: SequencerRun) -> None:
    """Let the running daemon publish these, and come to rest with them."""
    for run in runs:

        def rests(run: SequencerRun = run) -> bool:
            row = lab.run(run.name, instrument_of(run))
            return row is not None and (row.done, row.status) == ("publish", "finished")

        lab.wait_for(rests, PATIENCE, f"{run.name} published")


def test_whole_runs_of_every_kind_are_published_and_foreign_flags_are_not_enough(
    lab: Lab,
) -> None:
    good = [small(kind, 1) for kind in NAMES]
    # All that says "done" on another model, nothing that says so on this one.
    own = {kind: KINDS[kind].flags for kind in NAMES}
    signs = {flag for flags in own.values() for flag in flags} - {STATUS}
    foreign = {kind: small(kind, 2, without=own[kind]) for kind in NAMES}
    write(lab, *good, *foreign.values())
    for kind, run in foreign.items():
        # A flag that the kind would learn is no foreign one.
        put(lab, run, *(signs - {*own[kind], *KINDS[kind].learned_flags}))
    lab.configure(daemon=["workers = 8"])
    with lab.daemon():
        publish(lab, *good)
        wait_stopped(lab, *foreign.values())
    for run in good:
        expect_published(lab, run)
    for kind, run in foreign.items():
        row = expect_stopped(lab, run, "waiting", *(f"flag {flag}: not" for flag in own[kind]))
        assert "RunInfo" not in (row.reason or "")
    why = lab.call("why", foreign["novaseqx"].name, expect=None).stdout
    assert COPY in why
    assert STATUS in why


def test_each_missing_sign_is_waited_for_and_then_the_run_goes_on(lab: Lab) -> None:
    cases: list[tuple[SequencerRun, str]] = [
        # The NovaSeq that is judged by RTAComplete.txt alone.
        (small("novaseq6000", 1, without=(COPY,)), f"flag {COPY}: not there"),
        (small("novaseqx", 1, without=(COPY, STATUS)), f"flag {STATUS}: not there"),
        (small("novaseqx", 2, without=(STATUS,)), f"flag {STATUS}: not there"),
        (
            small("novaseqx", 3, analyses={"1": True, "2": False}),
            f"flag Analysis/2/{COPY}: not there",
        ),
        (small("nextseq2000", 1, analyses={"1": False}), f"flag Analysis/1/{COPY}: not there"),
        (small("nextseq2000", 2, without=(COPY,)), f"flag {COPY}: not there"),
        (small("nextseq500", 1, without=(RTA,)), f"flag {RTA}: not there"),
        (small("miseq-i100", 1, without=(STATUS,)), f"flag {STATUS}: not there"),
        (small("miseq", 1, analysis="queued"), "CompletedJobInfo.xml not there"),
        (small("miniseq", 1, analysis="queued"), "CompletedJobInfo.xml not there"),
        (small("iseq", 1, analysis="queued"), "CompletedJobInfo.xml not there"),
        (small("hiseq2500", 1, without=(NETCOPY,)), f"flag {NETCOPY}: not there"),
        (small("hiseqx", 1, without=("SequencingComplete.txt",)), "flag SequencingComplete.txt"),
        (small("hiseqx", 2, no_flags=True), f"flag {RTA}: not there"),
    ]
    runs = [run for run, _ in cases]
    write(lab, *runs)
    lab.configure(daemon=["workers = 8"])
    with lab.daemon():
        wait_stopped(lab, *runs)
        for run, words in cases:
            expect_stopped(lab, run, "waiting", words)
        mended = [
            small("novaseqx", 3, analyses={"1": True, "2": True}),
            small("nextseq2000", 1, analyses={"1": True}),
            *(small(kind, 1, analysis="done") for kind in ("miseq", "miniseq", "iseq")),
        ]
        done = {run.name for run in mended}
        for run in runs:
            run.without, run.no_flags = (), False
        write(lab, *mended, *(run for run in runs if run.name not in done))
        publish(lab, *runs)
    for run in runs:
        expect_published(lab, run)


def test_the_checksums_of_a_novaseq_x_are_compared(lab: Lab) -> None:
    cbcl = "Data/Intensities/BaseCalls/L001/C1.1/L001_1.cbcl"
    report = "Analysis/1/Data/BCLConvert/fastq/Reports/Demultiplex_Stats.csv"
    good = small("novaseqx", 1, analyses={"1": True, "12": True, "old": False})
    wrong = small("novaseqx", 2, wrong_checksum=cbcl)
    analysis = small("novaseqx", 3, analyses={"1": True}, wrong_checksum=report)
    lost = small("novaseqx", 4, without=("RTA.cfg",))
    write(lab, good, wrong, analysis, lost)
    lab.configure(daemon=["workers = 8"])
    with lab.daemon():
        publish(lab, good)
        wait_blocked(lab, wrong, analysis, lost)
    expect_published(lab, good)
    for run, path in ((wrong, cbcl), (analysis, report), (lost, "RTA.cfg")):
        row = row_of(lab, run)
        assert path in (row.reason or ""), row.reason
        assert row.published_at is None
        assert f"novaseqx-out/{run.name}.sync" not in lab.blobs()
        assert f"release novaseqx/{run.name}" in (row.next_step or "")


def test_a_flag_that_never_comes_lapses_beside_another_one_and_nowhere_else(lab: Lab) -> None:
    grace = ['flag_grace = "2s"']
    tables = {f"instruments__{instrument}": grace for instrument in lab.kinds}
    lab.configure(daemon=["workers = 8"], **tables)
    second = small("novaseq6000", 1, without=(COPY,))
    status = small("miseq-i100", 1, without=(STATUS,))
    listed = small("novaseqx", 1, without=(STATUS,))  # its Manifest.tsv knows better
    analysis = small("nextseq2000", 1, analyses={"1": False})
    queued = small("miseq", 1, analysis="queued")
    lapse = [(second, "unknown"), (status, "unknown"), (analysis, "unknown"), (queued, "unknown")]
    lapsing = [run for run, _ in lapse]
    crashed = small("novaseqx", 2, without=(COPY, STATUS))  # RTAComplete.txt alone
    half = small("nextseq2000", 2, half_written_status=True)
    write(lab, *lapsing, crashed, half, listed)
    with lab.daemon() as daemon:
        publish(lab, *lapsing)
        wait_stopped(lab, crashed, half)
        wait_blocked(lab, listed)
        told = {line["run"]: line for line in daemon.lines("run.flag-missing")}
        assert len(daemon.lines("run.flag-missing")) == len(told)
    missing = [f"flag {COPY}", f"flag {STATUS}", f"flag Analysis/1/{COPY}", "local analysis"]
    assert told.keys() == {f"{instrument_of(run)}/{run.name}" for run in lapsing}
    for run, gate in zip(lapsing, missing, strict=True):
        line = told[f"{instrument_of(run)}/{run.name}"]
        assert line["level"] == "WARNING"
        assert line["message"].endswith(f"within flag_grace: {gate}"), line
        assert "run.flag-missing" in lab.events(run.name, instrument_of(run))
    expect_stopped(lab, listed, "blocked", f"are not there: {STATUS}")
    for run, outcome in lapse:
        expect_published(lab, run, outcome)
    expect_stopped(lab, crashed, "waiting", f"flag {COPY}: not there")
    expect_stopped(lab, half, "waiting", "half-written")


def test_a_flag_is_learned_for_one_instrument_and_from_one_run_on(lab: Lab) -> None:
    def nextseq(date: str, serial: str = "NB501016", **options: Any) -> SequencerRun:
        name = f"{date}_{serial}_0001_AHAAAAAAXX"
        return replace(small("nextseq500", 1, **options), name=name)

    first = nextseq("180612", copy_complete=True)
    write(lab, first)
    lab.once()
    expect_published(lab, first)
    # All three without the flag; the older ones were copied here later than the one that has it.
    older, other, newer = nextseq("180611"), nextseq("190101", "NB501017"), nextseq("180613")
    write(lab, older, other, newer)
    lab.once()
    expect_published(lab, older)
    expect_published(lab, other)
    expect_stopped(lab, newer, "waiting", f"flag {COPY}: not there")


def test_a_novaseq_x_without_its_list_is_carried_and_that_is_told_once(lab: Lab) -> None:
    run = small("novaseqx", 1, without=("Manifest.tsv",))
    write(lab, run)
    with lab.daemon() as daemon:
        publish(lab, run)
        (line,) = daemon.lines("run.no-checksums")
    told = "no Manifest.tsv in the run folder: its checksums can't be compared"
    assert (line["level"], line["message"]) == ("WARNING", told)
    expect_published(lab, run)
    assert told in " ".join(lab.call("why", run.name).stdout.split())


def test_runs_with_holes_or_odd_ends_are_told_apart(lab: Lab) -> None:
    holes: list[tuple[SequencerRun, str]] = [
        (
            small("novaseqx", 1, lanes=2, missing_in=[(2, 1), (2, 2)]),
            "lane 2: all of cycles 1..2 are missing",
        ),
        (
            small("novaseq6000", 1, missing_surfaces=[(1, 2), (2, 2)]),
            "lane 1: cycles 1-2 have 1 of 2 surfaces",
        ),
        (small("nextseq2000", 1, missing_cycles=[2]), "lane 1: cycle 2 of 1..2 is missing"),
        (small("miseq-i100", 1, empty_cycles=[1]), "lane 1: files of cycle 1 have 0 bytes"),
        (small("miniseq", 1, missing_cycles=[1]), "lane 1: cycle 1 of 1..2 is missing"),
        (small("iseq", 1, missing_cycles=[1, 2]), "no base calls at all"),
        (
            small("hiseq2500", 1, tiles=4, missing_tiles=[(2, 3)]),
            "lane 1: cycle 2 has 3 of 4 tiles; missing: 2101",
        ),
        (small("hiseqx", 1, lanes=2, missing_in=[(1, 2)]), "lane 1: cycle 2 of 1..2 is missing"),
        (small("novaseqx", 2, outcome="RunPaused"), "unknown status: RunPaused"),
        (small("nextseq2000", 2, outcome="Halted"), "unknown status: Halted"),
    ]
    waits = small("novaseqx", 3, half_written_status=True)
    ends = {
        "failed": [
            small("novaseqx", 4, outcome="RunErrored", cycles=(4,)),
            small("nextseq2000", 4, outcome="RunErrored", cycles=(4,)),
            small("miniseq", 4, analysis="error"),
            # Its status file calls it good.
            small("miseq", 4, outcome="SuccessfullyCompleted", analysis="error"),
        ],
        "ended-early": [
            small("miseq-i100", 4, outcome="UserEndedEarly", cycles=(4,)),
            small("nextseq500", 4, outcome="ExceptionEndedEarly", cycles=(4,)),
        ],
    }
    # One surface of two is all that an SP flow cell has.
    one_surface = small("novaseq6000", 5, surfaces=1)
    runs = [run for run, _ in holes]
    ended = [run for some in ends.values() for run in some]
    write(lab, *runs, waits, *ended, one_surface)
    lab.configure(daemon=["workers = 8"])
    with lab.daemon():
        publish(lab, *ended, one_surface)
        wait_stopped(lab, *runs, waits)
    for run, words in holes:
        row = expect_stopped(lab, run, "blocked", words)
        assert f"release {instrument_of(run)}/{run.name}" in (row.next_step or "")
    expect_stopped(lab, waits, "waiting", "run status", "half-written")
    expect_published(lab, one_surface)
    for outcome, some in ends.items():
        for run in some:
            expect_published(lab, run, outcome)
    facts = row_of(lab, ends["failed"][0]).facts
    assert facts["completed_cycles"] == 2
    assert facts["planned_cycles"] == 4
    assert facts["instrument_id"] == "LH00130"
    assert "integrity check failed" in json.dumps(facts)
