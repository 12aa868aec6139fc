"""The daemon: starts and stops the threads, takes signals and requests.

Signals only set a flag. Order of stopping: no new claims, azcopy is asked to end,
workers write down what they have, watchers end, the ledger is closed, the lock is let go.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from pathlib import Path

from datalake_syncd.adapters.ledger import Ledger, LedgerFull, Stirred
from datalake_syncd.adapters.signals import heard
from datalake_syncd.answering import Answering
from datalake_syncd.attendants import Attending
from datalake_syncd.config import Config
from datalake_syncd.core.errors import SyncdError, UsageError
from datalake_syncd.session import configure_logs, load_config, opened, started
from datalake_syncd.signs import Signs
from datalake_syncd.steps import startup
from datalake_syncd.steps.health import from_environment
from datalake_syncd.steps.notes import CONFIG_REFUSED
from datalake_syncd.steps.pulse import MAIN_WITHIN
from datalake_syncd.steps.service import Service, bring_into_force
from datalake_syncd.steps.stale import report_unwatched
from datalake_syncd.watch import Watcher
from datalake_syncd.worker import Worker

_TICK = 1.0
_SUPERVISE = 30.0
#: Seconds after which a request that could not be answered is tried again.
_ANSWER_AGAIN = 5.0
#: Workers get so long (seconds) to end azcopy and write down what they have.
STOP_GRACE = 45.0
#: A source that gives no answer keeps the start waiting for so long (seconds), a first scan that
#: goes on for so long: a machine must come up though one share is dead or huge.
_ANSWER = 30.0
_FIRST_SCAN = 300.0
#: A start on a full disk looks so often (seconds) whether there is room.
_ROOM_AGAIN = 5.0


class Daemon:
    """One running service; ``run`` serves until a signal says stop."""

    def __init__(self, config_path: Path, config: Config, ledger: Ledger, logger: logging.Logger):
        self._config_path = config_path
        self.service = Service(config, ledger, logger, health=from_environment())
        self._watchers: dict[str, tuple[Watcher, threading.Thread]] = {}
        self._workers: list[threading.Thread] = []
        self._attendants: list[threading.Thread] = []
        self._answering = Answering(self.service)
        self._stirred = Stirred(self.service.ledger.database.path, _ANSWER_AGAIN)
        self._attending = Attending(self.service)
        self._signs = Signs(self.service, self._unseen)
        self._started_at = time.monotonic()
        self._reload = threading.Event()
        self._supervised_at = 0.0

    # --- life -------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until a signal says stop."""
        self._prepare()
        self._started_at = time.monotonic()
        self._start_watchers()
        self._workers = [
            threading.Thread(target=Worker(self.service).run, name=f"worker-{n}", daemon=True)
            for n in range(self.service.config.daemon.workers)
        ]
        for thread in self._workers:
            thread.start()
        self._attendants = self._attendants or self._attending.start()
        try:
            with self.service.pulse.loop("main", MAIN_WITHIN):
                while not self.service.stopping.wait(_TICK):
                    self._beat()
        finally:
            self.stop()

    def _prepare(self) -> None:
        """What a start takes back. On a full disk that waits for room, and people hear of it."""
        service = self.service
        while not service.stopping.is_set():
            try:
                self._signs.begin()
                startup.prepare(service)
            except LedgerFull as error:
                service.ledger_trouble(error)
                self._attendants = self._attendants or self._attending.start()
                service.stopping.wait(_ROOM_AGAIN)
            else:
                service.ledger_works()
                return

    def _unseen(self) -> list[str]:
        """Instruments whose first scan the start still waits for."""
        waited = time.monotonic() - self._started_at
        return [
            name
            for name, (watcher, _) in self._watchers.items()
            if not watcher.looked.is_set()
            and waited < (_FIRST_SCAN if watcher.answered else _ANSWER)
        ]

    def _beat(self) -> None:
        try:
            self._signs.tick()
            if self._reload.is_set():
                self._reload.clear()
                self._signs.reloading()
                try:
                    self._take_configuration_in()
                except LedgerFull:
                    self._reload.set()  # again, and as a whole, when there is room
                    raise
                finally:
                    self._signs.reloaded()
            if self._stirred.may_be():
                self._answering.answer()
            if self.service.monotonic() - self._supervised_at > _SUPERVISE:
                self._supervised_at = self.service.monotonic()
                self.service.clock.jumped()
                report_unwatched(self.service)
        except LedgerFull as error:
            self.service.ledger_trouble(error)

    def stop(self) -> None:
        """End all threads in order; a thread that hangs in a dead share is left behind."""
        service = self.service
        service.stopping.set()
        self._signs.stopping()
        service.work.set()
        for watcher, _ in self._watchers.values():
            watcher.stop()
        until = time.monotonic() + STOP_GRACE
        watching = [thread for _, thread in self._watchers.values()]
        for thread in [*self._workers, *self._answering.threads, *watching, *self._attendants]:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                service.log(logging.WARNING, "service.thread-left", f"{thread.name} did not end")
        service.log(
            logging.INFO, "service.stopped", "stopped; everything goes on at the next start"
        )

    def on_signal(self, number: int) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reads the configuration again; not in a handler."""
        if number == signal.SIGHUP:
            self._reload.set()
        else:
            self.service.stopping.set()

    # --- configuration ----------------------------------------------------------------------

    def _take_configuration_in(self) -> None:
        service = self.service
        old = service.config
        try:
            new = load_config(self._config_path)
            if new.daemon.state_dir != old.daemon.state_dir:
                raise UsageError(
                    f"daemon.state_dir changed from {old.daemon.state_dir} to "
                    f"{new.daemon.state_dir}",
                    why="a running service can't change its ledger",
                    next_step="stop it and start it again",
                )
        except SyncdError as error:
            service.ledger.desk.put(CONFIG_REFUSED, str(error))
            service.log(
                logging.ERROR,
                "config.refused",
                f"the new configuration is not taken, the old one stays in force: {error}",
                next_step=error.next_step or "correct it, then reload again",
            )
            return
        before = service.force
        configure_logs(new)  # it knows the new secrets too
        service.force = bring_into_force(new, service.pulse.beat)
        try:
            service.ledger.desk.put(CONFIG_REFUSED, None)
            startup.set_instruments(service)
        except LedgerFull:
            # All of it or nothing: watchers and configuration belong together.
            service.force = before
            raise
        for name in list(self._watchers):
            if new.instruments.get(name) != old.instruments.get(name):
                self._watchers.pop(name)[0].stop()
                service.forget_source(name)
        self._start_watchers()
        startup.wake_prunable(service)
        service.health.ask_again()
        added = sorted(set(new.instruments) - set(old.instruments))
        removed = sorted(set(old.instruments) - set(new.instruments))
        service.log(
            logging.INFO,
            "config.taken",
            f"the new configuration is in force; new instruments: {', '.join(added) or 'none'}; "
            f"removed: {', '.join(removed) or 'none'}",
        )

    def _start_watchers(self) -> None:
        for name in self.service.config.instruments:
            if name not in self._watchers:
                watcher = Watcher(self.service, name)
                thread = threading.Thread(target=watcher.run, name=f"watch-{name}", daemon=True)
                self._watchers[name] = (watcher, thread)
                thread.start()


def run(config_path: Path) -> int:
    """The command ``run``: serve until SIGTERM or SIGINT; gives the exit code."""
    config, logger = started(config_path)
    with opened(config) as ledger:
        daemon = Daemon(config_path, config, ledger, logger)
        with heard((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), daemon.on_signal):
            daemon.run()
    return 0
