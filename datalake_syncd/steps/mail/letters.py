"""Mails as bytes: headers that nothing can be smuggled into, text that any server carries."""

from __future__ import annotations

import gzip
import re
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import Header
from email.message import EmailMessage
from email.utils import formatdate

from datalake_syncd.adapters.ledger import Letter
from datalake_syncd.config import Config, Mail, known_secrets
from datalake_syncd.core.names import escape_once
from datalake_syncd.core.redact import Redactor

_LONGEST_SUBJECT = 160
#: A longer attachment (bytes) is compressed.
_COMPRESS_ABOVE = 64 * 1024
_MOST_REFERENCES = 20
#: RFC 5322 allows lines of so many characters, RFC 2047 encoded ones of so many.
_LONGEST_LINE, _ENCODED_LINE = 998, 76


@dataclass(frozen=True, slots=True)
class Attachment:
    """The log of a run; ``name`` is a plain file name without ending."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a mail belongs: the Message-IDs of what it goes on with, and its subject."""

    ids: tuple[str, ...] = ()
    subject: str | None = None


#: A mail that begins a thread of its own.
ALONE = Thread()


def machine() -> str:
    """This machine's name, as subjects show it."""
    return escape_once(socket.gethostname()) or "localhost"


def sender_of(mail: Mail) -> str:
    """Whom mails come from."""
    if mail.sender is not None:
        return mail.sender
    return f"datalake-syncd@{re.sub('[^A-Za-z0-9.-]', '-', machine())}"


class Writer:
    """Makes letters for one configuration; nothing secret that it knows gets into them."""

    def __init__(self, config: Config, mail: Mail) -> None:
        self._mail = mail
        self._redactor = Redactor(known_secrets(config))

    def letter(
        self,
        subject: str,
        text: str,
        *,
        thread: Thread = ALONE,
        attachments: Sequence[Attachment] = (),
        tells: Sequence[int] = (),
        ends: Sequence[int] = (),
    ) -> Letter:
        """One mail; without a thread it begins one, with one its subject goes on."""
        shown = f"Re: {thread.subject}" if thread.subject else self._subject(subject)
        sender = sender_of(self._mail)
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = f"datalake-syncd <{sender}>"
        message["To"] = ", ".join(self._mail.recipients)
        message["Date"] = formatdate(localtime=True)
        number = f"<{uuid.uuid4().hex}@{sender.rpartition('@')[2]}>"
        message["Message-ID"] = number
        if thread.ids:
            message["In-Reply-To"] = thread.ids[-1]
            message["References"] = " ".join(thread.ids[-_MOST_REFERENCES:])
        # No answers from holiday programs.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(self._clean(text), cte="quoted-printable")
        for one in attachments:
            _attach(message, one)
        return Letter(
            number,
            shown,
            _with_subject(message, shown),
            tuple(self._mail.recipients),
            tuple(tells),
            tuple(ends),
            starts=not thread.ids,
        )

    def _subject(self, text: str) -> str:
        clean = escape_once(self._redactor.clean(text))
        cut = clean if len(clean) <= _LONGEST_SUBJECT else f"{clean[: _LONGEST_SUBJECT - 1]}…"
        return f"[datalake-syncd {machine()}] {cut}"

    def _clean(self, text: str) -> str:
        return "\n".join(map(escape_once, self._redactor.clean(text).split("\n")))


def _with_subject(message: EmailMessage, subject: str) -> bytes:
    """The mail with its subject, which reads the same however it is unfolded.

    The library folds a long one so that a space comes in or a letter is taken apart.
    """
    plain = subject.isascii() and "=?" not in subject
    header = Header(
        subject,
        "us-ascii" if plain else "utf-8",
        maxlinelen=_LONGEST_LINE if plain else _ENCODED_LINE,
        header_name="Subject",
    )
    line = f"Subject: {header.encode(linesep=policy.SMTP.linesep)}{policy.SMTP.linesep}"
    return line.encode("ascii") + message.as_bytes()


def _attach(message: EmailMessage, one: Attachment) -> None:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", one.name)[:100] or "run"
    if len(one.data) > _COMPRESS_ABOVE:
        packed = gzip.compress(one.data, mtime=0)
        message.add_attachment(packed, "application", "gzip", filename=f"{name}.log.gz")
        return
    text = one.data.decode("utf-8", "replace")
    message.add_attachment(text, cte="base64", filename=f"{name}.log")


def without_attachments(message: bytes) -> bytes | None:
    """The same mail (and Message-ID) with its text alone; None when it has no attachments."""
    old = message_from_bytes(message, policy=policy.SMTP)
    if not old.is_multipart():
        return None
    body = old.get_body()
    text = "" if body is None else str(body.get_content()).rstrip()
    told = "The mail server refused this mail with its attachments; they were left out."
    new = EmailMessage(policy=policy.SMTP)
    for name, value in old.items():
        if not name.lower().startswith(("content-", "mime-", "subject")):
            new[name] = str(value)
    new.set_content(f"{text}\n\n{told}\n", cte="quoted-printable")
    return _with_subject(new, str(old["Subject"]))
