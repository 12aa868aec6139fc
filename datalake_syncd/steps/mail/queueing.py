"""One look: what stands is held against what people were told, and the mails are queued."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from datalake_syncd.adapters import run_logs
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import DaemonState, Ledger, Letter, Run
from datalake_syncd.config import Config, Mail
from datalake_syncd.core import incidents
from datalake_syncd.core.durations import HOUR, format_duration
from datalake_syncd.core.incidents import FOLD_ABOVE, OUTBOX_FULL, Incident
from datalake_syncd.core.wording import counted
from datalake_syncd.steps.mail import digest, texts
from datalake_syncd.steps.mail.letters import ALONE, Attachment, Thread, Writer
from datalake_syncd.steps.mail.look import found_in, on_trial
from datalake_syncd.steps.mail.notices import LAST_EVENT, Notice, new_notices
from datalake_syncd.steps.overview.report import Report, read_report

#: How much of a run's log (bytes) goes with a mail about it, and with one about many.
LOG_TAIL = 256 * 1024
_LOG_TAIL_OF_MANY = 32 * 1024
_LOGS_OF_MANY = 5


def queue_news(ledger: Ledger, config: Config, mail: Mail, now: float, *, at_once: bool) -> int:
    """Look once and queue what is due; gives the number of letters.

    Each letter is queued in one transaction with what it tells, so that neither a crash nor a
    second look tells it again or forgets it.
    """
    daemon = DaemonState(running=True, pid=os.getpid())
    report = read_report(ledger, now, daemon=daemon, stale_after=config.daemon.stale_after)
    room = ledger.mailroom
    standing = room.standing()
    found = list(found_in(ledger, report))
    changes = incidents.compare(found, standing, on_trial(report, standing), now)
    room.take(changes, now)
    unsent, queued = room.unsent(), room.queued_since(now - HOUR)
    plan = incidents.plan(
        room.standing(),
        now,
        remind_after=mail.remind_after,
        at_once=at_once,
        queued=queued,
        unsent=unsent,
    )
    gathered = unsent >= OUTBOX_FULL or incidents.crowded(queued, now)
    notices = [] if gathered else new_notices(ledger)
    news = _News(ledger, config, mail, now)
    notes = {LAST_EVENT: str(notices[-1].number)} if notices else {}
    letters = [
        *news.new(plan.new),
        *news.reminder(plan.remind),
        *news.over(plan.over),
        *news.happened(notices),
        *_digest(news, report, notes),
    ]
    if letters:
        room.post(letters, now, notes)
        reach(FailPoint.MAIL_QUEUED)
    return len(letters)


def _digest(news: _News, report: Report, notes: dict[str, str]) -> list[Letter]:
    week = digest.due(news.ledger, news.mail, news.now)
    if week is None:
        return []
    notes[digest.LAST_WEEK] = week
    subject, text = digest.weekly(news.ledger, report, news.now)
    return [news.writer.letter(subject, text)]


class _News:
    """Puts what a plan tells into letters."""

    def __init__(self, ledger: Ledger, config: Config, mail: Mail, now: float) -> None:
        self.ledger = ledger
        self.mail = mail
        self.now = now
        self._config = config
        self._logs = config.daemon.state_dir / run_logs.FOLDER

    @cached_property
    def writer(self) -> Writer:
        """Made when there is something to write: it reads the secrets that it masks."""
        return Writer(self._config, self.mail)

    def new(self, new: Sequence[Incident]) -> list[Letter]:
        """Each in a mail of its own, too many in one."""
        if len(new) <= FOLD_ABOVE:
            return [self._one(incident) for incident in new]
        subject = f"{counted(len(new), 'thing')} need you: {_kinds(new)}"
        text = texts.many_text(
            f"{counted(len(new), 'thing')} need you on this machine, all found within a short "
            "time. Often they have one cause.",
            new,
            self._until_over(),
        )
        return [
            self.writer.letter(
                subject, text, attachments=self._some_logs(new), tells=[one.id for one in new]
            )
        ]

    def _one(self, incident: Incident) -> Letter:
        text = texts.incident_text(
            self._config, self.ledger, incident, self.now, self.mail.remind_after
        )
        thread = ALONE
        if incident.thread is not None:  # it was told before, with another reason
            thread = Thread((incident.thread,), incident.subject)
        return self.writer.letter(
            texts.subject_of(incident),
            text,
            thread=thread,
            attachments=self._log(incident.run_id, LOG_TAIL),
            tells=[incident.id],
        )

    def reminder(self, remind: Sequence[Incident]) -> list[Letter]:
        """All that is due in one mail; one alone goes on in its thread, log and all."""
        if not remind:
            return []
        threads = _threads(remind)
        if len(remind) == 1:
            return [self._one(remind[0])]
        subject = f"Reminder: {counted(len(remind), 'thing')} still need you: {_kinds(remind)}"
        text = texts.many_text(
            f"{counted(len(remind), 'thing')} still need you on this machine.",
            remind,
            self._until_over(),
        )
        shared = remind[0].subject if len(threads) == 1 else None
        return [
            self.writer.letter(
                subject,
                text,
                thread=Thread(threads, shared),
                attachments=self._some_logs(remind),
                tells=[one.id for one in remind],
            )
        ]

    def over(self, over: Sequence[Sequence[Incident]]) -> list[Letter]:
        """Each thread gets its end; too many at a time get one together."""
        groups = [list(group) for group in over]
        if len(groups) > FOLD_ABOVE:
            groups = [[one for group in groups for one in group]]
        letters = []
        for group in groups:
            threads = _threads(group)
            shared = group[0].subject if len(threads) == 1 else None
            letters.append(
                self.writer.letter(
                    f"Resolved: {counted(len(group), 'thing')}",
                    texts.over_text(self.ledger, group, self.now),
                    thread=Thread(threads, shared),
                    ends=[one.id for one in group],
                )
            )
        return letters

    def happened(self, notices: Sequence[Notice]) -> list[Letter]:
        """What happened once: each in a mail of its own, too many in one."""
        if len(notices) <= FOLD_ABOVE:
            return [
                self.writer.letter(
                    texts.subject_of(one),
                    texts.notice_text(self._config, self.ledger, one),
                    attachments=self._log(None if one.run is None else one.run.id, LOG_TAIL),
                )
                for one in notices
            ]
        text = texts.many_text(
            f"{counted(len(notices), 'thing')} happened that somebody should look at.",
            notices,
            "This is told once; nothing stands.",
        )
        return [self.writer.letter(f"{counted(len(notices), 'thing')} happened", text)]

    def _until_over(self) -> str:
        every = format_duration(self.mail.remind_after)
        return f"You are reminded every {every} while they stand, and told when all are over."

    def _some_logs(self, told: Sequence[Incident]) -> list[Attachment]:
        runs = [one.run_id for one in told if one.run_id is not None][:_LOGS_OF_MANY]
        return [log for run in runs for log in self._log(run, _LOG_TAIL_OF_MANY)]

    def _log(self, run_id: int | None, most: int) -> list[Attachment]:
        return [] if run_id is None else run_log(self._logs, self.ledger.runs.by_id(run_id), most)


def run_log(root: Path, run: Run, most: int) -> list[Attachment]:
    """The end of a run's log as an attachment; none when nothing was written."""
    data = run_logs.tail(root, run.key, most)
    return [Attachment(run.key.replace("/", "-"), data)] if data else []


def _threads(told: Sequence[Incident]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.thread for one in told if one.thread is not None))


def _kinds(told: Sequence[Incident]) -> str:
    words = {"run": "run", "stale": "stale run", "trying": "failing run", "source": "source"}
    counts: dict[str, int] = {}
    for one in told:
        word = words.get(one.key.partition("/")[0], "other thing")
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(counted(number, word) for word, number in counts.items())
