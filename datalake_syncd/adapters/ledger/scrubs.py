"""What was read back from the lake after it was published: each run's place, and each file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from datalake_syncd.adapters.ledger.database import Database

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """One file that was looked at in the lake; ``found`` is None when it was as it should be.

    ``md5`` is the one that it was compared with: of another content nothing is known.
    """

    path: str
    md5: str
    at: float
    found: str | None


@dataclass(frozen=True, slots=True)
class ScrubState:
    """What is known of one run's place; times in seconds since the epoch.

    ``at`` and ``scrubbed_in`` (a pass) tell of the last scrub that came to its end, which read
    ``files`` and ``bytes``; ``found`` is what was wrong then. ``files_read`` were read at some
    time, the first of them ``oldest``.
    """

    at: float | None
    scrubbed_in: str | None
    files: int
    bytes: int
    found: dict[str, Any] | None
    files_read: int = 0
    oldest: float | None = None


class Scrubs:
    """The rows of ``scrubs`` and ``scrubbed``; a place is (lake, the run's folder there)."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def place(self, lake: str, prefix: str) -> int:
        """The number of a place, which is made if it is new."""
        row = self._db.row("SELECT id FROM scrubs WHERE lake=? AND prefix=?", (lake, prefix))
        if row is not None:
            return int(row["id"])
        with self._db.transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO scrubs (lake, prefix) VALUES (?,?)", (lake, prefix)
            )
        return self.place(lake, prefix)

    def states(self, lake: str) -> dict[str, ScrubState]:
        """Prefix -> what is known, without its files."""
        rows = self._db.rows("SELECT * FROM scrubs WHERE lake=?", (lake,))
        return {row["prefix"]: _state(row) for row in rows}

    def state(self, lake: str, prefix: str) -> ScrubState | None:
        """All that is known of one place; None if it was never scrubbed."""
        row = self._db.row(
            "SELECT s.*, count(f.path) AS files_read, min(f.at) AS oldest FROM scrubs s "
            "LEFT JOIN scrubbed f ON f.scrub_id=s.id WHERE s.lake=? AND s.prefix=? GROUP BY s.id",
            (lake, prefix),
        )
        return None if row is None else _state(row, row["files_read"], row["oldest"])

    def files(self, place: int) -> Iterator[list[Scrubbed]]:
        """Every file of a place that was looked at, page by page."""
        after = ""
        while True:
            rows = self._db.rows(
                "SELECT * FROM scrubbed WHERE scrub_id=? AND path>? ORDER BY path LIMIT ?",
                (place, after, _PAGE),
            )
            if not rows:
                return
            yield [Scrubbed(r["path"], r["md5"], r["at"], r["found"]) for r in rows]
            after = rows[-1]["path"]

    def write(self, place: int, files: Iterable[Scrubbed]) -> None:
        """Write down what was looked at."""
        with self._db.transaction():
            self._db.execute_many(
                "INSERT OR REPLACE INTO scrubbed VALUES (?,?,?,?,?)",
                [(place, one.path, one.md5, one.at, one.found) for one in files],
            )

    def finish(
        self, place: int, scrubbed_in: str, at: float, read: tuple[int, int], found: Any
    ) -> None:
        """The scrub of a place came to its end in a pass: (files, bytes) read, what was wrong."""
        told = None if found is None else json.dumps(found)
        with self._db.transaction():
            self._db.execute(
                "UPDATE scrubs SET pass=?, at=?, files=?, bytes=?, found=? WHERE id=?",
                (scrubbed_in, at, *read, told, place),
            )


def _state(row: Any, files_read: int = 0, oldest: float | None = None) -> ScrubState:
    found = None if row["found"] is None else json.loads(row["found"])
    return ScrubState(row["at"], row["pass"], row["files"], row["bytes"], found, files_read, oldest)
