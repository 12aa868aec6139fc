"""What people are told by mail: incidents, and the outbox. Mails are queued with what they tell."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.core.incidents import Changes, Incident

_OPEN = "sent_at IS NULL AND given_up_at IS NULL"
_COLUMNS = [field.name for field in fields(Incident)]
_TOO_LONG = 7200.0
_INSERT = "INSERT INTO outbox (queued_at, message_id, subject, message, recipients, not_before) "


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, ready to be sent as it is; whoever sends it twice sends the same Message-ID.

    ``tells`` are incidents that it tells of for the first time, or reminds of; ``ends`` those
    that it says are over. ``starts`` is the subject of the thread that it begins, if it does.
    """

    message_id: str
    subject: str
    message: bytes
    recipients: tuple[str, ...]
    tells: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    starts: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A letter in the outbox; ``recipients`` are those who have not got it yet."""

    id: int
    queued_at: float
    message_id: str
    subject: str
    message: bytes
    recipients: tuple[str, ...]
    accepted: int
    attempts: int
    last_error: str | None


class Mailroom:
    """The rows of ``incidents`` and ``outbox``."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # --- incidents --------------------------------------------------------------------------

    def standing(self) -> list[Incident]:
        """What people were told of or soon will be, and have not heard the end of."""
        rows = self._db.rows(
            f"SELECT {', '.join(_COLUMNS)} FROM incidents "  # noqa: S608 - our own column names
            "WHERE resolved_at IS NULL ORDER BY id"
        )
        return [Incident(*tuple(row)) for row in rows]

    def take(self, changes: Changes, now: float) -> None:
        """Write down what a look found."""
        if not (changes.new or changes.changed or changes.forgotten):
            return
        with self._db.transaction():
            for one in changes.new:
                since = now if one.since is None else min(one.since, now)
                self._db.execute(
                    "INSERT INTO incidents (key, run_id, title, message, next_step, step, since) "
                    "VALUES (?,?,?,?,?,?,?)",
                    (one.key, one.run_id, one.title, one.message, one.next_step, one.step, since),
                )
            for incident in changes.changed:
                self._db.execute(
                    "UPDATE incidents SET title=?, message=?, next_step=?, step=?, since=?, "
                    "mailed_at=?, gone_at=? WHERE id=?",
                    (
                        incident.title, incident.message, incident.next_step, incident.step,
                        incident.since, incident.mailed_at, incident.gone_at, incident.id,
                    ),
                )  # fmt: skip
            for incident in changes.forgotten:
                self._db.execute(
                    "UPDATE incidents SET resolved_at=? WHERE id=?", (now, incident.id)
                )

    # --- the outbox -------------------------------------------------------------------------

    def post(self, letters: Sequence[Letter], now: float, notes: dict[str, str]) -> None:
        """Queue letters and write down in the same transaction what they tell, and ``notes``.

        ``notes`` are values as `Desk.put` keeps them (the last event that was told, say).
        """
        with self._db.transaction():
            for letter in letters:
                self._db.execute(
                    _INSERT + "VALUES (?,?,?,?,?,?)",
                    (
                        now, letter.message_id, letter.subject, letter.message,
                        json.dumps(letter.recipients), now,
                    ),
                )  # fmt: skip
                for incident in letter.tells:
                    self._db.execute("UPDATE incidents SET mailed_at=? WHERE id=?", (now, incident))
                    if letter.starts:
                        self._db.execute(
                            "UPDATE incidents SET thread=?, subject=? WHERE id=?",
                            (letter.message_id, letter.subject, incident),
                        )
                for incident in letter.ends:
                    self._db.execute(
                        "UPDATE incidents SET resolved_at=? WHERE id=?", (now, incident)
                    )
            for key, value in notes.items():
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    def waiting(self, now: float | None = None, limit: int = 50) -> list[Waiting]:
        """Letters to send, those that failed least first; with ``now`` those alone that are due."""
        # What waits for longer than any pause was queued by a clock that was ahead.
        due = "" if now is None else f" AND (not_before<=:now OR not_before>:now+{_TOO_LONG})"
        rows = self._db.rows(
            f"SELECT * FROM outbox WHERE {_OPEN}{due} "  # noqa: S608 - our own words
            f"ORDER BY attempts, id LIMIT {limit:d}",
            {} if now is None else {"now": now},
        )
        return [_waiting(row) for row in rows]

    def unsent(self) -> int:
        """How many letters wait."""
        row = self._db.row(f"SELECT count(*) AS n FROM outbox WHERE {_OPEN}")  # noqa: S608
        return int(row["n"]) if row else 0

    def queued_since(self, since: float) -> list[float]:
        """When letters were queued, from then on."""
        rows = self._db.rows("SELECT queued_at FROM outbox WHERE queued_at>=?", (since,))
        return [float(row["queued_at"]) for row in rows]

    def sent(self, letter: Waiting, now: float) -> None:
        """Everybody has it who can get it; its text is not kept."""
        self._change(letter, sent_at=now, message=b"")

    def failed(
        self, letter: Waiting, error: str, *, again_at: float, recipients: Collection[str], got: int
    ) -> None:
        """Not everybody has it: try those (``recipients``) again; ``got`` have it since now."""
        self._change(
            letter,
            last_error=error,
            not_before=again_at,
            attempts=letter.attempts + 1,
            recipients=json.dumps(list(recipients)),
            accepted=letter.accepted + got,
        )

    def replace_message(self, letter: Waiting, message: bytes) -> None:
        """Send it with another text from now on; its Message-ID stays."""
        self._change(letter, message=message)

    def give_up(self, letter: Waiting, error: str, now: float) -> None:
        """No server will ever take it."""
        self._change(letter, given_up_at=now, last_error=error)

    def hurry(self, recipients: Sequence[str], now: float) -> None:
        """The configuration changed: try at once; what nobody got yet goes to ``recipients``."""
        with self._db.transaction():
            self._db.execute(
                "UPDATE outbox SET not_before=?, "  # noqa: S608 - our own words
                f"recipients=CASE accepted WHEN 0 THEN ? ELSE recipients END WHERE {_OPEN}",
                (now, json.dumps(list(recipients))),
            )

    def _change(self, letter: Waiting, **columns: Any) -> None:
        sets = ", ".join(f"{name}=:{name}" for name in columns)
        with self._db.transaction():
            self._db.execute(
                f"UPDATE outbox SET {sets} WHERE id=:the_id",  # noqa: S608 - our own names
                {**columns, "the_id": letter.id},
            )


def _waiting(row: Any) -> Waiting:
    return Waiting(
        row["id"],
        row["queued_at"],
        row["message_id"],
        row["subject"],
        bytes(row["message"]),
        tuple(json.loads(row["recipients"])),
        row["accepted"],
        row["attempts"],
        row["last_error"],
    )
