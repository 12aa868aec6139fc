"""A TOML file into a frozen `Config`, or into all of its faults at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic_core import PydanticCustomError

from datalake_syncd.config import check, grammar
from datalake_syncd.config.base import Table
from datalake_syncd.config.check import FilesystemType
from datalake_syncd.config.faults import ConfigErrors, Fault, shown, sort_of
from datalake_syncd.config.lines import KeyPath, Lines
from datalake_syncd.config.schema import (
    Azcopy,
    Config,
    Daemon,
    Instrument,
    Lake,
    Log,
    Mail,
    Web,
)
from datalake_syncd.config.scrub import Scrub
from datalake_syncd.config.tables import Draft, unknown_key
from datalake_syncd.core.durations import duration_text
from datalake_syncd.core.kinds import KINDS, Kind

MAX_BYTES = 1024 * 1024

_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)$")
_MAIL_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value in force comes from: a line of the file, else ``default`` says whose."""

    line: int | None
    default: str = ""

    def __str__(self) -> str:
        return f"line {self.line}" if self.line is not None else self.default


@dataclass(frozen=True, slots=True)
class Loaded:
    """A good configuration, with where its values come from and advice that is no fault."""

    config: Config
    path: Path
    origins: Mapping[KeyPath, Origin]
    advice: tuple[Fault, ...]


def load(
    path: Path,
    environ: Mapping[str, str],
    filesystem_type: FilesystemType | None = None,
    kinds: Mapping[str, Kind] = KINDS,
) -> Config:
    """The configuration in this file; raises `ConfigErrors` with every fault it has.

    ``filesystem_type`` is what `adapters.mounts` knows about a path; without it the file
    system of the state directory is not judged.
    """
    return load_with_origins(path, environ, filesystem_type, kinds).config


def load_with_origins(
    path: Path,
    environ: Mapping[str, str],
    filesystem_type: FilesystemType | None = None,
    kinds: Mapping[str, Kind] = KINDS,
) -> Loaded:
    """As `load`, with where each value comes from: for ``config show`` and ``config check``."""
    return load_text(_read(path), path, environ, filesystem_type, kinds)


def load_text(
    text: str,
    path: Path,
    environ: Mapping[str, str],
    filesystem_type: FilesystemType | None = None,
    kinds: Mapping[str, Kind] = KINDS,
) -> Loaded:
    """As `load_with_origins`, of a text; ``path`` is only named in errors."""
    raw = _parse(text, path)
    lines = Lines(text)
    tables = _Tables(raw, kinds)
    seen = check.Seen(
        tables.lake.good,
        tables.daemon.good,
        tables.log.good,
        tables.mail.good if tables.mail else {},
        {name: draft.good for name, draft in tables.instruments.items()},
        {name: draft.written for name, draft in tables.instruments.items()},
    )
    faults = [*tables.faults(), *check.faults(seen, kinds, filesystem_type)]
    if faults:
        raise ConfigErrors(path, [replace(fault, line=lines.line(fault.path)) for fault in faults])
    config = _expanded(tables.config(), environ)
    advice = tuple(
        Fault(key, sentence, "", line=lines.line(key))
        for key, sentence in check.advice(seen.lake, seen.instruments)
    )
    return Loaded(config, path, dict(_origins(config, raw, lines)), advice)


class _Tables:
    """Every table of the file, read one by one so that a fault in one hides none in others."""

    def __init__(self, raw: dict[str, Any], kinds: Mapping[str, Kind]) -> None:
        self._unknown = [
            unknown_key((key,), tuple(Config.model_fields))
            for key in raw
            if key not in Config.model_fields
        ]
        self.lake = Draft(Lake, raw.get("lake", {}), ("lake",))
        self.daemon = Draft(Daemon, raw.get("daemon", {}), ("daemon",))
        self.azcopy = Draft(Azcopy, raw.get("azcopy", {}), ("azcopy",))
        self.log = Draft(Log, raw.get("log", {}), ("log",))
        self.mail = Draft(Mail, _with_port(raw["mail"]), ("mail",)) if "mail" in raw else None
        self.web = Draft(Web, raw["web"], ("web",)) if "web" in raw else None
        self.scrub = Draft(Scrub, raw["scrub"], ("scrub",)) if "scrub" in raw else None
        self.instruments: dict[str, Draft[Instrument]] = {}
        instruments = raw.get("instruments", {})
        if not isinstance(instruments, dict) or not instruments:
            found = f"found {sort_of(instruments)}" if instruments else "is missing"
            self._unknown.append(Fault(("instruments",), found, "a table [instruments.NAME] each"))
            return
        for name, table in instruments.items():
            key = ("instruments", name)
            try:
                grammar.instrument_name(name)
            except PydanticCustomError as error:
                self._unknown.append(Fault(key, "found a name that can't be used", error.message()))
            self.instruments[name] = Draft(Instrument, _with_quiet(table, kinds), key)

    def faults(self) -> Iterator[Fault]:
        """The faults of single values, and unknown and missing keys."""
        yield from self._unknown
        drafts: list[Draft[Any] | None] = [
            self.lake,
            self.daemon,
            self.azcopy,
            self.log,
            self.mail,
            self.web,
            self.scrub,
            *self.instruments.values(),
        ]
        for draft in drafts:
            if draft is not None:
                yield from draft.faults

    def config(self) -> Config:
        """The whole; only when there are no faults."""
        return Config(
            lake=cast("Lake", self.lake.model),
            daemon=cast("Daemon", self.daemon.model),
            azcopy=cast("Azcopy", self.azcopy.model),
            log=cast("Log", self.log.model),
            mail=self.mail.model if self.mail else None,
            web=self.web.model if self.web else None,
            scrub=self.scrub.model if self.scrub else None,
            instruments={
                name: cast("Instrument", draft.model) for name, draft in self.instruments.items()
            },
        )


def _with_quiet(table: object, kinds: Mapping[str, Kind]) -> object:
    """The instrument with its kind's own quiet time where the file gives none."""
    if not isinstance(table, dict) or "quiet" in table:
        return table
    name = table.get("kind")
    kind = kinds.get(name) if isinstance(name, str) else None
    return table if kind is None else {**table, "quiet": duration_text(kind.quiet)}


def _with_port(table: object) -> object:
    if not isinstance(table, dict) or "port" in table:
        return table
    security = table.get("security", "starttls")
    port = _MAIL_PORTS.get(security) if isinstance(security, str) else None
    return table if port is None else {**table, "port": port}


def _expanded(config: Config, environ: Mapping[str, str]) -> Config:
    """Secret files below systemd's credentials, where systemd is.

    Elsewhere the name stays: ``status`` in a shell needs no secret, and `read_secret` tells.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return config

    def expanded(path: Path | None) -> Path | None:
        return None if path is None else Path(str(path).replace(grammar.CREDENTIALS, directory))

    lake = config.lake.model_copy(update={"secret_file": expanded(config.lake.secret_file)})
    mail = config.mail
    if mail is not None:
        mail = mail.model_copy(update={"password_file": expanded(mail.password_file)})
    return config.model_copy(update={"lake": lake, "mail": mail})


def _origins(config: Config, raw: dict[str, Any], lines: Lines) -> Iterator[tuple[KeyPath, Origin]]:
    def walk(table: Table, given: object, path: KeyPath) -> Iterator[tuple[KeyPath, Origin]]:
        values = given if isinstance(given, dict) else {}
        for name in type(table).model_fields:
            value, key = getattr(table, name), (*path, name)
            if isinstance(value, Table):
                yield from walk(value, values.get(name), key)
            elif isinstance(value, dict):
                for one, instrument in value.items():
                    yield from walk(instrument, values.get(name, {}).get(one), (*key, one))
            elif name in values:
                yield key, Origin(lines.line(key))
            elif isinstance(table, Instrument) and name == "quiet":
                yield key, Origin(None, f"default of {table.kind}")
            elif isinstance(table, Mail) and name == "port":
                yield key, Origin(None, f"default for {table.security}")
            else:
                yield key, Origin(None, "default")

    yield from walk(config, raw, ())


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "write a starting one with: datalake-syncd config init"
        raise ConfigErrors(path, [Fault((), "the file does not exist", "", hint)]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fault = Fault((), f"the file can't be read: {reason}", "a readable TOML file")
        raise ConfigErrors(path, [fault]) from None
    if len(data) > MAX_BYTES:
        fault = Fault((), "the file is too large", "a TOML file of at most 1 MiB")
        raise ConfigErrors(path, [fault])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fault = Fault((), "found bytes that are not UTF-8", "text in UTF-8", line=line)
        raise ConfigErrors(path, [fault]) from None


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        where = _POSITION.search(message)
        line = int(where[1]) if where else text.count("\n") + 1
        column = int(where[2]) if where else None
        message = _POSITION.sub("", message).removesuffix(" (at end of document)")
        found = shown(message).strip('"')
        fault = Fault((), f"not TOML: {found}", "", line=line, column=column)
    except (ValueError, RecursionError, OverflowError) as error:
        found = f"not TOML: {type(error).__name__}"
        fault = Fault((), found, "values of a sensible size and depth")
    raise ConfigErrors(path, [fault])
