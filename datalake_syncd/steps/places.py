"""Where a run lies: on its source and in the lake, as its kind arranges it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from datalake_syncd.adapters import tree
from datalake_syncd.config import Instrument
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SyncdError
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.names import escape, is_utf8


def run_prefix(instrument: Instrument, name: str) -> str:
    """The run's folder in the lake, without a ``/`` at the end."""
    growing = KINDS[instrument.kind].growing
    folder = name if growing is None else growing.lake_name(name)
    return f"{instrument.destination}/{folder}" if instrument.destination else folder


def data_folder(instrument: Instrument, name: str) -> Path:
    """The folder that the paths of a run's files are relative to."""
    growing = KINDS[instrument.kind].growing
    return instrument.source / (name if growing is None else growing.base(name))


def own_folder(instrument: Instrument, name: str) -> Path:
    """The folder that is this run and no other's."""
    growing = KINDS[instrument.kind].growing
    if growing is None:
        return instrument.source / name
    return data_folder(instrument, name) / growing.roots(name)[0]


def top_folder(instrument: Instrument, name: str) -> str:
    """The name directly below the source that the run lies in."""
    if KINDS[instrument.kind].growing is None:
        return name.partition("/")[0]  # asked of every run at every scan
    return own_folder(instrument, name).relative_to(instrument.source).parts[0]


def find_runs(
    instrument: Instrument,
    names: Iterable[str],
    known: Collection[str],
    tick: Callable[[], None],
    unreadable: dict[str, SyncdError] | None = None,
) -> Iterator[tuple[str, bool]]:
    """The runs below a source whose listing is ``names``: (name, can the ledger hold it?).

    A name that is not UTF-8 comes escaped, and False with it. A folder that this user may not
    read is put into ``unreadable`` with what was said, and nothing is known of the runs in it;
    all else that the source raises is raised.
    """
    kind = KINDS[instrument.kind]
    for name in names:
        if kind.growing is not None:
            inner: Iterable[str] = ()
            if kind.growing.opens(name):
                try:
                    inner = tree.top_names(instrument.source / name)
                except SourceChanged:
                    pass  # a file, or gone since the listing
                except NeedsPerson as error:
                    if unreadable is None:
                        raise
                    unreadable[name] = error
                tick()
            parts = [(name,), *((name, below) for below in inner)]
            found = [run for run in map(kind.growing.run_name, parts) if run is not None]
        elif not kind.is_run(name):
            continue
        elif kind.any_name and name not in known:
            found = [name] if tree.is_folder(instrument.source / name) else []
            tick()
        else:
            found = [name]
        for run in found:
            yield (run, True) if is_utf8(run) else (escape(run), False)


def odd_names(instrument: Instrument, names: Iterable[str], told: Collection[str]) -> list[str]:
    """Names that look like a run's and are none any more, but those that were told of."""
    kind = KINDS[instrument.kind]
    return [name for name in names if name not in told and kind.odd_name(name)]
