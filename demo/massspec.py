"""Simulated mass spectrometers: what each vendor's software writes, in the order it does so.

Names, shapes and order follow the real ones; spectra are random bytes from a seed, so that the
same acquisition can be written twice. SQLite files and workbooks are real ones.
"""

from __future__ import annotations

import io
import random
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Pause = Callable[[], None]
# A file with its bytes, or with None when the software takes it away again; None alone is the
# time between two steps of the instrument.
Event = tuple[str, bytes | None] | None
Vendor = Literal["thermo", "waters", "bruker", "bruker-tsf", "bruker-baf", "agilent", "sciex"]

THERMO_MAGIC = b"\x01\xa1" + "Finnigan".encode("utf-16-le")

_EXCEL_PARTS = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/'
        'vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/'
        'vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
        '<sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}


def workbook(rows: Iterable[Iterable[str]]) -> bytes:
    """A workbook (.xlsx) with one sheet of plain text; the cells must need no escaping."""
    lines = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{lines}</sheetData></worksheet>"
    )
    told = io.BytesIO()
    with zipfile.ZipFile(told, "w") as archive:
        for name, text in {**_EXCEL_PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            # ZipInfo has a date of its own, so that the same rows always give the same bytes.
            archive.writestr(zipfile.ZipInfo(name), f'<?xml version="1.0"?>\n{text}')
    return told.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One injection, as its vendor's software writes it.

    ``name`` is the file or folder (``X.raw``, ``X.d``) or, of a Sciex group, its ``X.wiff``.
    ``size`` is how many bytes of spectra there are, ``frames`` the rows of a Bruker database.
    """

    name: str = field(kw_only=False)
    vendor: Vendor = "thermo"
    size: int = 4096
    frames: int = 20
    seed: int = 1

    def events(self) -> Iterator[Event]:
        """Every file in the order in which it is written; one that grows comes twice."""
        writers: dict[Vendor, Callable[[], Iterator[Event]]] = {
            "thermo": self._thermo,
            "waters": self._waters,
            "bruker": self._bruker_tims,
            "bruker-tsf": self._bruker_tims,
            "bruker-baf": self._bruker_baf,
            "agilent": self._agilent,
            "sciex": self._sciex,
        }
        yield from writers[self.vendor]()

    def files(self) -> dict[str, bytes]:
        """The finished acquisition: path -> bytes."""
        return finished(self.events())

    def _grown(self, path: str, header: bytes = b"") -> Iterator[Event]:
        content = header + self._random(path, self.size - len(header))
        yield path, content[: len(content) // 2]
        yield None
        yield path, content

    def _thermo(self) -> Iterator[Event]:
        # The file is there from the start, and may stay empty for long.
        yield self.name, b""
        yield None
        yield from self._grown(self.name, THERMO_MAGIC)

    def _waters(self) -> Iterator[Event]:
        yield f"{self.name}/_HEADER.TXT", b"$$ Version: 01.00\r\n$$ Acquired Name: demo\r\n"
        yield f"{self.name}/_INLET.INF", b"ACQUITY FTN\r\n"
        yield f"{self.name}/_extern.inf", b"Instrument Parameters - Function 1:\r\n"
        yield from self._grown(f"{self.name}/_FUNC001.DAT")
        for name in ("_FUNC001.IDX", "_FUNC001.STS", "_CHROMS.INF", "_FUNCTNS.INF"):
            yield f"{self.name}/{name}", self._random(name, 64)

    def _bruker_tims(self) -> Iterator[Event]:
        family = "tsf" if self.vendor == "bruker-tsf" else "tdf"
        database = f"{self.name}/analysis.{family}"
        yield f"{self.name}/12345.m/hystar.method", b"<method />"
        yield f"{self.name}/SampleInfo.xml", b"<SampleTable />"
        yield f"{database}-journal", self._random("journal", 512)
        yield database, _frames(self.frames // 2)
        yield from self._grown(f"{database}_bin")
        yield database, _frames(self.frames)
        yield f"{database}-journal", None
        yield f"{self.name}/chromatography-data.sqlite", _frames(2)

    def _bruker_baf(self) -> Iterator[Event]:
        yield f"{self.name}/12345.m/hystar.method", b"<method />"
        yield f"{self.name}/analysis.sqlite-journal", self._random("journal", 512)
        yield from self._grown(f"{self.name}/analysis.baf")
        yield f"{self.name}/analysis.baf_idx", self._random("index", 64)
        yield f"{self.name}/analysis.sqlite", _frames(self.frames)
        yield f"{self.name}/analysis.sqlite-journal", None

    def _agilent(self) -> Iterator[Event]:
        data = f"{self.name}/AcqData"
        yield f"{data}/demo.m/acqmethod.xml", b"<method />"
        yield f"{data}/sample_info.xml", b"<SampleInfo />"
        yield f"{data}/MSScan.xsd", b"<schema />"
        yield from self._grown(f"{data}/MSProfile.bin")
        yield f"{data}/MSScan.bin", self._random("scan", 128)
        yield f"{data}/Contents.xml", b"<Contents />"
        yield f"{data}/MSTS.xml", b"<TimeSegments />"

    def _sciex(self) -> Iterator[Event]:
        stem = self.name.removesuffix(".wiff")
        yield self.name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + self._random("wiff", 256)
        yield None
        yield f"{stem}.wiff2", _frames(3)
        yield f"{stem}.timeseries.data", self._random("series", 64)
        yield from self._grown(f"{stem}.wiff.scan")

    def _random(self, path: str, size: int) -> bytes:
        source = random.Random(f"{self.seed}/{self.name}/{path}")  # noqa: S311 - no secret
        return source.randbytes(max(0, size))


@dataclass(kw_only=True)
class ProteomicsProject:
    """A project folder with everything directly in it; ``name`` is the folder's.

    ``metadata`` and ``results`` are workbooks by their file name, ``others`` any more files.
    """

    name: str = field(kw_only=False)
    acquisitions: tuple[Acquisition, ...] = (
        Acquisition("sample-1.raw"),
        Acquisition("Blank_1.raw"),
    )
    methods: Mapping[str, bytes] = field(
        default_factory=lambda: {"gradient.meth": b"method", "day-1.sld": b"sequence"}
    )
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    results: Mapping[str, bytes] = field(default_factory=dict)
    others: Mapping[str, bytes] = field(default_factory=dict)

    def events(self) -> Iterator[Event]:
        """Methods first, then one acquisition after the other, workbooks last."""
        yield from self._in_project(self.methods.items())
        for acquisition in self.acquisitions:
            yield from self._in_project(acquisition.events())
        for files in (self.others, self.results, self.metadata):
            yield from self._in_project(files.items())

    def _in_project(self, events: Iterable[Event]) -> Iterator[Event]:
        yield from _below(self.name, events)

    def files(self) -> dict[str, bytes]:
        """The finished project: path relative to the source -> bytes."""
        return finished(self.events())

    def write(self, source: Path, pause: Pause | float = 0.0) -> Path:
        """Write step by step below ``source``; gives the project folder."""
        write(source, self.events(), pause)
        return source / self.name

    def write_all(self, source: Path) -> Path:
        """Write the finished project at once; gives the project folder."""
        write(source, self.files().items())
        return source / self.name


@dataclass(kw_only=True)
class MetabolomicsSample:
    """The runs of a sample by their number, and the methods that they share.

    ``loose`` are files of the runs by ``<number>/<path>``; without ``methods`` there is no
    method folder.
    """

    name: str = field(kw_only=False)
    runs: Mapping[str, tuple[Acquisition, ...]] = field(
        default_factory=lambda: {"1": (Acquisition("pos.raw"),)}
    )
    loose: Mapping[str, bytes] = field(default_factory=dict)
    methods: Mapping[str, bytes] = field(
        default_factory=lambda: {"batch.xml": b"<batch />", "sub/steps.txt": b"steps"}
    )

    def events(self) -> Iterator[Event]:
        """The methods, then the runs one after the other."""
        yield from _below(f"DataProcessingMethod_{self.name}", self.methods.items())
        for number, acquisitions in self.runs.items():
            for acquisition in acquisitions:
                yield from _below(f"RawData_{self.name}/{number}", acquisition.events())
        yield from _below(f"RawData_{self.name}", self.loose.items())

    def files(self) -> dict[str, bytes]:
        """All finished: path relative to the source -> bytes."""
        return finished(self.events())

    def write(self, source: Path, pause: Pause | float = 0.0) -> Path:
        """Write step by step below ``source``; gives the folder of the runs."""
        write(source, self.events(), pause)
        return source / f"RawData_{self.name}"

    def write_all(self, source: Path) -> Path:
        """Write all of it at once below ``source``; gives the folder of the runs."""
        write(source, self.files().items())
        return source / f"RawData_{self.name}"


def finished(events: Iterable[Event]) -> dict[str, bytes]:
    """What is there after the last event: path -> bytes."""
    there: dict[str, bytes] = {}
    for event in events:
        if event is not None and event[1] is not None:
            there[event[0]] = event[1]
        elif event is not None:
            there.pop(event[0], None)
    return there


def write(folder: Path, events: Iterable[Event], pause: Pause | float = 0.0) -> None:
    """Write events below ``folder``; ``pause`` comes between steps: a call, or seconds.

    Files appear under their final name and grow in place, as on the instrument.
    """
    for event in events:
        if event is None:
            if callable(pause):
                pause()
            elif pause > 0:
                time.sleep(pause)
            continue
        path, content = folder / event[0], event[1]
        if content is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "wb") as file:
            file.write(content)
            file.truncate()


def _below(folder: str, events: Iterable[Event]) -> Iterator[Event]:
    for event in events:
        yield None if event is None else (f"{folder}/{event[0]}", event[1])


def _frames(count: int) -> bytes:
    """A Bruker database with so many frames, as SQLite writes it."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE GlobalMetadata (Key TEXT PRIMARY KEY, Value TEXT)")
        database.execute("INSERT INTO GlobalMetadata VALUES ('SchemaType', 'TDF')")
        database.execute("CREATE TABLE Frames (Id INTEGER PRIMARY KEY, Time REAL)")
        rows = ((number, number / 10) for number in range(1, count + 1))
        database.executemany("INSERT INTO Frames VALUES (?, ?)", rows)
        database.commit()
        return database.serialize()
