"""The manifest of a run: comparing it with the lake, and the files that tell of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from datalake_syncd.core.model import Blob, EmptyDirectory, ManifestFile, Oddity, Outcome, Proof
from datalake_syncd.core.names import escape

NAMED = 20
#: No run has more files, bytes or generations than fit; the ledger could not hold them.
_DIGITS = 15


class Verdict(StrEnum):
    """What the lake holds for one file of the manifest."""

    MISSING = "missing"
    DIFFERENT = "different"
    UNPROVEN = "unproven"
    PROVEN = "proven"


def judge(file: ManifestFile, blob: Blob | None, *, needed: Proof) -> tuple[Verdict, Proof]:
    """Compare one file with its blob, from a listing of the lake read now.

    Returns the verdict and the strongest proof that holds for *this* blob. An equal stored
    MD5 is only ``claimed``: the uploader writes it and, for uploads in blocks, the service
    does not check it. ``checked`` needs that this service sent the file in one request.
    """
    if blob is None:
        return Verdict.MISSING, Proof.NONE
    if blob.blob_type != "BlockBlob" or blob.size != file.stat.size:
        return Verdict.DIFFERENT, Proof.NONE
    if file.bad_etag is not None and blob.etag == file.bad_etag:
        return Verdict.DIFFERENT, Proof.NONE
    if file.md5 is None:
        return Verdict.UNPROVEN, Proof.NONE
    if blob.md5 is not None and blob.md5 != file.md5:
        return Verdict.DIFFERENT, Proof.NONE
    proof = _proof(file, blob)
    return (Verdict.PROVEN if proof.rank >= needed.rank else Verdict.UNPROVEN), proof


def _proof(file: ManifestFile, blob: Blob) -> Proof:
    proof = Proof.NONE if blob.md5 is None else Proof.CLAIMED
    if blob.md5 is not None and file.single_put and _ours(file, blob):
        proof = Proof.CHECKED
    if file.proof.rank > proof.rank and file.proof_etag == blob.etag:
        proof = file.proof
    return proof


def _ours(file: ManifestFile, blob: Blob) -> bool:
    return file.sent_over is not None and file.sent_over != blob.etag


@dataclass(slots=True)
class Comparison:
    """The four lists of a verification, as counts with the first names of each, escaped."""

    proven: int = 0
    bytes_proven: int = 0
    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    named: dict[Verdict, list[str]] = field(default_factory=lambda: {v: [] for v in Verdict})
    extra: int = 0
    extra_named: list[str] = field(default_factory=list)
    weakest: Proof | None = None

    def add(self, path: str, size: int, verdict: Verdict, proof: Proof) -> None:
        """Count one file."""
        if verdict is Verdict.PROVEN:
            self.add_proven(1, size, proof)
            return
        self.counts[verdict] += 1
        if len(self.named[verdict]) < NAMED:
            self.named[verdict].append(escape(path))

    def add_proven(self, files: int, size: int, proof: Proof) -> None:
        """Count files of ``size`` bytes together that have the same proof, which is enough."""
        self.counts[Verdict.PROVEN] += files
        self.proven += files
        self.bytes_proven += size
        if self.weakest is None or proof.rank < self.weakest.rank:
            self.weakest = proof

    def add_extra(self, path: str) -> None:
        """Count a blob below the run that no file of the manifest goes to."""
        self.extra += 1
        if len(self.extra_named) < NAMED:
            self.extra_named.append(escape(path))

    @property
    def clean(self) -> bool:
        """True when every file of the manifest is proven."""
        return all(self.counts[v] == 0 for v in Verdict if v is not Verdict.PROVEN)

    def sentence(self) -> str:
        """One line for people, with the first names of what is not proven."""
        parts = [f"{self.proven} proven"]
        for verdict in (Verdict.MISSING, Verdict.DIFFERENT, Verdict.UNPROVEN):
            if self.counts[verdict]:
                names = ", ".join(self.named[verdict][:3])
                more = ", …" if self.counts[verdict] > 3 else ""
                parts.append(f"{self.counts[verdict]} {verdict.value} ({names}{more})")
        if self.extra:
            parts.append(f"{self.extra} extra in the lake")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ManifestHeader:
    """What stands above the list in ``NAME.md5``."""

    run: str
    instrument: str
    generation: int
    outcome: Outcome
    proof: Proof
    files: int
    bytes: int


def file_lines(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The lines of ``NAME.md5`` that name files, of (md5, path) pairs, each with its newline."""
    text = bytearray()  # a list of 150,000 lines takes several times as much memory
    for md5, path in pairs:
        text += f"{md5}  {path}\n".encode()
    return bytes(text)


def render_md5(
    header: ManifestHeader,
    lines: bytes,
    empty: Iterable[EmptyDirectory],
    oddities: Iterable[Oddity],
) -> bytes:
    """``NAME.md5``: md5sum format, paths below the run folder as they are in the lake.

    ``lines`` are those of `file_lines`. Lines that start with ``#`` are comments to md5sum. The
    text has no time in it, so that the same run always gives the same bytes.
    """
    text = [
        f"{_OURS.decode()}{header.instrument}/{header.run}",
        f"# generation: {header.generation}",
        f"# outcome: {header.outcome.value}",
        f"# proof: {header.proof.value}",
        f"# files: {header.files}",
        f"# bytes: {header.bytes}",
        "# check a restored run, inside its folder: md5sum -c THIS-FILE",
    ]
    text.extend(f"# empty directory: {one.path}" for one in empty)
    text.extend(f"# not carried: {one.path} ({one.kind}: {one.detail})" for one in oddities)
    return b"".join((("\n".join(text) + "\n").encode(), lines))


def names_just(manifest: bytes, lines: bytes) -> bool:
    """Whether a ``NAME.md5`` of ours names these files and no others, whatever its comments say."""
    if not manifest.endswith(lines):
        return False
    above = manifest[: len(manifest) - len(lines)]
    whole = not above or above.endswith(b"\n")
    return whole and all(line.startswith(b"#") for line in above.splitlines())


_OURS = b"# datalake-syncd manifest of "


def named_in(manifest: bytes) -> Iterator[str]:
    """The paths that a ``NAME.md5`` of this service names, one by one; none for anybody else's."""
    if not manifest.startswith(_OURS):
        return
    for line in io.BytesIO(manifest):
        if not line.startswith(b"#"):
            yield line[34:].rstrip(b"\n").decode("utf-8", "replace")


def parse_md5(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Read ``NAME.md5`` back: (md5, path) pairs and the empty directories; raises ValueError."""
    pairs: list[tuple[str, str]] = []
    empty: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("# empty directory: "):
            empty.append(line.removeprefix("# empty directory: "))
        elif line and not line.startswith("#"):
            digest, gap, path = line[:32], line[32:34], line[34:]
            if len(digest) != 32 or gap not in ("  ", " *") or not path:
                raise ValueError(f"line {number} is not in md5sum format")
            int(digest, 16)
            pairs.append((digest.lower(), path))
    return pairs, empty


def render_marker(time: str, header: ManifestHeader, digest: str) -> bytes:
    """``NAME.sync``: the first line is the ISO 8601 time that consumers read."""
    return (
        f"{time}\n"
        f"generation: {header.generation}\n"
        f"files: {header.files}\n"
        f"bytes: {header.bytes}\n"
        f"proof: {header.proof.value}\n"
        f"manifest-sha256: {digest}\n"
        f"outcome: {header.outcome.value}\n"
    ).encode()


def parse_marker(data: bytes) -> tuple[str, dict[str, str]]:
    """First line (the time) and the ``key: value`` lines of a marker, whoever wrote it."""
    lines = data.decode("utf-8", "replace").splitlines()
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    return (lines[0].strip() if lines else ""), fields


def marker_number(text: str | None) -> int | None:
    """A number in a marker, whoever wrote it; None for what is none, or has over 15 digits."""
    plain = text is not None and text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if plain and text is not None else None


def digest(manifest: bytes) -> str:
    """SHA-256 of the manifest's bytes, in hex."""
    return hashlib.sha256(manifest).hexdigest()


def lines_digest(lines: bytes) -> str:
    """SHA-256 of the files alone, in hex: of `file_lines` without the last newline."""
    return hashlib.sha256(memoryview(lines)[: max(0, len(lines) - 1)]).hexdigest()
