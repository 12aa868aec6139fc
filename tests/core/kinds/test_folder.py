"""Drop folders: what is a run, and each way to say that one is complete."""

from __future__ import annotations

from typing import Any

import pytest

from datalake_syncd.core.kinds.folder import FOLDER
from datalake_syncd.core.kinds.kind import TopFolder
from datalake_syncd.core.model import Assessment, Outcome
from datalake_syncd.core.names import escape


def assess(*names: str, run: str = "delivery 7", **settings: Any) -> Assessment:
    return FOLDER.assess(TopFolder(run_name=run, names=names, **settings))


@pytest.mark.parametrize(
    "name",
    [
        "Instrument", "nosync", "NoSync", "copy.tmp", "x.TMP", "System Volume Information",
        "$RECYCLE.BIN", "$Recycle.Bin", "lost+found", ".snapshot", ".datalake-syncd-trash", ".",
    ],
)  # fmt: skip
def test_neighbours_are_no_runs(name: str) -> None:
    assert not FOLDER.is_run(name)


@pytest.mark.parametrize("name", ["delivery 7", "tmp", "Instrument 2", "nosync.old", "øæå", "a.b"])
def test_any_other_name_is_a_run(name: str) -> None:
    assert FOLDER.is_run(name)


def test_without_a_rule_quiet_alone_decides_and_says_so() -> None:
    found = assess("a.txt")
    assert found.complete
    assert found.outcome is Outcome.GOOD
    (gate,) = found.gates
    assert gate.found == "no flag configured: quiet alone decides"


@pytest.mark.parametrize(
    ("flags", "names", "missing"),
    [
        (("DONE.txt",), ("a", "done.TXT"), []),
        (("DONE.txt",), ("a", "DONE.txt.part"), ["flag DONE.txt"]),
        (("*.done",), ("a", "Sample_7.DONE"), []),
        (("*.done",), ("a", "done"), ["flag *.done"]),
        (("a", "b?"), ("A", "b1"), []),
        (("a", "b?"), ("A",), ["flag b?"]),
        (("x[1].ok",), ("X[1].OK",), []),
    ],
)
def test_all_flags_must_be_there(
    flags: tuple[str, ...], names: tuple[str, ...], missing: list[str]
) -> None:
    found = assess(*names, flags=flags)
    assert [gate.name for gate in found.gates if not gate.passed] == missing
    assert found.outcome is (Outcome.UNKNOWN if missing else Outcome.GOOD)
    assert not any(gate.needs_person for gate in found.gates)


def test_the_ready_file_stands_beside_and_has_this_runs_name() -> None:
    ready = {"ready_file": "{name}.ready"}
    assert assess("a", beside=("delivery 7", "Delivery 7.READY"), **ready).complete
    for beside in ((), ("delivery 8.ready",), ("delivery 7.ready.part",), ("{name}.ready",)):
        found = assess("delivery 7.ready", beside=beside, **ready)
        (gate,) = found.gates
        assert (gate.passed, gate.found) == (False, "not there")
        assert gate.name == "ready file delivery 7.ready"
    # A name that looks like a placeholder of something else is just a name.
    odd = assess("a", run="{0}%s{name}", beside=("{0}%s{name}.ready",), **ready)
    assert odd.complete


def test_ready_files_of_runs_that_differ_in_case_only_are_told_apart() -> None:
    ready = {"ready_file": "{name}.ready"}
    beside = ("Run", "run", "RUN", "run.ready")
    assert assess("a", run="run", beside=beside, **ready).complete
    assert not assess("a", run="Run", beside=beside, **ready).complete, "that is another's"
    assert assess("a", run="Run", beside=("Run", "run.ready"), **ready).complete
    both = assess("a", run="Run", beside=(*beside, "Run.ready"), **ready)
    assert both.gates[0].found == "found Run.ready"
    assert assess("a", run="Run", beside=(*beside, "ruN.ready"), **ready).complete


@pytest.mark.parametrize("run", ["delivery 7", "a[1]*?", "{name}", "A\\b"])
def test_the_runs_own_name_in_flags_and_lists(run: str) -> None:
    rules: dict[str, Any] = {"flags": ("{name}.done",), "checksum_file": "{name}*.md5"}
    found = assess(f"{run}.done", f"{run.upper()}-x.md5", run=run, **rules)
    assert [gate.name for gate in found.gates if not gate.passed] == []
    top = TopFolder(run, ("x.md5", f"{run}.md5", f"{run}-x.MD5"), **rules)
    assert FOLDER.checksum_lists is not None
    assert FOLDER.checksum_lists(top) == (f"{run}.md5", f"{run}-x.MD5")
    for name in ("{name}x.done", "other.done", "a1bc.done"):
        waits = assess(name, run=run, **rules)
        assert [gate.name for gate in waits.gates if not gate.passed] == [
            f"flag {escape(run)}.done",
            f"checksum file {escape(run)}*.md5",
        ]


def test_a_checksum_file_is_a_pattern_and_its_lists_are_read() -> None:
    wanted: dict[str, Any] = {"checksum_file": "md5*.txt"}
    found = assess("a", "MD5SUM.txt", "md5_2.txt", **wanted)
    assert found.complete
    top = TopFolder(run_name="r", names=("a", "MD5SUM.txt", "md5_2.txt", "x.txt"), **wanted)
    assert FOLDER.checksum_lists is not None
    assert FOLDER.checksum_lists(top) == ("MD5SUM.txt", "md5_2.txt")
    assert FOLDER.checksum_lists(TopFolder(run_name="r", names=("md5sum.txt",))) == ()
    assert not assess("a", "md5sum.csv", **wanted).complete
    assert not FOLDER.lists_are_final


def test_all_that_is_configured_must_be_there() -> None:
    rules: dict[str, Any] = {
        "flags": ("DONE",),
        "ready_file": "{name}.ready",
        "checksum_file": "*.md5",
    }
    there: dict[str, Any] = {"names": ("DONE", "a.md5"), "beside": ("delivery 7.ready",)}
    assert FOLDER.assess(TopFolder(run_name="delivery 7", **there, **rules)).complete
    lackings: list[dict[str, Any]] = [{"names": ("a.md5",)}, {"names": ("DONE",)}, {"beside": ()}]
    for lacking in lackings:
        top = TopFolder(run_name="delivery 7", **{**there, **lacking}, **rules)
        found = FOLDER.assess(top)
        assert sum(not gate.passed for gate in found.gates) == 1
        assert found.outcome is Outcome.UNKNOWN


def test_names_from_the_disk_are_escaped() -> None:
    found = assess(
        "\x1b[31m.done", "\u202etxt.done", run="a\nb", flags=("*.done",), ready_file="{name}.r"
    )
    assert all(gate.found.isprintable() and gate.name.isprintable() for gate in found.gates)
