"""The files of one run that is being scrubbed, beside its listing: in a throw-away database.

In SQLite and not in a dictionary, so that 150,000 files need no more memory than 150; and apart
from the ledger, so that a slow query keeps nobody from writing there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.adapters.ledger.scrubs import Scrubbed

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file as the manifest tells of it: path below the run in the lake, bytes, MD5."""

    path: str
    size: int
    md5: str


class ScrubList:
    """Filled by the three ``add``; then asked. For one thread."""

    def __init__(self) -> None:
        self._db = Database(None, writable=True)
        with self._db.transaction():
            self._db.execute(
                "CREATE TABLE wanted (path TEXT PRIMARY KEY, size INTEGER, md5 TEXT NOT NULL, "
                "last REAL, bad INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"
            )
            self._db.execute(
                "CREATE TABLE listed (path TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID"
            )

    def add_wanted(self, batch: Iterable[tuple[str, int | None, str]]) -> None:
        """Files of the manifest: (path, size or None where it is not known, MD5)."""
        with self._db.transaction():
            self._db.execute_many(
                "INSERT OR REPLACE INTO wanted (path, size, md5) VALUES (?,?,?)", batch
            )

    def add_known(self, batch: Iterable[Scrubbed]) -> None:
        """What earlier scrubs found of these files; what they found of others is left out."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE wanted SET last=?, bad=? WHERE path=? AND md5=?",
                [(one.at, int(one.found is not None), one.path, one.md5) for one in batch],
            )

    def add_listed(self, batch: Iterable[tuple[str, int]]) -> None:
        """Blobs of the lake's listing: (path, size)."""
        with self._db.transaction():
            self._db.execute_many("INSERT OR REPLACE INTO listed VALUES (?,?)", batch)

    def totals(self) -> tuple[int, int]:
        """(files, bytes) of the manifest; of sizes that are not known, those in the lake."""
        row = self._db.row(
            "SELECT count(*) AS n, sum(coalesce(w.size, l.size, 0)) AS b "
            "FROM wanted w LEFT JOIN listed l USING (path)"
        )
        return (0, 0) if row is None else (row["n"], row["b"] or 0)

    def missing(self) -> Iterator[Wanted]:
        """Files that the listing does not have."""
        yield from self._paged("l.path IS NULL")

    def other_size(self) -> Iterator[Wanted]:
        """Files that the listing has with another size."""
        yield from self._paged("w.size IS NOT l.size AND w.size IS NOT NULL AND l.path IS NOT NULL")

    def _paged(self, condition: str) -> Iterator[Wanted]:
        after = ""
        while True:
            rows = self._db.rows(
                "SELECT w.path, w.md5, coalesce(w.size, 0) AS size FROM wanted w "  # noqa: S608
                f"LEFT JOIN listed l USING (path) WHERE w.path>? AND {condition} "
                "ORDER BY w.path LIMIT ?",
                (after, _PAGE),
            )
            if not rows:
                return
            yield from (Wanted(row["path"], row["size"], row["md5"]) for row in rows)
            after = rows[-1]["path"]

    def choose(self, sample: float, before: float, began: float) -> tuple[int, int]:
        """Choose what is to be read; gives (files, bytes).

        That is the share ``sample`` of all files, at least one: what was wrong when it was last
        looked at, then what was never read, in any order, then what was read the longest time
        ago. Left out is what was read since ``before``, and what is not there to be read. What
        was read since ``began`` counts as part of the share. What was wrong is always read.
        """
        readable = (
            "FROM wanted w JOIN listed l USING (path) WHERE (w.size IS NULL OR w.size=l.size)"
        )
        row = self._db.row(
            "SELECT count(*) AS n, count(CASE WHEN last>=:began AND NOT bad THEN 1 END) AS done, "
            "count(CASE WHEN bad AND coalesce(last, 0)<:began THEN 1 END) AS bad FROM wanted",
            {"began": began},
        )
        files, done, bad = (0, 0, 0) if row is None else (row["n"], row["done"], row["bad"])
        share = files if sample >= 1 else math.ceil(sample * files)
        with self._db.transaction():
            self._db.execute("DROP TABLE IF EXISTS chosen")
            self._db.execute(
                "CREATE TABLE chosen (place INTEGER PRIMARY KEY, path TEXT, size INTEGER, md5 TEXT)"
            )
            self._db.execute(
                "INSERT INTO chosen (path, size, md5) "
                f"SELECT w.path, l.size, w.md5 {readable} AND "
                "(w.bad OR w.last IS NULL OR w.last<:before) AND coalesce(w.last, 0)<:began "
                "ORDER BY w.bad DESC, w.last IS NOT NULL, w.last, random() LIMIT :most",
                {"before": before, "began": began, "most": max(share - done, bad, 0)},
            )
        row = self._db.row("SELECT count(*) AS n, sum(size) AS b FROM chosen")
        return (0, 0) if row is None else (row["n"], row["b"] or 0)

    def chosen(self) -> Iterator[Wanted]:
        """What was chosen, in the order in which it is to be read."""
        after = 0
        while True:
            rows = self._db.rows(
                "SELECT * FROM chosen WHERE place>? ORDER BY place LIMIT ?", (after, _PAGE)
            )
            if not rows:
                return
            yield from (Wanted(row["path"], row["size"], row["md5"]) for row in rows)
            after = rows[-1]["place"]

    def close(self) -> None:
        """Throw it away."""
        self._db.close()
