"""Watching one instrument: the periodic scan is the truth, events only make it sooner."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from datalake_syncd.adapters import mounts
from datalake_syncd.adapters.events import Observer
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import InstrumentRow, LedgerFull, Run, StaleTransition
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.adapters.tree.trash import TRASH
from datalake_syncd.config import Instrument
from datalake_syncd.core.errors import (
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    SyncdError,
)
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps import settle, sighting, source
from datalake_syncd.steps.findings import record, tell
from datalake_syncd.steps.growing.watch import GrowthWatch
from datalake_syncd.steps.look_again import LookAgain
from datalake_syncd.steps.places import find_runs, top_folder
from datalake_syncd.steps.rederive import rederive
from datalake_syncd.steps.returned import ReturnWatch
from datalake_syncd.steps.service import PATIENCE, Service
from datalake_syncd.steps.sheets.watch import SheetWatch
from datalake_syncd.steps.stale import StaleWatch
from datalake_syncd.steps.surroundings import Surroundings

_SOONEST = 0.1
#: Events that follow each other within so long (seconds) are one scan.
_BURST = 0.2
#: The lake is asked what it holds once; when it can't be reached, again after so long (seconds).
_LEARN_AGAIN = 20.0


class Watcher:
    """Scans one instrument; ``run`` is a thread's body, ``scan`` one pass."""

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._name = name
        self._memories: dict[str, settle.Memory] = {}
        self._patience = Patience(name, PATIENCE, service.pulse.beat, service.stopping.is_set)
        self._sheets = SheetWatch(service, name)
        self._learn_at = 0.0
        self._around = Surroundings(service, name)
        self._again = LookAgain(service)
        self._growth = GrowthWatch(service)
        self._returns = ReturnWatch(service)
        self._stale = StaleWatch(service, name)
        self._local: tuple[tuple[int, tuple[mounts.Mount, ...]], bool] | None = None
        self.failed = False
        #: A scan has come to its end, whatever it found; and whether the source answered at all.
        self.looked = threading.Event()
        self.answered = False
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self._observer = Observer(self.wake.set)

    @property
    def _instrument(self) -> Instrument:
        return self._service.config.instruments[self._name]

    def run(self) -> None:
        """Scan until this watcher or the service stops."""
        with self._service.pulse.loop(threading.current_thread().name):
            self._serve()

    def _serve(self) -> None:
        while not (self.stopping.is_set() or self._service.stopping.is_set()):
            next_look = self.safe_scan()
            self.looked.set()
            interval = self._service.config.daemon.scan_interval
            wait = interval if next_look is None else min(interval, max(next_look, _SOONEST))
            self._service.pulse.beat(rest=wait)
            woken = self.wake.wait(wait)
            self._service.pulse.beat()
            self.stopping.wait(_BURST if woken else 0.0)
            self.wake.clear()
        self._observer.stop()

    def stop(self) -> None:
        """Ask the thread to end."""
        self.stopping.set()
        self.wake.set()

    def safe_scan(self) -> float | None:
        """``scan``, with every error told and none raised; ``failed`` says if there was one."""
        self.failed = True
        next_look: float | None = None
        try:
            next_look = self.scan()
            self.failed = False
            self._service.trouble_over(f"scan/{self._name}")
        except StaleTransition:
            return _SOONEST
        except Stopped:
            return None  # a source that hangs keeps nobody from ending
        except LedgerFull as error:
            self._service.ledger_trouble(error)
        except SyncdError as error:
            if self._is_removed():
                return None
            self._say(logging.ERROR, "scan.failed", str(error), next_step=error.next_step)
            self._stands(str(error), error.next_step)
        except Exception:  # noqa: BLE001 - one instrument's bug must not stop the others
            if self._is_removed():
                return None
            self._say(logging.ERROR, "scan.bug", "a scan failed", exc_info=True)
            self._stands(
                "a scan failed because of an error in datalake-syncd itself",
                "please report it with the trace that is in the log (event scan.bug)",
            )
        return next_look

    def scan(self) -> float | None:
        """One pass; gives the seconds until a run is worth a look again, None for the usual."""
        service, instrument = self._service, self._instrument
        runs = {run.name: run for run in service.ledger.runs.all(self._name)}
        on_disk = frozenset(
            TRASH
            if run.trash is not None and run.pruned_at is not None
            else top_folder(instrument, n)
            for n, run in runs.items()
            if run.pruned_at is None or run.trash is not None
        )
        known = service.ledger.desk.instrument(self._name)
        shut: dict[str, SyncdError] = {}

        def view(tick: Callable[[], None]) -> tuple[source.SourceView, list[tuple[str, bool]]]:
            seen = source.view(instrument, known, on_disk, tick)
            return seen, list(find_runs(instrument, seen.names, runs.keys(), tick, shut))

        try:
            seen, found = self._patience.call(view)
        except SourceOffline as error:
            self._offline(known, error)
            self._stale.look(None)
            return None
        self._online(known, seen)
        self._around.tell_unreadable(shut)
        self._around.tell_odd_names(seen.names, self._patience)
        self._learn_from_lake()
        self._around.look_into_trash(runs.values(), self._patience)
        self._growth.look_around(self._name, self._patience)
        self._again.begin_scan()
        next_look: float | None = None
        present = {name for name, _ in found}
        for run_name, can_be_kept in found:
            if service.stopping.is_set() or self.stopping.is_set():
                return None
            service.pulse.beat()
            run = runs.get(run_name) or sighting.sight(service, self._name, instrument, run_name)
            if not can_be_kept:
                reason = "the folder's name is not UTF-8; the lake takes only UTF-8"
                tell(service, run, Status.BLOCKED, reason, "rename the folder")
                continue
            look = self._safe_visit(run)
            if look is not None:
                next_look = look if next_look is None else min(next_look, look)
        for gone in (run for n, run in runs.items() if n not in present):
            if top_folder(instrument, gone.name) not in shut:
                sighting.vanished(service, gone)
        self._sheets.look(self._instrument.sample_sheets)
        self._after(present, seen.device)
        self._stale.look(self._patience)
        return next_look

    def _learn_from_lake(self) -> None:
        """With an empty ledger: which runs were published and are gone from this disk."""
        now = self._service.monotonic()
        if now >= self._learn_at:
            self._learn_at = now + _LEARN_AGAIN  # also when it ends by an exception
            if rederive(self._service, self._name, self._instrument, self._patience):
                self._learn_at = now

    def _safe_visit(self, run: Run) -> float | None:
        try:
            return self._visit(run)
        except SyncdError:
            raise
        except Exception:  # noqa: BLE001 - one run's bug must not stop the instrument's others
            if self._is_removed():
                return None
            reason = "an error in datalake-syncd itself; the log has its trace"
            self._say(logging.ERROR, "scan.bug", f"{reason}", run=run.key, exc_info=True)
            tell(self._service, run, Status.BLOCKED, reason, "please report it with the trace")
            return None

    def _visit(self, run: Run) -> float | None:
        if run.pruned_at is not None:
            return self._returns.visit(run, self._patience)
        if run.hold_reason is not None:
            return None
        if run.done is Step.PUBLISH and run.reason == sighting.GONE:
            self._service.ledger.runs.set(run, status=Status.READY, reason=None)
        if KINDS[self._instrument.kind].growing is not None:
            self._growth.visit(run, self._patience)
            return None
        self._again.look(run, self._patience)
        if run.done is not Step.SIGHTED:
            return None
        memory = self._memories.setdefault(run.name, settle.Memory())
        context = self._service.context(run)
        row = self._service.ledger.desk.instrument(self._name)
        learned = row.learned if row is not None else frozenset()

        def look(tick: Callable[[], None]) -> settle.Settling:
            sighting.check(self._service, self._instrument, run)
            return settle.look_at(context, memory, learned, self._service.monotonic, tick)

        try:
            reach(FailPoint.BEFORE_SETTLE)
            found = self._patience.call(look)
        except (SourceChanged, SourceOffline, NeedsPerson) as error:
            if self._patience.stuck:
                raise  # nothing of this source can be looked at now
            memory.digest = None
            blocked = isinstance(error, NeedsPerson)
            if run.status is Status.BLOCKED and run.gates and not blocked:
                return None  # a source that is away mends nothing
            status = Status.BLOCKED if blocked else Status.WAITING
            tell(self._service, run, status, str(error), error.next_step or None)
            return None
        if memory.learned != learned:
            self._service.ledger.desk.update_instrument(self._name, learned=memory.learned)
        record(self._service, run, found)
        if found.settled is not None:
            self._memories.pop(run.name, None)
        return found.next_look

    def _offline(self, known: InstrumentRow | None, error: SourceOffline) -> None:
        service = self._service
        if self.stopping.is_set():
            return  # what this name stands for by now is another watcher's to tell
        service.set_online(self._name, online=False)
        if known is None or known.online is not False or known.offline_reason != str(error):
            since = service.wall()
            if known is not None and known.online is False and known.offline_since is not None:
                since = known.offline_since
            service.ledger.desk.update_instrument(
                self._name, online=0, offline_since=since, offline_reason=str(error)
            )
            self._say(logging.WARNING, "source.offline", str(error), next_step=error.next_step)

    def _online(self, known: InstrumentRow | None, seen: source.SourceView) -> None:
        if self.stopping.is_set():
            return
        self._service.set_online(self._name, online=True)
        self.answered = True
        if known is not None and known.online is False:
            self._say(logging.INFO, "source.online", "the source answers again")
        if known is None or known.online is not True or known.device != seen.device:
            self._service.ledger.desk.update_instrument(
                self._name, online=1, offline_since=None, offline_reason=None, device=seen.device
            )
            self._service.work.set()

    def _after(self, present: set[str], device: int) -> None:
        service = self._service
        row = service.ledger.desk.instrument(self._name)
        columns: dict[str, object] = {"last_scan": service.wall()}
        # From the first sight on: a share may go away before the second scan.
        if row is not None and present and not row.ever_seen_runs:
            columns["ever_seen_runs"] = 1
        service.ledger.desk.update_instrument(self._name, **columns)
        if self._is_local(device):
            active = [n for n in self._memories if n in present]
            trouble = self._observer.watch(self._instrument.source, active)
            if trouble is not None:
                self._say(logging.WARNING, "watch.polling", trouble)

    def _is_local(self, device: int) -> bool:
        # Looking up every part of the path costs more than to see that no mount has changed.
        seen = (device, mounts.read_table())
        if self._local is None or self._local[0] != seen:
            self._local = (seen, not mounts.is_network(self._instrument.source))
        return self._local[1]

    def _is_removed(self) -> bool:
        """The configuration lost this instrument in the middle of a scan: no bug."""
        return self.stopping.is_set() or self._name not in self._service.config.instruments

    def _stands(self, what: str, next_step: str) -> None:
        with suppress(LedgerFull):  # which has an alarm of its own
            self._service.trouble(f"scan/{self._name}", what, next_step, self._name)

    def _say(self, level: int, event: str, message: str, **fields: object) -> None:
        self._service.log(level, event, message, instrument=self._name, **fields)
