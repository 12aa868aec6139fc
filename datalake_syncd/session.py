"""Opening what a process needs that changes things: configuration, logs, lock and ledger."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datalake_syncd.adapters import logs, mounts
from datalake_syncd.adapters.failpoints import reach
from datalake_syncd.adapters.ledger import DaemonLock, Ledger
from datalake_syncd.adapters.run_logs import FOLDER, RunLogs
from datalake_syncd.config import Config, known_secrets, load
from datalake_syncd.core.redact import Redactor


def load_config(path: Path) -> Config:
    """The configuration of a file, with the file systems of this machine known."""
    return load(path, os.environ, filesystem_type=mounts.filesystem_type)


def configure_logs(config: Config) -> logging.Logger:
    """Logs as configured, and one of each run; every secret that is known is masked in them."""
    run_logs = RunLogs(config.daemon.state_dir / FOLDER, logs.run_of)
    log, redactor = config.log, Redactor(known_secrets(config))
    logs.configure(log.level, log.format, log.file, redactor, beside=run_logs)
    return logging.getLogger("datalake_syncd")


def collect_less() -> None:
    """Let Python look for garbage more rarely: for a process that reads long lists.

    A page of the lake's listing makes 100,000 objects that are all in use, and every 700 of them
    set off a look at the others: half of the time that reading a page took.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def started(config_path: Path) -> tuple[Config, logging.Logger]:
    """Configuration and logs of a process that works through runs."""
    collect_less()
    config = load_config(config_path)
    return config, configure_logs(config)


@contextmanager
def opened(config: Config) -> Iterator[Ledger]:
    """Take the one-daemon lock and open the ledger for writing."""
    lock = DaemonLock(config.daemon.state_dir)
    try:
        ledger = Ledger(
            config.daemon.state_dir,
            writable=True,
            migrating=lambda stage: reach(f"migration-{stage}"),
        )
        try:
            yield ledger
        finally:
            ledger.close()
    finally:
        lock.release()
