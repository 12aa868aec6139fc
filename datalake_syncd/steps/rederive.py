"""An empty ledger: learn from the lake which runs were published and are no longer on disk."""

from __future__ import annotations

import logging

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.config import Instrument
from datalake_syncd.core import manifest
from datalake_syncd.core.durations import parse_iso
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Outcome, Status, Step
from datalake_syncd.steps.context import lake_id
from datalake_syncd.steps.service import Service

_MARKER = ".sync"


def rederive(service: Service, name: str, instrument: Instrument, patience: Patience) -> None:
    """Once per instrument and lake: a row for every marker whose run the ledger lacks.

    Without it a folder that comes back under a pruned run's name would look new. Runs that are
    still on the disk get their rows from the disk: they are settled, compared with the lake
    and proven again, and nothing that is there and equal is sent.

    A growing data set gets no row here: its name in the lake is not the one it has on the
    source (``prot1`` is ``PROT1`` there), and what the lake announces is taken over when its
    folder is looked at first.
    """
    if KINDS[instrument.kind].growing is not None:
        return
    key = f"rederived:{name}:{lake_id(service.config)}:{instrument.destination}"
    if service.ledger.desk.get(key) is not None:
        return
    try:
        found = _markers(service, instrument)
    except SyncdError as error:
        service.log(
            logging.WARNING, "ledger.rederive", f"the lake can't be asked now: {error}",
            instrument=name,
        )  # fmt: skip
        return
    added = 0
    for run_name in found:
        if service.ledger.runs.get(name, run_name) is not None:
            continue
        folder = instrument.source / run_name
        if not patience.call(lambda _tick, folder=folder: folder.is_dir()):  # type: ignore[misc]
            added += _add(service, name, instrument, run_name)
    service.ledger.desk.put(key, str(service.wall()))
    if added:
        service.log(
            logging.INFO,
            "ledger.rederived",
            f"{added} published runs that are no longer on the disk were learned from the lake",
            instrument=name,
        )


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
    data = service.force.lake.read(f"{prefix}{_MARKER}", 1 << 20)
    time, fields = manifest.parse_marker(data or b"")
    try:
        published_at = parse_iso(time)
    except ValueError:
        published_at = service.wall()
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
        generation=_number(fields.get("generation"), 1),
        files=_number(fields.get("files"), 0),
        bytes=_number(fields.get("bytes"), 0),
        lake=lake_id(service.config),
    )
    reach(FailPoint.RUN_REDERIVED)
    return 1


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else otherwise
