"""The files of a run on their way to the lake: what is to be sent, noted, sent.

What concerns every file of a run is one statement wherever no file has to be looked at by
itself: a row that goes through Python costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from datalake_syncd.adapters.ledger.looks import Looks

_PAGE = 5000
_NOT_LISTED = (
    "NOT EXISTS (SELECT 1 FROM listing l WHERE l.run_id=files.run_id AND "
    "l.lake_path=files.lake_path)"
)


class ToSend(NamedTuple):
    """What is needed of a file that is sent; a batch of them is held in memory.

    ``there``: the last listing has a blob in its place.
    """

    path: str
    lake_path: str
    size: int
    there: bool


class Sending(Looks):
    """What a transfer writes into the rows of ``files``, and all of `Looks`."""

    def write_todo(self, run_id: int, batch: Iterable[tuple[str, str | None]]) -> None:
        """Write down (path, ``send`` | ``sent`` | ``hash`` | None) pairs."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE files SET todo=? WHERE run_id=? AND path=?",
                ((todo, run_id, path) for path, todo in batch),
            )

    def send_what_is_missing(self, run_id: int) -> tuple[int, int]:
        """All files without a blob in the last listing are to be sent; gives (files, bytes)."""
        with self._db.transaction():
            row = self._db.row(
                "SELECT count(*) AS n, coalesce(sum(size), 0) AS b FROM files "  # noqa: S608 - constant text
                f"WHERE run_id=? AND {_NOT_LISTED}",
                (run_id,),
            )
            self._db.execute(
                f"UPDATE files SET todo='send' WHERE run_id=? AND {_NOT_LISTED}",  # noqa: S608 - constant text
                (run_id,),
            )
        return (row["n"], row["b"]) if row else (0, 0)

    def to_send(self, run_id: int, after: str) -> Iterator[ToSend]:
        """What is to be sent behind a path, in the order of the paths."""
        while True:
            rows = self._db.rows(
                "SELECT f.path, f.lake_path, f.size, l.lake_path IS NOT NULL FROM files f "
                "LEFT JOIN listing l ON l.run_id=f.run_id AND l.lake_path=f.lake_path "
                "WHERE f.run_id=? AND f.path > ? AND f.todo='send' ORDER BY f.path LIMIT ?",
                (run_id, after, _PAGE),
            )
            if not rows:
                return
            for path, lake_path, size, there in rows:
                # One string in memory for both, as they nearly always are the same.
                name = path if lake_path == path else lake_path
                yield ToSend(path, name, size, bool(there))
            after = rows[-1]["path"]

    def mark_sent(self, run_id: int, batch: Iterable[tuple[str, str, bool]]) -> None:
        """Before azcopy starts: (path, ETag that the blob has now or "", one request?)."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE files SET sent_over=?, single_put=?, proof='none', proof_etag=NULL "
                "WHERE run_id=? AND path=?",
                ((etag, int(single), run_id, path) for path, etag, single in batch),
            )

    def mark_sent_to_nothing(self, run_id: int, after: str, last: str, limit: int) -> None:
        """As `mark_sent`, for all to be sent in ``(after, last]`` of which no blob was listed.

        Those of at most ``limit`` bytes go in one request.
        """
        with self._db.transaction():
            self._db.execute(
                "UPDATE files SET sent_over='', single_put=(size <= ?), proof='none', "  # noqa: S608 - constant text
                "proof_etag=NULL WHERE run_id=? AND path > ? AND path <= ? AND todo='send' "
                f"AND {_NOT_LISTED}",
                (limit, run_id, after, last),
            )

    def all_sent(self, run_id: int, after: str, last: str) -> None:
        """All that were to be sent in ``(after, last]`` were."""
        with self._db.transaction():
            self._db.execute(
                "UPDATE files SET todo='sent' WHERE run_id=? AND path > ? AND path <= ? "
                "AND todo='send'",
                (run_id, after, last),
            )

    def all_arrived(self, run_id: int) -> bool:
        """Whether the last listing has all that was sent, as other blobs than were there before.

        Each has its size, and an MD5, which is that of the manifest if that is known yet: so
        whoever sends them has nothing more to send. It is no proof of what they hold.
        """
        row = self._db.row(
            "SELECT 1 FROM files f LEFT JOIN listing l "
            "ON l.run_id=f.run_id AND l.lake_path=f.lake_path "
            "WHERE f.run_id=? AND f.todo IN ('send', 'sent') AND NOT coalesce("
            "l.size=f.size AND l.etag <> f.sent_over AND l.blob_type='BlockBlob' "
            "AND l.md5=coalesce(f.md5, l.md5), 0) LIMIT 1",
            (run_id,),
        )
        return row is None

    def prove_as_sent(self, run_id: int) -> None:
        """The last listing has what was sent in one request: each such file is ``checked``.

        In one statement what `core.manifest.judge` finds of them (a test holds the two together):
        another blob than before, of the size and MD5 of the manifest.
        """
        with self._db.transaction():
            self._db.execute(
                "UPDATE files SET proof='checked', proof_etag=l.etag, sent_over=NULL, single_put=0 "
                "FROM listing l WHERE files.run_id=? AND l.run_id=files.run_id "
                "AND l.lake_path=files.lake_path AND l.blob_type='BlockBlob' "
                "AND l.size=files.size AND l.md5=files.md5 AND files.single_put "
                "AND files.sent_over <> l.etag AND files.bad_etag IS NOT l.etag "
                "AND NOT (files.proof='read-back' AND files.proof_etag IS l.etag)",
                (run_id,),
            )
