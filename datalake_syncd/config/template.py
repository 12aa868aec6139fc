"""The commented file that ``config init`` writes, made from the models so that it never lags."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from datalake_syncd.config.base import Table
from datalake_syncd.config.schema import (
    Azcopy,
    Daemon,
    Instrument,
    Lake,
    Log,
    Mail,
    Prune,
    Web,
)
from datalake_syncd.config.scrub import Scrub
from datalake_syncd.config.show import toml_value

_WIDTH = 98

_HEAD = """\
# Configuration of datalake-syncd.
#
# Durations are "90s", "15m", "1h", "14d", sizes "500MB", "50GB". A key that is commented out
# (#key = value) shows its default, or an example where there is no default. An unknown key or a
# wrong value is refused: try the file with `datalake-syncd config check`, see what is in force
# with `config show`. A running service takes a changed file up with `kill -HUP PID`.
# Secrets are never in this file.
"""

# Shown as examples although they have a default: the first thing that somebody changes.
_LIVE = {(Lake, "auth"), (Daemon, "state_dir")}


def starting_file() -> str:
    """A complete configuration file: every key, explained; it loads as it is."""
    parts = [
        _HEAD,
        *_table("[lake]", Lake),
        *_table("[daemon]", Daemon),
        *_table("[azcopy]", Azcopy),
        *_table("[log]", Log),
        *_table("[mail]", Mail, optional=True),
        *_table("[web]", Web, optional=True),
        *_table("[scrub]", Scrub, optional=True),
        *_table("[instruments.nextseq]", Instrument),
        *_table("[instruments.nextseq.prune]", Prune),
    ]
    return "\n".join(parts)


def _table(header: str, table: type[Table], *, optional: bool = False) -> Iterator[str]:
    yield from _comment(table.__doc__ or "")
    if optional:
        yield from _comment("To use it, uncomment the header and at least the required keys.")
    yield f"#{header}" if optional else header
    for name, field in table.model_fields.items():
        if name == "prune":
            continue  # a table of its own
        needed = " Required." if field.is_required() else ""
        yield from _comment(f"{field.description}{needed}")
        live = (field.is_required() or (table, name) in _LIVE) and not optional
        yield f"{'' if live else '#'}{name} = {toml_value(name, _value(field))}"
    yield ""


def _value(field: FieldInfo) -> object:
    """The default, or where it would say nothing the example."""
    default = field.get_default()
    if field.is_required() or default is None or default == ():
        return field.examples[0] if field.examples else ""
    return default


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False):
        yield f"# {line}"
