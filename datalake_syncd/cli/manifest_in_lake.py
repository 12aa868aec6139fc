"""Where a run that is named on the command line is in the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Ledger
    from datalake_syncd.config import Config
    from datalake_syncd.steps.published import Place


def locate(config: Config, ledger: Ledger | None, text: str) -> Place:
    """The run that is meant: from the ledger, else from INSTRUMENT/NAME and the configuration."""
    from datalake_syncd.cli.run_names import find_run
    from datalake_syncd.steps.context import lake_id
    from datalake_syncd.steps.places import run_prefix
    from datalake_syncd.steps.published import Place

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
