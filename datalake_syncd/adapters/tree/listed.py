"""Comparing the bytes of a file with what a list of checksums says of it, in the same read."""

from __future__ import annotations

import hashlib
import zlib


class ListedSums:
    """The checksums that lists give of one file: ``crc32:…``, ``md5:…``, ``sha256:…``, by spaces.

    ``update`` takes the bytes as they are read; ``difference`` compares at the end. Raises
    ValueError for a checksum of any other kind: what can't be compared is not equal.
    """

    def __init__(self, expected: str) -> None:
        self._expected = [one.partition(":")[::2] for one in expected.split()]
        kinds = {kind for kind, _ in self._expected}
        if not kinds or not kinds <= {"crc32", "md5", "sha256"}:
            raise ValueError(f"no checksum that can be compared: {expected!r}")
        self._crc: int | None = 0 if "crc32" in kinds else None
        self._sha256 = hashlib.sha256() if "sha256" in kinds else None

    def update(self, piece: bytes) -> None:
        """Take in the next bytes of the file."""
        if self._crc is not None:
            self._crc = zlib.crc32(piece, self._crc)
        if self._sha256 is not None:
            self._sha256.update(piece)

    def difference(self, md5: str) -> str:
        """What a list says and what the bytes gave, or nothing when all are equal.

        ``md5`` is that of the same bytes, 32 lower-case hex digits.
        """
        found = {"md5": md5}
        if self._crc is not None:
            found["crc32"] = f"{self._crc:08x}"
        if self._sha256 is not None:
            found["sha256"] = self._sha256.hexdigest()
        return "; ".join(
            f"{kind} {listed} is listed, the file has {found[kind]}"
            for kind, listed in self._expected
            if found[kind] != listed
        )
