"""A published run as the lake tells of it: ``NAME.md5`` and the marker ``NAME.sync``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datalake_syncd.core import manifest
from datalake_syncd.core.errors import NeedsPerson, UsageError
from datalake_syncd.core.names import escape

if TYPE_CHECKING:
    from datalake_syncd.adapters.lake import Lake
    from datalake_syncd.adapters.ledger import Ledger, Run
    from datalake_syncd.config import Config

_MANIFEST_LIMIT = 1 << 30
_MARKER_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """What stands in the lake beside the run's folder.

    ``lines`` are (md5, path) pairs; ``marker`` the fields of the marker, None without one;
    ``trouble`` says what is wrong with the two.
    """

    name: str
    prefix: str
    data: bytes
    lines: tuple[tuple[str, str], ...]
    empty: tuple[str, ...]
    not_carried: int
    marker: dict[str, str] | None
    trouble: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is in the lake; ``run`` is its row in the ledger, None when there is none."""

    name: str
    prefix: str
    run: Run | None


def locate(config: Config, ledger: Ledger | None, text: str) -> Place:
    """The run that is meant: from the ledger, else from INSTRUMENT/NAME and the configuration."""
    from datalake_syncd.cli.run_names import find_run
    from datalake_syncd.steps.context import lake_id
    from datalake_syncd.steps.places import run_prefix

    instrument, slash, name = text.partition("/")
    if ledger is not None:
        try:
            run = find_run(ledger, text)
        except UsageError as error:
            if ledger.runs.named(text):
                raise  # more than one
            if not slash or instrument not in config.instruments:
                known = ", ".join(map(escape, config.instruments))
                raise UsageError(
                    error.what,
                    why=error.why,
                    next_step=f"{error.next_step}; a run that only the lake knows: "
                    f"INSTRUMENT/NAME (instruments: {known})",
                ) from error
        else:
            if run.lake not in (None, lake_id(config)):
                raise UsageError(
                    f"{escape(run.key)} was published to another lake: {escape(run.lake or '')}",
                    why=f"the configuration names {lake_id(config)}",
                    next_step="use a configuration with that lake: --config PATH",
                )
            return Place(run.name, run.prefix, run)
    if not slash or instrument not in config.instruments:
        raise UsageError(
            f"the ledger does not know {escape(text)}",
            why="so its place in the lake has to be taken from the configuration",
            next_step="name it as INSTRUMENT/NAME, with one of the instruments: "
            + ", ".join(map(escape, config.instruments)),
        )
    if name in ("", ".", "..") or "/" in name:
        raise UsageError(f"{escape(name)!r} is no run name", next_step="give INSTRUMENT/NAME")
    return Place(name, run_prefix(config.instruments[instrument], name), None)


def read_published(lake: Lake, place: Place) -> Published:
    """Read manifest and marker; raises when there is no manifest that can be read."""
    name = f"{place.prefix}.md5"
    data = lake.read(name, _MANIFEST_LIMIT)
    if data is None:
        raise NeedsPerson(
            f"there is no {escape(name)} in the lake",
            why="this run was not published by this service, or not to this place",
            next_step="look for it in the lake, and at lake and destination in the configuration",
        )
    try:
        text = data.decode()
        lines, empty = manifest.parse_md5(text)
    except ValueError as error:
        raise NeedsPerson(
            f"{escape(name)} in the lake can't be read as a list of MD5s: {error}",
            next_step="look at it, and at its snapshots, in the lake",
        ) from error
    marker_data = lake.read(f"{place.prefix}.sync", _MARKER_LIMIT)
    marker = None if marker_data is None else manifest.parse_marker(marker_data)[1]
    return Published(
        name=place.name,
        prefix=place.prefix,
        data=data,
        lines=tuple(lines),
        empty=tuple(empty),
        not_carried=text.count("\n# not carried: "),
        marker=marker,
        trouble=tuple(_trouble(place.prefix, data, marker)),
    )


def _trouble(prefix: str, data: bytes, marker: dict[str, str] | None) -> list[str]:
    if marker is None:
        return [f"there is no marker {escape(prefix)}.sync"]
    told = marker.get("manifest-sha256")
    if told is None:
        return []  # a marker of the time before this service
    if told == manifest.digest(data):
        return []
    return [f"{escape(prefix)}.md5 is not the one that the marker was written for"]
