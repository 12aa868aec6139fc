"""Simulated runs of MinKNOW, of a PacBio, and deliveries of other providers.

Names, shapes and order follow the real ones; reads are random bytes from a seed, so that the
same run can be written twice. What may be missing is left out by writing ``events`` in part.
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# A file with its bytes, in the order in which it appears.
Event = tuple[str, bytes]


def _reads(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - made-up data, not a secret


@dataclass(kw_only=True)
class Written:
    """Something that is written file by file into one folder below a source."""

    name: str = field(kw_only=False)

    def events(self) -> Iterator[Event]:
        """Every file in the order in which it is written."""
        raise NotImplementedError

    def files(self) -> dict[str, bytes]:
        """The finished folder: path relative to it -> bytes."""
        return dict(self.events())

    def write_all(self, source: Path, *, without: Collection[str] = ()) -> Path:
        """Write it below ``source``, without these paths; gives its folder."""
        folder = source / self.name
        for path, data in self.events():
            if path not in without:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        return folder


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One MinKNOW run: where it sequenced, and the ids that name its files."""

    position: str = "3B"
    flowcell: str = "PAS86456"
    sample: str = "sample_1"
    started: str = "20231205_1618"
    run_id: str = "72d9fceb"
    acquisition: str = "8a4fd683"
    batches: int = 2
    bytes_per_file: int = 256

    @property
    def folder(self) -> str:
        """The name that MinKNOW gives to the run's folder."""
        return f"{self.started}_{self.position}_{self.flowcell}_{self.run_id}"

    @property
    def summary(self) -> str:
        """The name of the file that is written last."""
        return f"final_summary_{self.flowcell}_{self.run_id}_{self.acquisition}.txt"

    @property
    def hashes(self) -> str:
        """The name of MinKNOW's list of checksums."""
        return f"output_hash_{self.flowcell}_{self.started}_{self.run_id}.csv"

    def events(self, group: str, *, listed: bool = True) -> Iterator[Event]:
        """Its files below the folder that it writes to."""
        ids = f"{self.flowcell}_{self.started}_{self.run_id}"
        run = f"{self.flowcell}_{self.run_id}_{self.acquisition}"
        sheet = f"protocol_run_id,position_id,sample_id\n{self.run_id},{self.position},x\n"
        yield f"sample_sheet_{ids}.csv", sheet.encode()
        written: list[Event] = []
        for number in range(self.batches):
            for reads, ending in (("pod5", "pod5"), ("fastq_pass", "fastq.gz")):
                word = "" if reads == "pod5" else "pass_"
                name = f"{self.flowcell}_{word}{self.run_id}_{self.acquisition}_{number}.{ending}"
                data = _reads(f"{name}{self.sample}", self.bytes_per_file)
                written.append((f"{reads}/{name}", data))
        written.append((f"sequencing_summary_{run}.txt", b"filename_fastq\tread_id\n"))
        written.append((f"report_{ids}.html", b"<html></html>\n"))
        yield from written
        if listed:
            yield self.hashes, self._hashes(group, written)
        count = self.batches
        lines = [
            "instrument=PCT0013",
            f"position={self.position}",
            f"flow_cell_id={self.flowcell}",
            f"sample_id={self.sample}",
            f"protocol_group_id={group}",
            f"protocol_run_id={self.run_id}-0000-4000-8000-000000000000",
            f"acquisition_run_id={self.acquisition}",
            "started=2023-12-05T16:18:29.202517+01:00",
            "basecalling_enabled=1",
            f"sequencing_summary_file=sequencing_summary_{run}.txt",
            f"pod5_files_in_final_dest={count}",
            "pod5_files_in_fallback=0",
            f"fastq_files_in_final_dest={count}",
            "fastq_files_in_fallback=0",
        ]
        yield self.summary, ("\n".join(lines) + "\n").encode()

    def _hashes(self, group: str, written: list[Event]) -> bytes:
        """The CSV with a SHA-256 of each file, blank for POD5."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        columns = ("runid", "protocol_group_id", "flow_cell_id", "sample_id")
        table.writerow([*columns, "file_hash", "file_path"])
        for path, data in written:
            digest = "" if path.startswith("pod5") else hashlib.sha256(data).hexdigest()
            table.writerow([self.run_id, group, self.flowcell, self.sample, digest, path])
        return text.getvalue().encode()


@dataclass(kw_only=True)
class NanoporeRun(Written):
    """An experiment below MinKNOW's data folder.

    Each run has its own folder below that of its sample, or all write into their sample's
    (``pooled``). ``listed``: MinKNOW is new enough to write its own checksums.
    """

    protocols: tuple[Protocol, ...] = (Protocol(),)
    pooled: bool = False
    listed: bool = True

    def place(self, protocol: Protocol) -> str:
        """Where a run's files lie below the experiment, with ``/`` at the end."""
        return f"{protocol.sample}/" if self.pooled else f"{protocol.sample}/{protocol.folder}/"

    def events(self) -> Iterator[Event]:
        """One run after the other."""
        for protocol in self.protocols:
            for path, data in protocol.events(self.name, listed=self.listed):
                yield self.place(protocol) + path, data


@dataclass(kw_only=True)
class PacBioRun(Written):
    """A run folder with one folder for each SMRT cell.

    A Revio makes the folders of all planned cells at the start, and lists the files of a cell in
    its ``.transferdone``; a Sequel writes that as an empty file.
    """

    cells: tuple[str, ...] = ("1_A01", "1_B01")
    model: Literal["revio", "sequel"] = "revio"
    bytes_per_file: int = 256

    def movie(self, cell: str) -> str:
        """The name of the movie that was taken of a cell; all its files begin with it."""
        serial, date, _ = self.name[1:].split("_")
        number = self.cells.index(cell)
        ending = f"_s{number + 1}" if self.model == "revio" else ""
        return f"m{serial}_{date[2:]}_{100000 + number}{ending}"

    def done(self, cell: str) -> str:
        """The path of the cell's last file."""
        metadata = "metadata/" if self.model == "revio" else ""
        return f"{cell}/{metadata}{self.movie(cell)}.transferdone"

    def events(self) -> Iterator[Event]:
        """One cell after the other; the folders of a Revio are all there before."""
        if self.model == "revio":
            for cell in self.cells:
                yield f"{cell}/Transfer_Test_230214_022138.txt", b"transfer test\n"
        for cell in self.cells:
            yield from self.cell_events(cell)

    def cell_events(self, cell: str) -> Iterator[Event]:
        """The files of one cell."""
        movie = self.movie(cell)
        if self.model == "sequel":
            names = ["subreads.bam", "subreads.bam.pbi", "subreadset.xml", "sts.xml"]
            files = [f"{movie}.{name}" for name in names]
            told = b""
        else:
            files = [
                f"hifi_reads/{movie}.hifi_reads.bc2001.bam",
                f"hifi_reads/{movie}.hifi_reads.bc2001.bam.pbi",
                f"fail_reads/{movie}.fail_reads.unassigned.bam",
                f"metadata/{movie}.metadata.xml",
                "metadata/nvidia-smi.log",
                f"pb_formats/{movie}.hifi_reads.consensusreadset.xml",
                f"statistics/{movie}.ccs_report.json",
            ]
            count = len(files)
            head = [f"Transfer Manifest nfiles: {count}"]
            head.append(f"AcqId 3932867e-eaef-4a66-9ea6 transfer list size : {count}")
            told = "\n".join([*head, *(f"/data/icc/{movie}/{one}" for one in files), ""]).encode()
        for one in files:
            yield f"{cell}/{one}", _reads(cell + one, self.bytes_per_file)
        yield self.done(cell), told


@dataclass(kw_only=True)
class Delivery(Written):
    """What another provider puts on a share: any files, and perhaps a list of checksums last.

    ``algorithm`` None: no list. ``wrong`` are paths whose checksum in the list is another one,
    ``unwritten`` paths that only the list has.
    """

    content: Mapping[str, bytes] = field(
        default_factory=lambda: {
            "reads/S1_R1.fastq.gz": b"forward" * 40,
            "reads/S1_R2.fastq.gz": b"reverse" * 40,
            "delivery note.txt": b"two files\n",
        }
    )
    algorithm: Literal["md5", "sha256"] | None = None
    list_name: str = "md5sum.txt"
    wrong: Collection[str] = ()
    unwritten: Mapping[str, bytes] = field(default_factory=dict)

    def events(self) -> Iterator[Event]:
        """The files, then the list."""
        yield from self.content.items()
        if self.algorithm is not None:
            yield self.list_name, self.list_of_sums()

    def list_of_sums(self) -> bytes:
        """The list in the form of md5sum and sha256sum, as made on the provider's machine."""
        lines = []
        for path, data in {**self.content, **self.unwritten}.items():
            told = data + b"!" if path in self.wrong else data
            digest = hashlib.new(self.algorithm or "md5", told, usedforsecurity=False).hexdigest()
            lines.append(f"{digest}  ./{path}\n")
        return "".join(lines).encode()
