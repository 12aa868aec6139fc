"""The dialogue with a real mail server: who gets the mail, and what is said when it fails."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters import mail
from datalake_syncd.adapters.mail import Delivery, MailFailed, MailServer, dialogue
from tests.mail_server import (
    PASSWORD,
    USER,
    Authority,
    Inbox,
    free_port,
    mail_server,
    silent_server,
)

MESSAGE = b"Subject: test\r\nFrom: a@lab\r\nTo: b@lab\r\n\r\nHello\r\n.\r\nafter the dot\r\n"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def plain(inbox: Inbox) -> Iterator[MailServer]:
    with mail_server(inbox) as port:
        yield MailServer("127.0.0.1", port, "none")


def send(server: MailServer, *recipients: str) -> Delivery:
    with dialogue(server) as open_:
        return open_.send("syncd@lab.example", recipients or ("b@lab.example",), MESSAGE)


def failure(server: MailServer, *recipients: str) -> MailFailed:
    with pytest.raises(MailFailed) as caught:
        send(server, *recipients)
    assert caught.value.next_step, "a person must know what to do"
    return caught.value


def test_a_mail_arrives_whole_and_to_all(plain: MailServer, inbox: Inbox) -> None:
    assert send(plain, "b@lab.example", "c@lab.example").accepted == (
        "b@lab.example",
        "c@lab.example",
    )
    assert inbox.given_to == [["b@lab.example", "c@lab.example"]]
    assert inbox.mails[0].get_content().splitlines() == ["Hello", ".", "after the dot"]


def test_some_recipients_are_refused_and_the_others_get_it(plain: MailServer, inbox: Inbox) -> None:
    inbox.answers = {"gone@lab": "550 5.1.1 no such user", "full@lab": "451 4.2.2 come later"}
    done = send(plain, "gone@lab", "b@lab", "full@lab")
    assert done.accepted == ("b@lab",)
    assert done.refused == {"gone@lab": "550 5.1.1 no such user"}
    assert done.later == {"full@lab": "451 4.2.2 come later"}
    assert inbox.given_to == [["b@lab"]]


def test_all_recipients_refused_is_no_error_of_the_dialogue(
    plain: MailServer, inbox: Inbox
) -> None:
    inbox.answers = {"b@lab": "550 no"}
    with dialogue(plain) as open_:
        assert open_.send("a@lab", ["b@lab"], MESSAGE) == Delivery((), {}, {"b@lab": "550 no"})
        assert open_.send("a@lab", ["c@lab"], MESSAGE).accepted == ("c@lab",)
    assert inbox.given_to == [["c@lab"]]


@pytest.mark.parametrize(("answer", "final"), [("554 spam", True), ("451 busy", False)])
def test_content_that_is_refused(plain: MailServer, inbox: Inbox, answer: str, final: bool) -> None:
    inbox.content_answer = answer
    error = failure(plain)
    assert (error.step, error.final) == (mail.CONTENT, final)
    assert answer in str(error)


def test_starttls_and_login_with_the_labs_own_ca(authority: Authority, inbox: Inbox) -> None:
    steps: list[str] = []
    with mail_server(inbox, starttls=authority.context(), login=True) as port:
        server = MailServer("127.0.0.1", port, "starttls", USER, lambda: PASSWORD, authority.ca)
        with dialogue(server, on_step=steps.append) as open_:
            open_.send("a@lab", ["b@lab"], MESSAGE)
        assert len(inbox.mails) == 1
        assert [step.split()[0].strip(",") for step in steps] == [
            "connected",
            "encrypted",
            "logged",
        ]
        assert "TLSv1" in steps[1]
        assert PASSWORD not in str(steps)

        wrong = MailServer("127.0.0.1", port, "starttls", USER, lambda: "no", authority.ca)
        error = failure(wrong)
        assert error.step == "login"
        assert "535" in str(error)
        assert "password_file" in error.next_step

        error = failure(MailServer("127.0.0.1", port, "starttls", USER, lambda: PASSWORD))
        assert error.step == "encryption"
        assert "not trusted" in str(error)
        assert "ca_file" in error.next_step

        error = failure(MailServer("127.0.0.1", port, "none"))
        assert re.search(r"530|STARTTLS", str(error))
        assert len(inbox.mails) == 1


def test_implicit_tls(authority: Authority, inbox: Inbox) -> None:
    with mail_server(inbox, tls=authority.context()) as port:
        send(MailServer("127.0.0.1", port, "tls", ca_file=authority.ca))
        assert len(inbox.mails) == 1
        error = failure(MailServer("127.0.0.1", port, "tls"))
        assert (error.step, "not trusted" in str(error)) == ("encryption", True)
        # The name is checked, too: the certificate is for 127.0.0.1 alone.
        error = failure(MailServer("localhost", port, "tls", ca_file=authority.ca))
        assert "not trusted" in str(error)


def test_nothing_goes_in_clear_where_encryption_was_asked_for(
    plain: MailServer, inbox: Inbox
) -> None:
    error = failure(MailServer("127.0.0.1", plain.port, "starttls", USER, lambda: PASSWORD))
    assert error.step == "encryption"
    assert "no STARTTLS" in str(error)
    error = failure(MailServer("127.0.0.1", plain.port, "tls"))
    assert error.step == "encryption"
    assert not inbox.mails


def test_a_login_where_none_is_offered(plain: MailServer) -> None:
    assert failure(MailServer("127.0.0.1", plain.port, "none", USER, lambda: "x")).step == "login"


def test_a_ca_file_that_is_none(tmp_path: Path, plain: MailServer) -> None:
    for text in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if text is not None:
            path.write_text(text)
        error = failure(MailServer("127.0.0.1", plain.port, "tls", ca_file=path))
        assert "ca_file" in error.next_step


def test_a_server_that_is_down_or_unknown() -> None:
    error = failure(MailServer("127.0.0.1", free_port(), "none"))
    assert error.step == "connection"
    assert "refused" in str(error).lower()
    error = failure(MailServer("no-such-host.invalid", 25, "none"))
    assert error.step == "name"
    assert "mail.host" in error.next_step


def test_a_silent_server_costs_no_more_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "ANSWER_WITHIN", 0.5)
    with silent_server() as port:
        for security in ("none", "tls"):
            began = time.monotonic()
            server = MailServer("127.0.0.1", port, security)
            assert "does not answer" in str(failure(server))
            assert time.monotonic() - began < 5


def test_another_thread_can_break_it_off(plain: MailServer) -> None:
    breakers: list[Callable[[], None]] = []
    with dialogue(plain, on_open=breakers.append) as open_:
        thread = threading.Thread(target=breakers[0])
        thread.start()
        thread.join()
        with pytest.raises(MailFailed):
            open_.send("a@lab", ["b@lab"], MESSAGE)


def test_what_the_server_says_is_escaped_and_short(plain: MailServer, inbox: Inbox) -> None:
    inbox.answers = {"b@lab": "550 \x1b[31mred\x07 " + "x" * 400}
    words = send(plain, "b@lab").refused["b@lab"]
    assert words.isprintable()
    assert len(words) <= 300


def test_certificates_are_checked_by_default() -> None:
    context = mail._context(MailServer("h", 1, "tls"))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
