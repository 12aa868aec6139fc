"""Each instrument: its source is there and readable, may be pruned if it should, its sheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from datalake_syncd.adapters import mounts, tree
from datalake_syncd.adapters.ledger import LEDGER, InstrumentRow, Ledger
from datalake_syncd.adapters.tree import trash
from datalake_syncd.config import Config, Instrument
from datalake_syncd.core.errors import NeedsPerson, SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.core.wording import counted
from datalake_syncd.steps.doctor.finding import Finding, Machine, Mark, fault, fine, from_error
from datalake_syncd.steps.sheets.files import list_sheets
from datalake_syncd.steps.source import view


def instruments(config: Config) -> Sequence[str]:
    """Every instrument for itself: one that hangs keeps no other waiting."""
    return tuple(config.instruments)


def with_pruning(config: Config) -> Sequence[str]:
    """Those that may be pruned."""
    return tuple(name for name, one in config.instruments.items() if one.prune.enabled)


def with_sheets(config: Config) -> Sequence[str]:
    """Those with a folder of sample sheets."""
    return tuple(name for name, one in config.instruments.items() if one.sample_sheets)


def source(machine: Machine, of: str) -> Iterator[Finding]:
    """There, mounted, and every run folder can be listed."""
    instrument = machine.config.instruments[of]
    shown = escape(str(instrument.source))
    try:
        view(instrument, _known(machine, of), frozenset(), _on)
        access = tree.access_of(instrument.source, _on)
    except SyncdError as error:
        yield _unreadable(error)
        return
    if access.unreadable:
        yield fault(
            f"{shown}: {_names(access.unreadable)} can't be read",
            "give the service's user read access",
        )
        return
    how = mounts.filesystem_type(instrument.source) or "unknown file system"
    polled = ", polled" if mounts.is_network(instrument.source) else ""
    yield fine(f"{shown} ({how}{polled}): {counted(access.folders, 'folder')}")


def pruning(machine: Machine, of: str) -> Iterator[Finding]:
    """A run folder could be renamed into the trash and emptied there; nothing is written."""
    instrument = machine.config.instruments[of]
    shown = escape(str(instrument.source))
    try:
        access = tree.access_of(instrument.source, _on)
    except SyncdError:
        what = f"whether {shown} can be pruned is not known: it can't be read"
        yield fault(what, f"mend what 'source {of}' says first")
        return
    step = _step(instrument)
    if access.read_only:
        yield fault(f"{shown} is mounted read-only, and pruning is on", step)
    elif not access.writable:
        yield fault(f"this user can't write to {shown}, and pruning is on", step)
    elif access.elsewhere:
        yield fault(
            f"{shown}: {_names(access.elsewhere)} on another file system; only a rename within "
            "one moves a run safely",
            "unmount what is mounted there, or set prune.enabled = false",
        )
    elif access.fixed:
        yield fault(f"{shown}: this user can't move or empty {_names(access.fixed)}", step)
    else:
        yield fine(f"{shown} can be written; runs can be moved to {trash.TRASH}")


def sheets(machine: Machine, of: str) -> Iterator[Finding]:
    """The folder with the sample sheets can be listed, and each year in it."""
    instrument = machine.config.instruments[of]
    folder = instrument.sample_sheets
    if folder is None:
        return
    left_out: dict[str, NeedsPerson] = {}
    try:
        found = list_sheets(folder, _on, left_out)
    except SyncdError as error:
        yield _unreadable(error)  # also an optional sheet is looked for before a run is published
        return
    yield fine(f"{escape(str(folder))}: {counted(len(found), 'name')}")
    for year, why in left_out.items():
        name = f"sheets {escape(of)} {escape(year)}"
        yield from_error(why, name=name, mark=Mark.WARNING)


def _known(machine: Machine, of: str) -> InstrumentRow | None:
    """What the ledger knows of the source, so that an empty mount point is seen as such."""
    state: Path = machine.config.daemon.state_dir
    if not (state / LEDGER).exists():
        return None
    try:
        opened = Ledger(state, writable=False)
    except SyncdError:
        return None  # told by the check of the ledger
    try:
        return opened.desk.instrument(of)
    finally:
        opened.close()


def _unreadable(error: SyncdError) -> Finding:
    return fault(str(error), error.next_step.removesuffix(", then: datalake-syncd retry RUN"))


def _step(instrument: Instrument) -> str:
    user = "the service's user"
    return (
        f"mount {escape(str(instrument.source))} writable for {user} and give it write access, "
        "or set prune.enabled = false"
    )


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(escape(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _on() -> None:
    """The patience of doctor is short: it counts from the beginning."""
