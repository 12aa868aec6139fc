"""What the login may do in the container, and what the container keeps: for ``doctor``.

Writing is tried with a blob of our own whose bytes never change. Everything else is asked under
a condition that can't hold (an ETag that no blob has): the service looks at the rights first, so
403 means no and 412 or 404 means yes, and nothing is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from datalake_syncd.adapters.lake.credentials import (
    container_client,
    environment,
    service_client,
)
from datalake_syncd.adapters.lake.faults import storage_code, told
from datalake_syncd.adapters.lake.may_delete import NOBODYS_ETAG, ask_to_delete_nothing
from datalake_syncd.core.access import LakeAccess, LakeSecret
from datalake_syncd.core.errors import AuthRefused, LakeUnavailable, NeedsPerson
from datalake_syncd.core.names import escape

PROBE = ".datalake-syncd-doctor"
"""The blob that ``doctor`` writes below a destination. It stays there."""

PROBE_BYTES = (
    b"`datalake-syncd doctor` writes this blob to see whether it may write here.\n"
    b"It always has these bytes, is part of no run, and can be deleted by a person.\n"
)

_IMMUTABLE = ("Immutable", "LegalHold")


@dataclass(frozen=True, slots=True)
class Written:
    """How writing the probe ended: ``versioned`` None when that can't be told.

    ``frozen`` says that a policy of the container forbids to overwrite it.
    """

    versioned: bool | None
    frozen: bool = False


class Rights:
    """Questions to one container; ``date`` is what its clock said in the last answer.

    Each may raise what `Lake` raises. The secret is read once, when this is made.
    """

    def __init__(self, access: LakeAccess) -> None:
        self._access = access
        self._secret: LakeSecret = access.read_secret()
        self._client = container_client(access, self._secret, environment())
        self.date: float | None = None
        """Seconds since the epoch, None before any answer."""

    def list(self) -> None:
        """Return when the container is there and may be listed."""
        with self._told("listing the container"):
            pages = self._client.list_blobs(results_per_page=1, raw_response_hook=self._see)
            next(pages.by_page(), None)

    def read(self, folder: str) -> str | None:
        """The ETag of our probe in a folder (``""`` or ending in ``/``), None if there is none.

        Raises `NeedsPerson` when the blob of that name is not ours.
        """
        from azure.core.exceptions import ResourceNotFoundError

        name = folder + PROBE
        with self._told(f"looking at {escape(name)}"):
            try:
                found = self._client.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError as error:
                if storage_code(error) == "ContainerNotFound":
                    raise
                return None
        ours = hashlib.md5(PROBE_BYTES, usedforsecurity=False).digest()
        if (found.size, bytes(found.content_settings.content_md5 or b"")) != (
            len(PROBE_BYTES),
            ours,
        ):
            raise NeedsPerson(
                f"{escape(name)} in the lake is not what doctor writes there; it was left alone",
                next_step="look at that blob and give it another name",
            )
        return str(found.etag)

    def write(self, folder: str, etag: str | None) -> Written:
        """Write the probe: anew, or over our own of this ``etag``, with the same bytes."""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        name = folder + PROBE
        only: dict[str, Any] = {"overwrite": False}
        if etag is not None:
            only = {
                "overwrite": True,
                "etag": etag,
                "match_condition": MatchConditions.IfNotModified,
            }
        with self._told(f"writing {escape(name)}"):
            try:
                done = self._client.get_blob_client(name).upload_blob(
                    PROBE_BYTES, length=len(PROBE_BYTES), validate_content=True,
                    max_concurrency=1, **only,
                )  # fmt: skip
            except HttpResponseError as error:
                code = storage_code(error)
                if error.status_code == 409 and any(word in code for word in _IMMUTABLE):
                    return Written(None, frozen=True)
                if code in ("BlobAlreadyExists", "ConditionNotMet"):
                    # Another doctor did the same at this moment; the right was looked at first.
                    return Written(None)
                raise
        return Written(bool(done.get("version_id")))

    def may_snapshot(self, folder: str) -> bool:
        """Whether snapshots may be made; none is."""
        from azure.core import MatchConditions

        client = self._client.get_blob_client(folder + PROBE)
        return self._permitted(
            lambda: client.create_snapshot(
                etag=NOBODYS_ETAG, match_condition=MatchConditions.IfNotModified
            ),
            "asking whether snapshots may be made",
        )

    def may_delete(self, folder: str) -> bool:
        """Whether blobs could be deleted; none is."""
        return self._permitted(
            lambda: ask_to_delete_nothing(self._client, folder),
            "asking whether blobs could be deleted",
        )

    def soft_delete_days(self) -> int | None:
        """For how many days deleted blobs are kept (0: not at all); None if we may not know."""
        with self._told("asking for the account's soft delete"):
            client = service_client(self._access, self._secret, environment())
            with client:
                policy: Any = client.get_service_properties()["delete_retention_policy"]
        return int(policy.days or 0) if policy.enabled else 0

    def frozen(self) -> bool:
        """Whether the container has an immutability policy or a legal hold."""
        with self._told("asking for the container's policies"):
            found = self._client.get_container_properties()
        return bool(found.has_immutability_policy or found.has_legal_hold)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _permitted(self, ask: Callable[[], object], action: str) -> bool:
        from azure.core.exceptions import HttpResponseError

        with self._told(action):
            try:
                ask()
            except HttpResponseError as error:
                if error.status_code == 403:
                    return False
                if error.status_code == 412 or storage_code(error) == "BlobNotFound":
                    return True
                raise
        raise LakeUnavailable(
            f"the lake did what no condition allowed while {action}",
            why="something that is not Azure Blob storage may have answered",
        )

    def _see(self, response: Any) -> None:
        text = response.http_response.headers.get("Date")
        try:
            self.date = parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
        except (TypeError, ValueError):
            return  # no date, or none that can be read

    def _told(self, action: str) -> AbstractContextManager[None]:
        return told(action, self._access, self._secret.values)


def unless_refused(ask: Callable[[], Any]) -> Any:
    """What ``ask`` gives, None when the login has no right to know."""
    try:
        return ask()
    except (AuthRefused, NeedsPerson):
        return None
