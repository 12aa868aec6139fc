"""Nothing waits silently: stale runs, lonely sheets, missing sheets and silent instruments."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from datalake_syncd.core.durations import iso
from tests.e2e.lab import Daemon, Lab
from tests.e2e.runs import (
    expect_published,
    expect_stopped,
    folder_of,
    miseq,
    nextseq,
    row_of,
    write,
)

STATUS = "RunCompletionStatus.xml"
SOON = ['scan_interval = "0.3s"', 'stale_after = "2s"']


def told_of(lines: list[dict[str, Any]], run: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "run.stale" and line["run"] == run]


def wait_told(lab: Lab, daemon: Daemon, run: str, times: int) -> list[dict[str, Any]]:
    lab.wait_for(lambda: len(told_of(daemon.lines(), run)) >= times, told=f"{run} {times} times")
    return told_of(daemon.lines(), run)


@contextmanager
def being_written(file: Path) -> Iterator[None]:
    """As an instrument writes: at its own pace, whatever the test waits for meanwhile."""
    ended = threading.Event()

    def write_on() -> None:
        while not ended.wait(0.1):
            with file.open("a") as opened:
                opened.write("one more cycle\n")

    writer = threading.Thread(target=write_on)
    file.parent.mkdir(exist_ok=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def test_c20_a_crashed_run_is_told_once_a_period_and_one_that_is_written_never(lab: Lab) -> None:
    crashed, half, writing = miseq(1, no_flags=True), nextseq(2), miseq(3, no_flags=True)
    lab.configure(daemon=SOON)
    write(lab, crashed, half, writing)
    (folder_of(lab, half) / STATUS).unlink()
    log = folder_of(lab, writing) / "RTALogs.tsv"
    began = time.monotonic()
    with lab.daemon() as daemon:
        with being_written(log):
            wait_told(lab, daemon, f"miseq/{crashed.name}", 2)
            assert time.monotonic() - began > 4, "twice in less than two periods"
            assert not told_of(daemon.lines(), f"miseq/{writing.name}"), "it was being written"
        first = told_of(daemon.lines(), f"miseq/{crashed.name}")[0]
        assert first["level"] == "ERROR"
        assert "no flag says that it ended" in first["message"]
        assert "RTAComplete.txt" in first["message"]
        assert first["next_step"].endswith(f"datalake-syncd release miseq/{crashed.name}")
        (other, *_) = wait_told(lab, daemon, f"nextseq/{half.name}", 1)
        assert "there: RTAComplete.txt; missing: RunCompletionStatus.xml" in other["message"]
        # Now the instrument stops in the middle of this one too.
        (stopped, *_) = wait_told(lab, daemon, f"miseq/{writing.name}", 1)
        assert "nothing was written for 2" in stopped["message"]
    row = row_of(lab, crashed)
    assert (row.done, row.status) == ("sighted", "waiting")
    page = lab.call("status", expect=None).stdout
    assert "nothing was written for" in page
    assert f"release miseq/{crashed.name}" in page
    why = lab.call("why", crashed.name, expect=None).stdout
    assert "run.stale: nothing was written for" in why


def test_what_was_told_is_not_told_again_by_a_restart_or_by_cron(lab: Lab) -> None:
    period = 3.0
    crashed = miseq(1, no_flags=True)
    key = f"miseq/{crashed.name}"
    lab.configure(daemon=[f'stale_after = "{period}s"'])
    write(lab, crashed)
    assert not told_of(lab.once(), key)
    time.sleep(period)
    told = told_of(lab.once(), key)
    assert len(told) == 1, "the count goes on while nobody runs"
    told += told_of(lab.once(), key)
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        time.sleep(0.5)
    told += told_of(daemon.lines(), key)
    time.sleep(period)
    told += told_of(lab.once(), key)
    # However long the starts took: never sooner than a period after the last time.
    with lab.ledger() as ledger:
        history = ledger.runs.history(row_of(lab, crashed).id, limit=1000)
    times = sorted(event.at for event in history if event.event == "run.stale")
    assert len(told) == len(times) >= 2
    assert all(later - sooner >= period for sooner, later in pairwise(times)), times
    # It was written to while nobody looked: nothing is told that is not true.
    time.sleep(period)
    (folder_of(lab, crashed) / "late.txt").write_text("alive")
    assert not told_of(lab.once(), key)


def test_a_crashed_run_can_be_carried_as_it_is_by_a_persons_word(lab: Lab) -> None:
    lab.configure(daemon=SOON)
    crashed, young = miseq(1, no_flags=True), miseq(2, no_flags=True)
    write(lab, crashed)
    with lab.daemon() as daemon:
        wait_told(lab, daemon, f"miseq/{crashed.name}", 1)
        write(lab, young)
        with being_written(folder_of(lab, young) / "RTALogs.tsv"):
            lab.wait_for(lambda: lab.run(young.name) is not None)
            refused = lab.call("release", young.name, expect=None)
            assert refused.returncode != 0, "nobody said yet that this one hangs"
        lab.call("release", crashed.name)
        lab.wait_published(crashed.name)
        lab.wait_for(lambda: row_of(lab, crashed).status == "finished")
    expect_published(lab, crashed, "unknown")
    expect_stopped(lab, young, "waiting", "RTAComplete.txt")


def test_a_required_sheet_that_does_not_come_is_told_with_its_place(lab: Lab) -> None:
    lab.configure(daemon=SOON, instruments__miseq=['sample_sheet = "required"'])
    run = miseq(1)
    write(lab, run)
    with lab.daemon() as daemon:
        (line, *_) = wait_told(lab, daemon, f"miseq/{run.name}", 1)
        assert f"{run.name}.csv is required and not yet in {lab.sheets()}" in line["message"]
        assert f"put the sheet there: {lab.sheets()}/{run.name}.csv" in line["next_step"]
        assert line["level"] == "ERROR"
        (lab.sheets() / f"{run.name}.csv").write_bytes(run.sample_sheet())
        lab.wait_published(run.name)


def test_sheets_without_a_run_are_told_together_and_forgotten_when_it_comes(lab: Lab) -> None:
    lab.configure(daemon=SOON)
    early, typo = miseq(1), "230101_M00001_9999_000000000-TYPO.csv"
    (lab.sheets() / "2020").mkdir()
    (lab.sheets() / f"{early.name}.csv").write_bytes(early.sample_sheet())
    (lab.sheets() / "2020" / typo).write_bytes(early.sample_sheet())
    history = lab.sheets() / "140101_M00001_0001_000000000-AAAAA.csv"
    history.write_bytes(early.sample_sheet())
    os.utime(history, (1_400_000_000, 1_400_000_000))
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("sheets.lonely"), told="lonely sheets")
        (line, *_) = daemon.lines("sheets.lonely")
        assert line["message"].startswith("2 sample sheets belong to no known run")
        assert typo in line["message"]
        assert f"{early.name}.csv" in line["message"]
        assert history.name not in line["message"]
        assert line["level"] == "WARNING"
        write(lab, early)
        lab.wait_published(early.name)
        lab.wait_for(
            lambda: daemon.lines("sheets.lonely")[-1]["message"].startswith("1 sample sheet "),
            told="the one that is left",
        )
        assert typo in daemon.lines("sheets.lonely")[-1]["message"]
        assert {line["instrument"] for line in daemon.lines("sheets.lonely")} == {"miseq"}


def test_an_instrument_that_publishes_nothing_is_told_once_a_period(lab: Lab) -> None:
    lab.configure(
        daemon=['scan_interval = "0.3s"'],
        instruments__miseq=['max_silence = "3s"'],
        instruments__nextseq=['max_silence = "1h"'],
    )
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("instrument.silent"), told="silent")
        (line, *_) = daemon.lines("instrument.silent")
        assert (line["instrument"], line["level"]) == ("miseq", "ERROR")
        assert "since it was first looked at" in line["message"]
        run = miseq(1)
        write(lab, run)
        lab.wait_published(run.name)
        lab.source().rename(lab.root / "aside")

        def away() -> list[str]:
            messages = [line["message"] for line in daemon.lines("instrument.silent")]
            return [text for text in messages if run.name in text and "not there" in text]

        lab.wait_for(away, told="silent again")
        assert "its source is offline" in away()[0]
        lab.wait_for(lambda: len(away()) > 1, told="once a period")
        with closing(sqlite3.connect(lab.state / "ledger.sqlite")) as ledger:
            told_at = ledger.execute("SELECT at FROM events WHERE event='instrument.silent'")
            times = sorted(at for (at,) in told_at)
        assert all(after - before > 2.5 for before, after in pairwise(times)), times
        told = [one["instrument"] for one in daemon.lines("instrument.silent")]
    page = lab.call("status", expect=1).stdout
    assert "miseq: published no run for" in page
    assert set(told) == {"miseq"}
    lab.once(expect=1)


def test_a_held_run_is_no_alarm_and_a_blocked_one_is_told_again(lab: Lab) -> None:
    odd, held = nextseq(1, outcome="CompletedSomehow"), miseq(2, no_flags=True)
    write(lab, odd, held)
    log = lab.once(expect=1)
    assert len([line for line in log if line["event"] == "run.blocked"]) == 1
    lab.call("hold", held.name, "--reason", "asked the lab")
    lab.configure(daemon=SOON)
    with lab.daemon() as daemon:
        (line, *_) = wait_told(lab, daemon, f"miseq/{held.name}", 1)
        assert line["level"] == "WARNING"
        assert "asked the lab" in line["message"]
        again = wait_told(lab, daemon, f"nextseq/{odd.name}", 2)
        assert all("unknown status" in line["message"] for line in again)
        assert f"release nextseq/{odd.name}" in again[0]["next_step"]
        assert not daemon.lines("run.blocked"), "a second alarm of the same"
    # An instrument that is taken out leaves its unfinished runs to nobody: told, as no alarm.
    del lab.kinds["nextseq"]
    lab.configure()
    time.sleep(2.2)
    (line,) = told_of(lab.once(expect=None), f"nextseq/{odd.name}")
    assert line["level"] == "WARNING"
    assert "no longer in the configuration" in line["message"]


def test_a_unit_that_is_never_whole_is_told_and_what_is_written_is_not(lab: Lab) -> None:
    lab.kinds = {"prot": "proteomics"}
    lab.source("prot").mkdir(parents=True)
    lab.configure(daemon=SOON)
    project = lab.source("prot") / "prot0001"
    (project / "broken.raw").mkdir(parents=True)
    (project / "broken.raw" / "_FUNC001.DAT").write_bytes(b"half")
    (project / "good.raw").write_bytes(b"whole")
    (lab.source("prot") / "prot0002").mkdir()
    with lab.daemon() as daemon:
        with being_written(project / "broken.raw" / "_FUNC001.DAT"):
            lab.wait_published("prot0001", "prot")
            time.sleep(5)
            assert not daemon.lines("run.stale"), "it was being written"
        (line, *_) = wait_told(lab, daemon, "prot/prot0001", 1)
        assert "keeps something back" in line["message"]
        assert "broken.raw" in line["message"]
        assert not told_of(daemon.lines(), "prot/prot0002"), "an empty project waits for nothing"
    assert "broken.raw" in lab.call("status", expect=1).stdout


def test_a_run_with_all_its_flags_that_never_comes_to_rest_is_told(lab: Lab) -> None:
    """Something touches it more often than ``quiet``: a backup, a job that sets rights."""
    run = miseq(1)
    lab.configure(daemon=SOON, instruments__miseq=['quiet = "1s"'])
    write(lab, run)
    with lab.daemon() as daemon:
        with being_written(folder_of(lab, run) / "Touched" / "rights.log"):
            (told, *_) = wait_told(lab, daemon, f"miseq/{run.name}", 1)
            assert "lacks nothing but rest for" in told["message"]
            assert "Touched/rights.log" in told["message"], "what changes is named"
            assert told["level"] == "ERROR"
            status = lab.call("status", expect=1).stdout
            assert "1 run on the way, 1 not moving, 1 needs you." in status
            why = lab.call("why", f"miseq/{run.name}", expect=None).stdout
            assert "Touched/rights.log" in why
        lab.wait_published(run.name)  # whoever it was has stopped
    expect_published(lab, run)
    assert row_of(lab, run).observed.get("complete_since") is None
    assert lab.call("status").stdout.startswith("2 instruments online; 0 runs on the way, none")


def test_a_late_sheet_of_an_old_run_is_no_sign_of_its_instrument(lab: Lab) -> None:
    """Its new generation is published; the instrument has been silent all the same."""
    lab.configure(daemon=['scan_interval = "0.3s"'], instruments__miseq=['max_silence = "6s"'])
    run = miseq(1)
    write(lab, run)
    with lab.daemon() as daemon:
        lab.wait_published(run.name)
        time.sleep(1.1)  # times are told in whole seconds
        (lab.sheets() / f"{run.name}.csv").write_text("[Data]\nSample_ID\nS1\n")
        lab.wait_published(run.name, gen=2)
        lab.wait_for(lambda: daemon.lines("instrument.silent"), told="silent")
        (told, *_) = daemon.lines("instrument.silent")
    with closing(sqlite3.connect(lab.state / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT at FROM events WHERE event='run.published' ORDER BY id")
        first, second = (iso(at) for (at,) in rows)
    assert f"the last one was {run.name} on {first}" in told["message"]
    assert second not in told["message"]
