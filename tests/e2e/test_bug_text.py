"""The text of an error that nobody expected may quote a secret; it gets to nobody."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from datalake_syncd import one_pass, worker
from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.adapters.web import WebServer
from datalake_syncd.config import read_secret
from datalake_syncd.core.model import Step
from datalake_syncd.session import load_config
from datalake_syncd.steps.context import Answer, Context
from datalake_syncd.steps.page.site import Site
from datalake_syncd.steps.service import Service
from tests.e2e.lab import Lab
from tests.e2e.runs import miseq, row_of, write
from tests.mail_server import PASSWORD, USER, Authority, Inbox, attached, mail_server


def talkative(context: Context) -> Answer:
    """A step with a bug, whose error quotes what it was given."""
    lake, mail = context.config.lake.secret_file, context.config.mail
    assert lake is not None
    assert mail is not None
    assert mail.password_file is not None
    login, password = read_secret(lake).reveal(), read_secret(mail.password_file).reveal()
    key = login.partition("AccountKey=")[2].partition(";")[0]
    raise RuntimeError(f"bad login {login!r}: no padding in {key} nor in {password}")


def test_j3_a_bug_that_quotes_secrets_shows_them_nowhere(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in the ledger, not in a log, a mail, the page or a command, and not to the hook."""
    run, told, log, inbox = miseq(1), lab.root / "told", lab.root / "syncd.log", Inbox()
    password = lab.root / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    hook = lab.root / "hook.sh"
    hook.write_text(f"#!/bin/sh\ncat >> {told}\n")
    hook.chmod(0o755)
    write(lab, run)
    steps = (worker.StepSpec(Step.SETTLE, Step.TRANSFER, "transfer", talkative),)
    monkeypatch.setattr(worker, "STEPS", steps)
    authority = Authority.make(lab.root / "tls")
    with mail_server(inbox, starttls=authority.context(), login=True) as port:
        lines = ['recipients = ["lab@example.org"]', 'host = "127.0.0.1"', f"port = {port}"]
        lines += ['security = "starttls"', f'ca_file = "{authority.ca}"', f'user = "{USER}"']
        lab.configure(
            mail=[*lines, f'password_file = "{password}"'],
            daemon=[f'on_event = ["{hook}"]'],
            log=['format = "json"', f'file = "{log}"'],
        )
        assert one_pass.once(lab.config) == 1
    row = row_of(lab, run)
    assert row.status == "blocked"
    assert "RuntimeError: bad login" in (row.trace or ""), "what is no secret is kept"

    shown: dict[str, str] = {"stdout": "".join(capfd.readouterr())}
    for path in [log, told, *lab.state.rglob("*")]:
        if path.is_file():
            shown[str(path)] = path.read_bytes().decode("latin-1")
    for number, mail in enumerate(inbox.mails):
        shown[f"mail {number}"] = f"{mail['Subject']}\n{mail.as_string()}"
        shown[f"log with mail {number}"] = "\n".join(attached(mail).values())
    for words in (["status", "--json"], ["why", run.name], ["why", run.name, "--json"]):
        done = lab.call(*words, expect=None)
        shown[" ".join(words)] = done.stdout + done.stderr
    shown.update(_served(lab))
    heard = ["told", "mail 0", "log with mail 0", "status --json", f"why {run.name}", "/"]
    for name in [*heard, "/status.json", "syncd.log", "ledger.sqlite", "stdout"]:
        (found,) = [shown[place] for place in shown if name in (place, Path(place).name)]
        assert "bad login" in found, f"{name} does not tell of the error at all"
    key = lab.azurite.connection_string.partition("AccountKey=")[2].partition(";")[0]
    assert len(key) > 40
    for place, text in shown.items():
        for secret in (key, json.dumps(key)[1:-1], PASSWORD):
            assert secret not in text.replace("=\n", ""), f"a secret is in {place}"


def _served(lab: Lab) -> dict[str, str]:
    """What the page and its neighbours answer."""
    config = load_config(lab.config)
    ledger = Ledger(config.daemon.state_dir, writable=True)
    site = Site(Service(config, ledger, logging.getLogger("tests.e2e")), 0.0)
    server = WebServer(("127.0.0.1", 0), (), site.answer)
    answers = {}
    try:
        for path in ("/", "/status.json", "/metrics", "/readyz"):
            with closing(HTTPConnection(*server.address, timeout=20)) as connection:
                connection.request("GET", path)
                answers[path] = connection.getresponse().read().decode()
    finally:
        server.close()
        site.looks.close()
        ledger.close()
    return answers
