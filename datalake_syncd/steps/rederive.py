"""An empty ledger: learn from the lake which runs were published and are no longer on disk."""

from __future__ import annotations

import logging

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import LedgerFull
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.config import Instrument
from datalake_syncd.core import manifest
from datalake_syncd.core.durations import parse_iso
from datalake_syncd.core.errors import NeedsPerson, SourceOffline, Stopped, SyncdError
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Outcome, Status, Step
from datalake_syncd.core.names import escape
from datalake_syncd.steps.context import lake_id, learned_key
from datalake_syncd.steps.service import Service

_MARKER = ".sync"


def rederive(service: Service, name: str, instrument: Instrument, patience: Patience) -> bool:
    """Once per instrument and lake: a row for every marker whose run the ledger lacks.

    Gives whether the lake has been asked, now or before.

    Without it a folder that comes back under a pruned run's name would look new. Runs that are
    still on the disk get their rows from the disk: they are settled, compared with the lake
    and proven again, and nothing that is there and equal is sent.

    A growing data set gets no row here: its name in the lake is not the one it has on the
    source (``prot1`` is ``PROT1`` there), and what the lake announces is taken over when its
    folder is looked at first.
    """
    if KINDS[instrument.kind].growing is not None:
        return True
    key = learned_key(service.config, name, instrument)
    if service.ledger.desk.get(key) is not None:
        return True
    added = 0
    try:
        for run_name in _markers(service, instrument):
            if service.ledger.runs.get(name, run_name) is not None:
                continue
            folder = instrument.source / run_name
            here = patience.call(lambda _tick, folder=folder: folder.is_dir())  # type: ignore[misc]
            added += 0 if here else _add(service, name, instrument, run_name)
    except (SourceOffline, Stopped, LedgerFull):
        raise
    except SyncdError as error:
        service.log(
            logging.WARNING, "ledger.rederive", f"the lake can't be asked now: {error}",
            instrument=name,
        )  # fmt: skip
        return False
    service.ledger.desk.put(key, str(service.wall()))
    if added:
        service.log(
            logging.INFO,
            "ledger.rederived",
            f"{added} published runs that are no longer on the disk were learned from the lake",
            instrument=name,
        )
    return True


def _markers(service: Service, instrument: Instrument) -> list[str]:
    """Names of runs that have a marker directly below the instrument's folder in the lake."""
    prefix = f"{instrument.destination}/" if instrument.destination else ""
    kind = KINDS[instrument.kind]
    names = service.force.lake.list_top(prefix)
    runs = [n.removeprefix(prefix).removesuffix(_MARKER) for n in names if n.endswith(_MARKER)]
    return [run for run in runs if kind.is_run(run)]


def _add(service: Service, name: str, instrument: Instrument, run_name: str) -> int:
    prefix = f"{instrument.destination}/{run_name}" if instrument.destination else run_name
    if service.ledger.runs.at_prefix(lake_id(service.config), prefix):
        return 0
    time, fields = manifest.parse_marker(_read(service, name, f"{prefix}{_MARKER}"))
    try:
        published_at = parse_iso(time)
    except (ValueError, OverflowError):
        blob = service.force.lake.get(f"{prefix}{_MARKER}")
        published_at = service.wall() if blob is None else blob.modified
    outcome = fields.get("outcome", "unknown")
    service.ledger.runs.add(
        name,
        run_name,
        prefix=prefix,
        now=service.wall(),
        reason="learned from the lake; not on this disk",
        event="ledger.rederived",
        message="learned from its marker in the lake",
        done=Step.PRUNE,
        status=Status.FINISHED,
        published_at=published_at,
        pruned_at=published_at,
        emptied_at=published_at,
        outcome=outcome if outcome in set(Outcome) else Outcome.UNKNOWN,
        generation=manifest.marker_number(fields.get("generation")) or 1,
        files=manifest.marker_number(fields.get("files")) or 0,
        bytes=manifest.marker_number(fields.get("bytes")) or 0,
        lake=lake_id(service.config),
    )
    reach(FailPoint.RUN_REDERIVED)
    return 1


def _read(service: Service, name: str, marker: str) -> bytes:
    """A marker that can't be read (archived, say) says all the same that its run was published."""
    try:
        return service.force.lake.read(marker, 1 << 20) or b""
    except NeedsPerson as error:
        service.log(
            logging.WARNING,
            "ledger.rederive",
            f"{escape(marker)} can't be read: its run counts as published when the marker was "
            f"written, and no more is known of it ({error})",
            instrument=name,
            next_step="nothing, if it was moved to the archive tier on purpose",
        )
        return b""
