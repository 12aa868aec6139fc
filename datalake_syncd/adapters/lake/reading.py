"""A blob that is being read: all parts of one version, counted and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING, NamedTuple

from datalake_syncd.core.errors import LakeUnavailable, Stopped

if TYPE_CHECKING:
    from azure.storage.blob import StorageStreamDownloader


class Hashed(NamedTuple):
    """What was read from the lake: MD5 in hex, size in bytes, the ETag that it had."""

    md5: str
    size: int
    etag: str


class Reading:
    """An open download; ``told`` turns what the SDK raises into our errors."""

    def __init__(
        self,
        stream: StorageStreamDownloader[bytes],
        what: str,
        told: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._stream = stream
        self._what = what
        self._told = told
        self.size = int(stream.size)

    def chunks(self) -> Iterator[bytes]:
        """The parts in order; raises `LakeUnavailable` when they don't make up the blob."""
        parts = self._stream.chunks()
        count = 0
        while True:
            with self._told(self._what):
                part = next(parts, None)
            if part is None:
                break
            count += len(part)
            yield part
        if count != self.size:
            raise LakeUnavailable(f"{count} of {self.size} bytes came while {self._what}")

    def hash(
        self,
        into: IO[bytes] | None,
        on_bytes: Callable[[int], None],
        should_stop: Callable[[], bool],
    ) -> Hashed:
        """Read all of it, into a file too if one is given."""
        digest = hashlib.md5(usedforsecurity=False)
        for part in self.chunks():
            if should_stop():
                raise Stopped(f"stopped while {self._what}")
            digest.update(part)
            if into is not None:
                into.write(part)
            on_bytes(len(part))
        return Hashed(digest.hexdigest(), self.size, bare_etag(self._stream.properties.etag))


def bare_etag(value: object) -> str:
    """The ETag as a listing gives it: without the quotes that a header has."""
    return str(value).strip('"')
