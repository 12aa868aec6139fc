"""What a container must be given of its machine so that this configuration works in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datalake_syncd.config.grammar import CREDENTIALS
from datalake_syncd.config.schema import Config

Access = Literal["ro", "rw"]

# A folder is handed over whole only from this depth on: /etc of the machine in place of the
# container's own would break it.
_OWN_FOLDER_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Mount:
    """One folder or file, at the same path inside as outside; ``what`` is what it is for."""

    access: Access
    what: str
    path: Path


def mounts(config: Config, path: Path | None) -> list[Mount]:
    """Every folder and file that the service needs, outer ones first.

    ``path`` is the configuration file, or None if that comes in another way. Sources are
    read-only unless pruning is on for that instrument. Where two needs meet in one place, the
    one that writes wins; what lies inside another mount of the same access is left out.
    """
    wanted: dict[Path, Mount] = {}
    for one in _needs(config, path):
        before = wanted.get(one.path)
        if before is None or (before.access == "ro" and one.access == "rw"):
            wanted[one.path] = one
    found: list[Mount] = []
    for one in sorted(wanted.values(), key=lambda mount: mount.path.parts):
        outer = [mount for mount in found if one.path.is_relative_to(mount.path)]
        if not outer or outer[-1].access != one.access:
            found.append(one)
    return found


def published_port(config: Config) -> int | None:
    """The port of page and metrics that is to be reached from outside, if there is one.

    A page that listens on the container's own loopback can't be.
    """
    if config.web is None:
        return None
    host, port = config.web.address
    return port if host in {"0.0.0.0", "::"} and port else None  # noqa: S104 - is compared only


def compose(wanted: list[Mount]) -> dict[str, Any]:
    """The mounts as a file for Docker Compose that goes on top of ``docker/compose.yaml``.

    Secrets that Compose itself hands over (``/run/secrets``) are not among them.
    """
    volumes = [
        {
            "type": "bind",
            # A lone $ would be a variable to Compose.
            "source": str(one.path).replace("$", "$$"),
            "target": str(one.path).replace("$", "$$"),
            "read_only": one.access == "ro",
            # A share that is mounted on the machine only later is then seen inside, too.
            "bind": {"propagation": "rslave"},
        }
        for one in wanted
        if not one.path.is_relative_to("/run/secrets")
    ]
    return {"services": {"datalake-syncd": {"volumes": volumes}}}


def _needs(config: Config, path: Path | None) -> Iterator[Mount]:
    if path is not None:
        yield Mount("ro", "configuration", _folder_or_file(Path(os.path.abspath(path))))
    yield Mount("rw", "state", config.daemon.state_dir)
    if config.log.file is not None:
        yield Mount("rw", "log", config.log.file.parent)
    secrets = [config.lake.secret_file]
    if config.mail is not None:
        secrets.append(config.mail.password_file)
        if config.mail.ca_file is not None:
            yield Mount("ro", "certificates", config.mail.ca_file)
    for secret in secrets:
        if secret is not None and CREDENTIALS not in str(secret):
            yield Mount("ro", "secret", secret)
    if config.daemon.on_event is not None:
        yield Mount("ro", "hook", Path(config.daemon.on_event[0]))
    for name, instrument in config.instruments.items():
        access: Access = "rw" if instrument.prune.enabled else "ro"
        yield Mount(access, f"source of {name}", instrument.source)
        if instrument.sample_sheets is not None:
            yield Mount("ro", f"sample sheets of {name}", instrument.sample_sheets)


def _folder_or_file(path: Path) -> Path:
    """The file's folder: an editor that puts a new file in its place is seen inside, too."""
    folder = path.parent
    own = len(folder.parts) >= _OWN_FOLDER_DEPTH and folder.parts[1] not in {"home", "root"}
    return folder if own else path
