"""Metabolomics runs: raw or mzML, the methods that all runs of a sample share, what waits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds import KINDS, TopFolder
from datalake_syncd.core.kinds.growing import Arrangement, SeenFile
from datalake_syncd.core.kinds.massspec.metabolomics import MetabolomicsLayout
from datalake_syncd.core.model import Gate, Outcome, RunFacts
from demo.massspec import Acquisition, MetabolomicsSample
from tests.core.looks import ANY_NAME, HOUR, seen, trees

LAYOUT = MetabolomicsLayout()
RUN, METHODS = "RawData_S/3", "DataProcessingMethod_S"


def arrange(
    files: list[SeenFile] | list[str],
    quiet: float = HOUR,
    missing: tuple[str, ...] = (),
    carried: tuple[str, ...] = (),
) -> Arrangement:
    told = [one if isinstance(one, SeenFile) else seen([one])[0] for one in files]
    return LAYOUT.arrange("S/3", told, missing, quiet, carried)


def where(arrangement: Arrangement) -> dict[str, str]:
    return {placed.path: placed.lake_path for placed in arrangement.placed}


def gate(arrangement: Arrangement, name: str) -> Gate:
    return next(gate for gate in arrangement.gates if gate.name == name)


def test_the_kind() -> None:
    kind = KINDS["metabolomics"]
    assert (kind.name, kind.quiet, kind.any_name) == ("metabolomics", HOUR, False)
    assert isinstance(kind.growing, MetabolomicsLayout)
    assessment = kind.assess(TopFolder("S/3", ("a.raw",)))
    assert (assessment.gates, assessment.outcome) == ((), Outcome.GOOD)
    assert kind.structure(RunFacts()) is None


@pytest.mark.parametrize(
    ("folders", "name"),
    [
        (("RawData_S", "3"), "S/3"),
        (("RawData_Müller 100%", "007"), "Müller 100%/007"),
        (("RawData_RawData_S", "1"), "RawData_S/1"),
        (("RawData_S",), None),
        (("RawData_S", "3a"), None),
        (("RawData_S", ""), None),
        (("RawData_S", "\uff13"), None),
        (("RawData_S", "3\n"), None),
        (("RawData_", "3"), None),
        (("rawdata_S", "3"), None),
        (("DataProcessingMethod_S", "3"), None),
        (("RawData_S", "3", "4"), None),
        (("3",), None),
        ((), None),
    ],
)
def test_runs_by_name(folders: tuple[str, ...], name: str | None) -> None:
    assert LAYOUT.run_name(folders) == name
    if name is not None:
        assert KINDS["metabolomics"].is_run(name)
        assert LAYOUT.opens(folders[0])


@pytest.mark.parametrize("name", ["S", "S/", "/3", "S/x", "S/3/4", "S/3\n", "", "/"])
def test_no_runs_by_name(name: str) -> None:
    assert not KINDS["metabolomics"].is_run(name)


def test_places() -> None:
    assert LAYOUT.base("S a/3") == ""
    assert LAYOUT.roots("S a/3") == ("RawData_S a/3", "DataProcessingMethod_S a")
    assert LAYOUT.lake_name("S a/3") == "S a/3"
    assert not LAYOUT.opens("DataProcessingMethod_S")
    assert not LAYOUT.opens("RawData_")


def test_a_raw_run_with_its_methods() -> None:
    sample = MetabolomicsSample(
        "S",
        runs={"3": (Acquisition("pos.raw"), Acquisition("neg.RAW", vendor="waters"))},
        loose={"3/notes.txt": b"n", "3/sub/deep/x.mzML": b"m", "3/empty": b""},
    )
    files = [SeenFile(path, len(content), HOUR) for path, content in sample.files().items()]
    arrangement = arrange(files)
    there = where(arrangement)
    assert there["RawData_S/3/pos.raw"] == "raw/pos.raw"
    assert there["RawData_S/3/neg.RAW/_FUNCTNS.INF"] == "raw/neg.RAW/_FUNCTNS.INF"
    assert there["RawData_S/3/notes.txt"] == "raw/notes.txt"
    assert there["RawData_S/3/empty"] == "raw/empty"
    assert there["RawData_S/3/sub/deep/x.mzML"] == "raw/sub/deep/x.mzML"
    assert there["DataProcessingMethod_S/batch.xml"] == "batch.xml"
    assert there["DataProcessingMethod_S/sub/steps.txt"] == "sub/steps.txt"
    assert set(there) == {file.path for file in files}
    assert (arrangement.pending, arrangement.skipped, arrangement.ready) == ((), (), None)
    assert all(gate.passed for gate in arrangement.gates)
    stays = {placed.path for placed in arrangement.placed if not placed.prunable}
    assert stays == {"DataProcessingMethod_S/batch.xml", "DataProcessingMethod_S/sub/steps.txt"}
    units = {placed.path: placed.unit for placed in arrangement.placed}
    assert units["RawData_S/3/neg.RAW/_FUNC001.DAT"] == "RawData_S/3/neg.RAW"
    assert units["DataProcessingMethod_S/sub/steps.txt"] == "DataProcessingMethod_S/sub/steps.txt"


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["a.mzML"], "mzML"),
        (["a.mzML", "b.d/analysis.baf", "c.wiff", "c.wiff.scan"], "mzML"),
        (["a.raw.mzML", "raw", "my_raw/x"], "mzML"),
        (["a.mzML", "b.raw"], "raw"),
        (["a.mzML", "b.RaW"], "raw"),
        (["a.mzML", "deep/b.raw/_FUNCTNS.INF"], "raw"),
        (["a.mzML", "deep/b.raw"], "raw"),
    ],
)
def test_one_raw_decides_for_the_run(names: list[str], folder: str) -> None:
    files = [f"{RUN}/{name}" for name in names]
    assert where(arrange([*files, f"{METHODS}/m.raw"])) == {
        **{f"{RUN}/{name}": f"{folder}/{name}" for name in names},
        f"{METHODS}/m.raw": "m.raw",
    }


@pytest.mark.parametrize("raw", [{"b.raw": 0}, {"b.raw/_FUNC001.DAT": 9}, {"sub/b.raw": 0}])
def test_a_raw_that_can_not_go_yet_decides_already(raw: dict[str, int]) -> None:
    mine = {f"{RUN}/a.mzML": 1, **{f"{RUN}/{name}": size for name, size in raw.items()}}
    arrangement = arrange(seen({**mine, f"{METHODS}/m": 1}))
    assert where(arrangement) == {f"{RUN}/a.mzML": "raw/a.mzML", f"{METHODS}/m": "m"}
    assert len(arrangement.pending) == 1


def test_a_raw_that_has_left_the_disk_decides_still() -> None:
    files = [f"{RUN}/a.mzML", f"{METHODS}/m"]
    assert where(arrange(files, carried=("raw/b.raw", "m")))[f"{RUN}/a.mzML"] == "raw/a.mzML"
    assert where(arrange(files, carried=("m",)))[f"{RUN}/a.mzML"] == "mzML/a.mzML"
    shared = [f"{RUN}/a.mzML", f"{METHODS}/raw/m"]
    assert where(arrange(shared, carried=("raw/m",)))[f"{RUN}/a.mzML"] == "mzML/a.mzML"


def test_methods_alone_are_no_data_set() -> None:
    method = f"{METHODS}/m.xml"
    writing = seen([f"{RUN}/a.raw"], 1)
    held = "goes with the files of the run, and none of them can go yet"
    for files in (seen([method]), [*seen([method]), *writing]):
        arrangement = arrange(files)
        assert arrangement.placed == ()
        assert {one.unit: one.reason for one in arrangement.pending}[method] == held
    assert set(where(arrange([*seen([method, f"{RUN}/b.txt"]), *writing]))) == {
        method,
        f"{RUN}/b.txt",
    }
    # The run was carried, and its files were pruned: a method that changes goes all the same.
    assert where(arrange(seen([method]), carried=("raw/a.raw", "m.xml"))) == {method: "m.xml"}


@pytest.mark.parametrize(("missing", "name"), [(METHODS, "method folder"), (RUN, "run folder")])
def test_both_folders_must_be_there(missing: str, name: str) -> None:
    here = [f"{RUN}/a.raw"] if missing == METHODS else [f"{METHODS}/m"]
    arrangement = arrange(here, missing=(missing,))
    shut = gate(arrangement, name)
    assert not shut.passed
    assert not shut.needs_person
    assert shut.found == f"{missing} is not there"
    assert arrangement.placed == ()
    assert [gate.name for gate in arrangement.gates if not gate.passed] == [name]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (
            [f"{RUN}/a.raw", f"{METHODS}/raw/a.raw"],
            f"{METHODS}/raw/a.raw and {RUN}/a.raw both go to raw/a.raw",
        ),
        (
            [f"{RUN}/a.mzML", f"{METHODS}/mzML/a.mzML"],
            f"{METHODS}/mzML/a.mzML and {RUN}/a.mzML both go to mzML/a.mzML",
        ),
        (
            [f"{RUN}/deep/a.raw", f"{METHODS}/raw"],
            f"{METHODS}/raw goes to raw, the folder of {RUN}/deep/a.raw",
        ),
        (
            [f"{RUN}/x.raw", f"{RUN}/deep", f"{METHODS}/raw/deep/m\n"],
            f"{RUN}/deep goes to raw/deep, the folder of {METHODS}/raw/deep/m\\x0a",
        ),
    ],
)
def test_a_method_that_meets_the_data_keeps_all_back(files: list[str], found: str) -> None:
    arrangement = arrange(files)
    shut = gate(arrangement, "one name each")
    assert not shut.passed
    assert shut.needs_person
    assert found in shut.found
    assert arrangement.placed == ()


@pytest.mark.parametrize(
    ("path", "has"),
    [
        (f"{RUN}/x.", True),
        (f"{RUN}/deep/a.raw", True),
        (f"{METHODS}/link", True),
        (f"{RUN}4/x", False),
        ("elsewhere/x", False),
        ("x.raw", False),
    ],
)
def test_all_of_the_two_folders_has_a_place(path: str, has: bool) -> None:
    assert LAYOUT.has_place("S/3", path) is has


def test_methods_that_are_missing_are_warned_of() -> None:
    for missing in ((METHODS,), ()):
        shut = gate(arrange([f"{RUN}/a.raw"], missing=missing), "method folder")
        assert (shut.passed, shut.warns) == (False, True)
    fine = gate(arrange([f"{RUN}/a.raw", f"{METHODS}/m"]), "method folder")
    assert (fine.passed, fine.warns) == (True, False)


def test_a_method_folder_without_any_file_is_none() -> None:
    arrangement = arrange([f"{RUN}/a.raw"])
    shut = gate(arrangement, "method folder")
    assert (shut.passed, arrangement.placed) == (False, ())
    assert shut.found == f"{METHODS} is there and holds no file"
    assert gate(arrange([f"{METHODS}/m"]), "method folder").passed


@pytest.mark.parametrize(
    ("path", "carried"),
    [("x.raw/_FUNCTNS.INF", "raw/x.raw"), ("x.raw", "raw/x.raw/_FUNC001.DAT")],
)
def test_what_the_lake_alone_has_keeps_its_name_too(path: str, carried: str) -> None:
    files = [f"{RUN}/{path}", f"{METHODS}/m"]
    arrangement = arrange(files, carried=(carried, f"raw/{path}", "m"))
    shut = gate(arrangement, "one name each")
    assert (shut.passed, arrangement.placed) == (False, ())
    assert "raw/x.raw" in shut.found
    assert f"{RUN}/{path}" in shut.found
    old = ("raw/y.raw", "raw/y.raw/_FUNC001.DAT")  # both gone: nobody can rename them here
    assert gate(arrange(files, carried=old), "one name each").passed


def test_methods_beside_the_data_are_fine() -> None:
    files = [f"{RUN}/a.raw", f"{METHODS}/raw/b.raw", f"{METHODS}/mzML", f"{METHODS}/RAW"]
    assert len(where(arrange(files))) == 4


def test_one_unit_in_writing_holds_nobody_else() -> None:
    bruker = Acquisition("b.d", vendor="bruker").files()
    files = [
        *seen([f"{RUN}/a.mzML", f"{METHODS}/old", *(f"{RUN}/{path}" for path in bruker)]),
        *seen([f"{RUN}/b.d/analysis.tdf-journal"]),
        *seen([f"{RUN}/young.mzML", f"{METHODS}/new"], HOUR - 1),
    ]
    arrangement = arrange(files)
    assert where(arrangement) == {f"{RUN}/a.mzML": "mzML/a.mzML", f"{METHODS}/old": "old"}
    told = {pending.unit: pending.reason for pending in arrangement.pending}
    assert set(told) == {f"{RUN}/b.d", f"{RUN}/young.mzML", f"{METHODS}/new"}
    assert "analysis.tdf-journal" in told[f"{RUN}/b.d"]


def test_a_sample_that_is_named_like_an_acquisition() -> None:
    files = seen(["RawData_x.raw/3/a.mzML", "DataProcessingMethod_x.raw/m"])
    arrangement = LAYOUT.arrange("x.raw/3", files, (), HOUR)
    assert where(arrangement) == {
        "RawData_x.raw/3/a.mzML": "mzML/a.mzML",
        "DataProcessingMethod_x.raw/m": "m",
    }


def test_a_method_that_was_deleted_moves_no_data_set() -> None:
    """Methods keep their sub-folders, and one of these may be called raw."""
    carried = {"mzML/a.mzML", "raw/m.xml", "raw/deep/n.xml", "n.xml"}
    files = [SeenFile(f"{RUN}/{name}", 1, 99.0) for name in ("a.mzML", "b.mzML")]
    files.append(SeenFile(f"{METHODS}/n.xml", 1, 99.0))
    arrangement = LAYOUT.arrange("S/3", files, (), 1.0, carried)
    assert where(arrangement)[f"{RUN}/b.mzML"] == "mzML/b.mzML"
    # A file of an acquisition that has left the disk since still does.
    arrangement = LAYOUT.arrange("S/3", files, (), 1.0, {"raw/a.d/x", "raw/old.RAW"})
    assert where(arrangement)[f"{RUN}/b.mzML"] == "raw/b.mzML"
    arrangement = LAYOUT.arrange("S/3", files, (), 1.0, {"raw/w.raw/_FUNCTNS.INF"})
    assert where(arrangement)[f"{RUN}/b.mzML"] == "raw/b.mzML"


def test_what_lies_beside_the_data_sets_is_named() -> None:
    listing = {
        "RawData_A": ("1", "2", "y.raw", "3a"),
        "DataProcessingMethod_A": (),
        "DataProcessingMethod_ALONE": (),
        "RawData_E": (),
        "RawData_L": None,
        "RawData_N": ("1",),
        "other": (),
        "RawData_": ("x",),
        "DataProcessingMethod_": (),
    }
    assert LAYOUT.strays(listing) == (
        "DataProcessingMethod_ALONE is there and RawData_ALONE is not",
        "RawData_A/3a and 1 more: only folders with a number are runs",
        "RawData_E is empty",
        "RawData_L is no folder, or a link to one",
    )


NAMES = ["a.raw", "A.RAW", "b 100%.d", "x#+.wiff", "X#+.wiff.scan", "é.mzML", "raw", "mzML"]
NAMES += ["_FUNCTNS.INF", "analysis.baf", "x-wal"]
PARTS = st.sampled_from(NAMES) | ANY_NAME
INNER = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
PATHS = st.builds("{}/{}".format, st.sampled_from([RUN, METHODS]), INNER)


@settings(max_examples=300)
@given(trees(PATHS), st.integers(0, 3))
def test_every_file_is_placed_or_pending_and_no_two_meet(files: list[SeenFile], quiet: int) -> None:
    arrangement = arrange(files, quiet)
    placed = {one.path: one for one in arrangement.placed}
    shut = not all(gate.passed for gate in arrangement.gates)
    targets = [one.lake_path for one in arrangement.placed]
    assert len(set(targets)) == len(targets) == len(placed)
    assert not any(one.startswith(f"{other}/") for one in targets for other in targets)
    assert not (shut and placed)
    assert arrangement.skipped == ()

    raw = any(
        part.lower().endswith(".raw")
        for file in files
        if file.path.startswith(RUN)
        for part in file.path.split("/")[2:]
    )
    folder = "raw" if raw else "mzML"
    for file in files:
        waits = [one.unit for one in arrangement.pending if _holds(one.unit, file.path)]
        assert len(waits) <= 1
        if not shut:
            assert (file.path in placed) + len(waits) == 1, file
        if file.path in placed:
            one = placed[file.path]
            assert file.still >= quiet
            data = file.path.startswith(f"{RUN}/")
            rest = file.path.split("/", 2)[2] if data else file.path.split("/", 1)[1]
            assert one.lake_path == (f"{folder}/{rest}" if data else rest)
            assert one.prunable is data
            for other in files:
                assert not _holds(one.unit, other.path) or other.path in placed


def _holds(unit: str, path: str) -> bool:
    """Whether a file belongs to a unit, told in another way than the code's."""
    if unit == path or path.startswith(f"{unit}/"):
        return True
    lower, ends = path.lower(), (".wiff.scan", ".wiff")
    if not unit.startswith(f"{RUN}/") or not unit.lower().endswith(ends):
        return False
    inside = any(part.lower().endswith((".raw", ".d")) for part in path.split("/")[2:-1])
    stem = unit.lower().removesuffix(".scan").removesuffix(".wiff")
    same_folder = unit.rpartition("/")[0] == path.rpartition("/")[0]
    return not inside and same_folder and lower in {stem + end for end in ends}
