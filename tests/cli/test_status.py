from __future__ import annotations

import fcntl
import json
import os
import time
from datetime import datetime
from typing import Any

import pytest

from datalake_syncd.adapters.ledger import Progress
from datalake_syncd.adapters.ledger.lock import LOCK, DaemonLock
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.model import Outcome, Status, Step
from tests.cli.conftest import RUN, Place

# What the design promises to programs: key -> type; None where it may be null.
RUN_KEYS: dict[str, tuple[type, ...]] = {
    "run": (str,),
    "instrument": (str,),
    "name": (str,),
    "step": (str,),
    "status": (str,),
    "outcome": (str,),
    "generation": (int,),
    "files": (int,),
    "bytes": (int,),
    "files_proven": (int,),
    "proof": (str,),
    "published_at": (str, type(None)),
    "pruned_at": (str, type(None)),
    "attempts": (int,),
    "reason": (str, type(None)),
    "not_before": (str, type(None)),
    "facts": (dict,),
}
INSTRUMENT_KEYS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "kind": (str,),
    "source": (str,),
    "online": (bool,),
    "last_scan": (str,),
    "runs": (int,),
}


def has(document: dict[str, Any], keys: dict[str, tuple[type, ...]]) -> None:
    for key, types in keys.items():
        assert type(document[key]) in types, key


def test_json_has_every_key_of_the_design(place: Place) -> None:
    place.published()
    place.add("another", status=Status.WAITING, reason="no flag", not_before=time.time() + 60)
    told = place.call("status", "--json")
    assert told.code == 0
    (instrument,) = told.json["instruments"]
    has(instrument, INSTRUMENT_KEYS)
    assert (instrument["name"], instrument["online"], instrument["runs"]) == ("nextseq", True, 2)
    first, second = told.json["runs"]
    for run in (first, second):
        has(run, RUN_KEYS)
    assert (first["run"], first["step"], first["status"]) == (
        f"nextseq/{RUN}",
        "publish",
        "finished",
    )
    assert datetime.fromisoformat(first["published_at"]).tzinfo is not None
    assert second["not_before"] is not None


def test_json_is_all_that_is_on_stdout(place: Place) -> None:
    told = place.call("status", "--json")
    assert told.out.startswith("{")
    assert told.json["runs"] == []
    assert told.err == ""


def test_a_held_run_is_held(place: Place) -> None:
    place.published(hold_reason="Anna looks at it")
    told = place.call("status", "--json")
    assert (told.code, told.json["runs"][0]["status"]) == (0, "held")
    text = place.call("status").out
    assert "1 held" in text
    assert f"datalake-syncd release nextseq/{RUN}" in text


def test_the_sentence_comes_first(place: Place) -> None:
    place.published()
    place.add("a", done=Step.SETTLE, status=Status.READY)
    place.add("b", done=Step.SIGHTED, status=Status.BLOCKED, reason="odd")
    told = place.call("status")
    assert told.out.splitlines()[0] == "1 instrument online; 1 run on the way, 1 needs you."


def test_a_blocked_run_is_attention_and_says_what_to_type(place: Place) -> None:
    place.add(
        status=Status.BLOCKED,
        reason="an error in datalake-syncd itself",
        next_step="please report it; then: datalake-syncd retry",
        done=Step.SETTLE,
    )
    told = place.call("status")
    assert told.code == 1
    assert f"then: datalake-syncd retry nextseq/{RUN}" in told.out
    assert f"datalake-syncd why nextseq/{RUN}" in told.out
    assert told.out.index("NEEDS YOU") < told.out.index(RUN)


def test_commands_can_be_typed_for_names_with_spaces(place: Place) -> None:
    place.add("my project; x", status=Status.BLOCKED, next_step="datalake-syncd retry RUN")
    assert "datalake-syncd retry 'nextseq/my project; x'" in place.call("status").out


def test_an_offline_instrument_is_attention(place: Place) -> None:
    assert place.call("status").code == 0
    with place.ledger() as ledger:
        ledger.desk.update_instrument(
            "nextseq", online=0, offline_since=time.time() - 7200, offline_reason="share is away"
        )
    told = place.call("status")
    assert told.code == 1
    assert "0 instruments online, 1 offline" in told.out
    assert "share is away" in told.out
    assert place.call("status", "--json").json["instruments"][0]["offline_reason"] == (
        "share is away"
    )


def test_an_instrument_that_was_removed_is_no_alarm(place: Place) -> None:
    with place.ledger() as ledger:
        ledger.desk.set_instruments({"other": ("miseq", "/x")})
        ledger.desk.update_instrument("nextseq", online=0)
    assert place.call("status").code == 0


def test_progress_of_a_running_transfer(place: Place) -> None:
    run = place.add(done=Step.SETTLE, status=Status.RUNNING, files=10, bytes=1 << 30)
    with place.ledger() as ledger:
        ledger.desk.write_progress(
            run.id, Progress(time.time(), 1 << 29, 1 << 30, 4, 0, 10, float(1 << 20), 512.0)
        )
    text = place.call("status").out
    for word in ("transferring", "50 %", "512.0 MiB of 1.0 GiB", "1.0 MiB/s", "4 of 10 files"):
        assert word in text
    assert f"{format_duration(512)} left" in text
    progress = place.call("status", "--json").json["runs"][0]["progress"]
    assert (progress["percent"], progress["rate"], progress["active"]) == (50.0, 1 << 20, True)


def test_not_quite_all_is_never_shown_as_all(place: Place) -> None:
    run = place.add(done=Step.SETTLE, status=Status.RUNNING, files=10, bytes=100_000)
    with place.ledger() as ledger:
        ledger.desk.write_progress(
            run.id, Progress(time.time(), 99_999, 100_000, 4, 0, 10, 1.0, 1.0)
        )
    assert "99 %" in place.call("status").out


def test_only_the_latest_published_runs_unless_all(place: Place) -> None:
    for number in range(15):
        place.published(f"run{number:02}", published_at=time.time() - 60 * number)
    place.published("ancient", published_at=time.time() - 40 * 86_400)
    text = place.call("status").out
    assert "run00" in text
    assert "run14" not in text
    assert "ancient" not in text
    assert "6 older runs" in text
    everything = place.call("status", "--all").out
    assert "run14" in everything
    assert "ancient" in everything


def test_says_whether_a_daemon_runs(place: Place) -> None:
    assert "daemon is not running" in place.call("status").out
    lock = DaemonLock(place.state)
    try:
        assert "daemon is not running" not in place.call("status").out
        daemon = place.call("status", "--json").json["daemon"]
        assert (daemon["running"], daemon["pid"]) == (True, os.getpid())
    finally:
        lock.release()


def test_looking_for_the_daemon_leaves_the_lock_alone(place: Place) -> None:
    DaemonLock(place.state).release()
    before = (place.state / LOCK).read_bytes()
    place.call("status")
    assert (place.state / LOCK).read_bytes() == before
    with (place.state / LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_daemon_that_is_away_for_long_is_attention(place: Place) -> None:
    with place.ledger() as ledger:
        ledger.desk.update_instrument("nextseq", last_scan=time.time() - 3 * 86_400)
    told = place.call("status")
    assert told.code == 1
    assert "last look 3 d ago" in told.out
    lock = DaemonLock(place.state)
    try:
        assert place.call("status").code == 0
    finally:
        lock.release()


@pytest.mark.parametrize("key", ["uploads_paused", "config_refused"])
def test_what_the_daemon_is_worried_about_is_attention(place: Place, key: str) -> None:
    with place.ledger() as ledger:
        ledger.desk.put(key, "the lake refused\x1b[31m us")
    told = place.call("status")
    assert told.code == 1
    assert "the lake refused\\x1b[31m us" in told.out
    assert place.call("status", "--json").json["daemon"][key] is not None


def test_a_run_that_does_not_move_is_pointed_out(place: Place) -> None:
    run = place.add(reason="no flag", age=3 * 86_400)
    assert place.call("status").code == 0, "nobody has looked whether it is still written"
    step = {"next_step": f"datalake-syncd why {run.key}", "needs_person": True}
    with place.ledger() as ledger:
        told_at = time.time() - 3600
        ledger.runs.event(run.id, told_at, "run.stale", "nothing was written for 2 d", step)
    told = place.call("status")
    assert told.code == 1
    assert told.out.startswith("1 instrument online; 1 run on the way, 1 not moving, 1 needs you.")
    assert "1 h ago: nothing was written for 2 d" in told.out
    assert f"do:   datalake-syncd why {run.key}" in told.out
    document = place.call("status", "--json").json
    assert document["runs"][0]["stale"] == "nothing was written for 2 d"
    # It grows again: what was told is no longer true.
    probe = {"probe": {"digest": "d", "since": time.time(), "at": time.time()}}
    with place.ledger() as ledger:
        ledger.runs.set(run, observed=probe)
    assert place.call("status").code == 0


def test_a_silent_instrument_is_attention(place: Place) -> None:
    kept = {"since": 1.0, "told": 2.0, "message": "published no run for 8 d", "do": "ask the lab"}
    with place.ledger() as ledger:
        ledger.desk.put("silence:nextseq", json.dumps(kept))
    told = place.call("status")
    assert told.code == 1
    assert "nextseq: published no run for 8 d; ask the lab" in told.out
    document = place.call("status", "--json").json
    assert document["instruments"][0]["silent"] == "published no run for 8 d"
    with place.ledger() as ledger:
        ledger.desk.put("silence:nextseq", json.dumps({"since": 1.0}))
    assert place.call("status").code == 0


def test_outcome_generation_and_trash_are_told(place: Place) -> None:
    now = time.time()
    place.published("early", outcome=Outcome.ENDED_EARLY, generation=2)
    place.published("binned", done=Step.PRUNE, status=Status.WAITING, pruned_at=now, trash="t")
    place.published("gone", done=Step.PRUNE, pruned_at=now, emptied_at=now)
    text = place.call("status").out
    assert "run ended-early; generation 2" in text
    assert "in the trash" in text
    assert "pruned" in text


@pytest.mark.parametrize("width", ["40", "60", "80", "140"])
def test_every_width_is_readable(place: Place, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    place.published()
    place.add("blocked", status=Status.BLOCKED, reason="x " * 100, next_step="do " * 40)
    run = place.add(done=Step.SETTLE, status=Status.RUNNING, name="moving", bytes=100, files=1)
    with place.ledger() as ledger:
        ledger.desk.write_progress(run.id, Progress(time.time(), 50, 100, 1, 1, 1, 9.0, 9.0))
    text = place.call("status").out
    assert max(len(line) for line in text.splitlines()) <= int(width)
    # Nothing is cut off: all of the name is there, also when it takes two lines.
    assert RUN in text.replace("\n", "").replace(" ", "")
    assert "…" not in text


def test_watch_needs_a_terminal(place: Place) -> None:
    told = place.call("status", "--watch")
    assert told.code == 2
    assert "--json" in told.err
