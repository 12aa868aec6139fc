"""When a run is really finished: flags, status, structure, quiet; and what is said until then."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from datalake_syncd.adapters.ledger import Ledger
from demo.sequencer import SequencerRun
from tests.e2e.lab import Lab
from tests.e2e.runs import (
    expect_alarm,
    expect_published,
    expect_stopped,
    folder_of,
    go_on,
    instrument_of,
    miseq,
    nextseq,
    row_of,
    write,
)

BOMB = b"""<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;">]><b>&d;</b>"""
STATUS = "RunCompletionStatus.xml"
RTA = "RTAComplete.txt"
INFO = "RunInfo.xml"
JOB = "CompletedJobInfo.xml"
LOG = "RTALogs.tsv"
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "1h"']


def test_a_run_waits_for_each_of_its_flags_and_then_goes_on(lab: Lab) -> None:
    crashed, queued, good = miseq(1, no_flags=True), miseq(2, analysis="queued"), miseq(9)
    no_status, no_rta = nextseq(3), nextseq(4)
    write(lab, crashed, queued, good, no_status, no_rta)
    (folder_of(lab, no_status) / STATUS).unlink()
    (folder_of(lab, no_rta) / RTA).unlink()
    empty = miseq(5)
    folder_of(lab, empty).mkdir()
    lab.once()
    expect_published(lab, good)
    expect_stopped(lab, crashed, "waiting", f"flag {RTA}: not there")
    expect_stopped(lab, empty, "waiting", f"flag {RTA}: not there", INFO)
    expect_stopped(lab, queued, "waiting", "local analysis", "CompletedJobInfo.xml not there")
    expect_stopped(lab, no_status, "waiting", f"flag {STATUS}: not there")
    row = expect_stopped(lab, no_rta, "waiting", f"flag {RTA}: not there")
    assert STATUS not in (row.reason or ""), "only what is missing is named"
    assert RTA in lab.call("why", no_rta.name, expect=None).stdout

    write(lab, miseq(1), miseq(2, analysis="done"), no_status, empty)
    (folder_of(lab, no_rta) / RTA).write_text("done")
    go_on(lab, crashed, queued, no_status, no_rta, empty)
    expect_published(lab, crashed)
    expect_published(lab, empty)
    expect_published(lab, queued)
    expect_published(lab, no_status)
    expect_published(lab, no_rta)


def test_a_run_that_did_not_end_well_is_carried_and_says_so(lab: Lab) -> None:
    stopped = nextseq(1, outcome="UserEndedEarly", cycles=(4,))
    broke = nextseq(2, outcome="ExceptionEndedEarly", cycles=(4,))
    failed, good = miseq(3, analysis="error"), miseq(9)
    write(lab, stopped, broke, failed, good)
    lab.configure(instruments__nextseq__prune=PRUNE, instruments__miseq__prune=PRUNE)
    log = lab.once()
    for run in (stopped, broke):
        expect_published(lab, run, "ended-early")
        assert "ended-early" in (row_of(lab, run).reason or "")
    expect_published(lab, failed, "failed")
    told = {line["run"]: line for line in log if line["event"] == "run.published"}
    assert "ended-early" in told[f"nextseq/{broke.name}"]["message"]
    assert told[f"miseq/{failed.name}"]["outcome"] == "failed"
    assert "Analysis failed" in lab.call("why", failed.name, expect=None).stdout
    # The good one alone left the disk.
    assert not folder_of(lab, good).exists()
    lab.expect_in_lake(good.files(), f"miseq-out/{good.name}")


def test_an_unknown_status_needs_a_person_and_is_never_called_good(lab: Lab) -> None:
    odd, good = nextseq(1, outcome="CompletedSomehow"), nextseq(9)
    write(lab, odd, good)
    log = lab.once(expect=1)
    row = expect_stopped(lab, odd, "blocked", "unknown status: CompletedSomehow")
    assert f"release nextseq/{odd.name}" in (row.next_step or "")
    expect_alarm(log, odd, "CompletedSomehow")
    expect_published(lab, good)
    # What the instrument wrote is shown while a person has to decide about it.
    whys = json.loads(lab.call("why", odd.name, "--json", expect=None).stdout)
    page = json.loads(lab.call("status", "--json", expect=None).stdout)
    for told in _runs_in([whys, page], f"nextseq/{odd.name}"):
        cycles = [told["facts"][f"{word}_cycles"] for word in ("planned", "completed")]
        assert cycles == [2, 2], told["facts"]
        assert told["facts"]["reads"] == [[1, 2, False]], told["facts"]
    once = row_of(lab, odd)
    # Told once, not at each pass.
    assert not [line for line in lab.once(expect=1) if line["event"] == "run.blocked"]
    assert row_of(lab, odd).version == once.version, "nothing is written when nothing is new"
    lab.configure(instruments__nextseq__prune=PRUNE)
    lab.call("release", odd.name)
    lab.once()
    expect_published(lab, odd, "unknown")
    assert "person.release" in lab.events(odd.name, "nextseq")


def test_a_run_with_a_hole_in_it_names_the_hole(lab: Lab) -> None:
    cycle = miseq(1, cycles=(4,), missing_cycles=(3,))
    tile = miseq(2, tiles=4, missing_tiles=((2, 3),))
    empty = miseq(3, cycles=(4,), empty_cycles=(2,))
    lane = nextseq(4, lanes=2, missing_in=((2, 1), (2, 2)))
    spot, good = nextseq(5, lanes=4, missing_in=((3, 2),)), nextseq(9)
    write(lab, cycle, tile, empty, lane, spot, good)
    log = lab.once(expect=1)
    expect_published(lab, good)
    expect_stopped(lab, cycle, "blocked", "lane 1: cycle 3 of 1..4 is missing")
    expect_stopped(lab, tile, "blocked", "lane 1: cycle 2 has 3 of 4 tiles", "2101")
    expect_stopped(lab, empty, "blocked", "lane 1: files of cycle 2 have 0 bytes")
    expect_stopped(lab, lane, "blocked", "lane 2: all of cycles 1..2 are missing")
    row = expect_stopped(lab, spot, "blocked", "lane 3: cycle 2 of 1..2 is missing")
    assert "lane 1" not in (row.reason or "")
    assert f"release nextseq/{spot.name}" in (row.next_step or "")
    for run in (cycle, tile, empty):
        expect_alarm(log, run, "structure", "lane 1")
    for other in (lane, spot):
        expect_alarm(log, other, "structure", "lane ")

    # What arrives late makes it go on by itself; what a person releases is not called good.
    write(lab, miseq(1, cycles=(4,)), miseq(2, tiles=4), nextseq(4, lanes=2))
    lab.call("release", spot.name)
    go_on(lab, cycle, tile, lane, spot)
    expect_published(lab, cycle)
    expect_published(lab, tile)
    expect_published(lab, lane)
    expect_published(lab, spot, "unknown")
    expect_stopped(lab, empty, "blocked", "0 bytes")


def test_metadata_that_is_being_written_is_waited_for(lab: Lab) -> None:
    half, empty, bomb, zeros = (nextseq(number) for number in (1, 2, 3, 4))
    half_info, empty_info, bomb_info, no_info, good = (miseq(n) for n in (5, 6, 7, 8, 9))
    write(lab, half, empty, bomb, zeros, half_info, empty_info, bomb_info, no_info, good)
    status, info = half.files()[STATUS], half_info.files()[INFO]
    (folder_of(lab, half) / STATUS).write_bytes(status[: len(status) // 2])
    (folder_of(lab, empty) / STATUS).write_bytes(b"")
    (folder_of(lab, bomb) / STATUS).write_bytes(BOMB)
    (folder_of(lab, zeros) / STATUS).write_bytes(b"\0" * 500)
    (folder_of(lab, half_info) / INFO).write_bytes(info[: len(info) // 2])
    (folder_of(lab, empty_info) / INFO).write_bytes(b"")
    (folder_of(lab, bomb_info) / INFO).write_bytes(BOMB)
    (folder_of(lab, no_info) / INFO).unlink()
    lab.once()
    expect_published(lab, good)
    expect_stopped(lab, half, "waiting", STATUS, "half-written or not XML")
    expect_stopped(lab, empty, "waiting", STATUS, "0 bytes, not written yet")
    expect_stopped(lab, bomb, "waiting", STATUS, "document type or entities")
    expect_stopped(lab, zeros, "waiting", STATUS, "500 zero bytes")
    expect_stopped(lab, half_info, "waiting", INFO, "half-written or not XML")
    expect_stopped(lab, empty_info, "waiting", INFO, "0 bytes, not written yet")
    expect_stopped(lab, bomb_info, "waiting", INFO, "document type or entities")
    expect_stopped(lab, no_info, "waiting", f"no {INFO}")

    write(lab, half, empty, bomb, zeros, half_info, empty_info, bomb_info, no_info)
    go_on(lab, half, empty, bomb, zeros, half_info, empty_info, bomb_info, no_info)
    for run in (half, empty, bomb, zeros):
        expect_published(lab, run)
    for other in (half_info, empty_info, bomb_info, no_info):
        expect_published(lab, other)


def test_c19_a_run_that_still_grows_is_not_settled(lab: Lab) -> None:
    quiet = ['quiet = "2s"']
    lab.configure(instruments__miseq=quiet, instruments__nextseq=quiet)
    growing, flag_first, good = miseq(1), nextseq(2), miseq(9)
    write(lab, growing, good)
    files = flag_first.files()
    late = [path for path in files if path not in (RTA, STATUS, INFO)]
    _put(lab, flag_first, files, RTA, STATUS, INFO)
    ended: list[float] = []
    seen = threading.Event()

    def write_on() -> None:
        # Each gap is shorter than quiet; all of it takes much longer, and as long as the good
        # run is not published yet.
        for number in range(100):
            last = number >= 7 and seen.is_set()
            for run in (growing, flag_first):
                with (folder_of(lab, run) / LOG).open("a") as file:
                    file.write("one more line\n")
            if number < 7 or last:
                _put(lab, flag_first, files, *late[min(number, 7) :: 8])
            if last:
                break
            time.sleep(0.7)
        ended.append(time.time())

    writer = threading.Thread(target=write_on)
    with lab.daemon() as daemon:
        writer.start()
        try:
            lab.wait_published(good.name)
        finally:
            seen.set()
            writer.join()
        lab.wait_published(growing.name)
        lab.wait_published(flag_first.name, "nextseq")
        assert not daemon.lines("run.blocked"), "a run that grows is not a broken one"
        assert len(daemon.lines("run.settled")) == 3
    expect_published(lab, good)
    expect_published(lab, growing)
    log = (folder_of(lab, flag_first) / LOG).read_bytes()
    expect_published(lab, flag_first, files={**files, LOG: log})
    for run in (row_of(lab, growing), row_of(lab, flag_first)):
        assert (run.settled_at or 0) > ended[0], f"{run.name} settled while it was written"
    assert (row_of(lab, good).settled_at or 0) < ended[0], "it waited for its neighbours"


def _put(lab: Lab, run: SequencerRun, files: dict[str, bytes], *paths: str) -> None:
    for path in paths:
        place = folder_of(lab, run) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(files[path])


def test_an_instrument_that_wrote_copycomplete_once_must_write_it_again(lab: Lab) -> None:
    first, second, other = miseq(1, copy_complete=True), miseq(2), nextseq(9)
    write(lab, first)
    lab.once()
    expect_published(lab, first)
    write(lab, second, other)
    lab.once()
    expect_stopped(lab, second, "waiting", "flag CopyComplete.txt: not there", "writes one")
    expect_published(lab, other)
    (folder_of(lab, second) / "copycomplete.TXT").touch()
    lab.once()
    expect_published(lab, second)


def test_flags_of_the_configuration_and_flags_in_other_case(lab: Lab) -> None:
    lab.configure(instruments__miseq=['completion_flags = ["Copied.txt", "Checked.txt"]'])
    own, mixed = miseq(1, analysis="queued"), nextseq(2)
    write(lab, own, mixed)
    for name in (RTA, STATUS, INFO):
        (folder_of(lab, mixed) / name).rename(folder_of(lab, mixed) / name.swapcase())
    (folder_of(lab, own) / "COPIED.TXT").touch()
    lab.once()
    expect_published(lab, mixed)
    row = expect_stopped(lab, own, "waiting", "flag Checked.txt: not there", "configuration")
    assert "Copied" not in (row.reason or "")
    assert "local analysis" not in (row.reason or ""), "these flags stand instead of the rule"
    (folder_of(lab, own) / "checked.txt").touch()
    lab.once()
    expect_published(lab, own)


def test_a_blocked_run_stays_so_over_passes_and_alarms_once(lab: Lab) -> None:
    run = miseq(7, missing_cycles=(1,))
    write(lab, run)
    for _ in range(3):
        lab.once(expect=1)
    assert lab.events(run.name).count("run.blocked") == 1
    assert "run.waiting" not in lab.events(run.name)
    miseq(7).write_all(lab.source())  # mended
    lab.once()
    assert row_of(lab, run).published_at is not None


def test_a_file_that_stays_half_written_becomes_an_alarm(lab: Lab) -> None:
    run, job, foreign = nextseq(8, half_written_status=True), miseq(7), miseq(6)
    write(lab, run, job, foreign)
    # An analysis on the instrument that says something which nobody can read.
    (folder_of(lab, job) / JOB).write_bytes(b"<AnalysisJobInfo><Comp")
    (folder_of(lab, foreign) / JOB).write_bytes(b"<SomethingElse/>")
    runs = (run, job, foreign)
    lab.once()
    assert [row_of(lab, one).status for one in runs] == ["waiting"] * 3
    ledger = Ledger(lab.state, writable=True)
    for one in runs:
        observed = row_of(lab, one).observed
        observed["unreadable_since"] -= 601  # ten minutes ago, in an earlier pass
        ledger.runs.set(row_of(lab, one), observed=observed)
    ledger.close()
    log = lab.once(expect=1)
    expect_alarm(log, run, STATUS)
    for other in (job, foreign):
        expect_alarm(log, other, "local analysis", JOB)
    nextseq(8).write_all(lab.source("nextseq"))
    (folder_of(lab, job) / JOB).unlink()
    (folder_of(lab, foreign) / JOB).write_bytes(miseq(6, analysis="done").files()[JOB])
    go_on(lab, *runs)
    assert [len(_alarms(lab, one)) for one in runs] == [1, 1, 1]


def test_run_parameters_that_nobody_can_read_are_told_and_hold_nothing(lab: Lab) -> None:
    run, good = miseq(1), miseq(2)
    write(lab, run, good)
    (folder_of(lab, run) / "RunParameters.xml").write_bytes(b"<RunParam")
    log = lab.once()
    expect_published(lab, run)
    (line,) = [line for line in log if line["event"] == "run.remark"]
    assert (line["run"], line["level"]) == (f"miseq/{run.name}", "WARNING")
    assert "RunParameters.xml: half-written or not XML" in line["message"]
    assert "RunParameters.xml" in lab.call("why", run.name).stdout


def _alarms(lab: Lab, run: SequencerRun) -> list[str]:
    events = lab.events(run.name, instrument_of(run))
    return [event for event in events if event == "run.blocked"]


def _runs_in(documents: list[Any], key: str) -> list[dict[str, Any]]:
    """What each document says of a run."""
    found: list[dict[str, Any]] = []
    for document in documents:
        told = document.get("runs", document)
        (one,) = [t for t in (told if isinstance(told, list) else [told]) if t["run"] == key]
        found.append(one)
    return found
