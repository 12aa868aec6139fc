"""The files of runs: the manifest, the lake's listing beside it, and the plan of a prune.

Everything is read in pages and written in batches, so that a run of 150,000 files needs no
more memory than one of 150.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from datalake_syncd.adapters.ledger.looks import FILE, FILE_COLUMNS, file_of, stat_of
from datalake_syncd.adapters.ledger.sending import Sending
from datalake_syncd.core.model import Blob, ManifestFile, Proof
from datalake_syncd.core.pruning import PlanItem

PAGE = 2000


class Files(Sending):
    """The rows of ``files``, ``listing`` and ``prune_plan``, and all of `Sending`."""

    # --- the manifest -----------------------------------------------------------------------

    def totals(self, run_id: int) -> tuple[int, int]:
        """(files, bytes) of the manifest."""
        row = self._db.row(
            "SELECT count(*) AS n, coalesce(sum(size), 0) AS b FROM files WHERE run_id=?",
            (run_id,),
        )
        return (row["n"], row["b"]) if row else (0, 0)

    def last_written(self, run_id: int) -> float | None:
        """When the newest file of the manifest was written, by its instrument's clock (seconds)."""
        row = self._db.row("SELECT max(mtime_ns) AS at FROM files WHERE run_id=?", (run_id,))
        return None if row is None or row["at"] is None else row["at"] / 1e9

    def one(self, run_id: int, path: str) -> ManifestFile | None:
        """One file of the manifest."""
        sql = f"SELECT {FILE} FROM files f WHERE f.run_id=? AND f.path=?"  # noqa: S608 - constant text
        row = self._db.row(sql, (run_id, path))
        return None if row is None else file_of(row)

    def goes_to(self, run_id: int, lake_path: str) -> bool:
        """Whether a file of the manifest lies at this place below the run in the lake."""
        sql = "SELECT 1 FROM files WHERE run_id=? AND lake_path=?"
        return self._db.row(sql, (run_id, lake_path)) is not None

    def pages(self, run_id: int, todo: str | None = None) -> Iterator[list[ManifestFile]]:
        """The manifest in path order, page by page; only files with this ``todo`` when given."""
        after = ""
        condition = "" if todo is None else "AND f.todo=:todo"
        while True:
            rows = self._db.rows(
                f"SELECT {FILE} FROM files f "  # noqa: S608 - constant text
                f"WHERE f.run_id=:run AND f.path > :after {condition} ORDER BY f.path LIMIT :page",
                {"run": run_id, "after": after, "todo": todo, "page": PAGE},
            )
            if not rows:
                return
            yield [file_of(row) for row in rows]
            after = rows[-1]["path"]

    def md5s_in_lake_order(self, run_id: int) -> Iterator[tuple[str | None, str]]:
        """(MD5, path in the lake) of every file, in the byte order of the latter."""
        after = ""
        while True:
            rows = self._db.rows(
                "SELECT md5, lake_path FROM files WHERE run_id=? AND lake_path > ? "
                "ORDER BY lake_path LIMIT ?",
                (run_id, after, PAGE),
            )
            if not rows:
                return
            for row in rows:
                yield row["md5"], row["lake_path"]
            after = rows[-1]["lake_path"]

    def write_md5s(self, run_id: int, batch: Iterable[tuple[str, str]]) -> None:
        """Write down (path, MD5) pairs."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE files SET md5=? WHERE run_id=? AND path=?",
                ((md5, run_id, path) for path, md5 in batch),
            )

    def write_released(self, run_id: int, batch: Iterable[tuple[str, str]]) -> None:
        """Write down (path, MD5) pairs of files that differ from their lists all the same.

        What a person let pass once is no proof: the next look takes their MD5s away again, and
        they are compared anew.
        """
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE files SET md5=?, expected='' WHERE run_id=? AND path=?",
                ((md5, run_id, path) for path, md5 in batch),
            )

    def write_proofs(self, run_id: int, batch: Iterable[tuple[str, Proof, str | None]]) -> None:
        """Write down (path, proof, ETag at which it was seen).

        That this service sent the file is evidence for one look only: a blob that is written
        again later has another ETag and must not be taken for ours.
        """
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE files SET proof=?, proof_etag=?, sent_over=NULL, single_put=0 "
                "WHERE run_id=? AND path=?",
                ((proof.value, etag, run_id, path) for path, proof, etag in batch),
            )

    def mark_bad(self, run_id: int, path: str, etag: str) -> None:
        """The bytes of this blob were read back and were wrong: never trust this ETag again."""
        with self._db.transaction():
            self._db.execute(
                "UPDATE files SET bad_etag=?, proof='none', proof_etag=NULL "
                "WHERE run_id=? AND path=?",
                (etag, run_id, path),
            )

    def mark_bad_at(self, run_id: int, lake_path: str, md5: str, etag: str) -> None:
        """As `mark_bad`, for what lies there in the lake, if this MD5 is still the right one."""
        row = self._db.row(
            "SELECT path FROM files WHERE run_id=? AND lake_path=? AND md5=?",
            (run_id, lake_path, md5),
        )
        if row is not None:
            self.mark_bad(run_id, row["path"], etag)

    def rename_in_lake(
        self,
        run_id: int,
        path: str,
        lake_path: str,
        proof: Proof = Proof.NONE,
        etag: str | None = None,
    ) -> None:
        """The file lies at another place below the run in the lake, with what proves it there.

        Both at once: a crash in between would leave a verified run with an unproven file.
        """
        with self._db.transaction():
            self._db.execute(
                "UPDATE files SET lake_path=?, proof=?, proof_etag=?, sent_over=NULL, "
                "single_put=0 WHERE run_id=? AND path=?",
                (lake_path, proof.value, etag, run_id, path),
            )

    # --- the lake's listing -----------------------------------------------------------------

    def begin_listing(self, run_id: int) -> None:
        """Forget the last listing of the run's folder in the lake."""
        with self._db.transaction():
            self._db.execute("DELETE FROM listing WHERE run_id=?", (run_id,))

    def add_listing(self, run_id: int, prefix: str, blobs: Iterable[Blob]) -> None:
        """Write down a page of the listing; ``prefix`` ends with ``/``."""
        with self._db.transaction():
            self._db.insert_rows(
                "INSERT OR REPLACE INTO listing",
                6,
                (
                    (run_id, b.name.removeprefix(prefix), b.size, b.md5, b.etag, b.blob_type)
                    for b in blobs
                ),
            )

    def is_listed(self, run_id: int, lake_path: str) -> bool:
        """Whether the last listing of the run has this blob."""
        sql = "SELECT 1 FROM listing WHERE run_id=? AND lake_path=?"
        return self._db.row(sql, (run_id, lake_path)) is not None

    def pairs(
        self,
        run_id: int,
        prefix: str,
        todo: str | None = None,
        *,
        listed: bool = False,
        between: tuple[str, str | None] = ("", None),
        but: Sequence[Proof] = (),
    ) -> Iterator[list[tuple[ManifestFile, Blob | None]]]:
        """The manifest beside the listing, page by page; ``prefix`` ends with ``/``.

        Only files with this ``todo`` when given, with ``listed`` only those that have a blob, and
        only paths behind the first of ``between``, up to the second; ``but`` leaves out what is
        as it was when it was proven so (see `proven_as_before`).
        """
        after, last = between
        as_before, bound = _as_before(but)
        condition = "" if todo is None else "AND f.todo=:todo"
        condition += "" if last is None else " AND f.path <= :last"
        # Where nothing is listed the comparison is NULL.
        condition += f" AND NOT coalesce({as_before}, 0)" if but else ""
        join = "JOIN" if listed else "LEFT JOIN"
        while True:
            rows = self._db.rows(
                f"""
                SELECT {FILE}, l.size, l.md5, l.etag, l.blob_type
                FROM files f {join} listing l ON l.run_id=f.run_id AND l.lake_path=f.lake_path
                WHERE f.run_id=:run AND f.path > :after {condition}
                ORDER BY f.path LIMIT :page
                """,  # noqa: S608 - constant text
                {"run": run_id, "after": after, "last": last, "todo": todo, "page": PAGE, **bound},
            )
            if not rows:
                return
            yield [(file_of(row[:FILE_COLUMNS]), _blob(row, prefix)) for row in rows]
            after = rows[-1]["path"]

    def proven_as_before(
        self, run_id: int, proofs: Sequence[Proof]
    ) -> list[tuple[Proof, int, int]]:
        """What the last listing has just as it was when one of these proofs was written down.

        (proof, files, bytes) of each. To look at such files again would find the same: it is
        the same write of the blob (ETag), with the size and MD5 of the manifest.
        """
        as_before, bound = _as_before(proofs)
        rows = self._db.rows(
            "SELECT f.proof, count(*), sum(f.size) FROM files f JOIN listing l "  # noqa: S608 - constant text
            "ON l.run_id=f.run_id AND l.lake_path=f.lake_path "
            f"WHERE f.run_id=:run AND {as_before} GROUP BY f.proof",
            {"run": run_id, **bound},
        )
        return [(Proof(proof), files, size) for proof, files, size in rows]

    def extra_sizes(self, run_id: int) -> Iterator[tuple[str, int]]:
        """All blobs below the run that no file of the manifest goes to: (lake path, bytes)."""
        sql = (
            "SELECT l.lake_path, l.size FROM listing l LEFT JOIN files f "
            "ON f.run_id=l.run_id AND f.lake_path=l.lake_path "
            "WHERE l.run_id=? AND f.path IS NULL"
        )
        for row in self._db.rows(sql, (run_id,)):
            yield row["lake_path"], row["size"]

    def extras(self, run_id: int, limit: int = 1000) -> list[str]:
        """Blobs below the run that no file of the manifest goes to (at most ``limit``)."""
        rows = self._db.rows(
            "SELECT l.lake_path FROM listing l LEFT JOIN files f "
            "ON f.run_id=l.run_id AND f.lake_path=l.lake_path "
            "WHERE l.run_id=? AND f.path IS NULL ORDER BY 1 LIMIT ?",
            (run_id, limit),
        )
        return [row["lake_path"] for row in rows]

    # --- the plan of a prune ----------------------------------------------------------------

    def write_plan(self, run_id: int, items: Iterable[PlanItem]) -> None:
        """Replace the plan; to be called inside the transaction that records the intent."""
        self._db.execute("DELETE FROM prune_plan WHERE run_id=?", (run_id,))
        self._db.execute_many(
            "INSERT INTO prune_plan VALUES (?,?,?,?,?,?,?,?,?)",
            (
                (
                    run_id, i.path, i.stat.size, i.stat.mtime_ns, i.stat.ctime_ns, i.stat.inode,
                    i.stat.device, i.md5, i.etag,
                )
                for i in items
            ),
        )  # fmt: skip

    def plan(self, run_id: int) -> list[PlanItem]:
        """The plan that is in force, in path order."""
        rows = self._db.rows("SELECT * FROM prune_plan WHERE run_id=? ORDER BY path", (run_id,))
        return [PlanItem(r["path"], stat_of(r), r["md5"], r["etag"]) for r in rows]


def _as_before(proofs: Sequence[Proof]) -> tuple[str, dict[str, str]]:
    """The condition for ``f`` and ``l``, and what is bound in it."""
    bound = {f"proof{number}": proof.value for number, proof in enumerate(proofs)}
    named = ", ".join(f":{name}" for name in bound)
    condition = (
        f"(f.proof IN ({named}) AND l.etag=f.proof_etag AND l.size=f.size AND l.md5=f.md5 "
        "AND l.blob_type='BlockBlob' AND f.bad_etag IS NOT l.etag AND NOT f.single_put)"
    )
    return condition, bound


def _blob(row: Any, prefix: str) -> Blob | None:
    """What stands behind the columns of the file, if the listing has it."""
    size, md5, etag, blob_type = row[FILE_COLUMNS:]
    return None if size is None else Blob(prefix + row[1], size, md5, etag, blob_type)
