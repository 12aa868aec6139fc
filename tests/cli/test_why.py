from __future__ import annotations

import json
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
from datalake_syncd.core.sheets import near_misses, near_sheets_key, read_sheet
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
        with ledger.database.transaction():
            link = Oddity("l\\x1bink", "symlink", "points to /x", True)
            ledger.files.adopt_in_transaction(run_id, [link])


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


def test_an_attached_sheet_is_shown_with_its_problems(place: Place) -> None:
    content = b"[Data]\nLane,Sample_ID,index\n1,S 1\x1b[31m,ACGT\n1, S2,ACGT\n"
    report = read_sheet(content)
    kept = {"path": f"/s/{RUN}\x1b.csv", "size": 9, "md5": "0" * 32, **report.record()}
    place.published(sheet=kept)
    told = place.call("why", RUN)
    text = " ".join(told.out.split())
    assert "\x1b" not in told.out
    assert "SAMPLE SHEET" in told.out
    assert f"/s/{RUN}\\x1b.csv: attached as it is" in text
    assert "v1, 2 samples, lane 1; 3 defects, 1 remark" in text
    for problem in report.problems:
        assert f"- {problem}" in text
    document = place.call("why", RUN, "--json").json
    assert (document["sheet"]["format"], document["sheet"]["samples"]) == ("v1", 2)
    assert document["sheet"]["problems"] == report.record()["problems"]
    assert document["near_sheets"] == []
    assert "2 samples" in gates(place, "publish")["sample sheet"]["found"]


def test_only_so_many_problems_are_shown(place: Place) -> None:
    rows = "".join(f"x{n},S {n},#REF!,T{n}, \n" for n in range(9))
    report = read_sheet(f"[Data],x\nLane,Sample_ID,a,index,a\n{rows}[Odd\n".encode())
    kept = {"path": "/s/x.csv", "size": 9, "md5": "0" * 32, **report.record()}
    kept["problems"], kept["more"] = kept["problems"][:2], 31
    place.published(sheet=kept)
    told = place.call("why", RUN).out
    assert told.count("\n  - ") == 2
    assert "and 31 more problems" in told


def test_a_sheet_that_was_attached_before_there_were_reports(place: Place) -> None:
    place.published(sheet={"path": "/s/x.csv", "size": 9, "md5": "0" * 32})
    assert "/s/x.csv: attached as it is" in place.call("why", RUN).out
    place.published("other", sheet={"path": None, "size": 9, "md5": "0" * 32})
    assert "it was in the lake already" in place.call("why", "other").out


def test_what_looks_like_the_sheet_is_named_until_there_is_one(place: Place) -> None:
    place.published()
    place.published("other")
    (miss,) = near_misses([RUN], [f"{RUN} (1)\x07.csv"])
    with place.ledger() as ledger:
        ledger.desk.put(near_sheets_key("nextseq"), json.dumps({RUN: [str(miss)]}))
    told = place.call("why", RUN).out
    assert "\x07" not in told
    text = " ".join(told.split())
    assert f"{RUN} (1)\\x07.csv looks like the sheet of run {RUN}" in text
    assert f"do: if one of them is its sheet, name it {RUN}.csv" in text
    assert place.call("why", RUN, "--json").json["near_sheets"] == [str(miss)]
    assert "SAMPLE SHEET" not in place.call("why", "other").out
    place.published("third", sheet={"path": "/s/x.csv", "size": 9, "md5": "0" * 32})
    with place.ledger() as ledger:
        ledger.desk.put(near_sheets_key("nextseq"), json.dumps({"third": [str(miss)]}))
    assert "looks like" not in place.call("why", "third").out


FACTS: dict[str, Any] = {
    "run_id": RUN,
    "run_number": "1",
    "instrument_id": "NB501016",
    "flowcell": "HXXXXXXXX",
    "date": "180612",
    "experiment": "a\x1b[31m name",
    "software": None,
    "lanes": 4,
    "reads": [[1, 75, False], [2, 8, True]],
    "planned_cycles": 83,
    "completed_cycles": 40,
    "status_text": "ExceptionEndedEarly",
    "error_text": "the pump\nfailed",
}


def test_what_the_instrument_wrote_of_its_run_is_told(place: Place) -> None:
    place.published(facts=FACTS)
    place.add("new")
    told = place.call("why", RUN).out
    known = (
        "instrument NB501016; run 1; flow cell HXXXXXXXX; date 180612; experiment a\\x1b[31m name"
    )
    assert f"  {known}\n" in told
    assert "  reads of 75 + 8 (index) cycles; 40 of 83 cycles done; status: " in told
    assert "ExceptionEndedEarly; error: the pump\\x0afailed" in " ".join(told.split())
    assert "software" not in told
    assert "\x1b[31m name" not in told
    expected = {key: value for key, value in FACTS.items() if value is not None}
    runs = {run["name"]: run for run in place.call("status", "--json").json["runs"]}
    assert runs[RUN]["facts"] == place.call("why", RUN, "--json").json["facts"] == expected
    assert runs["new"]["facts"] == {}


def test_of_a_run_that_says_little_only_that_is_told(place: Place) -> None:
    place.add("bare", facts={**dict.fromkeys(FACTS), "reads": []})
    place.add("planned", facts={"planned_cycles": 83})
    place.add("done", facts={"completed_cycles": 40})
    bare = place.call("why", "bare").out
    assert "cycles" not in bare
    assert "instrument " not in bare.partition("UPLOAD")[0]
    assert "  83 cycles planned\n" in place.call("why", "planned").out
    assert "  40 cycles done\n" in place.call("why", "done").out
