"""One container of the lake."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from datalake_syncd.adapters.lake.ahead import ahead
from datalake_syncd.adapters.lake.credentials import (
    SINGLE_PUT_LIMIT,
    container_client,
    environment,
)
from datalake_syncd.adapters.lake.faults import container_missing, storage_code, told
from datalake_syncd.adapters.lake.listing import pages, seconds
from datalake_syncd.adapters.lake.reading import Hashed, Reading, bare_etag
from datalake_syncd.core.access import LakeAccess, LakeSecret
from datalake_syncd.core.errors import LakeUnavailable, NeedsPerson
from datalake_syncd.core.model import Blob
from datalake_syncd.core.names import escape

if TYPE_CHECKING:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.storage.blob import BlobProperties, ContainerClient

PAGE = 2000
"""Blobs per request of a listing. The service gives up to 5000, at 10 KB of memory for each."""


class Lake:
    """A container: its listing, and single blobs by their full name. Safe for several threads.

    Every method may raise `AuthRefused`, `LakeUnavailable` (network, busy, container missing)
    or `NeedsPerson` (lease, immutability, archived); none of their texts holds a secret.
    A blob that is not there is None, never an error. The secret is read again at every call.
    ``beat`` is called in the caller's thread whenever the lake has answered.
    """

    def __init__(self, access: LakeAccess, beat: Callable[[], None] = lambda: None) -> None:
        self._access = access
        self._beat = beat
        self._lock = threading.Lock()
        self._secret: LakeSecret | None = None
        self._made: ContainerClient | None = None

    @property
    def access(self) -> LakeAccess:
        """How this lake is reached."""
        return self._access

    def url(self, name: str = "") -> str:
        """Address of a blob, percent-encoded, without secrets."""
        return self._access.url(name)

    def list(self, prefix: str = "") -> Iterator[list[Blob]]:
        """All committed blobs whose names begin with ``prefix``, page by page, sorted by name."""
        what = f"listing {escape(prefix) or 'the container'}"
        with self._told(what):
            found = ahead(pages(self._client(), prefix, PAGE))
        while True:
            with self._told(what):
                page = next(found, None)
            if page is None:
                return
            yield page

    def list_top(self, prefix: str = "") -> tuple[str, ...]:
        """Full names of the blobs directly below ``prefix`` (which ends with ``/`` or is "")."""
        with self._told(f"listing {escape(prefix) or 'the container'}"):
            found = self._client().walk_blobs(name_starts_with=prefix, delimiter="/")
            return tuple(str(one.name) for one in found if not str(one.name).endswith("/"))

    def get(self, name: str) -> Blob | None:
        """One blob as it is now."""
        from azure.core.exceptions import ResourceNotFoundError

        with self._told(f"looking at {escape(name)}"):
            try:
                return _blob(self._client().get_blob_client(name).get_blob_properties())
            except ResourceNotFoundError as error:
                self._container_is_there(error)
                return None

    def age(self, name: str) -> float | None:
        """Seconds since a blob's last change by the lake's own clock; None when it can't be told.

        This machine's clock may be wrong, or have been.
        """
        from azure.core.exceptions import ResourceNotFoundError

        answers: list[Any] = []
        with self._told(f"looking at {escape(name)}"):
            try:
                blob = self._client().get_blob_client(name)
                found = blob.get_blob_properties(raw_response_hook=answers.append)
            except ResourceNotFoundError:
                return None
        told = answers[-1].http_response.headers.get("Date") if answers else None
        return None if told is None else seconds(told) - found.last_modified.timestamp()

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """The content of a small blob; `NeedsPerson` if it is larger than ``limit_bytes``."""
        reading = self._open(name, f"reading {escape(name)}")
        if reading is None:
            return None
        if reading.size > limit_bytes:
            raise NeedsPerson(
                f"{escape(name)} has {reading.size} bytes in the lake, at most {limit_bytes} "
                "were expected",
                next_step="look at this blob: it was not written by this service",
            )
        return b"".join(reading.chunks())

    def hash(
        self,
        name: str,
        on_bytes: Callable[[int], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        etag: str | None = None,
    ) -> Hashed | None:
        """Read a blob completely and hash it; all bytes are of the one version ``etag``.

        ``on_bytes`` gets the size of each part read. Raises `Stopped` soon after
        ``should_stop`` says so, `Transient` when the blob is not or no longer that version.
        """
        reading = self._open(name, f"reading back {escape(name)}", etag)
        return None if reading is None else reading.hash(None, on_bytes, should_stop)

    def download_to(
        self,
        name: str,
        fileobj: IO[bytes],
        on_bytes: Callable[[int], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Hashed | None:
        """As `hash`, and write every byte to ``fileobj``; its errors pass through as they are."""
        reading = self._open(name, f"fetching {escape(name)}")
        return None if reading is None else reading.hash(fileobj, on_bytes, should_stop)

    def upload(
        self,
        name: str,
        data: bytes,
        content_type: str = "application/octet-stream",
        *,
        overwrite: bool = True,
    ) -> Blob:
        """Write one blob in one request whose MD5 the service checks, and look at it again.

        ``overwrite=False`` raises `NeedsPerson` if the name is taken.
        """
        from azure.storage.blob import ContentSettings

        if len(data) > SINGLE_PUT_LIMIT:
            raise NeedsPerson(
                f"{escape(name)} has {len(data)} bytes, more than {SINGLE_PUT_LIMIT}",
                next_step="make the file smaller",
            )
        digest = hashlib.md5(data, usedforsecurity=False)
        settings = ContentSettings(
            content_type=content_type, content_md5=bytearray(digest.digest())
        )
        with self._told(f"writing {escape(name)}"):
            self._client().get_blob_client(name).upload_blob(
                data,
                length=len(data),
                overwrite=overwrite,
                content_settings=settings,
                validate_content=True,
                max_concurrency=1,
            )
        seen = self.get(name)
        if seen is None or (seen.size, seen.md5) != (len(data), digest.hexdigest()):
            raise LakeUnavailable(
                f"{escape(name)} was written and is not there as it was written",
                why="Somebody else may be writing to it.",
            )
        return seen

    def snapshot(self, name: str) -> str | None:
        """Keep the blob's present version; the snapshot's time stamp, which names it."""
        from azure.core.exceptions import ResourceNotFoundError

        with self._told(f"keeping a snapshot of {escape(name)}"):
            try:
                return str(self._client().get_blob_client(name).create_snapshot()["snapshot"])
            except ResourceNotFoundError as error:
                self._container_is_there(error)
                return None

    def check(self) -> None:
        """Return if the container is there and may be listed, else raise what is wrong."""
        with self._told("looking at the container"):
            next(self._client().list_blobs(results_per_page=1).by_page(), None)

    def close(self) -> None:
        """Close connections; the next call opens them again."""
        with self._lock:
            made, self._made, self._secret = self._made, None, None
        if made is not None:
            made.close()

    @contextmanager
    def _told(self, action: str) -> Iterator[None]:
        with told(action, self._access, self._secrets):
            yield
        self._beat()

    def _secrets(self) -> tuple[str, ...]:
        with self._lock:
            return self._secret.values() if self._secret else ()

    def _client(self) -> ContainerClient:
        secret = self._access.read_secret()
        with self._lock:
            if self._made is None or secret != self._secret:
                # Not closed: another thread may be in the middle of a request with it.
                self._made = container_client(self._access, secret, environment())
                self._secret = secret
            return self._made

    def _container_is_there(self, error: ResourceNotFoundError) -> None:
        """Tell a missing blob from a missing container, which a HEAD request may not say."""
        code = storage_code(error)
        if code == "ContainerNotFound":
            raise container_missing(self._access)
        if code != "BlobNotFound":
            self.check()

    def _open(self, name: str, what: str, etag: str | None = None) -> Reading | None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceNotFoundError

        only: dict[str, Any] = {}
        if etag:
            only = {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}
        with self._told(what):
            try:
                stream = (
                    self._client()
                    .get_blob_client(name)
                    .download_blob(
                        max_concurrency=1,
                        # What is stored counts, whatever Content-Encoding somebody set on it.
                        decompress=False,
                        **only,
                    )
                )
            except ResourceNotFoundError as error:
                self._container_is_there(error)
                return None
        return Reading(stream, what, self._told)


def _blob(found: BlobProperties) -> Blob:
    if not found.etag:
        raise ValueError("no blob without an ETag")
    stored = found.content_settings.content_md5
    kind = found.blob_type
    return Blob(
        name=str(found.name),
        size=int(found.size),
        md5=bytes(stored).hex() if stored else None,
        etag=bare_etag(found.etag),
        blob_type=str(getattr(kind, "value", kind)),
        modified=found.last_modified.timestamp(),
    )
