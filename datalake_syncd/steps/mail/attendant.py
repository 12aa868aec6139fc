"""The attendant that mails: looks now and then, queues, sends, and tidies the logs of runs."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from datalake_syncd.adapters import run_logs, tree
from datalake_syncd.adapters.ledger import LedgerFull, Letter
from datalake_syncd.config import Mail
from datalake_syncd.core import incidents
from datalake_syncd.core.durations import DAY, HOUR
from datalake_syncd.core.names import escape
from datalake_syncd.steps.mail import notices
from datalake_syncd.steps.mail.letters import Thread, Writer
from datalake_syncd.steps.mail.queueing import queue_news
from datalake_syncd.steps.mail.sending import Sender
from datalake_syncd.steps.service import Service

#: A look costs about 0.1 s for 2,000 runs.
_EVERY = 30.0
#: A note that is written and taken away to see whether the ledger can grow again.
_PROBE = "mail:probe"
_PROBE_SIZE = 64 * 1024


class MailAttendant:
    """One thread's: what stands becomes mails, mails go to the server."""

    name = "mail"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sender = Sender(service)
        self._known: Mail | None = None
        self._tidy_at = 0.0
        #: The mail about a full disk, which can't be queued on it.
        self._full: Letter | None = None
        self._full_since = 0.0
        self._full_again = 0.0
        #: ``SYNCD_MAIL_EVERY`` (seconds) is for tests and rehearsals: nothing settles then.
        rehearsal = os.environ.get("SYNCD_MAIL_EVERY")
        self.every = float(rehearsal) if rehearsal else _EVERY
        self._at_once = rehearsal is not None
        if service.config.mail is not None:
            with suppress(LedgerFull):  # the first round does it then
                notices.begin(service.ledger)

    def round(self) -> None:
        """Look, queue what is due, send what is due."""
        service = self._service
        self._tidy()
        mail = service.config.mail
        if mail is None:
            notices.forget(service.ledger)  # who switches mail on later wants no old news
            self._sender.nothing_to_send()
            self._known = None
            return
        if mail != self._known:
            if self._known is not None and mail.recipients != self._known.recipients:
                service.trouble_over("mail/recipients")  # a refusal raises it anew
            self._known = mail
            service.ledger.mailroom.hurry(mail.recipients, service.wall())
        if self._disk_is_full(mail):
            return
        at_once = self._at_once or service.one_pass
        queue_news(service.ledger, service.config, mail, service.wall(), at_once=at_once)
        self._sender.send_due(mail)

    def close(self) -> None:
        """Nothing is held."""

    def _disk_is_full(self, mail: Mail) -> bool:
        """The ledger takes no more: the outbox neither. This one mail is kept in memory."""
        service, now = self._service, self._service.wall()
        alarm = service.ledger_alarm
        if alarm is not None and not self._takes_more():
            self._full_since = self._full_since or now
            stands = now - self._full_since >= (0.0 if self._at_once else incidents.SETTLE)
            if (stands or service.one_pass) and now >= self._full_again:
                text = f"{alarm}\n\nWHAT TO DO\n  {alarm.next_step}\n\nAll runs wait until then."
                letter = self._letter(mail, "the ledger can't be written; everything waits", text)
                went = self._sender.send_now(mail, letter.message)
                self._full_again = now + (mail.remind_after if went else incidents.GATHER)
                self._full = self._full or (letter if went else None)
            return True
        self._full_since = self._full_again = 0.0
        if self._full is not None:
            over = self._letter(mail, "", "Resolved: the ledger can be written again.")
            self._full = None
            self._sender.send_now(mail, over.message)
        return False

    def _takes_more(self) -> bool:
        # Whoever raised the alarm may have nothing to write for hours.
        desk = self._service.ledger.desk
        try:
            desk.put(_PROBE, "x" * _PROBE_SIZE)
            desk.put(_PROBE, None)
        except LedgerFull:
            return False
        self._service.ledger_works()
        return True

    def _letter(self, mail: Mail, subject: str, text: str) -> Letter:
        thread = Thread()
        if self._full is not None:
            thread = Thread((self._full.message_id,), self._full.subject)
        return Writer(self._service.config, mail).letter(subject, text, thread=thread)

    def _tidy(self) -> None:
        """Logs of runs that are old or too many go, a few times a day."""
        service = self._service
        if service.wall() < self._tidy_at <= service.wall() + DAY:
            return
        self._tidy_at = service.wall() + 6 * HOUR
        root = service.config.daemon.state_dir / run_logs.FOLDER
        try:
            tree.make_private_root(root)
            for folder in run_logs.outdated(root, service.wall()):
                tree.clear_private(folder)
        except OSError as error:
            what = f"old logs of runs in {escape(str(root))} can't be cleared: {error.strerror}"
            service.log(logging.WARNING, "run-logs.kept", what)
