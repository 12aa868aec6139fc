"""What daemon and commands tell each other: instruments, progress, requests, settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from datalake_syncd.adapters.ledger.database import Database


@dataclass(frozen=True, slots=True)
class InstrumentRow:
    """What is known of an instrument's source; times in seconds since the epoch."""

    name: str
    kind: str
    source: str
    configured: bool
    online: bool | None
    offline_since: float | None
    offline_reason: str | None
    last_scan: float | None
    device: int | None
    ever_seen_runs: int
    learned: frozenset[str]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a transfer or verification stands; ``rate`` in bytes per second."""

    at: float
    bytes_done: int
    bytes_total: int
    files_hashed: int
    files_proven: int
    files_total: int
    rate: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for through a command."""

    id: int
    at: float
    action: str
    run_id: int | None
    argument: str | None
    done_at: float | None
    succeeded: bool | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something of the service itself, or of a whole source, that needs a person until it ends.

    ``key`` names it (``scan/nextseq``), ``since`` is in seconds since the epoch.
    """

    key: str
    message: str
    next_step: str
    since: float
    instrument: str | None = None


_TROUBLE = "trouble:"


class Desk:
    """The rows of ``instruments``, ``progress``, ``requests`` and ``meta``."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # --- instruments ------------------------------------------------------------------------

    def set_instruments(self, configured: dict[str, tuple[str, str]]) -> None:
        """Take the configuration in: name -> (kind, source). Rows of removed ones stay."""
        with self._db.transaction():
            self._db.execute("UPDATE instruments SET configured=0")
            for name, (kind, source) in configured.items():
                self._db.execute(
                    "INSERT INTO instruments (name, kind, source) VALUES (?,?,?) "
                    "ON CONFLICT (name) DO UPDATE SET configured=1, kind=excluded.kind, "
                    "device=CASE WHEN source=excluded.source THEN device END, "
                    "ever_seen_runs=CASE WHEN source=excluded.source THEN ever_seen_runs "
                    "ELSE 0 END, source=excluded.source",
                    (name, kind, source),
                )

    def instruments(self) -> list[InstrumentRow]:
        """All instruments that were ever configured, by name."""
        return [_instrument(r) for r in self._db.rows("SELECT * FROM instruments ORDER BY name")]

    def instrument(self, name: str) -> InstrumentRow | None:
        """One instrument."""
        row = self._db.row("SELECT * FROM instruments WHERE name=?", (name,))
        return None if row is None else _instrument(row)

    def update_instrument(self, name: str, **columns: Any) -> None:
        """Write down what a scan found."""
        if "learned" in columns:
            columns["learned"] = json.dumps(sorted(columns["learned"]))
        sets = ", ".join(f"{key}=:{key}" for key in columns)
        with self._db.transaction():
            self._db.execute(
                f"UPDATE instruments SET {sets} WHERE name=:the_name",  # noqa: S608 - our names
                {**columns, "the_name": name},
            )

    # --- progress ---------------------------------------------------------------------------

    def write_progress(self, run_id: int, progress: Progress) -> None:
        """Replace the progress of a run."""
        with self._db.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO progress VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    run_id, progress.at, progress.bytes_done, progress.bytes_total,
                    progress.files_hashed, progress.files_proven, progress.files_total,
                    progress.rate, progress.seconds_left,
                ),
            )  # fmt: skip

    def progress(self) -> dict[int, Progress]:
        """Run id -> its last progress."""
        return {
            row["run_id"]: Progress(*tuple(row)[1:])
            for row in self._db.rows("SELECT * FROM progress")
        }

    def transfers(self) -> dict[int, Progress]:
        """Run id -> progress of the transfers that are going on."""
        rows = self._db.rows(
            "SELECT p.* FROM progress p JOIN runs r ON r.id=p.run_id "
            "WHERE r.status='running' AND r.done='settle'"
        )
        return {row["run_id"]: Progress(*tuple(row)[1:]) for row in rows}

    # --- requests ---------------------------------------------------------------------------

    def ask(self, action: str, run_id: int | None, argument: str | None, now: float) -> int:
        """Leave a request for the daemon; gives its number."""
        with self._db.transaction():
            return self._db.insert(
                "INSERT INTO requests (at, action, run_id, argument) VALUES (?,?,?,?)",
                (now, action, run_id, argument),
            )

    def open_requests(self) -> list[Request]:
        """Requests that nobody has answered yet, oldest first."""
        return [
            _request(r)
            for r in self._db.rows("SELECT * FROM requests WHERE done_at IS NULL ORDER BY id")
        ]

    def request(self, number: int) -> Request | None:
        """One request."""
        row = self._db.row("SELECT * FROM requests WHERE id=?", (number,))
        return None if row is None else _request(row)

    def answer(self, number: int, *, succeeded: bool, answer: str, now: float) -> None:
        """Answer a request."""
        with self._db.transaction():
            self._db.execute(
                "UPDATE requests SET done_at=?, succeeded=?, answer=? WHERE id=?",
                (now, int(succeeded), answer, number),
            )

    # --- settings of the service ------------------------------------------------------------

    def get(self, key: str) -> str | None:
        """One remembered value."""
        row = self._db.row("SELECT value FROM meta WHERE key=?", (key,))
        return None if row is None else str(row["value"])

    def put(self, key: str, value: str | None) -> None:
        """Remember a value, or forget it (None)."""
        with self._db.transaction():
            if value is None:
                self._db.execute("DELETE FROM meta WHERE key=?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    def troubles(self) -> list[Trouble]:
        """What stands now, the oldest first."""
        rows = self._db.rows("SELECT value FROM meta WHERE key GLOB ?", (f"{_TROUBLE}*",))
        standing = [Trouble(**json.loads(row["value"])) for row in rows]
        return sorted(standing, key=lambda one: one.since)

    def trouble(self, told: Trouble) -> None:
        """It stands from now on, or still stands with other words; its beginning is kept."""
        kept = self.get(_TROUBLE + told.key)
        since = json.loads(kept)["since"] if kept else told.since
        if kept != (now := json.dumps(asdict(replace(told, since=since)))):
            self.put(_TROUBLE + told.key, now)

    def trouble_over(self, key: str) -> bool:
        """It stands no more; True when it did until now."""
        stood = self.get(_TROUBLE + key) is not None
        if stood:
            self.put(_TROUBLE + key, None)
        return stood


def _instrument(row: Any) -> InstrumentRow:
    return InstrumentRow(
        name=row["name"],
        kind=row["kind"],
        source=row["source"],
        configured=bool(row["configured"]),
        online=None if row["online"] is None else bool(row["online"]),
        offline_since=row["offline_since"],
        offline_reason=row["offline_reason"],
        last_scan=row["last_scan"],
        device=row["device"],
        ever_seen_runs=row["ever_seen_runs"],
        learned=frozenset(json.loads(row["learned"])),
    )


def _request(row: Any) -> Request:
    return Request(
        row["id"],
        row["at"],
        row["action"],
        row["run_id"],
        row["argument"],
        row["done_at"],
        None if row["succeeded"] is None else bool(row["succeeded"]),
        row["answer"],
    )
