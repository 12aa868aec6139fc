"""The look at a run's tree that is being taken, and how it becomes the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.core.model import FileEntry, FileStat, ManifestFile, Oddity, Proof

PAGE = 2000

SAME = (
    "files.size=excluded.size AND files.mtime_ns=excluded.mtime_ns "
    "AND files.ctime_ns=excluded.ctime_ns AND files.inode=excluded.inode"
)
# A file whose list says something new is a file that nothing is known of yet, and so is one that
# was carried in spite of its list (its row expects ""): that was for one generation.
_KNOWN = f"{SAME} AND (excluded.expected IS NULL OR files.expected IS excluded.expected)"


#: The columns of a file, for `file_of`: read by their place, for by name each costs a search.
FILE = (
    "f.path, f.lake_path, f.size, f.mtime_ns, f.ctime_ns, f.inode, f.device, f.md5, f.proof, "
    "f.proof_etag, f.sent_over, f.single_put, f.bad_etag, f.here, f.published_at IS NOT NULL, "
    "f.expected"
)
FILE_COLUMNS = 16
_PROOFS = {proof.value: proof for proof in Proof}


def stat_of(row: Any) -> FileStat:
    """The identity on disk that a row of any of these tables holds."""
    return FileStat(row["size"], row["mtime_ns"], row["ctime_ns"], row["inode"], row["device"])


def file_of(columns: Sequence[Any]) -> ManifestFile:
    """One row of ``files``, by the columns of `FILE`."""
    (
        path, lake_path, size, mtime_ns, ctime_ns, inode, device, md5, proof, proof_etag,
        sent_over, single_put, bad_etag, here, announced, expected,
    ) = columns  # fmt: skip
    return ManifestFile(
        path,
        lake_path,
        FileStat(size, mtime_ns, ctime_ns, inode, device),
        md5,
        _PROOFS[proof],
        proof_etag,
        sent_over,
        bool(single_put),
        bad_etag,
        bool(here),
        bool(announced),
        expected,
    )


class Looks:
    """The rows of ``seen`` and ``notes``."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin_look(self, run_id: int) -> None:
        """Forget an earlier, unfinished look."""
        with self._db.transaction():
            self._db.execute("DELETE FROM seen WHERE run_id=?", (run_id,))

    def add_seen(self, run_id: int, batch: Iterable[tuple[FileEntry, str | None]]) -> None:
        """Write down files (and their MD5 if it was read) of the look that is being taken."""
        with self._db.transaction():
            self._db.insert_rows(
                "INSERT OR REPLACE INTO seen (run_id, path, size, mtime_ns, ctime_ns, inode, "
                "device, md5)",
                8,
                (
                    (
                        run_id,
                        entry.path,
                        entry.stat.size,
                        entry.stat.mtime_ns,
                        entry.stat.ctime_ns,
                        entry.stat.inode,
                        entry.stat.device,
                        md5,
                    )
                    for entry, md5 in batch
                ),
            )

    def expect(self, run_id: int, listed: Iterable[tuple[str, str]]) -> None:
        """Write down what lists say of files of the look that is being taken: (path, checksum)."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE seen SET expected=? WHERE run_id=? AND path=?",
                ((checksum, run_id, path) for path, checksum in listed),
            )

    def adopt_in_transaction(self, run_id: int, notes: Iterable[Oddity]) -> list[str]:
        """Make the finished look the manifest; gives files that vanished before it was known of.

        That is before any proof, or, however well it was proven, before any marker told of it.

        MD5 and proof stay with files whose size, times and inode are unchanged, unless a list
        now says something else of them, or they differed from it before: then their bytes are to
        be compared with it first.
        """
        lost = self._db.rows(
            "SELECT path FROM files WHERE run_id=:run AND (proof NOT IN ('checked','read-back') "
            "OR (SELECT published_at FROM runs WHERE id=:run) IS NULL) "
            "AND path NOT IN (SELECT path FROM seen WHERE run_id=:run) LIMIT 1000",
            {"run": run_id},
        )
        self._db.execute(
            "DELETE FROM files WHERE run_id=? "
            "AND path NOT IN (SELECT path FROM seen WHERE run_id=?)",
            (run_id, run_id),
        )
        self._db.execute(
            f"""
            INSERT INTO files
                (run_id, path, lake_path, size, mtime_ns, ctime_ns, inode, device, md5,
                 expected)
            SELECT run_id, path, path, size, mtime_ns, ctime_ns, inode, device, md5, expected
            FROM seen WHERE run_id=?
            ON CONFLICT (run_id, path) DO UPDATE SET
                md5=CASE WHEN {_KNOWN} THEN files.md5 ELSE excluded.md5 END,
                proof=CASE WHEN {_KNOWN} THEN files.proof ELSE 'none' END,
                proof_etag=CASE WHEN {_KNOWN} THEN files.proof_etag END,
                sent_over=CASE WHEN {_KNOWN} THEN files.sent_over END,
                single_put=CASE WHEN {_KNOWN} THEN files.single_put ELSE 0 END,
                expected=excluded.expected,
                size=excluded.size, mtime_ns=excluded.mtime_ns, ctime_ns=excluded.ctime_ns,
                inode=excluded.inode, device=excluded.device, todo=NULL
            """,  # noqa: S608 - constant text
            (run_id,),
        )
        self._db.execute("DELETE FROM seen WHERE run_id=?", (run_id,))
        self.write_notes_in_transaction(run_id, notes)
        return [row["path"] for row in lost]

    def write_notes_in_transaction(self, run_id: int, notes: Iterable[Oddity]) -> None:
        """Replace the notes of a run inside the caller's transaction."""
        self._db.execute("DELETE FROM notes WHERE run_id=?", (run_id,))
        self._db.execute_many(
            "INSERT OR REPLACE INTO notes VALUES (?,?,?,?,?)",
            ((run_id, n.path, n.kind, n.detail, int(n.blocks)) for n in notes),
        )

    def notes(self, run_id: int) -> list[Oddity]:
        """Links, special files, empty directories and what else is not carried."""
        rows = self._db.rows("SELECT * FROM notes WHERE run_id=? ORDER BY path", (run_id,))
        return [Oddity(r["path"], r["kind"], r["detail"], bool(r["blocks"])) for r in rows]

    def look_against_manifest(
        self, run_id: int
    ) -> Iterator[tuple[str, ManifestFile | None, FileStat | None, str | None]]:
        """Every path of manifest or look: (path, manifest row, local stat, local MD5)."""
        after = ""
        while True:
            rows = self._db.rows(
                f"""
                SELECT {FILE}, p.path AS the_path, s.size AS s_size, s.mtime_ns AS s_mtime,
                       s.ctime_ns AS s_ctime, s.inode AS s_inode, s.device AS s_device,
                       s.md5 AS s_md5
                FROM (SELECT path FROM files WHERE run_id=:run AND path > :after
                      UNION SELECT path FROM seen WHERE run_id=:run AND path > :after
                      ORDER BY 1 LIMIT :page) AS p
                LEFT JOIN files f ON f.run_id=:run AND f.path=p.path
                LEFT JOIN seen s ON s.run_id=:run AND s.path=p.path
                ORDER BY p.path
                """,  # noqa: S608 - constant text
                {"run": run_id, "after": after, "page": PAGE},
            )
            if not rows:
                return
            for row in rows:
                local = None
                if row["s_size"] is not None:
                    local = FileStat(
                        row["s_size"], row["s_mtime"], row["s_ctime"], row["s_inode"],
                        row["s_device"],
                    )  # fmt: skip
                manifest = None if row["path"] is None else file_of(row[:FILE_COLUMNS])
                yield row["the_path"], manifest, local, row["s_md5"]
            after = rows[-1]["the_path"]
