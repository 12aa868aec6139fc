"""A real SMTP server on loopback that can be told how to answer, and one that never does."""

from __future__ import annotations

import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "syncd", "correct horse battery"


@dataclass
class Inbox:
    """Answers of the server and what it took: aiosmtpd's handler."""

    mails: list[EmailMessage] = field(default_factory=list)
    #: Who got each mail, in the order of ``mails``.
    given_to: list[list[str]] = field(default_factory=list)
    #: Answers to RCPT by address, to DATA for all; as they stand on the wire.
    answers: dict[str, str] = field(default_factory=dict)
    content_answer: str = ""
    #: Answers with ``content_answer`` only to mails that are longer.
    content_above: int = 0
    #: Called when a mail was taken, before the server says so.
    on_taken: Callable[[], None] = lambda: None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        data = envelope.content
        assert isinstance(data, bytes)
        if self.content_answer and len(data) > self.content_above:
            return self.content_answer
        self.mails.append(message_from_bytes(data, policy=policy.default))
        self.given_to.append(list(envelope.rcpt_tos))
        self.on_taken()
        return "250 OK, taken"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


def text_of(mail: EmailMessage) -> str:
    """The text of a mail."""
    body = mail.get_body()
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def attached(mail: EmailMessage) -> dict[str, str]:
    """Attachments by name, unpacked."""
    found = {}
    for part in mail.iter_attachments():
        data = part.get_content()
        raw = data.encode() if isinstance(data, str) else bytes(data)
        name = part.get_filename() or ""
        found[name] = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def mail_server(
    inbox: Inbox, *, port: int | None = None, tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None, login: bool = False,
) -> Iterator[int]:  # fmt: skip
    """Serve on loopback; gives the port."""

    def judge(*arguments: Any) -> AuthResult:
        given = arguments[-1]
        good = isinstance(given, LoginPassword) and given == LoginPassword(
            USER.encode(), PASSWORD.encode()
        )
        return AuthResult(success=good, handled=False)

    options: dict[str, Any] = {"hostname": "127.0.0.1", "port": port or free_port()}
    if starttls is not None:
        options |= {"tls_context": starttls, "require_starttls": True}
    if login:
        options |= {"authenticator": judge, "auth_required": True}
        options |= {"auth_require_tls": tls is None}
    controller = Controller(inbox, ssl_context=tls, **options)
    controller.start()
    try:
        yield int(options["port"])
    finally:
        controller.stop()


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never says a word; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for one in held:
                one.close()


@dataclass(frozen=True)
class Authority:
    """A CA of its own, and a server certificate that it signed for 127.0.0.1."""

    ca: Path
    chain: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab CA")])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = dt.datetime.now(dt.UTC)

        def begin(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> Any:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(ca_name)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - dt.timedelta(hours=1))
                .not_valid_after(now + dt.timedelta(days=2))
            )

        ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
        ca = (
            begin(ca_name, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(ca_id, False)
            .sign(ca_key, hashes.SHA256())
        )
        addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id)
        leaf = (
            begin(name, key.public_key())
            .add_extension(x509.SubjectAlternativeName(addresses), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(issuer, False)
            .sign(ca_key, hashes.SHA256())
        )
        made = cls(folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
        pem = serialization.Encoding.PEM
        made.ca.write_bytes(ca.public_bytes(pem))
        made.chain.write_bytes(leaf.public_bytes(pem) + ca.public_bytes(pem))
        made.key.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return made

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        return context
