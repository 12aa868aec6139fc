"""A folder that is back under the name of a run which was published and pruned here.

The same content is only told. Other content needs a person: it may be another run. Either way
nothing of it is sent, overwritten or removed before somebody decides.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import (
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    SyncdError,
    Transient,
)
from datalake_syncd.core.model import FileEntry, FileStat, ManifestFile, Status
from datalake_syncd.core.names import escape
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.growing.slices import ScanBudget, Slices
from datalake_syncd.steps.look_again import EVERY
from datalake_syncd.steps.pruning.emptying import gone_from_lake
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sighting import RETURNED, check
from datalake_syncd.steps.whole_look import whole_look

#: Where a run's row keeps the look that was judged, and the verdict.
KEPT = "returned"
_SOON = 0.2
_BATCH = 1000
#: When disk or lake gave no answer, again after so long (seconds).
_CANNOT = 1800.0
_OTHER = "with other content"


class ReturnWatch:
    """Remembers, on the monotonic clock, when a returned folder is due for its next look."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._due: dict[int, float] = {}
        self._listed: dict[int, str] = {}
        self._missing: dict[int, int] = {}
        self._told: set[int] = set()
        self._slices: dict[int, Slices] = {}
        self._budget = ScanBudget()

    def visit(self, run: Run, patience: Patience) -> float | None:
        """Look if it is time to; gives the seconds until it wants to go on, None for the usual."""
        self._budget.visit(run.id)
        if run.pruned_at is None or run.status is Status.RUNNING or not self._is_due(run):
            return None
        if self._budget.spent:
            return _SOON  # another one that came back used this scan up
        context = self._service.context(run)
        try:
            patience.call(lambda _tick: check(self._service, context.instrument, run))
            seen = patience.call(lambda tick: whole_look(context, tick))
            differs = self._verdict(context, seen, patience)
        except NeedsPerson as error:
            self._judged(run, "", f"{_OTHER}: {error.what}")
            return None
        except (SourceChanged, Stopped):
            self._listed.pop(run.id, None)
            return None  # it is being written: looked at by the next scan
        except (SourceOffline, Transient) as error:
            if patience.stuck:
                raise  # nothing of this source can be looked at now
            self._cannot(run, error)
            return None
        if differs is not None:
            self._judged(run, seen.digest, differs)
            return None
        # Bytes are still to be compared; or the folder has to be still for as long as any run.
        return _SOON if run.id in self._listed else context.instrument.quiet

    def _cannot(self, run: Run, error: SyncdError) -> None:
        """Disk or lake give no answer: what was compared stays, and it is told once."""
        self._wait(run, _CANNOT)
        if run.id not in self._told:
            self._told.add(run.id)
            self._service.log(
                logging.WARNING,
                "run.back-unread",
                f"{RETURNED}; it can't be compared with what was published: {error}",
                run=run.key,
                instrument=run.instrument,
                next_step=error.next_step or "nothing of it is sent or removed; mend the disk",
            )

    def _is_due(self, run: Run) -> bool:
        if run.status is not Status.BLOCKED and (run.observed.get(KEPT) or {}).get("differs"):
            self._due.pop(run.id, None)  # a person asked to look again
        return self._service.monotonic() >= self._due.get(run.id, 0.0)

    def _verdict(self, context: Context, seen: tree.Look, patience: Patience) -> str | None:
        """What differs from what was published, "" when nothing does, None: not known yet."""
        run, now = context.run, self._service.wall()
        for oddity in seen.oddities:
            if oddity.blocks:
                return f"{_OTHER}: {oddity.path} ({oddity.kind})"
        kept: dict[str, Any] = run.observed.get(KEPT) or {}
        if kept.get("digest") != seen.digest or kept["since"] > now:
            self._listed.pop(run.id, None)
            self._keep(run, {"digest": seen.digest, "since": now, "differs": None})
            self._wait(run, context.instrument.quiet)
            return None
        if kept["differs"] is not None:
            self._missing[run.id] = kept.get("missing", 0)
            return str(kept["differs"])
        rest = kept["since"] + context.instrument.quiet - now
        if rest > 0:
            self._wait(run, rest)
            return None
        differs = patience.call(lambda tick: self._compare(context, seen.digest, tick))
        # Only then may somebody be told that this copy is one too many.
        return self._lost(context) if differs == "" else differs

    def _compare(self, context: Context, digest: str, tick: Callable[[], None]) -> str | None:
        """Sizes first, then bytes, a slice of them at each visit; gives what `_verdict` does."""
        run, files = context.run, context.ledger.files
        if run.tree_digest is None:
            return f"{_OTHER}, perhaps: its files are not known here, so they can't be compared"
        if self._listed.get(run.id) != digest:
            _list(context, tick)
            self._listed[run.id] = digest
            found = [
                (differs, local is None)
                for path, row, local, _ in files.look_against_manifest(run.id)
                if (differs := _differs(path, row, local))
            ]
            self._missing[run.id] = sum(missing for _, missing in found)
            if found:
                return f"{_OTHER}: {found[0][0]}"
        with self._budget.spending() as until:
            other = self._hash(context, until, tick)
        if other != "":
            return other
        if whole_look(context, tick).digest != digest:
            raise SourceChanged("the folder changed while it was compared")
        return ""

    def _hash(self, context: Context, until: float, tick: Callable[[], None]) -> str | None:
        """What has other bytes, "" when nothing has; None when ``until`` came first."""
        run, files = context.run, context.ledger.files
        slices = self._slices.setdefault(run.id, Slices())
        read: list[tuple[FileEntry, str | None]] = []
        try:
            for path, row, local, md5 in files.look_against_manifest(run.id):
                if md5 is None and local is not None:
                    if time.monotonic() > until:
                        return None
                    md5 = slices.md5(
                        context.folder,
                        path,
                        local,
                        until=until,
                        tick=tick,
                        should_stop=context.should_stop,
                    )
                    if md5 is None:
                        return None
                    read.append((FileEntry(path, local), md5))
                    if len(read) >= _BATCH:
                        files.add_seen(run.id, read)
                        read = []
                if row is None or md5 != row.md5:
                    return f"{_OTHER}: {escape(path)}"
            return ""
        finally:
            tick()  # a look that was given up must not write into the next one's rows
            files.add_seen(run.id, read)  # what was read is not read again, whatever ended it

    def _lost(self, context: Context) -> str:
        """What the lake no longer holds of the same content; "" when it holds all of it."""
        if context.run.trash is not None:
            return ""  # it is in the trash as well; what empties that asks the lake itself
        published = {
            file.path: file.md5
            for page in context.ledger.files.pages(context.run.id)
            for file in page
            if file.md5 is not None
        }
        gone = gone_from_lake(context, published)
        if not gone:
            return ""
        named = ", ".join(gone[:5]) + (", …" if len(gone) > 5 else "")
        return f"with the same content, which the lake no longer holds as it was proven: {named}"

    def _judged(self, run: Run, digest: str, differs: str) -> None:
        """Tell the verdict once for each content; a folder that is judged is looked at seldom."""
        self._wait(run, EVERY)
        self._listed.pop(run.id, None)
        self._slices.pop(run.id, None)
        self._told.discard(run.id)
        missing = self._missing.pop(run.id, 0)
        if differs:
            self._other(run, digest, differs, missing)
            return
        kept = run.observed.get(KEPT) or {}
        blocked = run.status is Status.BLOCKED and (run.reason or "").startswith(RETURNED)
        if kept.get("differs") == "" and not blocked:
            return
        message = (
            f"the same content is back on the disk: {run.files} files, each equal to what was "
            "published; nothing is sent, and nothing of it is removed"
        )
        self._service.ledger.runs.event(run.id, self._service.wall(), "run.back", message)
        run = self._keep(run, {**kept, "digest": digest, "differs": ""})
        if blocked:
            self._service.ledger.runs.set(run, status=Status.READY, reason=None, next_step=None)
            self._service.work.set()
        self._service.log(
            logging.WARNING,
            "run.back",
            message,
            run=run.key,
            instrument=run.instrument,
            next_step="remove the folder when nobody needs it: its run is in the lake",
        )

    def _other(self, run: Run, digest: str, differs: str, missing: int) -> None:
        reason = f"{RETURNED}, {differs}"
        kept = {
            "digest": digest, "since": self._service.wall(), "differs": differs, "missing": missing,
        }  # fmt: skip
        if run.status is Status.BLOCKED and run.reason == reason:
            # Of another look perhaps, which differs in the same: a retry must find the verdict.
            before = run.observed.get(KEPT) or {}
            if {**before, "since": 0} != {**kept, "since": 0}:
                self._keep(run, kept)
            return
        self._service.ledger.runs.move(
            run,
            now=self._service.wall(),
            event="run.returned",
            message=reason,
            status=Status.BLOCKED,
            reason=reason,
            next_step=(
                "if it is another run, rename the folder; to carry what the lake lacks as a new "
                f"generation: datalake-syncd release {escape(run.key)}"
            ),
            observed={**run.observed, KEPT: kept},
        )
        self._service.log(
            logging.ERROR,
            "run.blocked",
            reason,
            run=run.key,
            instrument=run.instrument,
            step="prune",
            next_step=f"datalake-syncd why {escape(run.key)}",
        )

    def _wait(self, run: Run, seconds: float) -> None:
        self._due[run.id] = self._service.monotonic() + seconds

    def _keep(self, run: Run, kept: dict[str, Any]) -> Run:
        return self._service.ledger.runs.set(run, observed={**run.observed, KEPT: kept})


def _list(context: Context, tick: Callable[[], None]) -> None:
    """Write the look down beside the manifest, in batches."""
    files, run = context.ledger.files, context.run
    files.begin_look(run.id)
    batch: list[tuple[FileEntry, str | None]] = []
    for entry in tree.look(
        context.folder,
        lake_prefix=run.prefix,
        excluder=context.excluder,
        block_special=context.instrument.special_files == "block",
        on_entry=tick,
    ):
        if isinstance(entry, FileEntry):
            batch.append((entry, None))
        if len(batch) >= _BATCH:
            files.add_seen(run.id, batch)
            batch = []
    files.add_seen(run.id, batch)


def _differs(path: str, row: ManifestFile | None, local: FileStat | None) -> str:
    if row is None:
        return f"{escape(path)} is new"
    if local is None:
        return f"{escape(path)} is missing"
    if local.size != row.stat.size or row.md5 is None:
        return f"{escape(path)} has {local.size} bytes, {row.stat.size} were published"
    return ""
