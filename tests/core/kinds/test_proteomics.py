"""Proteomics projects: where each file goes, what waits, what keeps a project back."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds import KINDS, TopFolder
from datalake_syncd.core.kinds.growing import Arrangement, ReadyMarker, SeenFile
from datalake_syncd.core.kinds.massspec.proteomics import ProteomicsLayout, lake_path
from datalake_syncd.core.model import Gate, Oddity, Outcome, RunFacts
from datalake_syncd.core.names import escape
from demo.massspec import Acquisition, ProteomicsProject
from tests.core.looks import ANY_NAME, HOUR, seen, trees

DAY = 86400.0
LAYOUT = ProteomicsLayout()


def arrange(
    files: list[SeenFile] | list[str], quiet: float = HOUR, missing: tuple[str, ...] = ()
) -> Arrangement:
    told = [one if isinstance(one, SeenFile) else seen([one])[0] for one in files]
    return LAYOUT.arrange("prot0001", told, missing, quiet)


def where(arrangement: Arrangement) -> dict[str, str]:
    return {placed.path: placed.lake_path for placed in arrangement.placed}


def gate(arrangement: Arrangement, name: str) -> Gate:
    return next(gate for gate in arrangement.gates if gate.name == name)


def test_the_kind() -> None:
    kind = KINDS["proteomics"]
    assert (kind.name, kind.quiet, kind.any_name) == ("proteomics", DAY, False)
    assert isinstance(kind.growing, ProteomicsLayout)
    assessment = kind.assess(TopFolder("prot1", ("a.raw",)))
    assert (assessment.gates, assessment.outcome) == ((), Outcome.GOOD)
    assert kind.structure(RunFacts()) is None


@pytest.mark.parametrize(
    ("folder", "project"),
    [
        ("prot0001", True),
        ("PROT1", True),
        ("Prot9 HeLa (µ) 100%", True),
        ("prot1\nx", True),
        ("prot", False),
        ("protein1", False),
        ("prot_1", False),
        ("xprot1", False),
        (" prot1", False),
        ("prot\u0663", False),
        ("", False),
    ],
)
def test_projects_by_name(folder: str, project: bool) -> None:
    assert KINDS["proteomics"].is_run(folder) is project
    assert LAYOUT.run_name((folder,)) == (folder if project else None)
    assert LAYOUT.run_name((folder, "prot1")) is None
    assert not LAYOUT.opens(folder)


def test_a_project_has_its_name_in_upper_case_in_the_lake() -> None:
    assert LAYOUT.lake_name("prot0001 HeLa_é") == "PROT0001 HELA_É"
    assert LAYOUT.lake_name("prot1") == LAYOUT.lake_name("Prot1")
    assert (LAYOUT.base("prot0001 x"), LAYOUT.roots("prot0001 x")) == ("prot0001 x", ("",))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("Sample 1.raw", "samples/Sample 1.raw"),
        ("s.RAW", "samples/s.RAW"),
        ("sample_CORRUPTED.raw", "samples/sample_CORRUPTED.raw"),
        ("blank.raw", "blanks/blank.raw"),
        ("BLANK_2.Raw", "blanks/BLANK_2.Raw"),
        ("my blank.raw", "samples/my blank.raw"),
        ("w.raw/_FUNC001.DAT", "samples/w.raw/_FUNC001.DAT"),
        ("Blank.RAW/sub/x.y", "blanks/Blank.RAW/sub/x.y"),
        ("b.d/analysis.tdf", "samples/b.d/analysis.tdf"),
        ("blank-1.D/AcqData/MSTS.xml", "blanks/blank-1.D/AcqData/MSTS.xml"),
        ("s.wiff", "samples/s.wiff"),
        ("Blank.wiff.scan", "blanks/Blank.wiff.scan"),
        ("s.WIFF2", "samples/s.WIFF2"),
        ("s.timeseries.data", "samples/s.timeseries.data"),
        ("Method.METH", "other/Method.METH"),
        ("blank.meth", "other/blank.meth"),
        ("day.sld", "other/day.sld"),
        ("metadata.xlsx", "metadata.xlsx"),
        ("MetaData.XLSX", "metadata.xlsx"),
        ("Prot0001_Results.XLSX", "results/prot0001_results.xlsx"),
        ("protocol.xlsx", "results/protocol.xlsx"),
        ("Results.xlsx", None),
        ("my prot1.xlsx", None),
        ("prot1.xls", None),
        ("metadata.xlsx.bak", None),
        ("notes.txt", None),
        ("raw", None),
        ("file.d", None),
        ("sub/s.raw", None),
        ("sub/w.raw/_FUNCTNS.INF", None),
        ("results/prot1.xlsx", None),
        ("sub.meth/x", None),
    ],
)
def test_where_a_file_goes(path: str, place: str | None) -> None:
    assert lake_path(path) == place


def test_a_whole_project() -> None:
    project = ProteomicsProject(
        "prot0001",
        acquisitions=(
            Acquisition("s1.raw"),
            Acquisition("Blank1.raw"),
            Acquisition("s2.d", vendor="bruker"),
            Acquisition("s3.raw", vendor="waters"),
            Acquisition("s4.wiff", vendor="sciex"),
        ),
        metadata={"Metadata.xlsx": b"m"},
        results={"Prot0001_A.xlsx": b"r", "PROT0001_b.XLSX": b"r"},
        others={"notes.txt": b"n", "old/s1.raw": b"o", "old/deep/x": b"o", "one/y": b"o"},
    )
    files = [
        SeenFile(path.removeprefix("prot0001/"), len(content), DAY)
        for path, content in project.files().items()
    ]
    arrangement = arrange(files, DAY)
    there = where(arrangement)
    assert there["s1.raw"] == "samples/s1.raw"
    assert there["Blank1.raw"] == "blanks/Blank1.raw"
    assert there["s2.d/analysis.tdf_bin"] == "samples/s2.d/analysis.tdf_bin"
    assert there["s3.raw/_FUNCTNS.INF"] == "samples/s3.raw/_FUNCTNS.INF"
    assert there["s4.timeseries.data"] == "samples/s4.timeseries.data"
    assert there["PROT0001_b.XLSX"] == "results/prot0001_b.xlsx"
    assert len(there) == len(files) - 4
    assert arrangement.pending == ()
    assert arrangement.ready == ReadyMarker(
        "results.ready",
        ("results/prot0001_a.xlsx", "results/prot0001_b.xlsx", "metadata.xlsx"),
    )
    assert arrangement.skipped == (
        Oddity(
            "notes.txt",
            "not-in-layout",
            "the project's layout in the lake has no place for such a file",
            blocks=False,
        ),
        Oddity(
            "old",
            "not-in-layout",
            "a folder with 2 files; only acquisitions may be folders here",
            blocks=False,
        ),
        Oddity(
            "one",
            "not-in-layout",
            "a folder with 1 file; only acquisitions may be folders here",
            blocks=False,
        ),
    )
    kept = {placed.path for placed in arrangement.placed if not placed.prunable}
    assert kept == {"Metadata.xlsx", "Prot0001_A.xlsx", "PROT0001_b.XLSX"}
    by_unit = {placed.path: placed.unit for placed in arrangement.placed}
    assert by_unit["s2.d/analysis.tdf"] == by_unit["s2.d/SampleInfo.xml"] == "s2.d"
    assert by_unit["s4.wiff.scan"] == "s4.wiff"
    assert by_unit["gradient.meth"] == "gradient.meth"


def test_one_unit_in_writing_holds_nobody_else() -> None:
    files = [
        *seen(["old.raw", "new.d/analysis.tdf", "Prot1.xlsx"], DAY),
        *seen({"young.raw": 1, "empty.raw": 0, "metadata.xlsx": 1}, DAY - 1),
    ]
    arrangement = arrange(files, DAY)
    assert where(arrangement) == {
        "Prot1.xlsx": "results/prot1.xlsx",
        "old.raw": "samples/old.raw",
    }
    told = {pending.unit: pending.reason for pending in arrangement.pending}
    assert set(told) == {"new.d", "young.raw", "empty.raw", "metadata.xlsx"}
    assert "analysis.tdf_bin is missing" in told["new.d"]
    assert told["young.raw"] == "waits until nothing has changed for 1d, on our own clock"
    assert all(gate.passed for gate in arrangement.gates)
    assert arrangement.ready is None, "not before the metadata workbook goes too"


@pytest.mark.parametrize(
    ("names", "ready"),
    [
        (["Prot1.xlsx"], False),
        (["metadata.xlsx"], False),
        (["metadata.xlsx", "s.raw"], False),
        (["METADATA.xlsx", "prot.xlsx"], True),
        ([], False),
    ],
)
def test_ready_needs_a_result_and_the_metadata(names: list[str], ready: bool) -> None:
    assert (arrange(names).ready is not None) is ready


@pytest.mark.parametrize(
    ("one", "other", "target"),
    [
        ("Prot1.xlsx", "PROT1.xlsx", "results/prot1.xlsx"),
        ("Metadata.xlsx", "metadata.XLSX", "metadata.xlsx"),
        ("Prot1\n.xlsx", "prot1\n.xlsx", "results/prot1\\x0a.xlsx"),
    ],
)
@pytest.mark.parametrize("still", [HOUR, 0.0])
def test_two_files_for_one_name_keep_the_project_back(
    one: str, other: str, target: str, still: float
) -> None:
    """Also when one of the two is so young that it would not go yet."""
    files = [*seen(["s.raw", one, "notes.txt"]), *seen([other], still)]
    arrangement = arrange(files)
    shut = gate(arrangement, "one name each")
    assert not shut.passed
    assert shut.needs_person, "no waiting renames one of them"
    first, second = sorted([one.replace("\n", "\\x0a"), other.replace("\n", "\\x0a")])
    assert shut.found == f"{first} and {second} both go to {target}"
    assert arrangement.placed == ()
    assert arrangement.ready is None
    assert [oddity.path for oddity in arrangement.skipped] == ["notes.txt"]
    assert arrange(["s.raw", one, "notes.txt"]).placed


@pytest.mark.parametrize(
    ("path", "has"),
    [
        ("a.raw", True),
        ("a.d", True),  # a link, or a folder that can't be read
        ("a.d/analysis.tdf.", True),
        ("A.RAW/sub/x", True),
        ("Prot1.xlsx", True),
        ("m.meth", True),
        ("METADATA.xlsx", True),
        ("notes.txt.", False),
        ("old", False),
        ("old/link", False),
        ("old/a.raw", False),
        ("a.raw.", False),
    ],
)
def test_only_what_would_be_carried_has_a_place(path: str, has: bool) -> None:
    assert LAYOUT.has_place("prot1", path) is has


def test_many_meetings_are_counted() -> None:
    names = [f"{prot}{number}.xlsx" for number in range(5) for prot in ("prot", "PROT", "Prot")]
    found = gate(arrange(names), "one name each").found
    assert found.count("both go to") == 3
    assert found.endswith("; and 7 more")


def test_acquisitions_in_other_case_are_two() -> None:
    assert where(arrange(["a.raw", "A.raw", "a.RAW"])) == {
        "a.raw": "samples/a.raw",
        "A.raw": "samples/A.raw",
        "a.RAW": "samples/a.RAW",
    }


def test_a_corrupted_acquisition_is_carried_and_told() -> None:
    arrangement = arrange(["a_CORRUPTED.raw", "b.raw"])
    assert where(arrangement)["a_CORRUPTED.raw"] == "samples/a_CORRUPTED.raw"
    told = gate(arrangement, "failed acquisitions")
    assert told.passed
    assert told.warns
    assert "a_CORRUPTED.raw" in told.found
    assert "b.raw" not in told.found
    assert [gate.name for gate in arrange(["b.raw"]).gates] == ["project folder", "one name each"]


def test_an_empty_or_missing_project() -> None:
    nothing = arrange([])
    assert (nothing.placed, nothing.pending, nothing.ready) == ((), (), None)
    assert all(gate.passed for gate in nothing.gates)
    assert not gate(arrange([], missing=("",)), "project folder").passed


TOP = ["a.raw", "A.RAW", "blank 1%.raw", "Blank#+.d", "s.d", "x.wiff", "X.WIFF.SCAN", "x.wiff2"]
TOP += ["é.meth", "q.sld", "Prot1.xlsx", "PROT1.XLSX", "Metadata.xlsx", "metadata.xlsx", "n.txt"]
INNER = ["_FUNCTNS.INF", "analysis.tdf", "analysis.tdf_bin", "analysis.tdf-wal", "metadata.xlsx"]
INNER += ["AcqData/MSTS.xml", "AcqData/MSScan.bin", "AcqData/MSPeak.bin", "sub/a.raw"]
PATHS = (
    st.sampled_from(TOP)
    | ANY_NAME
    | st.builds(
        "{}/{}".format, st.sampled_from([*TOP, "sub"]) | ANY_NAME, st.sampled_from(INNER) | ANY_NAME
    )
)
SCIEX = (".wiff", ".wiff2", ".wiff.scan", ".timeseries.data")


def stem(path: str) -> str | None:
    """What the files of a Sciex group have in common, told in another way than the code's."""
    if "/" in path or not path.lower().endswith(SCIEX):
        return None
    return min((path[: -len(end)] for end in SCIEX if path.lower().endswith(end)), key=len).lower()


@settings(max_examples=300)
@given(trees(PATHS), st.integers(0, 3))
def test_every_file_is_placed_pending_or_skipped_and_no_two_meet(
    files: list[SeenFile], quiet: int
) -> None:
    arrangement = arrange(files, quiet)
    placed = {one.path: one for one in arrangement.placed}
    shut = not all(gate.passed for gate in arrangement.gates)
    books = Counter(
        file.path.lower()
        for file in files
        if "/" not in file.path
        and file.path.lower().endswith(".xlsx")
        and file.path.lower().startswith(("prot", "metadata.xlsx"))
    )
    assert shut == any(count > 1 for count in books.values())
    assert not (shut and placed)
    assert len({one.lake_path for one in arrangement.placed}) == len(arrangement.placed)
    assert len(placed) == len(arrangement.placed)

    skipped = {oddity.path for oddity in arrangement.skipped}
    for file in files:
        waits = [
            one.unit
            for one in arrangement.pending
            if one.unit == file.path
            or file.path.startswith(f"{one.unit}/")
            or (stem(file.path) is not None and stem(one.unit) == stem(file.path))
        ]
        top = file.path.split("/")[0]
        known = lake_path(file.path) is not None
        assert len(waits) <= 1
        if not shut:
            assert (file.path in placed) + len(waits) + (not known) == 1, file
        if not known:
            assert file.path not in placed
            assert any(path in skipped for path in (escape(file.path), escape(top)))
        if file.path in placed:
            assert file.still >= quiet
            for other in files:
                together = other.path.startswith(f"{top}/") and "/" in file.path
                together |= stem(file.path) is not None and stem(other.path) == stem(file.path)
                assert not together or other.path in placed, "a unit goes whole"
    if arrangement.ready:
        there = {one.lake_path for one in arrangement.placed}
        assert set(arrangement.ready.of) <= there
        assert "metadata.xlsx" in arrangement.ready.of
