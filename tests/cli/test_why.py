from __future__ import annotations

import time
from typing import Any

from datalake_syncd.adapters.ledger import DaemonLock
from datalake_syncd.cli.places import Settings
from datalake_syncd.cli.why_report import policy
from datalake_syncd.config import Prune
from datalake_syncd.core.model import (
    FileEntry,
    FileStat,
    Oddity,
    Outcome,
    Proof,
    Status,
    Step,
)
from tests.cli.conftest import RUN, Place

FLAG = {
    "name": "flags",
    "passed": False,
    "found": "RunCompletionStatus.xml is missing",
    "needed": "RunCompletionStatus.xml",
    "needs_person": False,
}


def gates(place: Place, which: str, run: str = RUN) -> dict[str, dict[str, Any]]:
    document = place.call("why", run, "--json").json
    return {gate["name"]: gate for gate in document["gates"][which]}


def add_files(place: Place, run_id: int, count: int) -> None:
    with place.ledger() as ledger:
        ledger.files.add_seen(
            run_id,
            ((FileEntry(f"f{n:03}\x1b[31m", FileStat(1, 2, 3, 4, 5)), None) for n in range(count)),
        )
        ledger.files.adopt_look(run_id, [Oddity("l\\x1bink", "symlink", "points to /x", True)])


def test_a_run_that_is_being_written(place: Place) -> None:
    place.add(reason="flags: missing", gates=[FLAG])
    told = place.call("why", RUN)
    assert told.code == 0
    assert "RunCompletionStatus.xml is missing" in told.out
    assert "needed: RunCompletionStatus.xml" in told.out
    upload = gates(place, "upload")
    assert upload["flags"]["passed"] is False
    assert upload["source answers"]["passed"] is True
    assert upload["daemon running"]["passed"] is False
    lock = DaemonLock(place.state)
    try:
        assert gates(place, "upload")["daemon running"]["passed"] is True
    finally:
        lock.release()


def test_the_next_look_is_told(place: Place) -> None:
    place.add(reason="no answer", done=Step.SETTLE, not_before=time.time() + 301, attempts=3)
    told = place.call("why", RUN)
    assert "next look: in 5 min" in told.out
    assert "3 failed tries" in told.out


def test_a_run_that_is_scanned_is_looked_at_by_the_next_scan(place: Place) -> None:
    place.add(reason="no flag")
    assert place.call("why", RUN, "--json").json["next_look"] is not None


def test_a_blocked_run_is_attention_and_has_no_next_look(place: Place) -> None:
    place.add(status=Status.BLOCKED, reason="odd", next_step="then: datalake-syncd retry RUN")
    told = place.call("why", RUN)
    assert told.code == 1
    assert f"do: then: datalake-syncd retry nextseq/{RUN}" in told.out
    assert "next look" not in told.out


def test_prune_gates_know_the_configuration(place: Place) -> None:
    place.configure("enabled = true", 'keep = "1h"')
    place.published(published_at=time.time() - 1800)
    prune = gates(place, "prune")
    assert prune["prune enabled"]["passed"] is True
    assert prune["kept long enough"]["passed"] is False
    assert prune["kept long enough"]["needed"].startswith("1 h (prune.keep), reached on ")
    assert prune["every file proven"]["passed"] is True
    place.configure("enabled = true", 'keep = "10m"')
    assert all(gate["passed"] for gate in gates(place, "prune").values())


def test_each_prune_gate_can_fail(place: Place) -> None:
    place.published(
        outcome=Outcome.FAILED,
        hold_reason="no",
        lake="https://elsewhere/lake",
        proof=Proof.CLAIMED,
    )
    failing = {name for name, gate in gates(place, "prune").items() if not gate["passed"]}
    assert failing == {
        "prune enabled",
        "kept long enough",
        "not held",
        "outcome",
        "same lake",
        "every file proven",
    }


def test_defaults_are_those_of_the_configuration(place: Place) -> None:
    """They are read without pydantic, so they stand in two places."""
    read = policy(Settings(place.config, {"instruments": {"x": {}}}), "x")
    default = Prune()
    assert (read.enabled, read.keep, read.trash) == (default.enabled, default.keep, default.trash)
    assert read.read_back == (default.proof == "read-back")
    assert read.ended_early == default.ended_early
    assert read.max_runs_per_day == default.max_runs_per_day


def test_values_of_the_file_that_make_no_sense_do_not_stop_why(place: Place) -> None:
    place.configure("enabled = 1", 'keep = "soon"', 'max_runs_per_day = "many"')
    place.published()
    assert place.call("why", RUN).code == 0


def test_a_required_sheet_is_a_gate(place: Place) -> None:
    place.configure(instrument='sample_sheet = "required"')
    place.add(done=Step.VERIFY, files=1, files_proven=1)
    assert gates(place, "publish")["sample sheet"]["passed"] is False
    place.add("other", done=Step.VERIFY, sheet={"path": "/s/x.csv", "md5": "0" * 32})
    assert gates(place, "publish", "other")["sample sheet"]["passed"] is True


def test_files_in_doubt_are_named(place: Place) -> None:
    run = place.add(done=Step.TRANSFER, status=Status.BLOCKED, files=30, bytes=30)
    add_files(place, run.id, 30)
    document = place.call("why", RUN, "--json").json
    assert len(document["unproven"]) == 20
    assert document["more_unproven"] is True
    assert document["not_carried"][0]["kind"] == "symlink"
    text = place.call("why", RUN).out
    assert "f019\\x1b[31m: none" in text
    assert "f020" not in text
    assert "l\\x1bink: symlink, points to /x (stops the run)" in text
    assert "\x1b" not in text


def test_files_are_not_in_doubt_before_they_were_sent(place: Place) -> None:
    run = place.add(done=Step.SETTLE, status=Status.READY, files=3, bytes=3)
    add_files(place, run.id, 3)
    assert place.call("why", RUN, "--json").json["unproven"] == []


def test_history_trace_and_trash(place: Place) -> None:
    now = time.time()
    run = place.published(
        done=Step.PRUNE, status=Status.BLOCKED, trace="Traceback\nValueError: \x1b]0;x\x07",
        trash="t", pruned_at=now,
    )  # fmt: skip
    with place.ledger() as ledger:
        for number in range(30):
            ledger.runs.event(run.id, now, "run.retry", f"try {number:02}")
    told = place.call("why", RUN)
    assert "ValueError: \\x1b]0;x\\x07" in told.out
    assert "try 29" in told.out
    assert "try 05" not in told.out
    assert f"datalake-syncd undo nextseq/{RUN}" in told.out
    assert "try 05" in place.call("why", RUN, "--events", "100").out
    assert place.call("why", RUN, "--json").json["trash_until"] is not None


def test_a_name_alone_the_key_and_the_shown_name_are_the_same_run(place: Place) -> None:
    place.add("odd\x1bname", status=Status.WAITING)
    for text in ("odd\x1bname", "nextseq/odd\x1bname", "odd\\x1bname", "nextseq/odd\\x1bname"):
        assert place.call("why", text).code == 0


def test_did_you_mean(place: Place) -> None:
    place.add()
    told = place.call("why", RUN.replace("0001", "0007"))
    assert told.code == 2
    assert f"did you mean nextseq/{RUN}?" in told.err
    assert f"did you mean nextseq/{RUN}?" in place.call("why", "ahxxxxxxxx").err
    assert "status --all" in place.call("why", "nothing like it").err


def test_an_ambiguous_name_lists_all(place: Place) -> None:
    place.add()
    place.add(instrument="hiseq")
    told = place.call("why", RUN)
    assert told.code == 2
    assert f"hiseq/{RUN} or nextseq/{RUN}" in told.err
    assert place.call("why", f"hiseq/{RUN}").code == 0
