"""Growing data sets: how long each file has been still, and what of them was announced."""

from __future__ import annotations

from collections.abc import Iterable

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.adapters.ledger.looks import FILE, FILE_COLUMNS, SAME, Looks, file_of
from datalake_syncd.core.kinds.growing import Placed
from datalake_syncd.core.model import FileEntry, FileStat, ManifestFile, Oddity

_SAME_PLACE = f"{SAME} AND files.lake_path=excluded.lake_path"
_PROVEN = "('checked','read-back')"
_NOT_SEEN = "path NOT IN (SELECT path FROM seen WHERE run_id=:run)"


# A unit may go when all of it is on the disk as it was announced, and none of it must stay.
_MAY_GO = (
    "SELECT unit, max(published_at) AS at FROM files WHERE run_id=:run AND unit IS NOT NULL "
    "GROUP BY unit HAVING min(here)=1 AND min(prunable)=1 AND count(published_at)=count(*)"
)


class Growth:
    """The rows of ``watched``, and those of ``files`` that outlive a look."""

    def __init__(self, database: Database, looks: Looks) -> None:
        self._db = database
        self._looks = looks

    def watched(self, run_id: int) -> dict[str, tuple[FileStat, float]]:
        """Path -> (identity on disk, since when it has been so: seconds since the epoch)."""
        rows = self._db.rows("SELECT * FROM watched WHERE run_id=?", (run_id,))
        return {
            r["path"]: (
                FileStat(r["size"], r["mtime_ns"], r["ctime_ns"], r["inode"], 0),
                r["since"],
            )
            for r in rows
        }

    def write_watched(
        self, run_id: int, changed: Iterable[tuple[FileEntry, float]], gone: Iterable[str]
    ) -> None:
        """Write down files that are new or have changed, and forget those that are gone."""
        with self._db.transaction():
            self._db.execute_many(
                "DELETE FROM watched WHERE run_id=? AND path=?", ((run_id, path) for path in gone)
            )
            self._db.execute_many(
                "INSERT OR REPLACE INTO watched VALUES (?,?,?,?,?,?,?)",
                (
                    (
                        run_id, entry.path, entry.stat.size, entry.stat.mtime_ns,
                        entry.stat.ctime_ns, entry.stat.inode, since,
                    )
                    for entry, since in changed
                ),
            )  # fmt: skip

    def begin_anew(self, now: float) -> None:
        """Every file counts as still since now: the clock by which it was counted was wrong."""
        with self._db.transaction():
            self._db.execute("UPDATE watched SET since=?", (now,))

    def add_placed(
        self, run_id: int, batch: Iterable[tuple[FileEntry, Placed, str | None]]
    ) -> None:
        """Write down files that may go, where to, and their MD5 if it was read."""
        with self._db.transaction():
            self._db.execute_many(
                "INSERT OR REPLACE INTO seen (run_id, path, size, mtime_ns, ctime_ns, inode, "
                "device, md5, lake_path, unit, prunable) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (
                    (
                        run_id, entry.path, entry.stat.size, entry.stat.mtime_ns,
                        entry.stat.ctime_ns, entry.stat.inode, entry.stat.device, md5,
                        place.lake_path, place.unit, int(place.prunable),
                    )
                    for entry, place, md5 in batch
                ),
            )  # fmt: skip

    def adopt_in_transaction(self, run_id: int, notes: Iterable[Oddity]) -> list[str]:
        """Take the placed files into the manifest, which keeps what was announced before.

        A file that is being written again, or is no longer on the disk, stays in the manifest as
        it was announced, and is marked as not here. Gives files that vanished before any proof.
        """
        run = {"run": run_id}
        lost = self._db.rows(
            f"SELECT path FROM files WHERE run_id=:run AND published_at IS NULL AND here=1 "  # noqa: S608 - constant text
            f"AND proof NOT IN {_PROVEN} AND {_NOT_SEEN} "
            "AND path NOT IN (SELECT path FROM watched WHERE run_id=:run) LIMIT 1000",
            run,
        )
        # Never announced, and either pending again or gone without proof: not of this manifest.
        self._db.execute(
            f"DELETE FROM files WHERE run_id=:run AND published_at IS NULL AND {_NOT_SEEN} "  # noqa: S608 - constant text
            f"AND (proof NOT IN {_PROVEN} "
            "OR path IN (SELECT path FROM watched WHERE run_id=:run))",
            run,
        )
        self._db.execute(f"UPDATE files SET here=0 WHERE run_id=:run AND {_NOT_SEEN}", run)  # noqa: S608 - constant text
        self._db.execute(
            f"DELETE FROM files WHERE run_id=:run AND here=0 AND {_NOT_SEEN} "  # noqa: S608 - constant text
            "AND lake_path IN (SELECT lake_path FROM seen WHERE run_id=:run)",
            run,
        )
        # Out of the way first: two files may have changed places. No lake path begins with "/".
        self._db.execute(
            "UPDATE files SET lake_path='/' || path WHERE run_id=:run AND path IN "
            "(SELECT s.path FROM seen s WHERE s.run_id=:run AND s.lake_path != files.lake_path)",
            run,
        )
        self._db.execute(
            f"""
            INSERT INTO files
                (run_id, path, lake_path, size, mtime_ns, ctime_ns, inode, device, md5, unit,
                 prunable)
            SELECT run_id, path, lake_path, size, mtime_ns, ctime_ns, inode, device, md5, unit,
                prunable
            FROM seen WHERE run_id=:run
            ON CONFLICT (run_id, path) DO UPDATE SET
                md5=CASE WHEN {SAME} THEN files.md5 ELSE excluded.md5 END,
                proof=CASE WHEN {_SAME_PLACE} THEN files.proof ELSE 'none' END,
                proof_etag=CASE WHEN {_SAME_PLACE} THEN files.proof_etag END,
                sent_over=CASE WHEN {_SAME_PLACE} THEN files.sent_over END,
                single_put=CASE WHEN {_SAME_PLACE} THEN files.single_put ELSE 0 END,
                published_at=CASE WHEN {_SAME_PLACE} THEN files.published_at END,
                lake_path=excluded.lake_path, unit=excluded.unit, prunable=excluded.prunable,
                size=excluded.size, mtime_ns=excluded.mtime_ns, ctime_ns=excluded.ctime_ns,
                inode=excluded.inode, device=excluded.device, todo=NULL, here=1, freed_at=NULL
            """,  # noqa: S608 - constant text
            run,
        )
        self._restore_announced(run_id)
        self._db.execute("DELETE FROM seen WHERE run_id=:run", run)
        self._looks.write_notes_in_transaction(run_id, notes)
        return [row["path"] for row in lost]

    def _restore_announced(self, run_id: int) -> None:
        """What a marker told of comes back as it was told, when what replaced it is dropped.

        A file may be settled anew and change again, or go, before its new version is announced.
        """
        self._db.execute(
            "INSERT OR IGNORE INTO files (run_id, path, lake_path, size, mtime_ns, ctime_ns, "
            "inode, device, md5, unit, prunable, here, published_at, freed_at) "
            "SELECT run_id, path, lake_path, size, 0, 0, 0, 0, md5, unit, prunable, 0, at, "
            "freed_at FROM announced WHERE run_id=:run "
            "AND lake_path NOT IN (SELECT lake_path FROM files WHERE run_id=:run) "
            "AND lake_path NOT IN (SELECT lake_path FROM seen WHERE run_id=:run) "
            "AND path NOT IN (SELECT path FROM seen WHERE run_id=:run)",
            {"run": run_id},
        )

    def announced(self, run_id: int) -> set[str]:
        """The lake paths that a marker told of already."""
        sql = "SELECT lake_path FROM announced WHERE run_id=?"
        return {row["lake_path"] for row in self._db.rows(sql, (run_id,))}

    def mark_published(self, run_id: int, now: float) -> None:
        """All files of the manifest are announced now; those that were keep their time."""
        with self._db.transaction():
            self._db.execute(
                "UPDATE files SET published_at=? WHERE run_id=? AND published_at IS NULL",
                (now, run_id),
            )
            self._keep_announced(run_id)

    def _keep_announced(self, run_id: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO announced "
            "(run_id, lake_path, path, size, md5, unit, prunable, at, freed_at) "
            "SELECT run_id, lake_path, path, size, md5, unit, prunable, published_at, freed_at "
            "FROM files WHERE run_id=? AND published_at IS NOT NULL AND md5 IS NOT NULL",
            (run_id,),
        )

    def add_announced(
        self, run_id: int, rows: Iterable[tuple[str, int, str, bool]], now: float
    ) -> None:
        """Write down (lake path, bytes, MD5, freed?) of files as the lake announces them.

        ``freed``: they have left this disk. Where they were, or are, on the disk is not known;
        their lake path stands for it.
        """
        with self._db.transaction():
            self._db.execute_many(
                "INSERT OR IGNORE INTO files (run_id, path, lake_path, size, mtime_ns, ctime_ns, "
                "inode, device, md5, here, published_at, freed_at) "
                "VALUES (?,?,?,?,0,0,0,0,?,0,?,?)",
                (
                    (run_id, lake, lake, size, md5, now, now if freed else None)
                    for lake, size, md5, freed in rows
                ),
            )

    def forget(self, run_id: int, paths: Iterable[str]) -> None:
        """Take files out of what is announced, for good: a person said that they are lost."""
        gone = [(run_id, path) for path in paths]
        with self._db.transaction():
            self._db.execute_many(
                "DELETE FROM announced WHERE (run_id, lake_path) IN (SELECT run_id, lake_path "
                "FROM files WHERE run_id=? AND path=? AND here=0)",
                gone,
            )
            self._db.execute_many("DELETE FROM files WHERE run_id=? AND path=? AND here=0", gone)

    def freed(self, run_id: int) -> dict[str, str]:
        """Lake path -> MD5 of the files that this disk no longer has as they were announced."""
        rows = self._db.rows(
            "SELECT lake_path, md5 FROM announced WHERE run_id=? AND freed_at IS NOT NULL",
            (run_id,),
        )
        return {row["lake_path"]: row["md5"] for row in rows}

    def freed_sizes(self, run_id: int) -> dict[str, int]:
        """Lake path -> bytes of the files that `freed` gives."""
        rows = self._db.rows(
            "SELECT lake_path, size FROM announced WHERE run_id=? AND freed_at IS NOT NULL",
            (run_id,),
        )
        return {row["lake_path"]: row["size"] for row in rows}

    def write_notes(self, run_id: int, notes: Iterable[Oddity]) -> None:
        """Replace what is not carried, as the last look found it."""
        with self._db.transaction():
            self._looks.write_notes_in_transaction(run_id, notes)

    # --- pruning ----------------------------------------------------------------------------

    def first_announced(self, run_id: int) -> float | None:
        """When the oldest unit that may go was announced; None when there is none."""
        sql = f"SELECT min(at) AS at FROM ({_MAY_GO})"  # noqa: S608 - constant text
        row = self._db.row(sql, {"run": run_id})
        return None if row is None else row["at"]

    def units(self, run_id: int, *, announced_before: float) -> dict[str, dict[str, ManifestFile]]:
        """The units that may go and were announced before then: unit -> path -> its row."""
        rows = self._db.rows(
            f"SELECT {FILE}, f.unit FROM files f JOIN ({_MAY_GO}) u ON u.unit=f.unit "  # noqa: S608 - constant text
            "WHERE f.run_id=:run AND u.at <= :before ORDER BY f.unit, f.path",
            {"run": run_id, "before": announced_before},
        )
        found: dict[str, dict[str, ManifestFile]] = {}
        for row in rows:
            found.setdefault(row["unit"], {})[row["path"]] = file_of(row[:FILE_COLUMNS])
        return found

    def unit_of(self, run_id: int) -> dict[str, str]:
        """Path -> unit of every file that has one."""
        sql = "SELECT path, unit FROM files WHERE run_id=? AND unit IS NOT NULL"
        return {row["path"]: row["unit"] for row in self._db.rows(sql, (run_id,))}

    def mark_freed_in_transaction(self, run_id: int, paths: Iterable[str], now: float) -> None:
        """These files left the disk; the manifest keeps them."""
        self._db.execute_many(
            "UPDATE files SET here=0, freed_at=? WHERE run_id=? AND path=?",
            ((now, run_id, path) for path in paths),
        )
        self._keep_announced(run_id)

    def mark_back(self, run_id: int, paths: Iterable[str], now: float) -> None:
        """These files are on the disk again; they are kept there as if announced just now."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE files SET freed_at=NULL, published_at=? WHERE run_id=? AND path=?",
                ((now, run_id, path) for path in paths),
            )
            self._keep_announced(run_id)

    def mark_gone(self, run_id: int, paths: Iterable[str]) -> None:
        """These files are not on the disk, and it was not us who took them from there."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE files SET here=0 WHERE run_id=? AND path=? AND freed_at IS NULL",
                ((run_id, path) for path in paths),
            )

    def all_announced(self, run_id: int) -> bool:
        """Whether all that is known of the data set was announced as it was last seen."""
        row = self._db.row(
            "SELECT count(*) AS n, count(published_at) AS told, count(w.path) AS other "
            "FROM files f LEFT JOIN watched w ON w.run_id=f.run_id AND w.path=f.path "
            "AND (w.size, w.mtime_ns) != (f.size, f.mtime_ns) WHERE f.run_id=?",
            (run_id,),
        )
        return row is not None and row["n"] > 0 and row["n"] == row["told"] and not row["other"]

    def freed_since(self, instrument: str, since: float) -> int:
        """How many batches of the instrument's data sets went to the trash since then."""
        row = self._db.row(
            "SELECT count(*) AS n FROM events e JOIN runs r ON r.id=e.run_id "
            "WHERE e.event='prune.done' AND r.instrument=? AND e.at>=?",
            (instrument, since),
        )
        return int(row["n"]) if row else 0
