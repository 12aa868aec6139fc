"""What single values of the configuration may look like; each returns the value or raises.

A refusal is a `PydanticCustomError` whose message is what is accepted, so that every fault can
be told as: found this, accepted is that.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from datalake_syncd.core.names import Excluder

CREDENTIALS = "${CREDENTIALS_DIRECTORY}"
EMULATOR_ACCOUNT = "devstoreaccount1"

_INSTRUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")
_ACCOUNT_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+")
_MAX_DESTINATION = 400  # of the 1024 characters of a blob name; the rest is for runs


def refuse(accepted: str, *, hint: str = "") -> PydanticCustomError:
    """The error that says what would be accepted; for `raise`."""
    # Braces are pydantic's placeholders; the text goes in as a value, not as a template.
    return PydanticCustomError("syncd", "{accepted}", {"accepted": accepted, "hint": hint})


def instrument_name(value: str) -> str:
    """The name of an ``[instruments.NAME]`` table: part of run names, metrics and file names."""
    if _INSTRUMENT.fullmatch(value) is None:
        raise refuse("1 to 63 letters, digits, '-' or '_', beginning with a letter or digit")
    return value


def absolute_path(value: Path) -> Path:
    """A path from the root: a daemon has no folder of its own to be relative to."""
    text = str(value)
    if not text.isprintable():
        raise refuse("a path without control characters")
    if not text.startswith("/"):
        raise refuse("an absolute path (beginning with '/')")
    return Path(os.path.normpath(text))


def source_path(value: Path) -> Path:
    """A source folder: what azcopy misreads in its source argument is refused."""
    path = absolute_path(value)
    text = str(path)
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise refuse(
            "a path in which every '%' is followed by two hex digits (azcopy takes the source "
            "for a URL)",
            hint="mount or bind the folder under another name",
        )
    if "*" in text:
        raise refuse(
            "a path without '*' (azcopy takes it for a pattern)",
            hint="mount or bind the folder under another name",
        )
    if path == Path("/"):
        raise refuse("a folder below '/'")
    return path


def secret_path(value: Path) -> Path:
    """An absolute path, or one below ``${CREDENTIALS_DIRECTORY}`` of systemd."""
    text = str(value)
    if text.startswith(f"{CREDENTIALS}/"):
        rest = text.removeprefix(f"{CREDENTIALS}/")
        if "/" in rest or rest in {"", ".", ".."} or "$" in rest or not rest.isprintable():
            raise refuse(f'"{CREDENTIALS}/NAME", NAME as in LoadCredential=NAME:…')
        return value
    if "${" in text:
        raise refuse(f'an absolute path, or "{CREDENTIALS}/NAME" (no other variable is known)')
    return absolute_path(value)


def account_url(value: str) -> str:
    """The blob endpoint of a storage account: https, or http where nobody can listen."""
    if not value.isprintable() or any(character.isspace() for character in value):
        raise refuse("an address without spaces or control characters")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise refuse('an address such as "https://ACCOUNT.blob.core.windows.net"') from None
    if parts.query or "?" in value or parts.username is not None or parts.password is not None:
        raise refuse(
            "the address alone: a SAS or password in it is a secret, and secrets are never in "
            "this file",
            hint='put the SAS into a file of mode 600, name it in secret_file, set auth = "sas"',
        )
    if parts.fragment or "#" in value:
        raise refuse("the address without '#'")
    if parts.scheme not in {"https", "http"} or not host:
        raise refuse('an address such as "https://ACCOUNT.blob.core.windows.net"')
    segments = [segment for segment in parts.path.split("/") if segment]
    emulated = segments == [EMULATOR_ACCOUNT]
    if parts.scheme == "http" and not (is_loopback(host) or emulated):
        raise refuse("https:// (http:// only for Azurite or a loopback address)")
    if _is_address(host) or host == "localhost" or emulated:
        if len(segments) != 1:
            raise refuse(f'the account after the host, e.g. "http://HOST:10000/{EMULATOR_ACCOUNT}"')
    elif segments:
        raise refuse(
            "the address of the account alone, without a path",
            hint="the container goes into lake.container, folders into destination",
        )
    elif ".dfs." in host:
        raise refuse("the blob endpoint", hint="write .blob. in place of .dfs.")
    elif _ACCOUNT_HOST.fullmatch(host) is None:
        raise refuse('an address such as "https://ACCOUNT.blob.core.windows.net"')
    authority = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return "/".join([f"{parts.scheme}://{authority}", *segments])


def container(value: str) -> str:
    """The name of a container, by the rules of Azure."""
    if _CONTAINER.fullmatch(value) is None or len(value) > 63:
        raise refuse(
            "3 to 63 lower-case letters, digits and single '-', beginning and ending with a "
            "letter or digit"
        )
    return value


def destination(value: str) -> str:
    """The prefix of an instrument in the container: ``Folder`` or ``Folder/Sub folder``."""
    if not value:
        raise refuse('a prefix in the container, e.g. "NextSeqOutput"')
    if "\\" in value or not value.isprintable():
        raise refuse("a prefix without backslashes or control characters")
    if value.startswith("/") or value.endswith("/") or "//" in value:
        raise refuse("a prefix without '/' at its ends and without '//'", hint=_suggested(value))
    for segment in value.split("/"):
        if segment in {".", ".."}:
            raise refuse("a prefix without '.' or '..' as a folder")
        if segment.endswith("."):
            raise refuse("a prefix in which no folder ends in a dot (Azure refuses it)")
        if segment != segment.strip():
            raise refuse("a prefix in which no folder begins or ends with a space")
    if len(value.encode("utf-16-le")) // 2 > _MAX_DESTINATION:
        raise refuse(f"at most {_MAX_DESTINATION} characters")
    return value


def _suggested(value: str) -> str:
    cleaned = "/".join(part for part in value.split("/") if part)
    return f'write "{cleaned}"' if cleaned else ""


def completion_flag(value: str) -> str:
    """The name of a flag file in the top folder of a run."""
    if not value.strip() or "/" in value or not value.isprintable() or value in {".", ".."}:
        raise refuse("names of files in the top folder of a run, without '/'")
    return value


def exclude_pattern(value: str) -> str:
    """One pattern in the notation of .gitignore."""
    try:
        Excluder([value])
    except ValueError as error:
        raise refuse(f"patterns as in .gitignore; this one {error}") from None
    return value


def mail_address(value: str) -> str:
    """A bare address: ``somebody@example.org``."""
    if not (value.isprintable() and value.isascii()) or _ADDRESS.fullmatch(value) is None:
        raise refuse('addresses such as "lab-it@example.org"')
    return value


def host_name(value: str) -> str:
    """A host name or IP address, without a port."""
    if not _is_address(value) and _HOST.fullmatch(value) is None:
        raise refuse("a host name or IP address, without a port")
    return value


def web_address(value: str) -> str:
    """An address to ask for: ``https://`` or ``http://``, a host, and what follows."""
    parts = urlsplit(value) if value.isprintable() and " " not in value else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise refuse('an address such as "https://hc.example.org/ping/…"')
    return value


def listen_address(value: str) -> str:
    """``HOST:PORT`` or ``[IPV6]:PORT``; port 0 takes any free one."""
    try:
        split_listen(value)
    except ValueError:
        raise refuse('HOST:PORT, e.g. "127.0.0.1:9464" or "[::1]:9464"') from None
    return value


def split_listen(value: str) -> tuple[str, int]:
    """(host, port) of a listen address; ValueError when it is none."""
    match = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]+):([0-9]{1,5})", value)
    if match is None or int(match[2]) > 65535:
        raise ValueError("not HOST:PORT")
    host = match[1]
    if host.startswith("["):
        ipaddress.IPv6Address(host[1:-1])
        return host[1:-1], int(match[2])
    if _HOST.fullmatch(host) is None:
        raise ValueError("not a host")
    return host, int(match[2])


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
