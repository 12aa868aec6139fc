"""Handing mails to the mail server: one dialogue, each step with a time limit and its own words."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.names import escape

#: Seconds that one answer of the server may take.
ANSWER_WITHIN = 20.0
_LONGEST_ANSWER = 300
#: The step in which the server refuses one mail for what is in it; others may go on.
CONTENT = "content"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed over; ``password`` is asked for at each login."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None = None
    password: Callable[[], str] | None = None
    ca_file: Path | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self.host}:{self.port}"


class MailFailed(SyncdError):
    """A step of the dialogue failed; ``final``: the same mail would be refused again."""

    def __init__(
        self, step: str, what: str, *, why: str = "", next_step: str, final: bool = False
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.step = step
        self.final = final


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who got the mail, and what the server said of the others: ``later`` or ``refused``."""

    accepted: tuple[str, ...] = ()
    later: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class Dialogue:
    """An open, encrypted (if asked for) and logged-in dialogue with the server."""

    def __init__(self, server: MailServer, client: smtplib.SMTP) -> None:
        self._server = server
        self._client = client

    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Delivery:
        """Hand one mail over; raises `MailFailed` when that failed for all of them alike.

        ``message`` is complete, with CRLF line ends; ``recipients`` may get different answers.
        """
        try:
            return self._send(sender, recipients, message)
        except smtplib.SMTPServerDisconnected as error:
            raise _cut_off(self._server, "mail", error) from error
        except OSError as error:
            raise _no_answer(self._server, "mail", error) from error

    def _send(self, sender: str, recipients: Sequence[str], message: bytes) -> Delivery:
        with suppress(smtplib.SMTPServerDisconnected):
            self._client.rset()  # what an earlier mail left; a lost line shows at the next word
        code, told = self._client.mail(sender)
        if code != 250:
            raise MailFailed(
                "sender",
                f"{self._server.host} does not take mail from {sender}: {_said(code, told)}",
                next_step="set mail.sender to an address that this server lets you send from",
            )
        accepted: list[str] = []
        later: dict[str, str] = {}
        refused: dict[str, str] = {}
        for recipient in recipients:
            code, told = self._client.rcpt(recipient)
            if code in (250, 251):
                accepted.append(recipient)
            else:
                (refused if 500 <= code < 600 else later)[recipient] = _said(code, told)
        if not accepted:
            return Delivery((), later, refused)
        try:
            code, told = self._client.data(message)
        except smtplib.SMTPDataError as error:
            code, told = error.smtp_code, _bytes(error.smtp_error)
        if code != 250:
            raise MailFailed(
                CONTENT,
                f"{self._server.host} refused the mail itself: {_said(code, told)}",
                next_step="ask the people of the mail server why (size, content, sender)",
                final=500 <= code < 600,
            )
        return Delivery(tuple(accepted), later, refused)


@contextmanager
def dialogue(
    server: MailServer,
    *,
    on_step: Callable[[str], None] = lambda _: None,
    on_open: Callable[[Callable[[], None]], None] = lambda _: None,
) -> Iterator[Dialogue]:
    """Open a dialogue and end it. ``on_step`` is told each step that went well.

    ``on_open`` gets a function that breaks the dialogue off, for another thread. Raises
    `MailFailed`; whatever reads the password raises its own.
    """
    client = _connected(server, on_step)
    try:
        on_open(lambda: _break_off(client))
        if server.security == "starttls":
            _encrypt(server, client, on_step)
        _log_in(server, client, on_step)
        yield Dialogue(server, client)
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
    finally:
        client.close()


def _connected(server: MailServer, on_step: Callable[[str], None]) -> smtplib.SMTP:
    # Some name for the greeting: smtplib would ask the name server for ours, and wait for it.
    name, within = "localhost", ANSWER_WITHIN
    client: smtplib.SMTP
    try:
        if server.security == "tls":
            client = smtplib.SMTP_SSL(
                server.host, server.port, name, timeout=within, context=_context(server)
            )
        else:
            client = smtplib.SMTP(server.host, server.port, name, timeout=within)
    except smtplib.SMTPConnectError as error:
        said = _said(error.smtp_code, _bytes(error.smtp_error))
        raise MailFailed(
            "greeting", f"{server.address} does not want to talk: {said}",
            next_step="ask the people of the mail server; it may be busy, or not know this machine",
        ) from error  # fmt: skip
    except smtplib.SMTPException as error:
        raise _cut_off(server, "greeting", error) from error
    except ssl.SSLError as error:
        raise _not_encrypted(server, error) from error
    except socket.gaierror as error:
        raise MailFailed(
            "name", f"the mail server {server.host} is not known here: {error.strerror}",
            next_step="correct mail.host, or look at this machine's name servers",
        ) from error  # fmt: skip
    except OSError as error:
        raise _no_answer(server, "connection", error) from error
    client.local_hostname = _own_name(client)
    on_step(f"connected to {server.address}{_cipher(client)}")
    return client


def _own_name(client: smtplib.SMTP) -> str:
    """What we greet with: the machine's full name, else its address in brackets (RFC 5321)."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    assert client.sock is not None  # noqa: S101 - it is connected
    address = client.sock.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _encrypt(server: MailServer, client: smtplib.SMTP, on_step: Callable[[str], None]) -> None:
    try:
        client.starttls(context=_context(server))
        client.ehlo_or_helo_if_needed()
    except smtplib.SMTPNotSupportedError as error:
        raise MailFailed(
            "encryption", f"{server.address} offers no STARTTLS",
            why="nothing is sent in clear that was meant to be encrypted",
            next_step='set mail.security to "tls" (port 465), or "none" on a trusted network',
        ) from error  # fmt: skip
    except smtplib.SMTPResponseException as error:
        said = _said(error.smtp_code, _bytes(error.smtp_error))
        raise MailFailed(
            "encryption", f"{server.address} refused to encrypt: {said}",
            next_step="ask the people of the mail server",
        ) from error  # fmt: skip
    except smtplib.SMTPException as error:
        raise _cut_off(server, "encryption", error) from error
    except ssl.SSLError as error:
        raise _not_encrypted(server, error) from error
    except OSError as error:
        raise _no_answer(server, "encryption", error) from error
    on_step(f"encrypted{_cipher(client)}")


def _log_in(server: MailServer, client: smtplib.SMTP, on_step: Callable[[str], None]) -> None:
    try:
        client.ehlo_or_helo_if_needed()
        if server.user is None or server.password is None:
            return
        client.login(server.user, server.password())
    except smtplib.SMTPNotSupportedError as error:
        raise MailFailed(
            "login", f"{server.address} offers no login",
            why="it may want none, or only an encrypted one, or be another port's job",
            next_step="leave mail.user and mail.password_file out, or correct mail.port and "
            "mail.security",
        ) from error  # fmt: skip
    except smtplib.SMTPAuthenticationError as error:
        said = _said(error.smtp_code, _bytes(error.smtp_error))
        raise MailFailed(
            "login", f"{server.host} refused the login of {server.user}: {said}",
            next_step="correct mail.user or the password in mail.password_file",
        ) from error  # fmt: skip
    except UnicodeEncodeError:
        raise MailFailed(
            "login", f"the login of {server.user} holds characters that SMTP can't carry",
            next_step="use a user and a password of plain ASCII letters, digits and signs",
        ) from None  # fmt: skip
    except smtplib.SMTPResponseException as error:
        said = _said(error.smtp_code, _bytes(error.smtp_error))
        raise MailFailed(
            "greeting", f"{server.address} did not take our greeting or login: {said}",
            next_step="ask the people of the mail server whether this machine may send",
        ) from error  # fmt: skip
    except smtplib.SMTPException as error:
        raise _cut_off(server, "login", error) from error
    except OSError as error:
        raise _no_answer(server, "login", error) from error
    on_step(f"logged in as {server.user}")


def _context(server: MailServer) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise MailFailed(
            "certificates",
            f"the certificates in {server.ca_file} can't be read: {error.strerror or error}",
            next_step="correct mail.ca_file: a file with the CA's certificate in PEM format",
        ) from error


def _break_off(client: smtplib.SMTP) -> None:
    with suppress(OSError, AttributeError):  # it may be closed already
        client.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


def _not_encrypted(server: MailServer, error: ssl.SSLError) -> MailFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return MailFailed(
            "encryption",
            f"the certificate of {server.address} is not trusted: {error.verify_message}",
            why="somebody else could read the mails and the password",
            next_step="if the server is the lab's own: mail.ca_file with its CA; if the name does "
            "not fit: mail.host as it stands in the certificate",
        )
    return MailFailed(
        "encryption",
        f"{server.address} and we could not agree on encryption: {error.reason or error}",
        next_step='try mail.security "starttls" with port 587, or "tls" with port 465',
    )


def _cut_off(server: MailServer, step: str, error: smtplib.SMTPException) -> MailFailed:
    if isinstance(error.__context__, TimeoutError):
        return _no_answer(server, step, error.__context__)  # smtplib calls it a closed connection
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code > 0:
        said = _said(error.smtp_code, _bytes(error.smtp_error))
        what = f"{server.address} answered {said}"
    else:
        what = f"{server.address} ended the conversation: {_short(str(error))}"
    return MailFailed(
        step, what, next_step="is this a mail server's port, and is mail.security right for it?"
    )


def _no_answer(server: MailServer, step: str, error: OSError) -> MailFailed:
    if isinstance(error, TimeoutError):
        what = f"{server.address} does not answer (waited {ANSWER_WITHIN:.0f} s)"
    else:
        what = f"{server.address} can't be reached: {error.strerror or error}"
    return MailFailed(
        step, what,
        next_step="is the mail server up, are mail.host and mail.port right, does a firewall "
        "stand between?",
    )  # fmt: skip


def _cipher(client: smtplib.SMTP) -> str:
    version = client.sock.version() if isinstance(client.sock, ssl.SSLSocket) else None
    return "" if version is None else f", {version}, certificate checked"


def _said(code: int, told: bytes) -> str:
    return _short(f"{code} {told.decode('utf-8', 'replace')}")


def _bytes(told: bytes | str) -> bytes:
    return told if isinstance(told, bytes) else told.encode("utf-8", "replace")


def _short(text: str) -> str:
    return escape(" ".join(text.split()))[:_LONGEST_ANSWER]
