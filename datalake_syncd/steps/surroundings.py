"""What lies in a source beside its runs, and would be overlooked: each of it is told once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.config import Instrument
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.steps.places import odd_names
from datalake_syncd.steps.pruning.strays import strays, tell_strays
from datalake_syncd.steps.service import Service


class Surroundings:
    """Of one instrument, as its watcher meets them at each scan."""

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._name = name
        self._unreadable, self._odd = set[str](), set[str]()
        self._trash_seen = False

    @property
    def _instrument(self) -> Instrument:
        return self._service.config.instruments[self._name]

    def tell_unreadable(self, shut: Mapping[str, SyncdError]) -> None:
        """Folders that may hold runs and can't be read; the rest goes on."""
        for name, error in shut.items():
            if name not in self._unreadable:
                self._say(
                    "source.unreadable",
                    f"what runs {escape(name)} holds is not known: {error}",
                    "give the service's user read access to it; it is looked at again",
                )
        self._unreadable = set(shut)

    def tell_odd_names(self, names: Collection[str], patience: Patience) -> None:
        """Folders that were renamed so that they are no runs."""
        odd = odd_names(self._instrument, names, self._odd)
        if odd:
            odd = patience.call(lambda tick: self._folders(odd, tick))
        for name in odd:
            self._say(
                "run.odd-name",
                f"{escape(name)} looks like a run, but its name is not one: it is not carried",
                "rename it to what the instrument called it, without what was added",
            )
        self._odd.update(odd)

    def _folders(self, names: list[str], tick: Callable[[], None]) -> list[str]:
        found = []
        for name in names:
            if tree.is_folder(self._instrument.source / name):
                found.append(name)
            tick()
        return found

    def look_into_trash(self, runs: Iterable[Run], patience: Patience) -> None:
        """What a ledger that is lost had put there would never be shown again."""
        if not self._trash_seen:
            known = {run.trash for run in runs if run.trash is not None}
            source = self._instrument.source
            found = patience.call(lambda _tick: strays(source, known))
            self._trash_seen = True
            tell_strays(self._service, self._name, found)

    def _say(self, event: str, message: str, next_step: str) -> None:
        self._service.log(
            logging.WARNING, event, message, instrument=self._name, next_step=next_step
        )
