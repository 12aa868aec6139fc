"""The lake: is the login let in, may it do what runs need, may it do more, is its clock ours."""

from __future__ import annotations

from collections.abc import Iterator

from datalake_syncd.adapters.lake import Rights, unless_refused
from datalake_syncd.config import Config
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.errors import AuthRefused, SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.steps.doctor.finding import (
    Finding,
    Machine,
    Mark,
    fault,
    fine,
    from_error,
    warning,
)
from datalake_syncd.steps.expiry import AHEAD, lake_expiry, renew

# Azure takes signatures and tokens that are up to a quarter of an hour off; that is the cliff.
_SKEW = 300.0
_SKEW_SEEN = 60.0
_ROLE = "Storage Blob Data Contributor, or the smaller role of SECURITY.md; a SAS with rcwl"
_KNOWN = {True: "on", False: "off", None: "not known"}


def lake(machine: Machine, _of: str) -> Iterator[Finding]:
    """Everything that is asked of the lake itself, with one connection."""
    place = f"{machine.config.lake.container} at {machine.config.lake.account_url}"
    try:
        rights = Rights(machine.access)
    except SyncdError as error:
        yield from_error(error, name="lake")
        return
    try:
        try:
            rights.list()
        except SyncdError as error:
            yield from_error(error, name="lake")
            yield _clock(machine, rights)
            # A login that may not list may still write; to say so would help nobody.
            return
        yield fine(f"{place}: the login {machine.access.auth} may list", name="lake")
        yield _clock(machine, rights)
        yield from _writing(machine, rights)
        yield _deleting(machine, rights)
    finally:
        rights.close()


def expiry(machine: Machine, _of: str) -> Iterator[Finding]:
    """Until when the login is good."""
    try:
        found = lake_expiry(machine.config.lake, machine.access)
    except SyncdError as error:
        yield from_error(error)
        return
    now = machine.wall()
    told = found.sentence(now)
    step = renew(machine.config.lake)
    if found.starts is not None and found.starts > now:
        wait = format_duration(found.starts - now)
        yield fault(f"{found.what} is not good yet, only in {wait}", f"wait, or {step}")
    elif found.at is not None and found.at <= now:
        yield fault(told, step)
    elif found.at is not None and found.soon(now):
        yield warning(f"{told}, in {format_duration(found.at - now)}", step)
    elif found.at is not None:
        yield fine(f"{told}; you are told {format_duration(AHEAD)} before")
    else:
        yield fine(told, f"to look: {found.how}" if found.how else "")


def _clock(machine: Machine, rights: Rights) -> Finding:
    if rights.date is None:
        return fine("not compared: the lake has not told its time", name="clock")
    off = machine.wall() - rights.date
    told = f"this machine's clock is {format_duration(abs(off))} "
    told += "ahead of the lake's" if off > 0 else "behind the lake's"
    step = "set the clock and keep it right: timedatectl set-ntp true"
    if abs(off) > _SKEW:
        return fault(f"{told}; logins fail from a quarter of an hour on", step, name="clock")
    if abs(off) > _SKEW_SEEN:
        return warning(told, step, name="clock")
    return fine("this machine's clock and the lake's agree", name="clock")


def _writing(machine: Machine, rights: Rights) -> Iterator[Finding]:
    """Read and write below every destination, with the one blob of ours; then what is kept."""
    versioned: bool | None = None
    for folder in _folders(machine.config):
        name = f"lake {escape(folder) or '/'}"
        try:
            written = rights.write(folder, rights.read(folder))
        except SyncdError as error:
            step = f"give the login read and write rights: {_ROLE}"
            refused = isinstance(error, AuthRefused)
            yield fault(str(error), step if refused else error.next_step, name=name)
            continue
        if written.frozen:
            yield warning(
                "a policy of the container forbids to overwrite: what is published stays, and a "
                "run that changes can't be published again",
                "use an immutability policy on versions instead, or live with it",
                name=name,
            )
        else:
            yield fine("the login may read and write here", name=name)
        versioned = versioned or written.versioned
    yield _snapshots(machine, rights)
    yield _kept(machine, rights, versioned=versioned)


def _snapshots(machine: Machine, rights: Rights) -> Finding:
    name = "snapshots"
    try:
        can = rights.may_snapshot(_folders(machine.config)[0])
    except SyncdError as error:
        return from_error(error, name=name)
    if can:
        return fine("the login may make snapshots", name=name)
    return fault(
        "the login may not make snapshots, so that nothing that changed can be overwritten",
        f"give it the right: {_ROLE}",
        name=name,
    )


def _kept(machine: Machine, rights: Rights, *, versioned: bool | None) -> Finding:
    """What the account keeps of deleted and overwritten blobs: it matters once runs are pruned."""
    name = "kept in the lake"
    account = machine.access.host.partition(".")[0]
    look = f"az storage account blob-service-properties show --account-name {account}"
    try:
        days = unless_refused(rights.soft_delete_days)
        frozen = unless_refused(rights.frozen)
    except SyncdError as error:
        return from_error(error, name=name, mark=Mark.WARNING)
    soft = "not known" if days is None else f"for {days} days" if days else "off"
    told = (
        f"versioning {_KNOWN[versioned]}, soft delete {soft}, immutability policy {_KNOWN[frozen]}"
    )
    pruned = any(one.prune.enabled for one in machine.config.instruments.values())
    if versioned or days or frozen or not pruned:
        unknown = versioned is None or days is None
        return fine(told, f"to look: {look}" if unknown else "", name=name)
    if days is None:
        return warning(
            f"{told}; pruned runs are in the lake alone, so look whether it keeps what is deleted",
            f"{look}; soft delete and versioning should be on",
            name=name,
        )
    return warning(
        f"{told}; pruned runs are in the lake alone, and what is deleted there is gone",
        "turn on blob soft delete and versioning for the account",
        name=name,
    )


def _deleting(machine: Machine, rights: Rights) -> Finding:
    """A right that the service never uses."""
    name = "deleting"
    try:
        can = rights.may_delete(_folders(machine.config)[0])
    except SyncdError as error:
        return from_error(error, name=name, mark=Mark.WARNING)
    if not can:
        return fine("the login may not delete", name=name)
    return warning(
        "the login may delete blobs; this service never does, but whoever gets the login can",
        "take the right away: the role of SECURITY.md (Least rights), or a SAS with rcwl",
        name=name,
    )


def _folders(config: Config) -> list[str]:
    """The destinations, each once, as prefixes of blob names."""
    names = {one.destination for one in config.instruments.values()}
    return [f"{name}/" if name else "" for name in sorted(names)] or [""]
