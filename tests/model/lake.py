"""A lake in memory and the azcopy that fills it, as bad as the real ones can be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from datalake_syncd.adapters.azcopy import CopyJob, CopyResult, Progress
from datalake_syncd.adapters.lake.reading import Hashed
from datalake_syncd.core.errors import LakeUnavailable, NeedsPerson, Transient
from datalake_syncd.core.model import Blob

#: Files up to this size go up in one request that the service checks; larger ones in blocks,
#: where what the uploader claims is stored.
SINGLE = 8


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a blob; ``md5`` is what its writer claimed."""

    data: bytes
    md5: str | None
    etag: str
    at: float = field(default=0.0, compare=False)


@dataclass
class SimulatedLake:
    """What the service and azcopy need of a container; there is no way to delete for them.

    ``boundary`` is called before and after everything that changes something: the service may
    die there, or others may act. ``on_write`` is told (name, version before, version after).
    """

    clock: Callable[[], float] = lambda: 0.0
    boundary: Callable[[str], None] = lambda _what: None
    on_write: Callable[[str, Stored | None, Stored], None] = lambda _n, _o, _s: None
    blobs: dict[str, Stored] = field(default_factory=dict)
    snapshots: dict[str, list[Stored]] = field(default_factory=dict)
    down: bool = False
    flips: int = 0
    drops: int = 0
    writes: int = 0
    _versions: int = 0

    # --- others -----------------------------------------------------------------------------

    def put(self, name: str, data: bytes, md5: str | None) -> Stored:
        """Store a version, whoever sent it."""
        self._versions += 1
        stored = Stored(data, md5, f"0x{self._versions:04X}", self.clock())
        self.blobs[name] = stored
        return stored

    # --- what the service calls -------------------------------------------------------------

    def _answers(self) -> None:
        if self.down:
            raise LakeUnavailable("the lake does not answer")

    def list(self, prefix: str = "") -> Iterator[list[Blob]]:
        self.boundary("list")
        self._answers()
        names = sorted(name for name in self.blobs if name.startswith(prefix))
        yield [self._blob(name) for name in names]

    def list_top(self, prefix: str = "") -> tuple[str, ...]:
        self._answers()
        below = (n for n in self.blobs if n.startswith(prefix))
        return tuple(sorted(n for n in below if "/" not in n.removeprefix(prefix)))

    def get(self, name: str) -> Blob | None:
        self._answers()
        return self._blob(name) if name in self.blobs else None

    def age(self, name: str) -> float | None:
        self._answers()
        return self.clock() - self.blobs[name].at if name in self.blobs else None

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        self._answers()
        return self.blobs[name].data if name in self.blobs else None

    def hash(
        self,
        name: str,
        on_bytes: Callable[[int], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        etag: str | None = None,
    ) -> Hashed | None:
        self.boundary("read back")
        self._answers()
        stored = self.blobs.get(name)
        if stored is None:
            return None
        if etag is not None and stored.etag != etag:
            raise Transient(f"{name} is no longer that version")
        return Hashed(md5_of(stored.data), len(stored.data), stored.etag)

    def upload(
        self,
        name: str,
        data: bytes,
        content_type: str = "application/octet-stream",
        *,
        overwrite: bool = True,
    ) -> Blob:
        self.boundary(f"write {name}")
        self._answers()
        if not overwrite and name in self.blobs:
            raise NeedsPerson(f"{name} is taken")
        self._write(name, data, md5_of(data))
        self.boundary(f"wrote {name}")
        return self._blob(name)

    def snapshot(self, name: str) -> str | None:
        self._answers()
        if name not in self.blobs:
            return None
        self.writes += 1
        self.snapshots.setdefault(name, []).append(self.blobs[name])
        self.boundary(f"snapshot of {name}")
        return f"{len(self.snapshots[name])}"

    def close(self) -> None:
        """Nothing is open."""

    def _write(self, name: str, data: bytes, md5: str | None) -> None:
        before = self.blobs.get(name)
        self.writes += 1
        self.on_write(name, before, self.put(name, data, md5))

    def _blob(self, name: str) -> Blob:
        stored = self.blobs[name]
        return Blob(name, len(stored.data), stored.md5, stored.etag)

    # --- azcopy -----------------------------------------------------------------------------

    def run_copy(
        self,
        job: CopyJob,
        *,
        clean: object,
        on_progress: Callable[[Progress], None],
        all_arrived: Callable[[], bool],
        should_stop: Callable[[], bool],
    ) -> CopyResult:
        """Copy the files of a job; what it says at the end is never more than a claim."""
        last = Progress(0, job.bytes, 0, 0, 0, job.count, status="InProgress")
        result = CopyResult(str(job.source_root), "lake", 1, last=last)
        if self.down:
            return replace(result, stderr="no such host")
        sent = failed = size = 0
        missing: list[str] = []
        for entry in job.entries:
            try:
                data = (job.source_root / entry).read_bytes()
            except OSError:
                missing.append(f"{entry}: no such file or directory")
                continue
            arrived = self._send(f"{job.destination}/{entry}", data)
            sent, failed, size = sent + arrived, failed + (not arrived), size + len(data)
            on_progress(replace(last, bytes_done=size, files_done=sent))
            if should_stop():
                return replace(result, stopped=True)
            self.boundary(f"sent {entry}")
        if all_arrived():
            return replace(result, returncode=-9, arrived=True)
        done = replace(last, bytes_done=size, files_done=sent, files_failed=failed)
        if failed or missing:
            done = replace(done, status="CompletedWithErrors")
            return replace(result, ended=True, last=done, doubts=tuple(missing))
        return replace(result, returncode=0, ended=True, last=replace(done, status="Completed"))

    def _send(self, name: str, data: bytes) -> bool:
        if self.drops:
            self.drops -= 1
            return True  # azcopy says that it is there
        if self.flips and data:
            self.flips -= 1
            if len(data) <= SINGLE:
                return False  # the service compares the MD5 and refuses
            self._write(name, bytes([data[0] ^ 1]) + data[1:], md5_of(data))
            return True
        self._write(name, data, md5_of(data))
        return True
