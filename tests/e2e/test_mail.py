"""Mail, dead-man's switch and hook of the real service, with real servers and a real command."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.e2e.lab import Lab
from tests.e2e.mounts import fill, tmpfs
from tests.e2e.runs import expect_published, folder_of, miseq, row_of, write
from tests.mail_server import Inbox, attached, free_port, mail_server, silent_server, text_of
from tests.steps.test_heartbeat import serving

QUICK = {"SYNCD_MAIL_EVERY": "0.3"}
FAST = 'scan_interval = "0.3s"'


def mail(port: int) -> list[str]:
    return [
        'recipients = ["lab@example.org"]',
        'host = "127.0.0.1"',
        f"port = {port}",
        'security = "none"',
    ]


def test_a_blocked_run_mails_its_log_is_mended_and_resolved_in_the_same_thread(lab: Lab) -> None:
    inbox, told = Inbox(), lab.root / "told"
    hook = lab.root / "hook.sh"
    hook.write_text(f"#!/bin/sh\ncat >> {told}\n")
    hook.chmod(0o755)
    blocked, good = miseq(1), miseq(2)
    write(lab, blocked, good)
    fifo = folder_of(lab, blocked) / "pipe"
    os.mkfifo(fifo)
    with mail_server(inbox) as port, serving() as switch:
        daemon_lines = [FAST, f'on_event = ["{hook}"]', f'heartbeat_url = "{switch.url}"']
        lab.configure(mail=mail(port), daemon=daemon_lines)
        with lab.daemon(**QUICK) as daemon:
            lab.wait_for(lambda: inbox.mails, told="a mail")
            lab.wait_published(good.name)
            lab.wait_for(lambda: switch.asked, told="a ping")
            fifo.unlink()
            lab.wait_published(blocked.name)
            lab.wait_for(lambda: len(inbox.mails) == 2, told="the end")
            lab.wait_for(lambda: told.read_text().count("run.published") == 2, told="the hook")
            log = daemon.log.read_text()
    first, over = inbox.mails
    assert f"miseq/{blocked.name} needs you" in str(first["Subject"])
    text = text_of(first)
    assert "pipe" in text
    assert f"datalake-syncd why miseq/{blocked.name}" in text
    (name, attachment), *_ = attached(first).items()
    assert name == f"miseq-{blocked.name}.log"
    assert f"run.blocked miseq/{blocked.name}" in attachment
    assert good.name not in attachment
    assert over["In-Reply-To"] == first["Message-ID"]
    assert over["Subject"] == f"Re: {first['Subject']}"
    assert text_of(over).startswith("Resolved:")
    events = [json.loads(line) for line in told.read_text().splitlines()]
    assert {one["run"] for one in events} == {f"miseq/{one.name}" for one in (blocked, good)}
    numbers = [one["id"] for one in events]
    assert numbers == sorted(set(numbers))
    assert "0000-secret-0000" not in log
    expect_published(lab, blocked)


def test_a_pass_for_cron_mails_at_its_end_and_the_next_does_not_repeat_it(lab: Lab) -> None:
    inbox, run = Inbox(), miseq(1)
    write(lab, run)
    fifo = folder_of(lab, run) / "pipe"
    os.mkfifo(fifo)
    with mail_server(inbox) as port:
        lab.configure(mail=mail(port))
        lab.once(expect=1)
        assert len(inbox.mails) == 1
        assert "needs you" in str(inbox.mails[0]["Subject"])
        lab.once(expect=1)
        assert len(inbox.mails) == 1
        fifo.unlink()
        lab.once()
        assert len(inbox.mails) == 2
        assert inbox.mails[1]["In-Reply-To"] == inbox.mails[0]["Message-ID"]
    assert row_of(lab, run).published_at is not None


def expect_told_of_full_disk(inbox: Inbox) -> None:
    (told,) = inbox.mails
    assert "the ledger can't be written" in str(told["Subject"])
    assert "free space on the disk of" in text_of(told)


@pytest.mark.root
def test_b1_a_pass_for_cron_on_a_full_disk_mails_that_it_is_full(lab: Lab) -> None:
    """It ends at once, and cron's own mail may go nowhere: these people must hear of it."""
    inbox = Inbox()
    lab.state.mkdir()
    with tmpfs(lab.state, "16m"), mail_server(inbox) as port:
        lab.configure(mail=mail(port))
        lab.once()
        assert inbox.mails == []
        fill(lab.state / "filler")
        done = lab.call("once", expect=1)
        assert "took no more" in done.stdout + done.stderr
        expect_told_of_full_disk(inbox)


@pytest.mark.root
def test_b1_a_service_that_starts_on_a_full_disk_tells_and_goes_on_when_there_is_room(
    lab: Lab,
) -> None:
    inbox, run = Inbox(), miseq(1)
    lab.state.mkdir()
    with tmpfs(lab.state, "16m"), mail_server(inbox) as port:
        lab.configure(mail=mail(port), daemon=[FAST])
        lab.once()
        write(lab, run)
        fill(lab.state / "filler")
        with lab.daemon(**QUICK) as daemon:
            lab.wait_for(lambda: inbox.mails, told="a mail")
            expect_told_of_full_disk(inbox)
            assert daemon.process.poll() is None, "it must stay up"
            assert not daemon.lines("service.started")
            (lab.state / "filler").unlink()
            lab.wait_published(run.name)
            lab.wait_for(lambda: len(inbox.mails) == 2, told="the end")
    assert text_of(inbox.mails[1]).startswith("Resolved:")
    assert inbox.mails[1]["In-Reply-To"] == inbox.mails[0]["Message-ID"]


def test_j1_servers_that_are_silent_delay_neither_runs_nor_the_end(lab: Lab) -> None:
    blocked, good = miseq(1), miseq(2)
    write(lab, blocked)
    os.mkfifo(folder_of(lab, blocked) / "pipe")
    with silent_server() as port, silent_server() as other:
        url = f'heartbeat_url = "http://127.0.0.1:{other}/x"'
        lab.configure(mail=mail(port), daemon=[FAST, url, 'on_event = ["/bin/sleep", "25"]'])
        with lab.daemon(**QUICK) as daemon:
            lab.wait_for(lambda: lab.run(blocked.name), told="sighted")
            lab.wait_for(lambda: lab.the_run(blocked.name).status == "blocked", told="blocked")
            write(lab, good)
            lab.wait_published(good.name, gen=1)
            began = time.monotonic()
            daemon.process.terminate()
            assert daemon.process.wait(30) == 0
            assert time.monotonic() - began < 12
    with lab.ledger() as ledger:
        assert ledger.mailroom.unsent() == 1, "kept for better days"
    inbox = Inbox()
    port = free_port()
    lab.configure(mail=mail(port), daemon=[FAST])
    with mail_server(inbox, port=port), lab.daemon(**QUICK):
        lab.wait_for(lambda: inbox.mails, told="the mail of before")
