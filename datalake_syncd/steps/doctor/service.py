"""The service itself: its versions, its user, its secrets, its daemon, its page, its ledger."""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Iterator

from datalake_syncd import __version__
from datalake_syncd.adapters import ports
from datalake_syncd.adapters.ledger import (
    LEDGER,
    SQLITE_VERSION,
    Ledger,
    LedgerDamaged,
    daemon_state,
)
from datalake_syncd.config import read_secret
from datalake_syncd.core.durations import duration_text, format_bytes, format_duration
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.steps.doctor.finding import Finding, Machine, fault, fine, from_error, warning
from datalake_syncd.steps.scrub.notes import last_pass

#: A reader keeps the daemon from writing: the check of the ledger ends after so long (seconds).
_LEDGER_SECONDS = 5.0
#: So many passes of a scrub may be missed before it is worth a warning.
_PASSES_MISSED = 3


def versions(_machine: Machine, _of: str) -> Iterator[Finding]:
    """What runs here."""
    yield fine(
        f"datalake-syncd {__version__}, Python {platform.python_version()}, "
        f"SQLite {SQLITE_VERSION}, {platform.system()} {platform.release()}"
    )


def user(machine: Machine, _of: str) -> Iterator[Finding]:
    """Whether this is the service's user: rights of somebody else say little."""
    us = os.geteuid()
    try:
        owner = machine.config.daemon.state_dir.stat().st_uid
    except OSError:
        owner = us
    if owner == us:
        yield fine(f"this runs as {_name(us)}")
        return
    yield warning(
        f"this runs as {_name(us)} and the state directory belongs to {_name(owner)}: what one "
        "may read the other may not",
        f"look again as that user: sudo -u {_name(owner)} datalake-syncd doctor",
    )


def secrets(machine: Machine, _of: str) -> Iterator[Finding]:
    """The files of secrets: there, closed to others, one line."""
    config = machine.config
    needed = [("lake.secret_file", config.lake.secret_file, fault)]
    if config.mail is not None:
        # A mail that can't be sent stops no run.
        needed.append(("mail.password_file", config.mail.password_file, warning))
    there = [(name, path, judged) for name, path, judged in needed if path is not None]
    for name, path, judged in there:
        try:
            read_secret(path)
        except SyncdError as error:
            yield judged(str(error), error.next_step, name=name)
        else:
            yield fine(f"{escape(str(path))} can be read, and not by others", name=name)
    if not there:
        yield fine("none is needed")


def daemon(machine: Machine, _of: str) -> Iterator[Finding]:
    """Whether one runs now."""
    state = machine.config.daemon.state_dir
    found = daemon_state(state)
    if found.running:
        yield fine(f"it runs (process {found.pid})" if found.pid else "it runs")
    elif found.running is None:
        yield warning(
            f"whether one runs can't be seen: {_name(os.geteuid())} may not look into "
            f"{escape(str(state))}",
            "look again as root or as the service's user",
        )
    elif (state / LEDGER).exists():
        yield warning(
            "none runs now", "start it, unless you use `once`: systemctl start datalake-syncd"
        )
    else:
        yield fine("it was not started with this configuration yet")


def ledger(machine: Machine, _of: str) -> Iterator[Finding]:
    """Readable, of this schema, undamaged; none before the first start."""
    state = machine.config.daemon.state_dir
    path = state / LEDGER
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        yield fine(f"none yet; the first start makes {escape(str(path))}")
        return
    except OSError as error:
        yield fault(
            f"{escape(str(path))} can't be read: {error.strerror}",
            "look again as root or as the service's user",
        )
        return
    try:
        opened = Ledger(state, writable=False)
        try:
            whole = opened.database.sound(_LEDGER_SECONDS)
            runs = len(opened.runs.names())
            wrong = opened.desk.troubles()
        finally:
            opened.close()
    except LedgerDamaged as error:
        yield from_error(error)
        return
    except SyncdError as error:
        # Of an older version, or just being made: the next start brings it up to date.
        yield warning(str(error), error.next_step)
        return
    told = f"{escape(str(path))}: {runs} runs, {format_bytes(size)}, "
    yield fine(told + ("undamaged" if whole else "no damage in the part that was checked in 5 s"))
    for trouble in wrong:
        yield warning(trouble.message, trouble.next_step, name=f"trouble {trouble.key}")


def scrub(machine: Machine, _of: str) -> Iterator[Finding]:
    """Whether what was published is read back now and then."""
    state, wanted = machine.config.daemon.state_dir, machine.config.scrub
    if not (state / LEDGER).exists():
        yield fine("nothing was published yet")
        return
    try:
        opened = Ledger(state, writable=False)
        try:
            last = last_pass(opened)
        finally:
            opened.close()
    except SyncdError:
        return  # told by the line of the ledger
    told = "no scrub of all runs has come to its end yet"
    if last is not None and last.ended is not None:
        age = max(machine.wall() - last.ended, 0.0)
        told = f"the last one ended {format_duration(round(age))} ago"
        if wanted is not None and age > _PASSES_MISSED * wanted.every:
            yield warning(
                f"{told}, and scrub.every is {duration_text(wanted.every)}",
                "look for scrub and attendant.failed in the log",
            )
            return
    hint = "" if wanted else "to have it done on a schedule: a table [scrub] in the configuration"
    yield fine(told, hint)


def page(machine: Machine, _of: str) -> Iterator[Finding]:
    """The port of the page: ours to listen on, or already answering."""
    web = machine.config.web
    if web is None:
        yield fine("there is no [web] in the configuration")
        return
    host, port = web.address
    running = daemon_state(machine.config.daemon.state_dir).running
    if ports.answers(host, port):
        if running is False:
            yield warning(
                f"somebody else listens on {web.listen}",
                f"find it with ss -ltnp 'sport = :{port}', or change web.listen",
            )
        else:
            yield fine(f"somebody answers on {web.listen}")
        return
    if running:
        yield warning(
            f"nobody answers on {web.listen} although the daemon runs",
            "look for its reason in the log; reload after a change of [web]",
        )
        return
    refused = ports.why_not_ours(host, port)
    if refused:
        yield warning(f"{web.listen} can't be listened on: {refused}", "change web.listen")
    else:
        yield fine(f"{web.listen} is free")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
