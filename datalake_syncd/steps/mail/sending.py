"""From the outbox to the mail server, and what becomes of what it does not take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger.mailroom import Waiting
from datalake_syncd.adapters.mail import (
    CONTENT,
    Delivery,
    Dialogue,
    MailFailed,
    MailServer,
    dialogue,
)
from datalake_syncd.config import Mail, read_secret
from datalake_syncd.core.durations import HOUR, MINUTE, format_duration
from datalake_syncd.core.errors import Stopped, SyncdError
from datalake_syncd.steps.errand import Errand
from datalake_syncd.steps.mail.letters import sender_of, without_attachments
from datalake_syncd.steps.service import Service

#: One visit at the server may take so long (seconds), and hand over so many mails.
VISIT = 90.0
_AT_A_TIME = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 30 * MINUTE
#: A mail that nobody got for so long (seconds) is a trouble of its own.
TROUBLE_AFTER = 15 * MINUTE
#: An address that is refused for good is tried again so often, for somebody may mend it there.
_REFUSED_PAUSE = HOUR
_TROUBLE = "mail"
_TROUBLE_ADDRESS = "mail/recipients"
_TROUBLE_CONTENT = "mail/content"


def server_of(mail: Mail) -> MailServer:
    """The server of a configuration; the password is read when it is needed."""
    file = mail.password_file
    password = None if file is None else lambda: read_secret(file).reveal()
    return MailServer(mail.host, mail.port, mail.security, mail.user, password, mail.ca_file)


class Sender:
    """Sends what is due; used by one thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._errand = Errand("sending mail", service.stopping)
        self._failing = False
        self._break_off: Callable[[], None] = lambda: None

    def send_due(self, mail: Mail) -> None:
        """One visit at the server, when anything is due; nothing that it does raises."""
        service = self._service
        due = service.ledger.mailroom.waiting(service.wall(), limit=_AT_A_TIME)
        if due:
            left = list(due)
            try:
                self._visit(mail, lambda open_: self._hand_over(mail, open_, left))
            except Stopped:
                return  # what was not acknowledged is sent again at the next start
            except SyncdError as error:
                self._failed(left, error)
            else:
                self._works()
        self._look_at_the_oldest()

    def nothing_to_send(self) -> None:
        """No mails are wanted any more: what stood in their way does not matter."""
        for key in (_TROUBLE, _TROUBLE_ADDRESS, _TROUBLE_CONTENT):
            self._service.trouble_over(key)

    def send_now(self, mail: Mail, message: bytes) -> bool:
        """Send a mail past the outbox, for when the ledger can't be written; True if it went."""
        went = [False]

        def hand_over(open_: Dialogue) -> None:
            done = open_.send(sender_of(mail), mail.recipients, message)
            went[0] = bool(done.accepted)

        try:
            self._visit(mail, hand_over)
        except SyncdError as error:
            self._say_failing(error)
        return went[0]

    def _visit(self, mail: Mail, work: Callable[[Dialogue], None]) -> None:
        def visit() -> None:
            with dialogue(server_of(mail), on_open=opened) as open_:
                work(open_)

        def opened(break_off: Callable[[], None]) -> None:
            self._break_off = break_off

        self._break_off = lambda: None
        self._errand.run(visit, within=VISIT, give_up=lambda: self._break_off())

    def _hand_over(self, mail: Mail, open_: Dialogue, left: list[Waiting]) -> None:
        """Each letter is written down as sent right after the server took it."""
        while left:
            letter = left[0]
            try:
                done = open_.send(sender_of(mail), letter.recipients, letter.message)
                reach(FailPoint.MAIL_TAKEN)
            except MailFailed as error:
                if error.step != CONTENT:
                    raise
                if error.final:
                    self._refused(letter, error)
                else:
                    self._failed([letter], error)
            else:
                self._record(letter, done)
            left.pop(0)

    def _record(self, letter: Waiting, done: Delivery) -> None:
        service, room = self._service, self._service.ledger.mailroom
        self._tell_refused(done.refused)
        if done.later or (done.refused and not done.accepted and not letter.accepted):
            words = {**done.later, **done.refused}
            # The others have it; of those refused for good nobody is asked again, unless they
            # are all there is: then somebody may mend the address, and nothing is lost.
            rest = done.later or done.refused
            pause = _pause(letter.attempts) if done.later else _REFUSED_PAUSE
            room.failed(
                letter,
                _listed(words),
                again_at=service.wall() + pause,
                recipients=list(rest),
                got=len(done.accepted),
            )
            return
        room.sent(letter, service.wall())
        self._works()
        service.trouble_over(_TROUBLE_CONTENT)
        service.log(logging.INFO, "mail.sent", letter.subject, mail=letter.message_id)
        if not done.refused:
            service.trouble_over(_TROUBLE_ADDRESS)

    def _refused(self, letter: Waiting, error: MailFailed) -> None:
        service, room = self._service, self._service.ledger.mailroom
        smaller = without_attachments(letter.message)
        if smaller is not None:
            service.log(
                logging.WARNING,
                "mail.shortened",
                f"{error}; the mail is sent again without its attachments",
                mail=letter.message_id,
            )
            room.replace_message(letter, smaller)
            return  # it is still due, and goes with the next visit
        room.give_up(letter, str(error), service.wall())
        service.trouble(_TROUBLE_CONTENT, f"a mail was given up: {error}", error.next_step)
        service.log(
            logging.ERROR,
            "mail.given-up",
            f"a mail was given up ({letter.subject}): {error}",
            next_step=error.next_step,
            mail=letter.message_id,
        )

    def _tell_refused(self, refused: dict[str, str]) -> None:
        if not refused:
            return
        what = f"the mail server refuses {_listed(refused)}"
        next_step = "correct mail.recipients, or ask the people of the mail server"
        known = {one.key: one.message for one in self._service.ledger.desk.troubles()}
        self._service.trouble(_TROUBLE_ADDRESS, what, next_step)
        if known.get(_TROUBLE_ADDRESS) != what:
            self._service.log(logging.ERROR, "mail.recipient-refused", what, next_step=next_step)

    def _failed(self, left: Iterable[Waiting], error: SyncdError) -> None:
        service = self._service
        for letter in left:
            service.ledger.mailroom.failed(
                letter,
                str(error),
                again_at=service.wall() + _pause(letter.attempts),
                recipients=letter.recipients,
                got=0,
            )
        self._say_failing(error)

    def _say_failing(self, error: SyncdError) -> None:
        if not self._failing:  # once, until it works again
            self._failing = True
            self._service.log(
                logging.WARNING,
                "mail.failed",
                f"mails wait: {error}; they are tried again",
                next_step=error.next_step,
            )

    def _works(self) -> None:
        if self._failing:
            self._failing = False
            self._service.log(logging.INFO, "mail.works", "the mail server takes mails again")

    def _look_at_the_oldest(self) -> None:
        service = self._service
        waiting = service.ledger.mailroom.waiting()
        oldest = min(waiting, key=lambda one: one.queued_at, default=None)
        age = 0.0 if oldest is None else service.wall() - oldest.queued_at
        if oldest is None or not oldest.last_error or age < TROUBLE_AFTER:
            given_up = any(one.key == _TROUBLE_CONTENT for one in service.ledger.desk.troubles())
            if service.trouble_over(_TROUBLE) and not given_up:
                service.log(logging.INFO, "mail.works", "mails get through again")
            return
        standing = any(one.key == _TROUBLE for one in service.ledger.desk.troubles())
        what = f"mails can't be sent: {oldest.last_error}"
        next_step = "see what fails, and what to do: datalake-syncd mail test"
        service.trouble(_TROUBLE, what, next_step)
        if not standing:
            more = f"{service.ledger.mailroom.unsent()} wait, the first for {format_duration(age)}"
            service.log(logging.ERROR, "mail.stuck", f"{what} ({more})", next_step=next_step)


def _pause(attempts: int) -> float:
    return min(_FIRST_PAUSE * 2.0 ** min(attempts, 10), _LONGEST_PAUSE)


def _listed(words: dict[str, str]) -> str:
    return "; ".join(f"{address} ({said})" for address, said in words.items())
