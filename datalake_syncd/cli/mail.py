"""``mail test``: one mail with the configured settings, now, each step told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.terminal import say
from datalake_syncd.core.errors import SyncdError, UsageError
from datalake_syncd.core.names import escape_once

if TYPE_CHECKING:
    from datalake_syncd.adapters.mail import Delivery
    from datalake_syncd.config import Config, Mail

_SECURITY = {"starttls": "STARTTLS", "tls": "TLS", "none": "not encrypted"}


@click.group("mail")
def command() -> None:
    """Mail: try the settings of [mail]."""


@command.command("test", short_help="Send one mail now, and say how it went.")
@click.pass_obj
def test(path: Path) -> int:
    """Send one mail to all recipients now, and say how it went, step by step.

    Ends with 1 when a step fails or a recipient is refused.
    """
    from datalake_syncd import session

    config = session.load_config(path)
    mail = config.mail
    if mail is None:
        raise UsageError(
            "no mail is configured",
            why="there is no [mail] in the configuration",
            next_step="add [mail] with recipients and host: datalake-syncd config init shows how",
        )
    login = f", login {mail.user}" if mail.user else ", no login"
    say(
        f"A mail to {', '.join(mail.recipients)}",
        f"by {mail.host}:{mail.port}, {_SECURITY[mail.security]}{login}:",
    )
    try:
        done = _send(config, mail)
    except SyncdError as error:
        _failed(error.what, error.why, error.next_step)
        return ATTENTION
    for address in done.accepted:
        _ok(f"taken for {address}")
    for address, words in done.refused.items():
        _failed(
            f"{address} is refused: {words}", "",
            "correct mail.recipients, or ask the people of the mail server",
        )  # fmt: skip
    for address, words in done.later.items():
        _failed(
            f"{address} is not taken now: {words}", "",
            "the service tries such mails again by itself; try this again in some minutes",
        )  # fmt: skip
    if done.accepted:
        say("The server has it. Look into the inbox, and into the spam folder.")
    return ATTENTION if done.refused or done.later else FINE


def _send(config: Config, mail: Mail) -> Delivery:
    from datalake_syncd.adapters.mail import dialogue
    from datalake_syncd.steps.mail.letters import Writer, machine, sender_of
    from datalake_syncd.steps.mail.sending import server_of

    text = (
        f"This is a test from {machine()}: mails of datalake-syncd arrive.\n\n"
        "You will get one when something needs a person, with what was found and what to do;\n"
        "one reminder while it stands, and one in the same thread when it is over."
    )
    letter = Writer(config, mail).letter("a test; nothing is to be done", text)
    with dialogue(server_of(mail), on_step=_ok) as open_:
        return open_.send(sender_of(mail), letter.recipients, letter.message)


def _ok(what: str) -> None:
    say(f"  ok      {escape_once(what)}")


def _failed(what: str, why: str, next_step: str) -> None:
    say(f"  FAILED  {escape_once(what)}")
    if why:
        say(f"    why:  {escape_once(why)}")
    if next_step:
        say(f"    next: {escape_once(next_step)}")
