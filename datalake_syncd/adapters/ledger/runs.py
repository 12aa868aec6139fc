"""Runs and their events: every change names the state that it expects."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.adapters.ledger.rows import Event, Run, event_of, run_of, stored
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.model import Status, Step


class StaleTransition(SyncdError):
    """Somebody else moved the run meanwhile: what this one found out no longer counts."""


class Runs:
    """The rows of ``runs`` and ``events``."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, instrument: str, name: str) -> Run | None:
        """The run of this instrument with this name."""
        row = self._db.row("SELECT * FROM runs WHERE instrument=? AND name=?", (instrument, name))
        return None if row is None else run_of(row)

    def by_id(self, run_id: int) -> Run:
        """The run as it is now."""
        row = self._db.row("SELECT * FROM runs WHERE id=?", (run_id,))
        if row is None:
            raise SyncdError(f"run number {run_id} is not in the ledger")
        return run_of(row)

    def named(self, name: str) -> list[Run]:
        """All runs with this name, or the one of ``INSTRUMENT/NAME``; names may hold ``/``."""
        instrument, slash, rest = name.partition("/")
        if slash:
            found = self.get(instrument, rest)
            if found is not None:
                return [found]
        rows = self._db.rows("SELECT * FROM runs WHERE name=? ORDER BY instrument", (name,))
        return [run_of(row) for row in rows]

    def all(self, instrument: str | None = None) -> list[Run]:
        """All runs, in the order in which they were sighted."""
        if instrument is None:
            return [run_of(row) for row in self._db.rows("SELECT * FROM runs ORDER BY id")]
        sql = "SELECT * FROM runs WHERE instrument=? ORDER BY id"
        return [run_of(row) for row in self._db.rows(sql, (instrument,))]

    def restless(self, instrument: str) -> list[Run]:
        """Those that are not finished, or of which something is kept back: few among many."""
        sql = (
            "SELECT * FROM runs WHERE instrument=? AND (status!='finished' "
            "OR instr(observed, '\"pending\"')) ORDER BY id"
        )
        return [run_of(row) for row in self._db.rows(sql, (instrument,))]

    def names(self) -> list[str]:
        """All run names, for "did you mean"."""
        return [row["name"] for row in self._db.rows("SELECT DISTINCT name FROM runs")]

    def published_bytes(self) -> int:
        """Size of all runs whose marker is in the lake."""
        sql = "SELECT coalesce(sum(bytes), 0) AS b FROM runs WHERE published_at IS NOT NULL"
        row = self._db.row(sql)
        return int(row["b"]) if row else 0

    def at_prefix(self, lake: str, prefix: str) -> list[Run]:
        """The runs that go to this folder of this lake, the one that was sighted first first."""
        sql = "SELECT * FROM runs WHERE prefix=? AND (lake IS NULL OR lake=?) ORDER BY id"
        return [run_of(row) for row in self._db.rows(sql, (prefix, lake))]

    def with_fingerprint(self, fingerprint: str) -> list[Run]:
        """The runs with these very bytes of metadata, the one that was sighted first first."""
        sql = "SELECT * FROM runs WHERE fingerprint=? ORDER BY id"
        return [run_of(row) for row in self._db.rows(sql, (fingerprint,))]

    def of_unknown_fingerprint(self, run_id: str) -> list[Run]:
        """Runs without a fingerprint whose name, or whose facts, have this id of a run."""
        sql = (
            "SELECT * FROM runs WHERE fingerprint IS NULL AND (name=? OR instr(facts, ?)) "
            "ORDER BY id"
        )
        found = map(run_of, self._db.rows(sql, (run_id, json.dumps(run_id))))
        return [run for run in found if run_id in (run.name, run.facts.get("run_id"))]

    def remember_fingerprint(self, run_id: int, fingerprint: str) -> None:
        """Note what tells this run apart; nothing moves by it, so no state is expected."""
        with self._db.transaction():
            sql = "UPDATE runs SET fingerprint=? WHERE id=?"
            self._db.execute(sql, (fingerprint, run_id))

    def add(
        self,
        instrument: str,
        name: str,
        *,
        prefix: str,
        now: float,
        reason: str,
        event: str = "run.sighted",
        message: str = "first seen",
        **columns: Any,
    ) -> Run:
        """Write a new run down (``sighted``, ``waiting`` unless told otherwise)."""
        values: dict[str, Any] = {
            "instrument": instrument,
            "name": name,
            "done": Step.SIGHTED,
            "status": Status.WAITING,
            "prefix": prefix,
            "reason": reason,
            "sighted_at": now,
            "moved_at": now,
            **columns,
        }
        names = ", ".join(values)
        marks = ", ".join(f":{key}" for key in values)
        with self._db.transaction():
            run_id = self._db.insert(
                f"INSERT INTO runs ({names}) VALUES ({marks})",  # noqa: S608 - our own names
                {key: stored(key, value) for key, value in values.items()},
            )
            self.event_in_transaction(run_id, now, event, None, message, None)
        return self.by_id(run_id)

    def move(
        self,
        run: Run,
        *,
        now: float,
        event: str,
        message: str,
        data: dict[str, Any] | None = None,
        done: Step | None = None,
        status: Status,
        reason: str | None = None,
        next_step: str | None = None,
        not_before: float | None = None,
        trace: str | None = None,
        **columns: Any,
    ) -> Run:
        """One transition with its event, in one transaction.

        ``run`` is the state that is expected; raises ``StaleTransition`` when the row is no
        longer that. ``done`` stays when None; ``moved_at`` changes only with ``done``.
        """
        values: dict[str, Any] = {
            "status": status,
            "reason": reason,
            "next_step": next_step,
            "not_before": not_before,
            "trace": trace,
            **columns,
        }
        if done is not None and done is not run.done:
            values.update(done=done, moved_at=now)
        with self._db.transaction():
            self.update_in_transaction(run, values)
            step = (done or run.done).value
            self.event_in_transaction(run.id, now, event, step, message, data)
        return self.by_id(run.id)

    def set(self, run: Run, **columns: Any) -> Run:
        """Change columns of a run without a line of history; expects the state of ``run``."""
        with self._db.transaction():
            self.update_in_transaction(run, columns)
        return self.by_id(run.id)

    def update_in_transaction(self, run: Run, values: dict[str, Any]) -> None:
        """Change a row inside the caller's transaction; expects the state of ``run``."""
        sets = ", ".join(f"{key}=:{key}" for key in values)
        changed = self._db.execute(
            f"UPDATE runs SET {sets}, version=version+1 "  # noqa: S608 - our own column names
            "WHERE id=:the_id AND done=:was_done AND status=:was_status AND version=:was_version",
            {
                **{key: stored(key, value) for key, value in values.items()},
                "the_id": run.id,
                "was_done": run.done.value,
                "was_status": run.status.value,
                "was_version": run.version,
            },
        )
        if changed != 1:
            raise StaleTransition(
                f"{run.key} is no longer '{run.done}, {run.status}' (version {run.version})",
                why="somebody else moved it meanwhile",
            )

    def claim(self, now: float, *, instruments: Collection[str]) -> Run | None:
        """Take the next run of these instruments that is ready, for one step; None when none is.

        Waiting runs come back when their ``not_before`` has passed; held ones never do.
        """
        marks = ",".join("?" for _ in instruments)
        sql = f"""
            SELECT * FROM runs
            WHERE hold_reason IS NULL AND done != 'sighted'
              AND (status='ready' OR (status='waiting' AND not_before IS NOT NULL))
              AND (not_before IS NULL OR not_before <= ?)
              AND instrument IN ({marks})
            ORDER BY done='prune', done='publish', attempts, id LIMIT 1
        """  # noqa: S608 - only question marks are put in
        if self._db.row(sql, (now, *instruments)) is None:
            return None  # nearly always, every few seconds: no lock is taken for that
        with self._db.transaction():
            row = self._db.row(sql, (now, *instruments))
            if row is None:
                return None
            run = run_of(row)
            self.update_in_transaction(run, {"status": Status.RUNNING})
            return self.by_id(run.id)

    def give_back(self, now: float) -> int:
        """At start: a ``running`` row means "died here"; gives how many were given back."""
        died = [run for run in self.all() if run.status is Status.RUNNING]
        for run in died:
            self.move(
                run,
                now=now,
                event="run.given-back",
                message="the service ended in the middle of a step; it is done again",
                status=Status.READY,
            )
        return len(died)

    def event(
        self,
        run_id: int | None,
        now: float,
        event: str,
        message: str,
        data: dict[str, Any] | None = None,
        step: str | None = None,
    ) -> None:
        """Add a line of history that moves nothing."""
        with self._db.transaction():
            self.event_in_transaction(run_id, now, event, step, message, data)

    def event_in_transaction(
        self,
        run_id: int | None,
        now: float,
        event: str,
        step: str | None,
        message: str,
        data: dict[str, Any] | None,
    ) -> None:
        """Add a line of history inside the caller's transaction."""
        self._db.execute(
            "INSERT INTO events (at, run_id, event, step, message, data) VALUES (?,?,?,?,?,?)",
            (now, run_id, event, step, message, None if data is None else json.dumps(data)),
        )

    def history(self, run_id: int, limit: int = 50) -> list[Event]:
        """The last ``limit`` events of a run, oldest first."""
        rows = self._db.rows(
            "SELECT * FROM events WHERE run_id=? ORDER BY id DESC LIMIT ?", (run_id, limit)
        )
        return [event_of(row) for row in reversed(rows)]

    def events_after(
        self, number: int, names: Collection[str] = (), limit: int = 100
    ) -> list[tuple[int, int | None, Event]]:
        """Events that came after the one with this number: (number, run id, event), in order.

        With ``names`` those alone, whatever they belong to; else all that belong to a run.
        """
        wanted = f"event IN ({','.join('?' for _ in names)})" if names else "run_id IS NOT NULL"
        rows = self._db.rows(
            f"SELECT * FROM events WHERE id>? AND {wanted} ORDER BY id LIMIT {limit:d}",  # noqa: S608 - only question marks and a number are put in
            (number, *names),
        )
        return [(row["id"], row["run_id"], event_of(row)) for row in rows]

    def events_between(self, first: int, last: int) -> int:
        """How many events of runs came after number ``first``, up to ``last``."""
        row = self._db.row(
            "SELECT count(*) AS n FROM events WHERE id>? AND id<=? AND run_id IS NOT NULL",
            (first, last),
        )
        return int(row["n"]) if row else 0

    def events_since(self, since: float, event: str) -> list[Event]:
        """Events of one kind from a time on (seconds since the epoch), oldest first."""
        rows = self._db.rows(
            "SELECT * FROM events WHERE at>=? AND event=? ORDER BY id", (since, event)
        )
        return [event_of(row) for row in rows]

    def newest_event(self) -> int:
        """The number of the newest event; 0 when there is none."""
        row = self._db.row("SELECT max(id) AS n FROM events")
        return int(row["n"] or 0) if row else 0

    def last_event(self, run_id: int, event: str) -> Event | None:
        """The newest event of this kind of a run."""
        row = self._db.row(
            "SELECT * FROM events WHERE run_id=? AND event=? ORDER BY id DESC LIMIT 1",
            (run_id, event),
        )
        return None if row is None else event_of(row)

    def pruned_since(self, instrument: str, since: float) -> int:
        """How many runs of the instrument went to the trash since then."""
        row = self._db.row(
            "SELECT count(*) AS n FROM runs WHERE instrument=? AND pruned_at >= ?",
            (instrument, since),
        )
        return int(row["n"]) if row else 0
