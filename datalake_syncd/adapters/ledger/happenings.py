"""What happened to runs, read on from where one left off: for counters that outlive restarts."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from datalake_syncd.adapters.ledger.database import Database

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a run, with what its row says now of its size."""

    id: int
    at: float
    event: str
    data: dict[str, Any]
    run_id: int
    instrument: str
    name: str
    files: int
    bytes: int


class Happenings:
    """Reads ``events``; they are only ever added, so a number says where one left off."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def after(self, number: int, events: Collection[str]) -> tuple[list[Happening], int]:
        """The next events of these kinds after that number, and where to read on from.

        A page of them at most; there is no more when the second value equals ``number``.
        """
        row = self._db.row("SELECT max(id) AS last FROM events")
        last = int((row and row["last"]) or 0)
        if last <= number:
            return [], number
        marks = ",".join("?" for _ in events)
        rows = self._db.rows(
            f"""
            SELECT e.id, e.at, e.event, e.data, e.run_id, r.instrument, r.name, r.files, r.bytes
            FROM events e JOIN runs r ON r.id=e.run_id
            WHERE e.id > ? AND e.id <= ? AND e.event IN ({marks}) ORDER BY e.id LIMIT {_PAGE}
            """,  # noqa: S608 - only question marks and our own number are put in
            (number, last, *events),
        )
        found = [
            Happening(**{**dict(row), "data": json.loads(row["data"] or "{}")}) for row in rows
        ]
        return found, found[-1].id if len(found) == _PAGE else last
