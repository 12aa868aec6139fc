"""The tables of the ledger, as numbered migrations: each a tuple of statements."""

from __future__ import annotations

_FIRST = (
    """
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE instruments (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        configured INTEGER NOT NULL DEFAULT 1,
        online INTEGER,
        offline_since REAL,
        offline_reason TEXT,
        last_scan REAL,
        device INTEGER,
        ever_seen_runs INTEGER NOT NULL DEFAULT 0,
        learned TEXT NOT NULL DEFAULT '[]'
    ) STRICT
    """,
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        instrument TEXT NOT NULL,
        name TEXT NOT NULL,
        done TEXT NOT NULL,
        status TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 1,
        attempts INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        next_step TEXT,
        trace TEXT,
        not_before REAL,
        hold_reason TEXT,
        outcome TEXT NOT NULL DEFAULT 'unknown',
        generation INTEGER NOT NULL DEFAULT 1,
        files INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        files_proven INTEGER NOT NULL DEFAULT 0,
        proof TEXT NOT NULL DEFAULT 'none',
        lake TEXT,
        prefix TEXT NOT NULL,
        tree_digest TEXT,
        manifest_digest TEXT,
        facts TEXT NOT NULL DEFAULT '{}',
        gates TEXT NOT NULL DEFAULT '[]',
        accepted TEXT NOT NULL DEFAULT '[]',
        rounds INTEGER NOT NULL DEFAULT 0,
        sheet TEXT,
        sighted_at REAL NOT NULL,
        moved_at REAL NOT NULL,
        settled_at REAL,
        published_at REAL,
        pruned_at REAL,
        emptied_at REAL,
        trash TEXT,
        UNIQUE (instrument, name)
    ) STRICT
    """,
    "CREATE INDEX runs_by_status ON runs (status, not_before)",
    """
    CREATE TABLE files (
        run_id INTEGER NOT NULL REFERENCES runs (id),
        path TEXT NOT NULL,
        lake_path TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        device INTEGER NOT NULL,
        md5 TEXT,
        proof TEXT NOT NULL DEFAULT 'none',
        proof_etag TEXT,
        sent_over TEXT,
        single_put INTEGER NOT NULL DEFAULT 0,
        bad_etag TEXT,
        todo TEXT,
        PRIMARY KEY (run_id, path)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX files_to_do ON files (run_id, todo) WHERE todo IS NOT NULL",
    "CREATE UNIQUE INDEX files_by_lake_path ON files (run_id, lake_path)",
    """
    CREATE TABLE seen (
        run_id INTEGER NOT NULL,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        device INTEGER NOT NULL,
        md5 TEXT,
        PRIMARY KEY (run_id, path)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE listing (
        run_id INTEGER NOT NULL,
        lake_path TEXT NOT NULL,
        size INTEGER NOT NULL,
        md5 TEXT,
        etag TEXT NOT NULL,
        blob_type TEXT NOT NULL,
        PRIMARY KEY (run_id, lake_path)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE notes (
        run_id INTEGER NOT NULL REFERENCES runs (id),
        path TEXT NOT NULL,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL,
        blocks INTEGER NOT NULL,
        PRIMARY KEY (run_id, kind, path)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        run_id INTEGER REFERENCES runs (id),
        event TEXT NOT NULL,
        step TEXT,
        message TEXT NOT NULL,
        data TEXT
    ) STRICT
    """,
    "CREATE INDEX events_by_run ON events (run_id, id)",
    """
    CREATE TRIGGER events_stay_unchanged BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END
    """,
    """
    CREATE TRIGGER events_stay BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END
    """,
    """
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        action TEXT NOT NULL,
        run_id INTEGER REFERENCES runs (id),
        argument TEXT,
        done_at REAL,
        succeeded INTEGER,
        answer TEXT
    ) STRICT
    """,
    """
    CREATE TABLE progress (
        run_id INTEGER PRIMARY KEY REFERENCES runs (id),
        at REAL NOT NULL,
        bytes_done INTEGER NOT NULL,
        bytes_total INTEGER NOT NULL,
        files_hashed INTEGER NOT NULL,
        files_proven INTEGER NOT NULL,
        files_total INTEGER NOT NULL,
        rate REAL NOT NULL,
        seconds_left REAL
    ) STRICT
    """,
    """
    CREATE TABLE prune_plan (
        run_id INTEGER NOT NULL REFERENCES runs (id),
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        device INTEGER NOT NULL,
        md5 TEXT NOT NULL,
        etag TEXT NOT NULL,
        PRIMARY KEY (run_id, path)
    ) STRICT, WITHOUT ROWID
    """,
)

# Growing data sets, checksums that came with a run, and what was observed over days.
_GROWING = (
    "ALTER TABLE runs ADD COLUMN observed TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE runs ADD COLUMN fingerprint TEXT",
    "ALTER TABLE files ADD COLUMN here INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE files ADD COLUMN unit TEXT",
    "ALTER TABLE files ADD COLUMN prunable INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE files ADD COLUMN expected TEXT",
    "ALTER TABLE files ADD COLUMN published_at REAL",
    "ALTER TABLE files ADD COLUMN freed_at REAL",
    "ALTER TABLE seen ADD COLUMN lake_path TEXT",
    "ALTER TABLE seen ADD COLUMN unit TEXT",
    "ALTER TABLE seen ADD COLUMN prunable INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE seen ADD COLUMN expected TEXT",
    """
    CREATE TABLE announced (
        run_id INTEGER NOT NULL REFERENCES runs (id),
        lake_path TEXT NOT NULL,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        md5 TEXT NOT NULL,
        unit TEXT,
        prunable INTEGER NOT NULL,
        at REAL NOT NULL,
        freed_at REAL,
        PRIMARY KEY (run_id, lake_path)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE watched (
        run_id INTEGER NOT NULL REFERENCES runs (id),
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        since REAL NOT NULL,
        PRIMARY KEY (run_id, path)
    ) STRICT, WITHOUT ROWID
    """,
)

# What was told to whom, and figures over time for the page.
_AT_HOME = (
    """
    CREATE TABLE incidents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,
        run_id INTEGER REFERENCES runs (id),
        title TEXT NOT NULL,
        message TEXT NOT NULL,
        next_step TEXT NOT NULL,
        step TEXT,
        since REAL NOT NULL,
        mailed_at REAL,
        thread TEXT,
        subject TEXT,
        gone_at REAL,
        resolved_at REAL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX incidents_open ON incidents (key) WHERE resolved_at IS NULL",
    """
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queued_at REAL NOT NULL,
        message_id TEXT NOT NULL,
        subject TEXT NOT NULL,
        message BLOB NOT NULL,
        recipients TEXT NOT NULL,
        accepted INTEGER NOT NULL DEFAULT 0,
        not_before REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        last_error TEXT,
        sent_at REAL,
        given_up_at REAL
    ) STRICT
    """,
    "CREATE INDEX outbox_open ON outbox (not_before) WHERE sent_at IS NULL AND given_up_at IS NULL",
    """
    CREATE TABLE samples (
        name TEXT NOT NULL,
        subject TEXT NOT NULL,
        at REAL NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (name, subject, at)
    ) STRICT, WITHOUT ROWID
    """,
)

# What was read back from the lake since it was published, file by file.
_SCRUBS = (
    """
    CREATE TABLE scrubs (
        id INTEGER PRIMARY KEY,
        lake TEXT NOT NULL,
        prefix TEXT NOT NULL,
        pass TEXT,
        at REAL,
        files INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        found TEXT,
        UNIQUE (lake, prefix)
    ) STRICT
    """,
    """
    CREATE TABLE scrubbed (
        scrub_id INTEGER NOT NULL REFERENCES scrubs (id),
        path TEXT NOT NULL,
        md5 TEXT NOT NULL,
        at REAL NOT NULL,
        found TEXT,
        PRIMARY KEY (scrub_id, path)
    ) STRICT, WITHOUT ROWID
    """,
)

#: ``PRAGMA user_version`` after the n-th entry is n.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _GROWING, _AT_HOME, _SCRUBS)
