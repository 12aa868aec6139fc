"""Every value in force and where it came from, as rows for ``config show``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from datalake_syncd.config.base import Table
from datalake_syncd.config.faults import dotted
from datalake_syncd.config.lines import KeyPath
from datalake_syncd.config.load import Loaded
from datalake_syncd.core.durations import duration_text
from datalake_syncd.core.names import escape_once
from datalake_syncd.core.sizes import share_text, size_text


@dataclass(frozen=True, slots=True)
class Row:
    """One value in force: TOML path, value as TOML (or ``-``), origin, what the key is for."""

    key: str
    value: str
    origin: str
    description: str


def rows(loaded: Loaded) -> list[Row]:
    """All values in force, in the order of the tables; secrets are not among them."""
    return [
        Row(dotted(path), _shown(name, value), str(loaded.origins[path]), field_text)
        for path, name, value, field_text in _values(loaded.config, ())
    ]


def _values(table: Table, path: KeyPath) -> Iterator[tuple[KeyPath, str, object, str]]:
    for name, field in type(table).model_fields.items():
        value, key = getattr(table, name), (*path, name)
        if isinstance(value, Table):
            yield from _values(value, key)
        elif isinstance(value, dict):
            for one, instrument in value.items():
                yield from _values(instrument, (*key, one))
        elif path or value is not None:  # an optional table that is not there has no values
            yield key, name, value, field.description or ""


def _shown(name: str, value: object) -> str:
    """As in the file, but for the address that whoever knows it can ping in our name."""
    if name == "heartbeat_url" and isinstance(value, str):
        parts = urlsplit(value)
        return toml_value(name, f"{parts.scheme}://{parts.hostname}/***")
    return toml_value(name, value)


def toml_value(name: str, value: object) -> str:
    """A value as it would stand in the file; ``-`` when there is none."""
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case float() if name in DURATION_KEYS:
            return f'"{duration_text(value)}"'
        case float() if name == "sample":
            return f'"{share_text(value)}"'
        case float():
            return format(value, ".12g")
        case int() if name == "budget":
            return f'"{size_text(value)}"'
        case int():
            return str(value)
        case tuple() | list():
            return f"[{', '.join(toml_value('', entry) for entry in value)}]"
        case str() | Path():
            # JSON's strings are TOML's; what is not printable is escaped for the terminal.
            return escape_once(json.dumps(str(value), ensure_ascii=False))
        case _:
            return escape_once(str(value))


DURATION_KEYS = frozenset(
    {
        "scan_interval",
        "stale_after",
        "stall_timeout",
        "quiet",
        "flag_grace",
        "remind_after",
        "max_silence",
        "keep",
        "trash",
        "every",
        "older_than",
    }
)
"""Keys whose floats are seconds and are written with a unit."""
