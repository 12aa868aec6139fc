"""The checks of ``doctor``, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from datalake_syncd.config import Config
from datalake_syncd.steps.doctor import lake, machine, mail, service, sources
from datalake_syncd.steps.doctor.finding import Finding, Machine

_SHARE = "check the mount (mount, dmesg) and the computer that has the share"
_DISK = "look at the disk: dmesg"
_MAIL = "check mail.host and mail.port, and the firewall between this machine and the mail server"
_NETWORK = "check network, DNS, proxy and firewall between this machine and the lake"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    ``look`` gives its findings, ``of`` what it is done for, each at the same time as all others.
    It has ``seconds`` to answer; when it does not, ``silent`` is what to do.
    """

    name: str
    look: Callable[[Machine, str], Iterable[Finding]]
    of: Callable[[Config], Sequence[str]] = lambda _config: ("",)
    silent: str = _DISK
    seconds: float = 20.0


CHECKS: tuple[Check, ...] = (
    Check("versions", service.versions),
    Check("user", service.user),
    Check("azcopy", machine.azcopy, seconds=60.0),
    Check("secrets", service.secrets),
    Check("expiry", lake.expiry),
    Check("lake", lake.lake, silent=_NETWORK, seconds=45.0),
    Check("source", sources.source, sources.instruments, _SHARE),
    Check("prune", sources.pruning, sources.with_pruning, _SHARE),
    Check("sheets", sources.sheets, sources.with_sheets, _SHARE),
    Check("inotify", machine.watches),
    Check("state", machine.state),
    Check("log", machine.log),
    Check("ledger", service.ledger),
    Check("daemon", service.daemon),
    Check("scrub", service.scrub),
    Check("page", service.page),
    Check("mail", mail.mail, silent=_MAIL, seconds=60.0),
)
