"""Runs for whoever asks for all of them again and again: only those that moved are read anew."""

from __future__ import annotations

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.adapters.ledger.rows import Run, run_of
from datalake_syncd.adapters.ledger.runs import Runs

_AT_ONCE = 500


class RememberedRuns(Runs):
    """As ``Runs``; ``all`` without an instrument remembers what it read.

    Every change of a row that anybody sees counts its version up. For one thread at a time.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._remembered: dict[int, Run] = {}

    def all(self, instrument: str | None = None) -> list[Run]:
        """All runs, in the order in which they were sighted."""
        if instrument is not None:
            return super().all(instrument)
        before, now = self._remembered, dict[int, Run | None]()
        for row in self._db.rows("SELECT id, version FROM runs ORDER BY id"):
            known = before.get(row["id"])
            same = known is not None and known.version == row["version"]
            now[row["id"]] = known if same else None
        moved = [run_id for run_id, run in now.items() if run is None]
        for start in range(0, len(moved), _AT_ONCE):
            page = moved[start : start + _AT_ONCE]
            marks = ",".join("?" for _ in page)
            sql = f"SELECT * FROM runs WHERE id IN ({marks})"  # noqa: S608 - only question marks
            now.update((row["id"], run_of(row)) for row in self._db.rows(sql, page))
        self._remembered = {run_id: run for run_id, run in now.items() if run is not None}
        return list(self._remembered.values())
