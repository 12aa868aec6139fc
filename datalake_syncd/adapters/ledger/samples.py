"""Figures over time for the page: close together for a day, then one a day."""

from __future__ import annotations

from collections.abc import Iterable

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.core.durations import DAY

#: For so long (seconds) every sample is kept.
CLOSE = DAY
#: Then one a day, for so long.
KEPT = 400 * DAY


class Samples:
    """The rows of ``samples``: a name (``free``), a subject (``source/nextseq``), time, value."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, at: float, values: Iterable[tuple[str, str, float]]) -> None:
        """Write down (name, subject, value) triples, all of the same moment."""
        with self._db.transaction():
            self._db.execute_many(
                "INSERT OR REPLACE INTO samples VALUES (?,?,?,?)",
                [(name, subject, at, float(value)) for name, subject, value in values],
            )

    def since(self, name: str, since: float) -> dict[str, list[tuple[float, float]]]:
        """Subject -> its (time, value) pairs from ``since`` on, oldest first."""
        found: dict[str, list[tuple[float, float]]] = {}
        for row in self._db.rows(
            "SELECT subject, at, value FROM samples WHERE name=? AND at>=? ORDER BY subject, at",
            (name, since),
        ):
            found.setdefault(row["subject"], []).append((row["at"], row["value"]))
        return found

    def latest(self, name: str, since: float) -> dict[str, float]:
        """Subject -> its newest value, if that is not older than ``since``."""
        return {subject: points[-1][1] for subject, points in self.since(name, since).items()}

    def spare(self, now: float) -> list[tuple[str, str, float]]:
        """What can go: all but the last sample of each day before the last 24 h, and what is old.

        So one series never has more than 24 hours of close samples and 400 single ones. This
        takes its time, and reads only: `forget` is what others wait for.
        """
        rows = self._db.rows(
            """
            SELECT name, subject, at FROM samples s WHERE at < :old OR (at < :close AND EXISTS (
                SELECT 1 FROM samples later
                WHERE later.name=s.name AND later.subject=s.subject AND later.at > s.at
                  AND later.at < min(:close, (CAST(s.at / :day AS INTEGER) + 1) * :day)
            ))
            """,
            {"old": now - KEPT, "close": now - CLOSE, "day": DAY},
        )
        return [(row["name"], row["subject"], row["at"]) for row in rows]

    def forget(self, samples: Iterable[tuple[str, str, float]]) -> None:
        """Take these samples out."""
        with self._db.transaction():
            self._db.execute_many(
                "DELETE FROM samples WHERE name=? AND subject=? AND at=?", samples
            )
