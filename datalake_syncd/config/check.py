"""Faults that only show when several values are seen together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from datalake_syncd.config import apart
from datalake_syncd.config.faults import Fault, did_you_mean
from datalake_syncd.config.filesystems import MOUNTED_LAKES, is_network_type
from datalake_syncd.config.grammar import is_loopback
from datalake_syncd.config.lines import KeyPath
from datalake_syncd.core.kinds import Kind
from datalake_syncd.core.names import escape

Values = Mapping[str, Any]
FilesystemType = Callable[[Path], str | None]

# Keys of [lake] by way of logging in: (needed, allowed besides).
_AUTH_KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "managed-identity": ((), ("client_id",)),
    "service-principal": (("tenant_id", "client_id", "secret_file"), ()),
    "workload-identity": ((), ("tenant_id", "client_id")),
    "azure-cli": ((), ("tenant_id",)),
    "sas": (("secret_file",), ()),
    "connection-string": (("secret_file",), ()),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """The good values of every table; a value with a fault of its own is absent.

    ``written`` are the keys that the file really has, by the name of the instrument.
    """

    lake: Values
    daemon: Values
    log: Values
    mail: Values
    instruments: Mapping[str, Values]
    written: Mapping[str, Collection[str]]


def faults(
    seen: Seen, kinds: Mapping[str, Kind], filesystem_type: FilesystemType | None
) -> Iterator[Fault]:
    """Every fault that takes more than one value, or the machine, to see."""
    yield from _login(seen.lake)
    yield from _mail(seen.mail)
    for name, instrument in seen.instruments.items():
        yield from _instrument(name, instrument, seen.lake, kinds)
        if filesystem_type is not None:
            yield from _lake_as_source(name, instrument, filesystem_type)
        kind = kinds.get(str(instrument.get("kind")))
        if kind is not None and not kind.lapses and "flag_grace" in seen.written[name]:
            yield _unused(name, "flag_grace", kind)
    yield from apart.folders(seen.instruments, seen.daemon, seen.log)
    yield from apart.destinations(seen.instruments, kinds)
    state = seen.daemon.get("state_dir")
    if filesystem_type is not None and state is not None:
        found = filesystem_type(state)
        if is_network_type(found):
            yield Fault(
                ("daemon", "state_dir"),
                f'found "{escape(str(state))}", which is on a network file system ({found})',
                "a folder on a local disk",
                "SQLite loses data where file locks are not exact",
            )


def _lake_as_source(
    name: str, instrument: Values, filesystem_type: FilesystemType
) -> Iterator[Fault]:
    prune, source = instrument.get("prune"), instrument.get("source")
    if prune is None or not prune.enabled or source is None:
        return
    found = filesystem_type(source)
    if found in MOUNTED_LAKES:
        yield Fault(
            ("instruments", name, "source"),
            f'found "{escape(str(source))}", which is a lake that is mounted as a folder ({found})',
            "the disk or share that the instrument writes to (or no pruning)",
            "pruning would delete from it what was proven in it",
        )


def _login(lake: Values) -> Iterator[Fault]:
    auth = lake.get("auth")
    if auth is None:
        return
    needed, allowed = _AUTH_KEYS[auth]
    for key in ("tenant_id", "client_id", "secret_file"):
        if key not in lake:
            continue
        if key in needed and lake[key] is None:
            yield Fault(("lake", key), "is missing", f'a value: auth = "{auth}" needs it')
        elif key not in needed and key not in allowed and lake[key] is not None:
            yield Fault(
                ("lake", key),
                f'is there, but auth = "{auth}" does not use it',
                "the file without this key, or with another auth",
            )
    url = lake.get("account_url")
    # The SDK refuses to send tokens over http; only a signature can be used there.
    if url is not None and url.startswith("http://") and auth not in {"sas", "connection-string"}:
        yield Fault(
            ("lake", "account_url"),
            f'found an http:// address with auth = "{auth}"',
            'https://, or auth = "sas" or "connection-string" (tokens are not sent over http)',
        )


def _mail(mail: Values) -> Iterator[Fault]:
    if "user" in mail and "password_file" in mail:
        for key, other in (("user", "password_file"), ("password_file", "user")):
            if mail[key] is None and mail[other] is not None:
                yield Fault(("mail", key), "is missing", f"a value, as there is a {other}")
    host = mail.get("host")
    if (
        mail.get("security") == "none"
        and mail.get("user") is not None
        and host is not None
        and not is_loopback(host)
    ):
        yield Fault(
            ("mail", "security"),
            'found "none" with a login: the password would cross the network in clear',
            '"starttls" or "tls" (or no user)',
        )


def _instrument(
    name: str, instrument: Values, lake: Values, kinds: Mapping[str, Kind]
) -> Iterator[Fault]:
    kind = instrument.get("kind")
    if kind is not None and kind not in kinds:
        yield Fault(
            ("instruments", name, "kind"),
            f'found "{escape(kind)}", which is no known kind',
            ", ".join(sorted(kinds)),
            did_you_mean(kind, kinds),
        )
    if kind is not None and kind in kinds:
        yield from _completion(name, instrument, kinds[kind])
        if kinds[kind].growing is not None:
            yield from _growing(name, instrument, kinds[kind])
    prune = instrument.get("prune")
    if prune is not None and prune.enabled and lake.get("proof") == "claimed":
        yield Fault(
            ("instruments", name, "prune", "enabled"),
            'found true with lake.proof = "claimed": nothing would ever be proven well enough',
            'false, or lake.proof = "auto" or "read-back"',
        )


def _completion(name: str, instrument: Values, kind: Kind) -> Iterator[Fault]:
    """Keys that say when a run is complete, which not every kind follows."""
    for key in ("ready_file", "checksum_file"):
        value = instrument.get(key)
        path = ("instruments", name, key)
        if value is None:
            continue
        if not kind.looks_beside:
            yield _unused(name, key, kind)
        elif "/" in value:
            where = "beside" if key == "ready_file" else "in"
            accepted = f"a name without '/': the file lies {where} the run's folder"
            yield Fault(path, f'found "{escape(value)}"', accepted)
        elif key == "ready_file" and value.replace("{name}", "", 1) in (value, ""):
            accepted = '"{name}", the name of the run, with something besides, as "{name}.ready"'
            yield Fault(path, f'found "{escape(value)}"', accepted)
    for flag in instrument.get("completion_flags") or ():
        # A kind with flags of its own looks for exactly these names.
        if kind.flags and any(sign in flag for sign in "*?["):
            yield Fault(
                ("instruments", name, "completion_flags"),
                f'found "{escape(flag)}", which is a pattern',
                f'names of files: kind = "{kind.name}" takes no patterns here',
            )


def _growing(name: str, instrument: Values, kind: Kind) -> Iterator[Fault]:
    """Data sets that are never complete have neither flags nor a sample sheet."""
    unused = {"completion_flags": None, "sample_sheets": None, "sample_sheet": "optional"}
    for key, default in unused.items():
        if instrument.get(key, default) != default:
            yield _unused(name, key, kind)


def _unused(name: str, key: str, kind: Kind) -> Fault:
    return Fault(
        ("instruments", name, key),
        f'is there, but kind = "{kind.name}" does not use it',
        "the instrument without this key",
    )


def advice(lake: Values, instruments: Mapping[str, Values]) -> Iterator[tuple[KeyPath, str]]:
    """What is allowed and still worth a thought: (TOML path, sentence)."""
    if lake.get("auth") == "sas":
        yield (
            ("lake", "auth"),
            "azcopy takes a SAS only on its command line, where every user of this machine can "
            "read it; managed-identity or service-principal avoid that",
        )
    url = urlsplit(lake.get("account_url") or "")
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        yield ("lake", "account_url"), "http:// sends everything in clear; for an emulator only"
    for name, instrument in instruments.items():
        prune = instrument.get("prune")
        if prune is not None and prune.enabled and prune.keep + prune.trash < 86_400:
            yield (
                ("instruments", name, "prune", "keep"),
                "runs leave the disk less than a day after publishing",
            )
        if instrument.get("sample_sheet") == "required" and not instrument.get("sample_sheets"):
            yield (
                ("instruments", name, "sample_sheet"),
                "required without a sample_sheets folder: only a SampleSheet.csv that the "
                "instrument itself writes opens the way for the marker",
            )
