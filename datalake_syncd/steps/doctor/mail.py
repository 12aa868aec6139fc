"""The mail server: whether it would take a mail of ours, without sending one."""

from __future__ import annotations

from collections.abc import Iterator

from datalake_syncd.adapters.mail import dialogue
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.steps.doctor.finding import Finding, Machine, Mark, fine, from_error
from datalake_syncd.steps.mail.sending import server_of


def mail(machine: Machine, _of: str) -> Iterator[Finding]:
    """Connected, encrypted and logged in as configured; a mail that can't go stops no run."""
    settings = machine.config.mail
    if settings is None:
        yield fine("none is configured", "whoever is to be told gets a [mail] in the configuration")
        return
    steps: list[str] = []
    try:
        with dialogue(server_of(settings), on_step=steps.append):
            pass
    except SyncdError as error:
        yield from_error(error, mark=Mark.WARNING)
        return
    told = ", ".join(map(escape, settings.recipients))
    yield fine(
        f"{'; '.join(steps)}; recipients: {told}", "to see one arrive: datalake-syncd mail test"
    )
