"""Opening the ledger file: one writer, its lock, its checks, its migrations.

The file is never opened other than through ``sqlite3``: closing any other descriptor of it
would silently drop SQLite's POSIX locks. ``journal_mode=DELETE`` and ``synchronous=EXTRA``:
an acknowledged commit survives a power cut, and WAL has a corruption race before 3.51.3. With
``FULL`` alone it does not: a commit is the removal of the journal, and as long as the folder is
not written too, a power cut brings the journal back, which takes the last commit back.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from datalake_syncd.adapters.ledger.schema import MIGRATIONS
from datalake_syncd.core.errors import SyncdError, UsageError

LEDGER = "ledger.sqlite"
#: Another process may keep the file locked for so long (seconds).
BUSY = 30.0
#: Rows of one INSERT; SQLite takes 32,766 values.
_ROWS = 200
SQLITE_VERSION = sqlite3.sqlite_version


class LedgerDamaged(UsageError):
    """The ledger can't be used as it is; the message says what to do."""


class LedgerFull(SyncdError):
    """The ledger takes no more (no room, an error of the disk, a lock that another process keeps).

    Nothing that depends on the record may happen; it is tried again.
    """


class Database:
    """One connection; every method is safe to call from any thread.

    ``path`` None: a temporary database of SQLite's own, gone when it is closed. ``check``
    False leaves out the check for damage and the migrations: for commands beside a daemon.
    ``migrating`` is called while an older schema is brought up to date: "copied" when the copy of
    the old file is made, "applied" when all is changed and nothing of it is committed.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        writable: bool,
        check: bool = True,
        migrating: Callable[[str], None] = lambda _stage: None,
    ) -> None:
        self._check = check
        self._migrating = migrating
        self._temporary = path is None
        self.path = path or Path("temporary ledger")
        self.writable = writable
        self._lock = threading.RLock()
        if not writable and not self.path.exists():
            raise self._none_yet()
        try:
            self._connection = self._connect()
            self._check_version()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and (met := _obstacle(error, self.path)):
                raise met from error  # it says nothing of the ledger itself
            # SQLite quotes damaged text in its messages, which need not be UTF-8 then.
            raise damaged(self.path, error) from error

    def _none_yet(self) -> UsageError:
        return UsageError(
            f"there is no ledger at {self.path}",
            why="the daemon has not run with this configuration yet",
            next_step="start it: datalake-syncd run",
        )

    def _connect(self) -> sqlite3.Connection:
        # A reader that may write the file still opens it so: after a crash in the middle of a
        # transaction SQLite has to roll the journal back before anybody can read.
        mode = "rw" if os.access(self.path, os.W_OK) else "ro"
        mode = "rwc" if self.writable else mode
        connection = sqlite3.connect(
            "" if self._temporary else f"{self.path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        if self.writable:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA synchronous=EXTRA")
            self._for_its_user_alone(self.path)
            connection.execute("PRAGMA foreign_keys=ON")
        else:
            connection.execute("PRAGMA query_only=ON")
        return connection

    def _for_its_user_alone(self, path: Path) -> None:
        """SQLite makes files that all may read; names of runs are not for everybody's eyes."""
        with suppress(OSError):  # another user's: then that user's service does it
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o027 and not self._temporary:
                path.chmod(mode & ~0o027)

    def _check_version(self) -> None:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise LedgerDamaged(
                f"the ledger {self.path} was written by a newer version (schema {version}; "
                f"this one knows {len(MIGRATIONS)})",
                why="an older version could misread it",
                next_step="install the newer datalake-syncd again",
            )
        if self.writable and self._check:
            self._quick_check()
            self._migrate(version)
        elif version == 0:
            raise self._none_yet()  # the daemon is making it just now
        elif version < len(MIGRATIONS):
            raise UsageError(
                f"the ledger {self.path} has an older schema ({version})",
                next_step="start the daemon once: it brings the ledger up to date",
            )

    def _quick_check(self) -> None:
        answer = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise sqlite3.DatabaseError(str(answer))

    def sound(self, within: float) -> bool:
        """Check the file for damage, for ``within`` seconds at most: True if that was all of it.

        A reader keeps a daemon from writing meanwhile, so that it must not take long. Raises
        `LedgerDamaged`.
        """
        until = time.monotonic() + within
        with self._lock:
            self._connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
            try:
                self._quick_check()
            except sqlite3.OperationalError as error:
                if "interrupted" in str(error):
                    return False
                raise (_obstacle(error, self.path) or damaged(self.path, error)) from error
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise damaged(self.path, error) from error
            finally:
                self._connection.set_progress_handler(None, 0)
        return True

    def _migrate(self, version: int) -> None:
        if version == len(MIGRATIONS):
            return  # nothing is written: on a full disk there is more to tell than that
        if version > 0:
            copy = self.path.with_name(f"{self.path.name}.before-schema-{version + 1}")
            with sqlite3.connect(copy) as target:
                self._connection.backup(target)
            target.close()
            self._for_its_user_alone(copy)
            self._migrating("copied")
        # All in one: a command that reads meanwhile must not meet a schema half-way.
        with self.transaction():
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
            if version:
                self._migrating("applied")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; the commit is on disk when this returns. Not to be nested."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise self._operational(error) from error
            finally:
                # Whatever happened, nothing of it may stay half-written.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _operational(self, error: sqlite3.OperationalError) -> SyncdError:
        text = str(error)
        if "readonly" in text:
            return UsageError(
                f"the ledger {self.path} can't be written: {text}",
                why=f"this process runs as uid {os.getuid()}",
                next_step="run the command as root or as the service's user",
            )
        return _obstacle(error, self.path) or LedgerFull(
            f"the ledger {self.path} took no more: {text}",
            why="nothing goes on that could not be written down",
            next_step=f"free space on the disk of {self.path.parent}; it goes on by itself",
        )

    def execute(self, sql: str, values: Iterable[Any] | dict[str, Any] = ()) -> int:
        """Run one statement (inside a transaction for writes); gives the rows changed."""
        with self._lock:
            return self._connection.execute(sql, _bindable(values)).rowcount

    def insert(self, sql: str, values: Iterable[Any] | dict[str, Any] = ()) -> int:
        """Run one INSERT; gives the new row's id."""
        with self._lock:
            return int(self._connection.execute(sql, _bindable(values)).lastrowid or 0)

    def execute_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for many rows."""
        with self._lock:
            self._connection.executemany(sql, rows)

    def insert_rows(self, into: str, width: int, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run ``INTO VALUES`` with rows of ``width`` values, many in one statement.

        Python's lock is given away once a statement: with one for each row, a thread that works
        beside it kept this one waiting for every single row.
        """
        one = f"({','.join('?' * width)})"
        taken = iter(rows)
        with self._lock:
            while len(part := list(itertools.islice(taken, _ROWS))) == _ROWS:
                sql = f"{into} VALUES {','.join([one] * _ROWS)}"
                self._connection.execute(sql, list(itertools.chain.from_iterable(part)))
            # One by one: for each number of rows SQLite would keep another statement.
            self._connection.executemany(f"{into} VALUES {one}", part)

    def rows(self, sql: str, values: Iterable[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            try:
                return self._connection.execute(sql, _bindable(values)).fetchall()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise self._operational(error) from error
                raise damaged(self.path, error) from error

    def row(self, sql: str, values: Iterable[Any] | dict[str, Any] = ()) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def copy_run(self, source: Path, run_id: int) -> None:
        """Copy one run's rows from another ledger file, which is only read."""
        with self._lock:
            self._connection.execute("PRAGMA foreign_keys=OFF")
            self._connection.execute(
                "ATTACH DATABASE ? AS other", (f"{source.resolve().as_uri()}?mode=ro",)
            )
            for table, key in (("runs", "id"), ("files", "run_id"), ("notes", "run_id")):
                self._connection.execute(
                    f"INSERT INTO main.{table} SELECT * FROM other.{table} "  # noqa: S608
                    f"WHERE {key}=?",
                    (run_id,),
                )
            self._connection.execute("DETACH DATABASE other")

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()


def _obstacle(error: sqlite3.OperationalError, path: Path) -> LedgerFull | None:
    """What keeps us from a ledger that is sound for all that is known, if it is that."""
    text = str(error)
    if "locked" in text:
        return LedgerFull(
            f"another process keeps the ledger {path} locked: {text}",
            why="only one can write there at a time, and nothing goes on that is not written down",
            next_step=f"see which it is, and end it: fuser -v {path}; it goes on by itself",
        )
    if "disk I/O error" in text:
        return LedgerFull(
            f"the disk under the ledger {path} fails: {text}",
            why="what can't be read or written there is not guessed",
            next_step=f"look at the disk of {path.parent} (dmesg, mount); it goes on by itself",
        )
    return None


def _bindable(values: Iterable[Any] | dict[str, Any]) -> Any:
    return values if isinstance(values, dict) else tuple(values)


def damaged(path: Path, error: Exception) -> SyncdError:
    """What to tell a person about a ledger that SQLite can't read."""
    return LedgerDamaged(
        f"the ledger {path} can't be read: {error}",
        # SQLite says the same of a file that the disk can't read.
        why="it is damaged, its disk fails, or it is no ledger; a wrong record is worse than none",
        next_step=(
            "look whether its disk fails (dmesg); if not: "
            f"stop the daemon, keep the file aside (mv {path} {path}.broken) and start again: "
            "everything is derived anew from disk and lake, and nothing that is already there "
            "is sent again"
        ),
    )
