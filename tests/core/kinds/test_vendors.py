"""Units of mass spectrometers: what belongs together, what is missing, and how long it rests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds.growing import SeenFile
from datalake_syncd.core.kinds.massspec.vendors import Unit, Vendor, failed_acquisitions, units
from demo.massspec import Acquisition, finished
from tests.core.looks import ANY_NAME, HOUR, seen, trees


def one(sizes: Mapping[str, int | bytes] | Iterable[str]) -> Unit:
    (unit,) = units(seen(sizes))
    return unit


WHOLE = [
    (Acquisition("s 1.raw"), Vendor.THERMO),
    (Acquisition("s.raw", vendor="waters"), Vendor.WATERS),
    (Acquisition("s.d", vendor="bruker"), Vendor.BRUKER),
    (Acquisition("s.d", vendor="bruker-tsf"), Vendor.BRUKER),
    (Acquisition("s.d", vendor="bruker-baf"), Vendor.BRUKER),
    (Acquisition("s.d", vendor="agilent"), Vendor.AGILENT),
    (Acquisition("s.wiff", vendor="sciex"), Vendor.SCIEX),
]


@pytest.mark.parametrize(("acquisition", "vendor"), WHOLE)
def test_an_acquisition_is_one_unit_and_complete(acquisition: Acquisition, vendor: Vendor) -> None:
    unit = one(acquisition.files())
    assert (unit.path, unit.vendor, unit.problem) == (acquisition.name, vendor, "")
    assert {file.path for file in unit.files} == set(acquisition.files())
    assert unit.waits_for(HOUR) == ""


@pytest.mark.parametrize(("acquisition", "vendor"), WHOLE)
def test_names_count_in_any_case(acquisition: Acquisition, vendor: Vendor) -> None:
    unit = one({path.swapcase(): content for path, content in acquisition.files().items()})
    assert (unit.path, unit.vendor, unit.problem) == (acquisition.name.swapcase(), vendor, "")


@pytest.mark.parametrize("acquisition", [pair[0] for pair in WHOLE])
def test_while_it_is_written_it_is_never_complete_with_less_than_all_names(
    acquisition: Acquisition,
) -> None:
    """At no step of the instrument is a unit complete that lacks a file which comes later."""
    events = list(acquisition.events())
    last = set(acquisition.files())
    for step in range(1, len(events)):
        there = finished(events[:step])
        for unit in units(seen(there)) if there else ():
            complete = not unit.problem
            optional = {"s.d/chromatography-data.sqlite"}
            assert not complete or set(there) >= last - optional, sorted(there)


@pytest.mark.parametrize(
    ("acquisition", "without", "words"),
    [
        (Acquisition("s.raw", vendor="waters"), "s.raw/_FUNCTNS.INF", "_FUNCTNS.INF is missing"),
        (Acquisition("s.d", vendor="bruker"), "s.d/analysis.tdf", "analysis.tdf is missing"),
        (Acquisition("s.d", vendor="bruker"), "s.d/analysis.tdf_bin", "analysis.tdf_bin is"),
        (Acquisition("s.d", vendor="bruker-tsf"), "s.d/analysis.tsf", "analysis.tsf is missing"),
        (Acquisition("s.d", vendor="bruker-tsf"), "s.d/analysis.tsf_bin", "analysis.tsf_bin is"),
        (Acquisition("s.d", vendor="agilent"), "s.d/AcqData/MSTS.xml", "MSTS.xml is missing"),
        (Acquisition("s.d", vendor="agilent"), "s.d/AcqData/MSScan.bin", "MSScan.bin is missing"),
        (
            Acquisition("s.d", vendor="agilent"),
            "s.d/AcqData/MSProfile.bin",
            "MSPeak.bin or MSProfile.bin is missing",
        ),
        (Acquisition("s.wiff", vendor="sciex"), "s.wiff.scan", ".wiff.scan is missing"),
        (Acquisition("s.wiff", vendor="sciex"), "s.wiff", ".wiff is missing"),
        (Acquisition("s.d", vendor="bruker-baf"), "s.d/analysis.baf", "neither Bruker nor Agilent"),
    ],
)
def test_what_is_missing_is_named(acquisition: Acquisition, without: str, words: str) -> None:
    files = acquisition.files()
    del files[without]
    unit = one(files)
    assert words in unit.problem
    assert unit.waits_for(0) == unit.problem


@pytest.mark.parametrize("name", ["analysis.tdf-journal", "x.sqlite-WAL", "12345.m/y.sqlite-shm"])
def test_a_database_at_work_holds_a_bruker_folder(name: str) -> None:
    files = Acquisition("s.d", vendor="bruker").files() | {f"s.d/{name}": b""}
    assert f"still being written: {name.lower()} is there" in one(files).problem


def test_agilent_with_peaks_only_and_an_unknown_folder() -> None:
    peaks = ["s.D/AcqData/MSScan.bin", "s.D/ACQDATA/MSPeak.bin", "s.D/AcqData/MSTS.xml"]
    assert (one(peaks).vendor, one(peaks).problem) == (Vendor.AGILENT, "")
    odd = one(["report.d/page.html"])
    assert odd.vendor is Vendor.UNKNOWN
    assert "analysis.tdf" in odd.problem
    assert "AcqData" in odd.problem


def test_both_bruker_families_must_be_whole_when_both_are_begun() -> None:
    files = ["s.d/analysis.tdf", "s.d/analysis.tdf_bin", "s.d/analysis.tsf"]
    assert "analysis.tsf_bin is missing" in one(files).problem


def test_an_empty_thermo_file_was_not_written_yet() -> None:
    assert "0 bytes" in one({"s.raw": 0}).problem
    assert one({"s.raw": 1}).problem == ""
    assert one({"empty.txt": 0}).problem == "", "only acquisitions must have bytes"


def test_a_corrupted_acquisition_is_a_unit_like_any_other_and_named() -> None:
    found = units(
        seen(["a_CORRUPTED.raw", "b_corrupted.RAW", "corrupted.raw", "c\n_CORRUPTED.raw"])
    )
    assert [unit.problem for unit in found] == [""] * 4
    assert failed_acquisitions(found) == (
        "a_CORRUPTED.raw",
        "b_corrupted.RAW",
        "c\\x0a_CORRUPTED.raw",
    )


def test_one_young_file_holds_all_of_its_unit_and_nothing_else() -> None:
    files = [
        *seen(Acquisition("old.d", vendor="bruker").files()),
        *seen(Acquisition("new.d", vendor="bruker").files()),
        SeenFile("new.d/late.txt", 1, HOUR - 1),
        SeenFile("g.wiff", 1, HOUR),
        SeenFile("g.wiff.scan", 1, 0),
        SeenFile("alone.txt", 1, HOUR),
    ]
    waiting = {unit.path: unit.waits_for(HOUR) for unit in units(files)}
    assert waiting == {
        "old.d": "",
        "new.d": "waits until nothing has changed for 1h, on our own clock",
        "g.wiff": "waits until nothing has changed for 1h, on our own clock",
        "alone.txt": "",
    }


def test_the_reason_stays_the_same_while_time_goes_by() -> None:
    def reason(still: float) -> str:
        (unit,) = units([SeenFile("a.raw", 1, still)])
        return unit.waits_for(86400)

    assert len({reason(still) for still in (0, 0.4, 7, 3600, 86399)}) == 1
    assert reason(86400) == ""


def test_groups_and_folders_lie_where_they_lie() -> None:
    paths = [
        "top/run.raw/1/a.wiff",
        "top/run.raw/1/A.WIFF.SCAN",
        "top/run.raw/1/sub/a.wiff.scan",
        "top/run.raw/1/sub/w.raw/_FUNCTNS.INF",
        "top/run.raw/1/sub/w.raw/inner.d/x",
        "top/run.raw/1/raw",
        "top/run.raw/1/a.timeseries.data.bak",
    ]
    grouped = {
        unit.path: {file.path for file in unit.files}
        for unit in units(seen(paths), below="top/run.raw/1/")
    }
    assert grouped == {
        "top/run.raw/1/a.wiff": {"top/run.raw/1/a.wiff", "top/run.raw/1/A.WIFF.SCAN"},
        "top/run.raw/1/sub/a.wiff.scan": {"top/run.raw/1/sub/a.wiff.scan"},
        "top/run.raw/1/sub/w.raw": {
            "top/run.raw/1/sub/w.raw/_FUNCTNS.INF",
            "top/run.raw/1/sub/w.raw/inner.d/x",
        },
        "top/run.raw/1/raw": {"top/run.raw/1/raw"},
        "top/run.raw/1/a.timeseries.data.bak": {"top/run.raw/1/a.timeseries.data.bak"},
    }


def test_a_unit_of_many_files_is_one_unit() -> None:
    paths = [f"w.raw/_FUNC{number:03d}.DAT" for number in range(2000)]
    unit = one([*paths, "w.raw/_FUNCTNS.INF"])
    assert len(unit.files) == 2001
    assert unit.problem == ""


# Few names, so that files meet in folders and groups; and any text beside them.
NAMES = ["a.raw", "A.RAW", "b.d", "B.D", "x", "é%.wiff", "É%.WIFF", "é%.wiff.scan", "İ.wiff2"]
NAMES += ["_FUNCTNS.INF", "analysis.tdf", "analysis.tdf_bin", "analysis.tdf-journal"]
NAMES += ["AcqData", "MSTS.xml"]
PARTS = st.sampled_from(NAMES) | ANY_NAME
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@settings(max_examples=300)
@given(trees(PATHS))
def test_every_file_is_in_exactly_one_unit_and_folders_are_whole(files: list[SeenFile]) -> None:
    found = units(files)
    assert sorted((f for unit in found for f in unit.files), key=lambda f: f.path) == sorted(
        files, key=lambda f: f.path
    )
    assert len({unit.path for unit in found}) == len(found)
    home = {file.path: unit for unit in found for file in unit.files}
    for path, unit in home.items():
        parts = path.split("/")
        outer = [n for n, part in enumerate(parts[:-1]) if part.lower().endswith((".raw", ".d"))]
        if outer:
            assert unit.path == "/".join(parts[: outer[0] + 1])
        young = any(file.still < 2 for file in unit.files)
        assert not (young and unit.waits_for(2) == "")
        assert unit.waits_for(2).isprintable()
    assert units(reversed(files)) == found, "the order of the walk says nothing"
