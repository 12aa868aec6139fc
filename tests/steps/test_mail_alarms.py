"""Every alarm of the log reaches people by mail: as something that stands, or as a notice."""

from __future__ import annotations

from datalake_syncd.steps.mail.notices import NOTICES
from tests.test_docs import alarms

#: Alarms that leave a state, and the first part of the key of the problem that mails tell of.
STANDING = {
    "run.blocked": "run",
    "run.vanished": "run",
    "run.retry": "trying",
    "run.stale": "stale",
    "instrument.silent": "silent",
    "scan.failed": "scan",
    "scan.bug": "scan",
    "lake.refused": "lake",
    "config.refused": "configuration",
    "azcopy.unusable": "azcopy",
    "hook.unusable": "on_event",
    "loop.hangs": "hang",
    "scrub.found": "scrub",
    "credential.expires": "expiry",
    "web.unavailable": "web",
}
#: Mailed past the outbox, which lies on that disk.
PAST_THE_OUTBOX = {"ledger.full"}
#: What no mail can tell; `status` does.
OF_THE_MAIL_ITSELF = {"mail.stuck", "mail.recipient-refused", "mail.given-up"}
#: Warnings that are mailed all the same.
MORE = {"sheets.lonely"}


def test_every_alarm_is_mailed() -> None:
    """A new alarm goes into one of these; a problem of `overview.problems` needs no more."""
    told = set(STANDING) | PAST_THE_OUTBOX | OF_THE_MAIL_ITSELF | (set(NOTICES) - MORE)
    assert alarms() == told
