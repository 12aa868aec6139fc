"""When the login to the lake runs out: the fact, and the attendant that tells of it in time."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from datalake_syncd.config import Lake
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.durations import DAY, HOUR, iso
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.core.sas import sas_facts
from datalake_syncd.steps.notes import CREDENTIAL_EXPIRES
from datalake_syncd.steps.service import Service

#: A person is told so long (seconds) before.
AHEAD = 14 * DAY
TROUBLE = "expiry"


@dataclass(frozen=True, slots=True)
class Expiry:
    """``what`` is it that ends, and ``at`` which time (seconds since the epoch).

    ``at`` None: it does not end by itself, or its end can't be seen from here, and ``how`` says
    how to look. ``starts`` is the time before which it is not good yet.
    """

    what: str
    at: float | None = None
    starts: float | None = None
    how: str = ""

    def soon(self, now: float) -> bool:
        """Less than ``AHEAD`` is left, or nothing."""
        return self.at is not None and self.at - now <= AHEAD

    def sentence(self, now: float) -> str:
        """Until when it is good; says nothing that changes from day to day."""
        if self.at is None:
            return self.what
        return f"{self.what} {'expired' if self.at <= now else 'expires'} at {iso(self.at)}"


def lake_expiry(lake: Lake, access: LakeAccess) -> Expiry:
    """The end of the login in force. Raises `SyncdError` when its secret can't be read."""
    match lake.auth:
        case "service-principal":
            return Expiry(
                "the client secret does not say when it expires",
                how=f"az ad app credential list --id {lake.client_id}",
            )
        case "azure-cli":
            return Expiry(
                "the login of az does not say when it ends", how="az account get-access-token"
            )
        case "managed-identity" | "workload-identity":
            return Expiry(f"the login {lake.auth} has nothing that expires here")
        case _:
            return _of_token(lake, access)


def _of_token(lake: Lake, access: LakeAccess) -> Expiry:
    token = access.read_secret().sas
    if token is None:
        return Expiry("an account key does not expire by itself")
    facts = sas_facts(token)
    what = f"the SAS token in {escape(str(lake.secret_file))}"
    if facts.expires is None and facts.policy is not None:
        return Expiry(
            f"{what} ends with the stored access policy {escape(facts.policy)}",
            how=f"az storage container policy show --container-name {lake.container} "
            f"--name {escape(facts.policy)}",
        )
    if facts.expires is None:
        return Expiry(f"{what} does not say when it expires", how="look where it was made")
    return Expiry(what, facts.expires, facts.starts)


class ExpiryWatch:
    """Looks at the login every hour, so that also a renewed one is noticed the same day."""

    name = "expiry"
    every = HOUR

    def __init__(self, service: Service) -> None:
        self._service = service

    def round(self) -> None:
        """Keep the note, and the trouble while the end is near."""
        service = self._service
        force = service.force
        try:
            expiry = lake_expiry(force.config.lake, force.access)
        except SyncdError:
            return  # what can't be read is told by whoever needs it to log in
        desk = service.ledger.desk
        note = None if expiry.at is None else iso(expiry.at)
        if desk.get(CREDENTIAL_EXPIRES) != note:
            desk.put(CREDENTIAL_EXPIRES, note)
        now = service.wall()
        if not expiry.soon(now):
            if service.trouble_over(TROUBLE):
                service.log(logging.INFO, "credential.renewed", expiry.sentence(now))
            return
        told = expiry.sentence(now)
        stands = any((one.key, one.message) == (TROUBLE, told) for one in desk.troubles())
        step = renew(force.config.lake)
        service.trouble("expiry", told, step)
        if not stands:
            service.log(logging.ERROR, "credential.expires", told, next_step=step, expires=note)

    def close(self) -> None:
        """Nothing is held."""


def renew(lake: Lake) -> str:
    """What to do about it."""
    return (
        f"make a new SAS for {lake.container} and put it into "
        f"{escape(str(lake.secret_file))}; no restart is needed"
    )
