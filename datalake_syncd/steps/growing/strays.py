"""What lies in a source of growing data sets and is in none of them: told, each once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.config import Instrument
from datalake_syncd.core.errors import NeedsPerson, SourceChanged
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.kinds.growing import GrowingLayout
from datalake_syncd.core.names import JUNK, Excluder
from datalake_syncd.steps.service import Service


def tell_strays(service: Service, name: str, instrument: Instrument, patience: Patience) -> None:
    """Warn of what is new since the last time; the ledger keeps what was told.

    Raises what the source raises.
    """
    layout = KINDS[instrument.kind].growing
    if layout is None:
        return
    listing = patience.call(lambda tick: _listing(instrument, layout, tick))
    found = layout.strays(listing)
    key = f"strays:{name}"
    before = json.loads(service.ledger.desk.get(key) or "[]")
    for told in found:
        if told not in before:
            service.log(
                logging.WARNING,
                "source.stray",
                f"not carried: {told}",
                instrument=name,
                next_step="give it its place: RawData_<sample>/<number>/ for data, "
                "DataProcessingMethod_<sample>/ for its methods",
            )
    if list(found) != before:
        service.ledger.desk.put(key, json.dumps(found) if found else None)


def _listing(
    instrument: Instrument, layout: GrowingLayout, tick: Callable[[], None]
) -> dict[str, Collection[str] | None]:
    excluder = Excluder((*JUNK, *instrument.exclude))
    found: dict[str, Collection[str] | None] = {}
    for folder in tree.top_names(instrument.source, configured=True):
        tick()
        names: Collection[str] | None = ()
        if layout.opens(folder):
            try:
                names = tree.top_names(instrument.source / folder)
            except SourceChanged:
                names = None
            except NeedsPerson:
                continue  # the scan tells what may not be read
        found[folder] = [one for one in names if not excluder.matches(one)] if names else names
    return found
