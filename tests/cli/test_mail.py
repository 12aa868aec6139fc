"""``mail test``: each step told to a tired person; the exit code says whether mails arrive."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Place
from tests.mail_server import PASSWORD, USER, Authority, Inbox, free_port, mail_server, text_of


def with_mail(place: Place, *lines: str) -> None:
    place.configure()
    text = "\n".join(["[mail]", 'host = "127.0.0.1"', *lines])
    with place.config.open("a") as file:
        file.write(f"\n{text}\n")


TWO = 'recipients = ["a@lab.example", "b@lab.example"]'


def test_a_good_one(place: Place, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "ca")
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    inbox = Inbox()
    with mail_server(inbox, starttls=authority.context(), login=True) as port:
        with_mail(place, TWO, f"port = {port}", f'user = "{USER}"',
                  f'password_file = "{password}"', f'ca_file = "{authority.ca}"')  # fmt: skip
        called = place.call("mail", "test")
    assert called.code == 0, called.out + called.err
    assert "ok      encrypted, TLSv1.3, certificate checked" in called.out
    assert f"ok      logged in as {USER}" in called.out
    assert "ok      taken for b@lab.example" in called.out
    assert PASSWORD not in called.out
    assert inbox.given_to == [["a@lab.example", "b@lab.example"]]
    assert "mails of datalake-syncd arrive" in text_of(inbox.mails[0])


def test_what_failed_and_what_to_do(place: Place) -> None:
    with_mail(place, TWO, f"port = {free_port()}", 'security = "none"')
    called = place.call("mail", "test")
    assert called.code == 1
    assert "FAILED  127.0.0.1:" in called.out
    assert "next: is the mail server up" in called.out


def test_a_refused_recipient(place: Place) -> None:
    inbox = Inbox(answers={"a@lab.example": "550 no such user"})
    with mail_server(inbox) as port:
        with_mail(place, TWO, f"port = {port}", 'security = "none"')
        called = place.call("mail", "test")
    assert called.code == 1
    assert "FAILED  a@lab.example is refused: 550 no such user" in called.out
    assert "ok      taken for b@lab.example" in called.out


def test_a_password_file_that_others_can_read(place: Place, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    inbox = Inbox()
    with mail_server(inbox, login=True) as port:
        with_mail(place, TWO, f"port = {port}", 'security = "none"', f'user = "{USER}"',
                  f'password_file = "{password}"')  # fmt: skip
        called = place.call("mail", "test")
    assert called.code == 1
    assert "chmod 600" in called.out
    assert PASSWORD not in called.out + called.err


@pytest.mark.parametrize("arguments", [("mail", "test")])
def test_nothing_is_configured(place: Place, arguments: tuple[str, ...]) -> None:
    called = place.call(*arguments)
    assert called.code == 2
    assert "no mail is configured" in called.err
