"""Ledgers for the page: nothing yet, a busy week, and trouble; made through the real ledger."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from datalake_syncd.adapters.ledger import Ledger, Progress, Run, Trouble
from datalake_syncd.core.durations import DAY, HOUR, MINUTE, iso
from datalake_syncd.core.model import Outcome, Proof, Status, Step
from datalake_syncd.steps.notes import CONFIG_REFUSED, CREDENTIAL_EXPIRES, UPLOADS_PAUSED
from datalake_syncd.steps.page.looks import CARRIED, FREE, LAKE_BYTES, SIZE
from datalake_syncd.steps.scrub.notes import LAST

GIB = 1024.0**3
#: What an instrument's software, or somebody who means harm, may call a folder.
HOSTILE = (
    "<script>alert(1)</script>",
    'a"onload="alert(2)',
    "b'><img src=x onerror=alert(3)>",
    "two\nlines\x1b[31m",
    "{{ 7 * 7 }}{% raw %}&amp;",
    "\u202egpj.exe",
)


def publish(
    ledger: Ledger, instrument: str, name: str, at: float, size: int, seconds: float, **more: Any
) -> Run:
    """One run as it is after its way, with the events that its steps leave."""
    run = ledger.runs.add(
        instrument, name, prefix=f"{instrument}/{name}", now=at - seconds, reason=""
    )
    files = max(size // 50_000_000, 3)
    run = ledger.runs.move(
        run,
        now=at - 60,
        event="transfer.finished",
        message="sent",
        data={"files_sent": files, "bytes_sent": size, "seconds": 600},
        status=Status.READY,
        done=Step.TRANSFER,
        settled_at=at - seconds / 2,
    )
    return ledger.runs.move(
        run,
        now=at,
        event="run.published",
        message="published",
        data={
            "generation": 1,
            "outcome": "good",
            "files": files,
            "bytes": size,
            "seconds_after_end": seconds,
        },
        status=more.pop("status", Status.FINISHED),
        done=more.pop("done", Step.PUBLISH),
        published_at=at,
        files=files,
        bytes=size,
        files_proven=files,
        proof=Proof.CHECKED,
        **{"outcome": Outcome.GOOD, **more},
    )


def carry(ledger: Ledger, name: str, now: float, *, share: float, instrument: str) -> Run:
    """One run in the middle of its transfer."""
    size = int(40 * GIB)
    run = ledger.runs.add(instrument, name, prefix=f"p/{name}", now=now - HOUR, reason="")
    run = ledger.runs.set(
        run,
        done=Step.SETTLE,
        status=Status.RUNNING,
        files=1312,
        bytes=size,
        settled_at=now - 20 * MINUTE,
    )
    done = int(size * share)
    progress = Progress(now - 1, done, size, int(1312 * share), 0, 1312, 9e7, (size - done) / 9e7)
    ledger.desk.write_progress(run.id, progress)
    return run


def sample(ledger: Ledger, now: float, places: dict[str, tuple[float, float]]) -> None:
    """A month of samples: one a day, then every five minutes; place -> (share free, TiB)."""
    random.seed(7)
    total, now_there = 0.0, float(ledger.runs.published_bytes())
    moments = [now - day * DAY for day in range(30, 1, -1)]
    moments += [now - DAY + 300 * n for n in range(289)]
    rows: list[tuple[str, str, float, float]] = []
    for number, at in enumerate(moments):
        burst = 0.0 if (number // 23) % 3 else random.uniform(3, 6) * 1e7 * 300
        total += burst
        lake = now_there * (0.3 + 0.7 * (1 - (now - at) / (31 * DAY)))
        values = [(CARRIED, "", total), (LAKE_BYTES, "", lake)]
        for place, (share, size) in places.items():
            wave = share + 0.03 * ((number * 7919) % 13) / 13
            values += [(FREE, place, wave * size * 1024 * GIB), (SIZE, place, size * 1024 * GIB)]
        rows += [(name, subject, at, value) for name, subject, value in values]
    with ledger.database.transaction():
        ledger.database.execute_many("INSERT INTO samples VALUES (?,?,?,?)", rows)


def busy(ledger: Ledger, now: float) -> None:
    """Two sequencers and a mass spectrometer, all well."""
    ledger.desk.set_instruments(
        {
            "miseq": ("miseq", "/net/MiSeqOutput"),
            "nextseq": ("nextseq500", "/net/NextSeqOutput"),
            "proteomics": ("proteomics", "/net/Proteomics"),
        }
    )
    for number, name in enumerate(("miseq", "nextseq", "proteomics")):
        ledger.desk.update_instrument(name, online=1, last_scan=now - 9 * (number + 1))
    random.seed(3)
    for number in range(24):
        at = now - (24 - number) * 7 * HOUR
        seconds = random.uniform(1.2, 3.4) * HOUR
        name = f"2611{number + 1:02}_NS500123_{number:04}_AHDEMO{number:02}"
        more: dict[str, Any] = {}
        if number < 20:
            more = {"done": Step.PRUNE, "pruned_at": at + DAY, "emptied_at": at + 4 * DAY}
        publish(ledger, "nextseq", name, at, int(random.uniform(20, 60) * GIB), seconds, **more)
    publish(
        ledger, "miseq", "261120_M01234_0042_000000000-DEMO1", now - 5 * HOUR, int(6 * GIB), 5400,
        generation=2, outcome=Outcome.ENDED_EARLY,
    )  # fmt: skip
    carry(ledger, "261122_NS500123_0107_AHDEMOBGX7", now, share=0.637, instrument="nextseq")
    ledger.runs.add(
        "miseq", "261122_M01234_0043_000000000-DEMO2", prefix="m/2", now=now - 2 * HOUR,
        reason="waits for flag RTAComplete.txt",
    )  # fmt: skip
    held = ledger.runs.add("miseq", "261101_M01234_0040_HELD", prefix="m/h", now=now, reason="x")
    ledger.runs.set(held, hold_reason="Anna looks at the index reads first")
    sample(
        ledger,
        now,
        {"state": (0.71, 0.2), "source/miseq": (0.42, 4), "source/nextseq": (0.18, 12)},
    )


def trouble(ledger: Ledger, now: float) -> None:
    """All that can stand in the way, with names that nobody should trust."""
    busy(ledger, now)
    ledger.desk.put(UPLOADS_PAUSED, f"since {iso(now - HOUR)}: the lake refused our login (403)")
    ledger.desk.put(CONFIG_REFUSED, "instruments.miseq.quiet: found 60, needed a duration\nline 2")
    ledger.desk.put(CREDENTIAL_EXPIRES, iso(now + 9 * DAY))
    ledger.desk.put(LAST, json.dumps({"began": now - 2 * HOUR, "ended": now - HOUR, "wrong": 1}))
    ledger.desk.trouble(
        Trouble("azcopy", "azcopy was not found at /opt/azcopy", "set azcopy.path", now - 2 * HOUR)
    )
    ledger.desk.update_instrument(
        "proteomics", online=0, offline_since=now - 3 * DAY,
        offline_reason="/net/Proteomics is empty where it was not",
    )  # fmt: skip
    for name in HOSTILE:
        run = ledger.runs.add("miseq", name, prefix="x", now=now - 3 * DAY, reason="")
        ledger.runs.set(
            run,
            status=Status.BLOCKED,
            reason=f"names: {name} (symlink to </p><script>alert(9)</script>)",
            next_step="mend it, then: datalake-syncd retry",
        )
    stuck = carry(ledger, "261119_NS500123_0099_STUCK", now - DAY, share=0.02, instrument="nextseq")
    stuck = ledger.runs.set(stuck, status=Status.WAITING, reason="the lake could not be reached")
    ledger.runs.event(
        stuck.id, now - HOUR, "run.stale", "has not moved for 2 d",
        data={"needs_person": True, "next_step": "datalake-syncd retry RUN"},
    )  # fmt: skip


def many(ledger: Ledger, now: float, count: int) -> None:
    """So many published runs and events, in few transactions: a service of some years."""
    first = publish(ledger, "nextseq", "first", now - 300 * DAY, 10_000_000, 3600)
    row = replace(first)
    with ledger.database.transaction():
        for number in range(count - 1):
            run_id = ledger.database.insert(
                "INSERT INTO runs (instrument, name, done, status, outcome, files, bytes, proof, "
                "prefix, sighted_at, moved_at, settled_at, published_at, facts) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    "nextseq", f"2611{number:06}_NS500123_AHXXXXXXXX", row.done, row.status,
                    "good", 1300, 40_000_000_000, "checked", f"p/{number}",
                    *([now - (count - number) * HOUR] * 4), '{"reads": [[1, 151, false]]}',
                ),
            )  # fmt: skip
            ledger.runs.event_in_transaction(
                run_id, now - (count - number) * HOUR, "run.published", "publish", "published",
                {"generation": 1, "files": 1300, "bytes": 40_000_000_000, "seconds_after_end": 5e3},
            )  # fmt: skip
