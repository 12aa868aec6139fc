"""Secrets: read from files of their own at every use, never shown."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qsl, urlsplit

from datalake_syncd.config.grammar import CREDENTIALS
from datalake_syncd.core.errors import Transient
from datalake_syncd.core.names import escape

if TYPE_CHECKING:
    from datalake_syncd.config.schema import Config

MAX_BYTES = 64 * 1024
#: A shorter path of an address is a word, not a secret.
_TELLING = 12

# Put there by systemd and by Docker, with modes that nobody here chooses: systemd adds an
# ACL for the service's user (seen as group-readable), Docker's own default is 0444 inside a
# container that is all ours.
_HANDED_OVER = (Path("/run/credentials"), Path("/run/secrets"))


class SecretUnusable(Transient):
    """A secret file can't be used now; it is read anew at the next attempt."""


class Secret:
    """A secret text that shows itself as ``***`` everywhere; `reveal` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself: for the place that uses it, and for nothing that is shown."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _specification: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


def read_secret(path: Path) -> Secret:
    """The secret in a file, without the newline at its end; else SecretUnusable.

    ``${CREDENTIALS_DIRECTORY}`` is replaced here if `load` left it. A file that others can
    read is refused, except where systemd or Docker hand secrets over.
    """
    shown = escape(str(path))
    if CREDENTIALS in str(path):
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise SecretUnusable(
                f"The secret file {shown} can't be found: CREDENTIALS_DIRECTORY is not set.",
                why="systemd sets it for a service that has LoadCredential= in its unit.",
                next_step="Run this as the service, or name the file by its absolute path.",
            )
        path = Path(str(path).replace(CREDENTIALS, directory))
    data = _read(path, shown)
    try:
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretUnusable(
            f"The secret file {shown} is not text.",
            why="A client secret, SAS token, connection string or password is expected in it.",
            next_step=f"Write the secret alone into {shown}, as UTF-8.",
        ) from None
    if not text.strip():
        raise SecretUnusable(
            f"The secret file {shown} is empty.",
            why="Without the secret nothing can log in.",
            next_step=f"Write the secret alone into {shown}.",
        )
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise SecretUnusable(
            f"The secret file {shown} holds more than one line, or control characters.",
            why="A secret is a single line.",
            next_step=f"Write the secret alone into {shown}.",
        )
    return Secret(text)


def known_secrets(config: Config) -> list[str]:
    """Every secret text of a configuration that can be read now, for the redactor."""
    texts = []
    for path in (config.lake.secret_file, config.mail.password_file if config.mail else None):
        if path is not None:
            # A secret that can't be read can't leak; it is reported when it is needed.
            with suppress(SecretUnusable):
                texts.append(read_secret(path).reveal())
    if config.daemon.heartbeat_url is not None:
        # Whoever knows it can ping in our name; also what stands behind the host is enough.
        parts = urlsplit(config.daemon.heartbeat_url)
        behind = parts.path.strip("/") + (f"?{parts.query}" if parts.query else "")
        texts.append(config.daemon.heartbeat_url)
        alone = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
        texts += [text for text in (behind, *alone) if len(text) >= _TELLING]
        texts += [parts.password] if parts.password else []
    return texts


def _read(path: Path, shown: str) -> bytes:
    try:
        # O_NONBLOCK: a FIFO under this name must not make us wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(shown, error) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretUnusable(
                f"The secret file {shown} is not a regular file.",
                why="A secret is read from a file of its own.",
                next_step=f"Put the secret into a file of mode 600 at {shown}.",
            )
        _refuse_open_mode(path, shown, stat.S_IMODE(status.st_mode))
        data = os.read(descriptor, MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(shown, error) from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise SecretUnusable(
            f"The secret file {shown} is larger than {MAX_BYTES // 1024} KiB.",
            why="A secret is a single line.",
            next_step="Check that the configuration names the right file.",
        )
    return data


def _refuse_open_mode(path: Path, shown: str, mode: int) -> None:
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    handed_over = (*_HANDED_OVER, *([Path(given)] if given else []))
    forbidden = 0o022 if any(path.is_relative_to(folder) for folder in handed_over) else 0o077
    if mode & forbidden:
        raise SecretUnusable(
            f"The secret file {shown} is open to other users (mode {mode:03o}).",
            why="Whoever reads it can write to the lake or send mail in our name.",
            next_step=f"chmod 600 {shown} (owned by the user that the service runs as)",
        )


def _unreadable(shown: str, error: OSError) -> SecretUnusable:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return SecretUnusable(
            f"The secret file {shown} does not exist.",
            why="Without the secret nothing can log in.",
            next_step="Put it there with mode 600, or correct its path in the configuration.",
        )
    return SecretUnusable(
        f"The secret file {shown} can't be read: {error.strerror or error}.",
        why=f"This process runs as user id {os.geteuid()}.",
        next_step=f"Make that user the owner: chown {os.geteuid()} {shown} && chmod 600 {shown}",
    )
