"""Mails of a service with a real ledger and a real mail server: told once, reminded, resolved."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from datalake_syncd.adapters import mail as smtp
from datalake_syncd.adapters.ledger import Ledger, LedgerFull, Letter, Trouble
from datalake_syncd.core.durations import DAY, HOUR, MINUTE
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.model import Status
from datalake_syncd.steps.errand import Errand
from tests.mail_server import Inbox, attached, free_port, mail_server, silent_server, text_of
from tests.steps.mailing import Post

SOON = 2 * MINUTE


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def quiet_log() -> Iterator[None]:
    """Handlers on the root logger are taken away again."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def post(tmp_path: Path, inbox: Inbox, quiet_log: None) -> Iterator[Post]:
    with mail_server(inbox) as port:
        made = Post(tmp_path, port)
        yield made
        made.ledger.close()


@pytest.fixture
def cut_off(tmp_path: Path, quiet_log: None) -> Iterator[Post]:
    """Nobody listens at the mail server's port."""
    made = Post(tmp_path, free_port())
    yield made
    made.ledger.close()


def thread_of(mail: EmailMessage) -> tuple[str, str]:
    return str(mail["In-Reply-To"]), str(mail["References"])


def test_j2_a_blocked_run_is_told_with_its_log_and_its_end_comes_in_the_same_thread(
    post: Post, inbox: Inbox
) -> None:
    run = post.block(post.run(), "a FIFO lies in it: x/y", "remove it, then: datalake-syncd retry")
    post.later(5)
    assert inbox.mails == [], "it may mend itself"
    post.later(SOON)
    post.later(SOON)
    assert len(inbox.mails) == 1
    (first,) = inbox.mails
    subject = str(first["Subject"])
    assert "seq/R1 needs you: a FIFO lies in it" in subject
    assert subject.startswith("[datalake-syncd ")
    text = text_of(first)
    for needed in ("a FIFO lies in it: x/y", "remove it", "\n  datalake-syncd retry seq/R1\n",
                   "out/R1", "last step", "datalake-syncd why seq/R1", "run.blocked"):  # fmt: skip
        assert needed in text
    (name, log), *more = attached(first).items()
    assert (name, more) == ("seq-R1.log", [])
    assert "ERROR   run.blocked seq/R1 transfer: a FIFO lies in it: x/y" in log
    assert first["Auto-Submitted"] == "auto-generated"

    post.mend(run)
    post.later(5)
    post.later(SOON)
    assert len(inbox.mails) == 2
    over = inbox.mails[1]
    assert thread_of(over) == (first["Message-ID"], first["Message-ID"])
    assert over["Subject"] == f"Re: {subject}"
    assert text_of(over).startswith("Resolved: seq/R1 no longer needs you.")
    assert "last finished step: transfer" in text_of(over)
    post.later(2 * DAY)
    assert len(inbox.mails) == 2


def test_what_mends_itself_mails_nobody(post: Post, inbox: Inbox) -> None:
    run = post.block(post.run(), "no")
    post.later(5)
    post.mend(run)
    for _ in range(5):
        post.later(30)
    assert inbox.mails == []
    assert post.ledger.mailroom.standing() == []


def test_a_retry_is_no_end_and_another_reason_is_told(post: Post, inbox: Inbox) -> None:
    run = post.block(post.run(), "no room")
    post.later(SOON)
    tried = post.ledger.runs.set(post.ledger.runs.by_id(run.id), status=Status.READY)
    post.later(HOUR)
    assert len(inbox.mails) == 1, "it only tries again"
    post.block(tried, "wrong bytes")
    post.later(SOON)
    post.later(SOON)
    assert len(inbox.mails) == 2
    assert "wrong bytes" in text_of(inbox.mails[1])
    assert thread_of(inbox.mails[1])[0] == inbox.mails[0]["Message-ID"]


def test_j2_reminders_come_once_a_day_in_one_mail(post: Post, inbox: Inbox) -> None:
    for number in (1, 2):
        post.block(post.run(f"R{number}"), "no")
    post.later(SOON)
    assert len(inbox.mails) == 2
    post.later(DAY - HOUR)
    assert len(inbox.mails) == 2
    for _ in range(20):
        post.later(HOUR)
        assert len(inbox.mails) == 3
    reminder = inbox.mails[2]
    assert "Reminder: 2 things still need you: 2 runs" in str(reminder["Subject"])
    assert "seq/R1" in text_of(reminder)
    assert "seq/R2" in text_of(reminder)
    for told in inbox.mails[:2]:
        assert told["Message-ID"] in str(reminder["References"])


def test_a_single_reminder_goes_on_in_its_thread(post: Post, inbox: Inbox) -> None:
    post.service.trouble("azcopy", "azcopy is not there", "install it")
    post.later(SOON)
    post.later(DAY)
    first, reminder = inbox.mails
    assert reminder["Subject"] == f"Re: {first['Subject']}"
    assert thread_of(reminder)[0] == first["Message-ID"]


def test_j2_a_dead_lake_is_one_mail_not_eighty(post: Post, inbox: Inbox) -> None:
    runs = [post.run(f"R{number:03}") for number in range(80)]
    for run in runs:
        post.block(run, "the lake said no")
    for _ in range(10):
        post.later(30)
    assert len(inbox.mails) == 1
    assert "80 things need you: 80 runs" in str(inbox.mails[0]["Subject"])
    told = text_of(inbox.mails[0])
    assert told.count("the lake said no") == 1, "one cause, told once"
    assert all(f"seq/R{number:03}" in told for number in range(80))
    for run in runs[:-1]:
        post.mend(run)
    post.later(SOON)
    post.later(SOON)
    assert len(inbox.mails) == 1, "its thread is not over yet"
    post.mend(runs[-1])
    post.later(SOON)
    post.later(SOON)
    assert len(inbox.mails) == 2
    assert thread_of(inbox.mails[1])[0] == inbox.mails[0]["Message-ID"]


def test_j2_a_trickle_is_gathered(post: Post, inbox: Inbox) -> None:
    for number in range(40):
        post.block(post.run(f"R{number:03}"), "the lake said no")
        post.later(MINUTE)
    assert len(inbox.mails) <= 6 + 40 / 15 + 1
    post.later(HOUR)
    told = "".join(text_of(mail) for mail in inbox.mails)
    assert all(f"seq/R{number:03}" in told for number in range(40))


def test_j1_a_dead_server_keeps_mails_and_is_a_trouble_that_is_not_mailed(
    cut_off: Post, inbox: Inbox
) -> None:
    post = cut_off
    post.block(post.run(), "no")
    post.later(SOON)
    assert post.ledger.mailroom.unsent() == 1
    assert "mail" not in post.troubles()
    for _ in range(40):
        post.later(MINUTE)
    assert post.ledger.mailroom.waiting()[0].attempts < 10, "less and less often"
    assert "can't be sent: 127.0.0.1" in post.troubles()["mail"]
    assert {one.key for one in post.ledger.mailroom.standing()} == {"run/seq/R1"}
    with mail_server(inbox, port=post.port):
        post.later(HOUR)
        post.later(HOUR)
        assert len(inbox.mails) == 1
        assert post.ledger.mailroom.unsent() == 0
        assert "mail" not in post.troubles()


def test_j1_a_silent_server_costs_a_bounded_time(
    tmp_path: Path, quiet_log: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "ANSWER_WITHIN", 0.5)
    with silent_server() as port:
        post = Post(tmp_path, port)
        post.block(post.run(), "no")
        began = time.monotonic()
        post.later(SOON)
        assert time.monotonic() - began < 5
        assert "does not answer" in str(post.ledger.mailroom.waiting()[0].last_error)
        post.ledger.close()


def test_what_was_sent_and_not_written_down_comes_twice_with_one_number(
    post: Post, inbox: Inbox
) -> None:
    post.block(post.run(), "no")
    post.now += SOON
    inbox.on_taken = post.ledger.close  # what comes after this can't be written down
    with pytest.raises(sqlite3.ProgrammingError):
        post.attendant.round()
    inbox.on_taken = lambda: None
    assert len(inbox.mails) == 1
    post.born_again()
    post.later(5)
    post.later(SOON)
    first, second = inbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes() == second.as_bytes()


def test_a_queued_mail_outlives_the_process(cut_off: Post, inbox: Inbox) -> None:
    post = cut_off
    post.block(post.run(), "no")
    post.later(SOON)
    post.ledger.close()
    post.born_again()
    with mail_server(inbox, port=post.port):
        post.later(5)
        assert len(inbox.mails) == 1


def test_incident_and_mail_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writable=True)
    letter = Letter("<1@x>", "s", b"m", ("a@x",))
    with pytest.raises((sqlite3.Error, SyncdError)):
        ledger.mailroom.post([letter], 1.0, {"mail:event": object()})  # type: ignore[dict-item]
    assert ledger.mailroom.unsent() == 0
    ledger.close()


def test_refused_recipients_are_told_and_the_others_get_it(
    tmp_path: Path, inbox: Inbox, quiet_log: None
) -> None:
    inbox.answers = {"gone@lab": "550 no such user", "full@lab": "452 full"}
    with mail_server(inbox) as port:
        post = Post(tmp_path, port, recipients=("gone@lab", "here@lab", "full@lab"))
        post.block(post.run(), "no")
        post.later(SOON)
        assert inbox.given_to == [["here@lab"]]
        assert "gone@lab (550 no such user)" in post.troubles()["mail/recipients"]
        inbox.answers.pop("full@lab")
        post.later(SOON)
        assert inbox.given_to == [["here@lab"], ["full@lab"]]
        assert inbox.mails[0]["Message-ID"] == inbox.mails[1]["Message-ID"]
        assert post.ledger.mailroom.unsent() == 0
        post.ledger.close()


def test_j1_a_mail_that_everybody_refuses_waits_for_better_days(post: Post, inbox: Inbox) -> None:
    inbox.answers = {"lab@example.org": "550 unknown"}
    post.block(post.run(), "no")
    post.later(SOON)
    assert post.ledger.mailroom.unsent() == 1
    inbox.answers = {}
    post.later(2 * HOUR)
    assert len(inbox.mails) == 1


def test_a_mail_that_is_too_large_comes_without_its_log(post: Post, inbox: Inbox) -> None:
    run = post.block(post.run(), "no")
    inbox.content_answer, inbox.content_above = "552 too large", 4000
    for number in range(200):
        post.logger.info(f"filler {number}")
    for number in range(100):
        post.service.log(logging.INFO, "x.y", f"line {number} " + "z" * 90, run=run.key)
    post.later(SOON)
    assert inbox.mails == []
    post.later(5)
    (mail,) = inbox.mails
    assert attached(mail) == {}
    assert "with its attachments; they were left out" in text_of(mail)
    assert "datalake-syncd retry seq/R1" in text_of(mail)


def test_content_that_is_refused_for_good_holds_nobody_up(post: Post, inbox: Inbox) -> None:
    inbox.content_answer = "554 we do not like it"
    post.service.trouble("azcopy", "azcopy is not there", "install it")
    post.later(SOON)
    assert post.ledger.mailroom.unsent() == 0
    told = {one.key: one.message for one in post.ledger.desk.troubles()}
    assert "554 we do not like it" in told["mail/content"], "somebody must hear that it is lost"
    inbox.content_answer = ""
    post.service.trouble("other", "another", "do")
    post.later(SOON)
    assert len(inbox.mails) == 1
    assert "mail/content" not in {one.key for one in post.ledger.desk.troubles()}


def test_j4_a_long_log_is_packed_and_only_its_end_is_sent(post: Post, inbox: Inbox) -> None:
    run = post.run()
    for number in range(600):
        post.service.log(logging.INFO, "x.y", f"line {number} " + "z" * 600, run=run.key)
    post.block(run, "no")
    post.later(SOON)
    (name, log), *_ = attached(inbox.mails[0]).items()
    assert name == "seq-R1.log.gz"
    assert 100_000 < len(log) <= 256 * 1024
    assert "line 599 " in log
    assert "line 0 " not in log


@pytest.mark.parametrize(
    "name", ["R\r\nBcc: thief@evil.example", "R\nX: y", "R\x00\x1b[31m", "Rü„"]
)
def test_names_forge_no_headers(post: Post, inbox: Inbox, name: str) -> None:
    post.block(post.run(name), f"{name} is no name\r\nBcc: thief@evil.example\r\n\r\nbody")
    post.service.trouble("odd", f"{name}\r\nBcc: thief@evil.example", name)
    post.later(SOON)
    assert len(inbox.mails) == 2
    for mail in inbox.mails:
        assert set(mail.keys()) <= {
            "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
            "X-Auto-Response-Suppress", "Content-Transfer-Encoding", "MIME-Version", "X-Peer",
            "X-MailFrom", "X-RcptTo",
        }  # fmt: skip
        assert str(mail["Subject"]).isprintable()
        assert "\x1b" not in text_of(mail)
    assert inbox.given_to == [["lab@example.org"]] * 2


def test_j3_no_secret_gets_into_a_mail(post: Post, inbox: Inbox) -> None:
    key = "AccountKey=a2V5c2VjcmV0MTIzNDU2Nzg5MA=="
    post.block(post.run(), f"azcopy said {key}", f"try {key}")
    post.later(SOON)
    whole = inbox.mails[0].as_string() + text_of(inbox.mails[0])
    assert "a2V5c2Vj" not in whole
    assert "a2V5c2Vj" not in "".join(attached(inbox.mails[0]).values())
    assert "***" in whole


def test_alarms_that_leave_nothing_standing_are_told_once(post: Post, inbox: Inbox) -> None:
    run = post.run()
    post.ledger.runs.event(run.id, post.now, "run.files-lost", "2 files vanished: a, b")
    post.later(5)
    post.later(SOON)
    assert len(inbox.mails) == 1
    assert "seq/R1: files vanished before they were proven" in str(inbox.mails[0]["Subject"])
    assert "2 files vanished: a, b" in text_of(inbox.mails[0])
    post.ledger.close()
    post.born_again()
    post.later(DAY)
    assert len(inbox.mails) == 1
    for number in range(30):
        post.ledger.runs.event(run.id, post.now, "verify.bad-blob", f"blob {number} is bad")
    post.later(5)
    post.later(SOON)
    assert len(inbox.mails) == 2
    assert "30 things happened" in str(inbox.mails[1]["Subject"])


def test_what_happened_while_no_mail_was_wanted_is_not_told_later(post: Post, inbox: Inbox) -> None:
    wanted = post.service.config
    unwanted = wanted.model_copy(update={"mail": None})
    object.__setattr__(post.service.force, "config", unwanted)
    run = post.run()
    post.ledger.runs.event(run.id, post.now, "run.files-lost", "2 files vanished")
    post.later(SOON)
    object.__setattr__(post.service.force, "config", wanted)
    post.later(SOON)
    assert inbox.mails == []


def test_a_full_disk_under_the_ledger_is_mailed_past_the_outbox(post: Post, inbox: Inbox) -> None:
    connection = post.ledger.database._connection
    connection.execute("PRAGMA max_page_count = 1")  # it can't grow: "database or disk is full"
    with pytest.raises(LedgerFull) as caught:
        post.ledger.desk.put("large", "x" * 100_000)
    post.service.ledger_trouble(caught.value)
    post.later(5)
    assert inbox.mails == [], "it may mend itself"
    post.later(SOON)
    post.later(HOUR)
    assert len(inbox.mails) == 1
    assert "can't be written" in str(inbox.mails[0]["Subject"])
    assert "free space on the disk of" in text_of(inbox.mails[0])
    post.later(DAY)
    assert len(inbox.mails) == 2
    connection.execute("PRAGMA max_page_count = 1000000")
    post.later(5)
    assert len(inbox.mails) == 3
    assert thread_of(inbox.mails[2])[0] == inbox.mails[0]["Message-ID"]
    assert post.service.ledger_alarm is None
    post.later(DAY)
    assert len(inbox.mails) == 3
    assert post.ledger.mailroom.unsent() == 0


def test_the_week_is_told_on_mondays_and_once(
    tmp_path: Path, inbox: Inbox, quiet_log: None
) -> None:
    with mail_server(inbox) as port:
        post = Post(tmp_path, port, mail=["weekly_digest = true"])
        run = post.run()
        post.ledger.runs.set(run, published_at=post.now + 60, bytes=5 << 30)
        days = []
        for _ in range(14 * 8):
            before = len(inbox.mails)
            post.later(DAY / 8)
            if len(inbox.mails) > before:
                days.append(time.strftime("%a %H", time.localtime(post.now)))
        assert len(days) == 2
        assert all(day.startswith("Mon ") and day >= "Mon 06" for day in days), days
        assert "1 run published (5.0 GiB), all is well" in inbox.subjects[0]
        assert "seq/R1" in text_of(inbox.mails[0])
        assert "0 runs published" in inbox.subjects[1]
        post.ledger.close()


def test_an_errand_that_hangs_is_given_up_and_not_begun_twice(post: Post) -> None:
    errand = Errand("a visit", post.service.stopping)
    began = time.monotonic()
    with pytest.raises(SyncdError, match="given up"):
        errand.run(lambda: time.sleep(4), within=0.3)
    with pytest.raises(SyncdError, match="still hangs"):
        errand.run(lambda: None, within=0.3)
    assert time.monotonic() - began < 3

    def fails() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        Errand("another", post.service.stopping).run(fails, within=1)


def test_troubles_of_instruments_tell_which(post: Post, inbox: Inbox) -> None:
    desk = post.ledger.desk
    desk.update_instrument("seq", online=0, offline_since=post.now, offline_reason="no mount")
    post.later(5 * MINUTE)
    assert inbox.mails == [], "a share may be away for a while"
    post.later(6 * MINUTE)
    assert "seq is offline: no mount" in inbox.subjects[0]
    desk.trouble(Trouble("mail", "mails can't be sent", "x", post.now))
    post.later(SOON)
    assert len(inbox.mails) == 1


def test_stale_runs_and_silent_instruments_are_mailed_the_same_way(
    post: Post, inbox: Inbox
) -> None:
    run = post.run()
    told = {"next_step": "datalake-syncd release", "needs_person": True}
    post.ledger.runs.event(run.id, post.now, "run.stale", "nothing was written for 2 d", told)
    kept = {"since": 1, "told": 2, "message": "seq has published no run for 7 d", "do": "look"}
    post.ledger.desk.put("silence:seq", json.dumps(kept))
    post.later(SOON)
    post.later(SOON)
    assert len(inbox.mails) == 2
    both = "".join(map(text_of, inbox.mails))
    assert "datalake-syncd release seq/R1" in both
    assert "seq has published no run for 7 d" in both
    post.ledger.desk.put("silence:seq", json.dumps({"since": 1}))
    post.mend(post.ledger.runs.by_id(run.id))
    post.later(SOON)
    post.later(SOON)
    assert sorted(mail["In-Reply-To"] for mail in inbox.mails[2:]) == sorted(
        mail["Message-ID"] for mail in inbox.mails[:2]
    )


def test_a_clock_that_is_put_back_keeps_nothing_back(post: Post, inbox: Inbox) -> None:
    post.block(post.run(), "no")
    inbox.answers = {"lab@example.org": "451 later"}
    post.later(SOON)
    inbox.answers = {}
    post.later(-400 * DAY)
    assert len(inbox.mails) == 1
    post.later(DAY)
    assert len(inbox.mails) == 2, "the reminder"
