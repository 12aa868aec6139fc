"""The words of the service as types: steps, states, files, looks, blobs and proofs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Step(StrEnum):
    """How far a run is: the last finished step, in the order of the road."""

    SIGHTED = "sighted"
    SETTLE = "settle"
    TRANSFER = "transfer"
    VERIFY = "verify"
    ATTACH_SHEET = "attach-sheet"
    PUBLISH = "publish"
    PRUNE = "prune"


ROAD: tuple[Step, ...] = tuple(Step)


class Status(StrEnum):
    """What a run is doing now."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    BLOCKED = "blocked"
    FINISHED = "finished"
    HELD = "held"


class Outcome(StrEnum):
    """How the instrument says that the run ended."""

    GOOD = "good"
    ENDED_EARLY = "ended-early"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Proof(StrEnum):
    """What is known of one blob, weakest first.

    ``claimed``: size and stored Content-MD5 equal ours. ``checked``: and the service itself
    checked the MD5 when the bytes arrived (one Put Blob). ``read-back``: the bytes were read
    from the lake and hashed.
    """

    NONE = "none"
    CLAIMED = "claimed"
    CHECKED = "checked"
    READ_BACK = "read-back"

    @property
    def rank(self) -> int:
        """Position on the ladder, 0 (none) to 3 (read-back)."""
        return _RANKS[self]


_RANKS = {proof: rank for rank, proof in enumerate(Proof)}


@dataclass(frozen=True, slots=True)
class FileStat:
    """What ``fstat`` says of one file; times in nanoseconds, size in bytes.

    Two are equal when the file is still the same. ``device`` does not count: a share that is
    mounted again, or a restarted machine, gives another one to the same file.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One regular file of a run; ``path`` is relative to the run folder, with ``/``."""

    path: str
    stat: FileStat


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something below a run that is not carried as an ordinary file.

    ``path`` is already escaped for display. ``kind`` is a fixed word: symlink, fifo, socket,
    device, not-utf-8, backslash, control-character, trailing-dot, too-long, collision,
    unreadable, other-file-system, excluded, not-in-layout. ``blocks`` says whether it stops the
    run.
    """

    path: str
    kind: str
    detail: str
    blocks: bool


@dataclass(frozen=True, slots=True)
class EmptyDirectory:
    """A directory without entries: blob storage has none, so it is only written down."""

    path: str


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a run as the ledger knows it; ``md5`` is 32 lower-case hex digits.

    ``sent_over`` is the ETag that the blob had before this service sent the file ("" when it
    was absent), None when this service did not send it; ``single_put`` says that it went up in
    one request whose MD5 the service checks. ``proof_etag`` is the ETag at which ``proof`` was
    seen, ``bad_etag`` that of a blob whose bytes were read back and were wrong. ``here`` is
    false for a file of a growing data set that the disk no longer has as it was carried,
    ``announced`` true for one that a marker told of already.
    ``expected`` is the checksum that a list which came with the run gives (``ChecksumList``); it
    is "" for a file that differs from its list and was carried as a person released it.
    """

    path: str
    lake_path: str
    stat: FileStat
    md5: str | None = None
    proof: Proof = Proof.NONE
    proof_etag: str | None = None
    sent_over: str | None = None
    single_put: bool = False
    bad_etag: str | None = None
    here: bool = True
    announced: bool = False
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """One committed blob: full name in the container, size in bytes, MD5 in hex or None.

    ``modified`` is the lake's own time of its last change, in seconds since the epoch; 0 where
    it is not kept.
    """

    name: str
    size: int
    md5: str | None
    etag: str
    blob_type: str = "BlockBlob"
    modified: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition on the road: passed or not, what was found, what is needed.

    ``needs_person`` marks a gate that no waiting can open. ``may_lapse`` marks one that is no
    longer waited for after the instrument's ``flag_grace``. ``unreadable`` marks one that a file
    keeps shut which may still be being written: not for longer than minutes. ``warns`` marks one
    whose text is told as a warning, once. ``part`` marks that of one part of a run (a cell) that
    may never end: a person who lets the run go on without it has said so for good.
    """

    name: str
    passed: bool
    found: str
    needed: str
    needs_person: bool = False
    may_lapse: bool = False
    unreadable: bool = False
    warns: bool = False
    part: bool = False


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the instrument wrote about its run; everything optional, nothing trusted."""

    run_id: str | None = None
    run_number: str | None = None
    instrument_id: str | None = None
    flowcell: str | None = None
    date: str | None = None
    experiment: str | None = None
    software: str | None = None
    lanes: int | None = None
    reads: tuple[tuple[int, int, bool], ...] = ()  # (number, cycles, is index)
    planned_cycles: int | None = None
    completed_cycles: int | None = None
    status_text: str | None = None
    error_text: str | None = None

    @property
    def cycles(self) -> int:
        """All cycles of all reads, 0 when unknown."""
        return sum(cycles for _, cycles, _ in self.reads)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a kind says of a run from its top folder and its metadata files."""

    gates: tuple[Gate, ...]
    outcome: Outcome
    facts: RunFacts = field(default_factory=RunFacts)

    @property
    def complete(self) -> bool:
        """True when every gate is passed."""
        return all(gate.passed for gate in self.gates)
