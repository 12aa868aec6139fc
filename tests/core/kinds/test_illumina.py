"""Illumina runs judged by their top folder: every gate, near misses, both kinds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from datalake_syncd.core.kinds import KINDS, Kind, TopFolder
from datalake_syncd.core.kinds.illumina.family import MISEQ, NEXTSEQ500
from datalake_syncd.core.model import Assessment, Gate, Outcome
from demo.sequencer import MODELS, MiSeqRun, NextSeqRun, SequencerRun

MISEQ_NAME = "180105_M00000_0001_000000000-AAAAA"
NEXTSEQ_NAME = "180612_NB501016_0001_AHXXXXXXXX"


def look(
    kind: Kind,
    files: Mapping[str, bytes | None],
    *,
    name: str = MISEQ_NAME,
    learned: frozenset[str] = frozenset(),
    flags: tuple[str, ...] | None = None,
) -> Assessment:
    """Assess as a caller does: entries of the top folder, bytes of the kind's metadata files."""
    wanted = {file.lower() for file in kind.metadata_files}
    names = tuple(sorted({path.partition("/")[0] for path in files}))
    metadata = {path.lower(): content for path, content in files.items() if path.lower() in wanted}
    return kind.assess(TopFolder(name, names, metadata, learned, flags))


def assess(run: SequencerRun, **options: frozenset[str] | tuple[str, ...]) -> Assessment:
    kind = MISEQ if isinstance(run, MiSeqRun) else NEXTSEQ500
    return look(kind, run.files(), name=run.name, **options)  # type: ignore[arg-type]


def failing(assessment: Assessment) -> list[str]:
    return [gate.name for gate in assessment.gates if not gate.passed]


def gate(assessment: Assessment, name: str) -> Gate:
    return next(gate for gate in assessment.gates if gate.name == name)


def test_gates_in_order() -> None:
    names = [gate.name for gate in assess(MiSeqRun(MISEQ_NAME)).gates]
    assert names == ["flag RTAComplete.txt", "local analysis", "run status", "RunInfo.xml readable"]
    names = [gate.name for gate in assess(NextSeqRun(NEXTSEQ_NAME, copy_complete=True)).gates]
    assert names == [
        "flag RunCompletionStatus.xml",
        "flag RTAComplete.txt",
        "flag CopyComplete.txt",
        "run status",
        "RunInfo.xml readable",
    ]


@pytest.mark.parametrize(
    ("run", "outcome", "not_passed"),
    [
        (MiSeqRun(MISEQ_NAME), Outcome.GOOD, []),
        (MiSeqRun(MISEQ_NAME, no_flags=True), Outcome.UNKNOWN, ["flag RTAComplete.txt"]),
        (MiSeqRun(MISEQ_NAME, analysis="queued"), Outcome.UNKNOWN, ["local analysis"]),
        (MiSeqRun(MISEQ_NAME, analysis="done"), Outcome.GOOD, []),
        (MiSeqRun(MISEQ_NAME, analysis="error"), Outcome.FAILED, []),
        (MiSeqRun(MISEQ_NAME, outcome="SuccessfullyCompleted"), Outcome.GOOD, []),
        (MiSeqRun(MISEQ_NAME, outcome="UserEndedEarly"), Outcome.ENDED_EARLY, []),
        (MiSeqRun(MISEQ_NAME, outcome="Hm"), Outcome.UNKNOWN, ["run status"]),
        (
            MiSeqRun(MISEQ_NAME, outcome="SuccessfullyCompleted", half_written_status=True),
            Outcome.UNKNOWN,
            ["run status"],
        ),
        # Each of two files has a word, and the worse one counts: nobody knows which is right.
        (
            MiSeqRun(MISEQ_NAME, outcome="SuccessfullyCompleted", analysis="error"),
            Outcome.FAILED,
            [],
        ),
        (MiSeqRun(MISEQ_NAME, outcome="UserEndedEarly", analysis="error"), Outcome.FAILED, []),
        (MiSeqRun(MISEQ_NAME, outcome="Hm", analysis="error"), Outcome.UNKNOWN, ["run status"]),
        (
            MiSeqRun(MISEQ_NAME, outcome="SuccessfullyCompleted", analysis="done"),
            Outcome.GOOD,
            [],
        ),
        (NextSeqRun(NEXTSEQ_NAME), Outcome.GOOD, []),
        (NextSeqRun(NEXTSEQ_NAME, outcome="UserEndedEarly"), Outcome.ENDED_EARLY, []),
        (NextSeqRun(NEXTSEQ_NAME, outcome="ExceptionEndedEarly"), Outcome.ENDED_EARLY, []),
        (NextSeqRun(NEXTSEQ_NAME, outcome="RunErrored"), Outcome.FAILED, []),
        (NextSeqRun(NEXTSEQ_NAME, outcome="Paused"), Outcome.UNKNOWN, ["run status"]),
        (NextSeqRun(NEXTSEQ_NAME, half_written_status=True), Outcome.UNKNOWN, ["run status"]),
        (
            NextSeqRun(NEXTSEQ_NAME, no_flags=True),
            Outcome.UNKNOWN,
            ["flag RunCompletionStatus.xml", "flag RTAComplete.txt"],
        ),
    ],
)
def test_runs_of_the_simulator(run: SequencerRun, outcome: Outcome, not_passed: list[str]) -> None:
    assessment = assess(run)
    assert failing(assessment) == not_passed
    assert assessment.outcome is outcome
    assert assessment.complete is (not not_passed)


@pytest.mark.parametrize("missing", ["RunCompletionStatus.xml", "RTAComplete.txt", "RunInfo.xml"])
def test_a_nextseq_run_needs_each_of_its_files(missing: str) -> None:
    files = NextSeqRun(NEXTSEQ_NAME).files()
    del files[missing]
    assert not look(NEXTSEQ500, files).complete


def test_an_unknown_status_needs_a_person_and_a_half_written_one_does_not() -> None:
    unknown = gate(assess(NextSeqRun(NEXTSEQ_NAME, outcome="Paused")), "run status")
    assert (unknown.found, unknown.needs_person) == ("unknown status: Paused", True)
    half = gate(assess(NextSeqRun(NEXTSEQ_NAME, half_written_status=True)), "run status")
    assert "half-written" in half.found
    assert half.unreadable
    assert not half.needs_person


def test_a_failed_analysis_leaves_the_run_owing_all_its_cycles() -> None:
    run = MiSeqRun(MISEQ_NAME, outcome="SuccessfullyCompleted", analysis="error")
    facts = assess(run).facts
    assert facts.error_text == "local analysis: Analysis failed"
    check = MISEQ.structure(facts)
    assert check is not None
    for path, content in run.files().items():
        if "/C14.1/" not in path:
            check.see(path, len(content))
    assert check.problems()[0].startswith("lane 1: cycle 14 of 1..14 is missing")


def test_a_good_status_beside_an_error_needs_a_person_and_says_both() -> None:
    files = NextSeqRun(NEXTSEQ_NAME).files()
    files["RunCompletionStatus.xml"] = (
        b"<RunCompletionStatus><RunStatus>RunCompleted</RunStatus>"
        b"<RunError><Message>disk full</Message></RunError></RunCompletionStatus>"
    )
    assessment = look(NEXTSEQ500, files)
    told = gate(assessment, "run status")
    assert (told.passed, told.needs_person) == (False, True)
    assert told.found == "unknown status: RunCompleted, and yet an error (disk full)"
    assert assessment.outcome is Outcome.UNKNOWN


def test_a_run_info_of_ninety_thousand_reads_adds_nothing_to_the_facts() -> None:
    files = MiSeqRun(MISEQ_NAME).files()
    reads = b"<Read NumCycles='0'/>" * 90_000
    files["RunInfo.xml"] = b"<RunInfo><Run Id='x'><Reads>%s</Reads></Run></RunInfo>" % reads
    assessment = look(MISEQ, files)
    assert failing(assessment) == ["RunInfo.xml readable"]
    assert gate(assessment, "RunInfo.xml readable").found.startswith("RunInfo.xml: 90000 reads")
    assert len(json.dumps(asdict(assessment.facts))) < 2000


def test_how_a_run_ended_is_told_with_its_error() -> None:
    told = gate(assess(NextSeqRun(NEXTSEQ_NAME, outcome="UserEndedEarly")), "run status")
    assert told.found == "UserEndedEarly: ended-early (Thread was being aborted.)"


@pytest.mark.parametrize("name", ["RunCompletionStatus.xml", "RunInfo.xml"])
@pytest.mark.parametrize("content", [None, b"", b"<RunInfo>"])
def test_a_file_that_can_not_be_read_is_not_yet(name: str, content: bytes | None) -> None:
    files: dict[str, bytes | None] = {**NextSeqRun(NEXTSEQ_NAME).files(), name: content}
    assessment = look(NEXTSEQ500, files)
    assert not assessment.complete
    assert not any(gate.needs_person for gate in assessment.gates)
    assert all(gate.unreadable for gate in assessment.gates if not gate.passed)
    assert any(gate.unreadable for gate in assessment.gates)


def test_names_are_matched_whatever_their_case() -> None:
    for run, kind in ((MiSeqRun(MISEQ_NAME), MISEQ), (NextSeqRun(NEXTSEQ_NAME), NEXTSEQ500)):
        files = {path.upper(): content for path, content in run.files().items()}
        assert look(kind, files).complete
        assert look(kind, files, flags=("rtacomplete.TXT",)).complete


@pytest.mark.parametrize("run", [MiSeqRun(MISEQ_NAME), NextSeqRun(NEXTSEQ_NAME)])
def test_a_learned_flag_is_waited_for(run: SequencerRun) -> None:
    learned = frozenset({"copycomplete.txt"})
    assert failing(assess(run, learned=learned)) == ["flag CopyComplete.txt"]
    run.copy_complete = True
    try:
        assert assess(run, learned=learned).complete
    finally:
        run.copy_complete = False


def test_a_learned_flag_is_asked_of_no_older_run_and_of_no_other_instrument() -> None:
    serial = NEXTSEQ_NAME.split("_")[1]
    for since, other, complete in (
        ("20180612", serial, False),
        ("20180613", serial, True),
        ("20180101", "NB501017", True),
    ):
        learned = frozenset({f"copycomplete.txt@{other}@{since}"})
        assert assess(NextSeqRun(NEXTSEQ_NAME), learned=learned).complete is complete


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        (NEXTSEQ_NAME, False),
        (f"{NEXTSEQ_NAME}_finished", True),
        (f"{NEXTSEQ_NAME} (2)", True),
        (f"{NEXTSEQ_NAME}.old", True),
        (f"{NEXTSEQ_NAME}\n", True),
        (f"{NEXTSEQ_NAME}.tmp", False),
        (f"old_{NEXTSEQ_NAME}", False),
        ("180612_NB501016_0001_", False),
        ("Calibration", False),
    ],
)
def test_a_name_that_was_made_out_of_a_runs_name_is_odd(name: str, odd: bool) -> None:
    assert NEXTSEQ500.odd_name(name) is odd
    assert not (odd and NEXTSEQ500.is_run(name))


def test_flags_of_the_configuration_may_hold_the_runs_name() -> None:
    run = NextSeqRun(NEXTSEQ_NAME)
    flags = ("{name}.done",)
    assert failing(assess(run, flags=flags)) == [f"flag {NEXTSEQ_NAME}.done"]
    files = {**run.files(), f"{NEXTSEQ_NAME}.DONE": b""}
    assert look(NEXTSEQ500, files, name=NEXTSEQ_NAME, flags=flags).complete


def test_a_learned_flag_of_another_kind_means_nothing() -> None:
    assert assess(MiSeqRun(MISEQ_NAME), learned=frozenset({"sequencecomplete.txt"})).complete


def test_configured_flags_replace_the_own_and_the_learned_ones() -> None:
    run = NextSeqRun(NEXTSEQ_NAME)
    waiting = assess(run, flags=("Done.txt",), learned=frozenset({"copycomplete.txt"}))
    assert failing(waiting) == ["flag Done.txt"]
    files = {**run.files(), "done.txt": b""}
    del files["RTAComplete.txt"]
    assert look(NEXTSEQ500, files, flags=("Done.txt",)).complete


def test_with_configured_flags_the_status_file_still_counts() -> None:
    for outcome in ("Paused", "UserEndedEarly"):
        run = NextSeqRun(NEXTSEQ_NAME, outcome=outcome)
        assessment = assess(run, flags=("RTAComplete.txt",))
        assert assessment.complete is (outcome == "UserEndedEarly")
        assert assessment.outcome is not Outcome.GOOD


def test_with_configured_flags_and_no_status_file_a_nextseq_run_has_no_known_outcome() -> None:
    files = NextSeqRun(NEXTSEQ_NAME).files()
    del files["RunCompletionStatus.xml"]
    assessment = look(NEXTSEQ500, files, flags=("RTAComplete.txt",))
    assert assessment.complete
    assert assessment.outcome is Outcome.UNKNOWN


def test_configured_flags_do_not_wait_for_an_analysis_that_never_ends() -> None:
    run = MiSeqRun(MISEQ_NAME, analysis="queued")
    assert not assess(run).complete
    assert assess(run, flags=("RTAComplete.txt",)).complete


def test_no_configured_flag_at_all_leaves_those_of_the_kind() -> None:
    assert failing(assess(MiSeqRun(MISEQ_NAME, no_flags=True), flags=())) == [
        "flag RTAComplete.txt"
    ]


@pytest.mark.parametrize("flags", [None, ("RTAComplete.txt",)])
def test_a_half_written_job_info_is_not_yet(flags: tuple[str, ...] | None) -> None:
    files = MiSeqRun(MISEQ_NAME, analysis="done").files()
    files["CompletedJobInfo.xml"] = files["CompletedJobInfo.xml"][:-5]
    assessment = look(MISEQ, files, flags=flags)
    assert failing(assessment) == ["local analysis"]
    assert gate(assessment, "local analysis").unreadable
    assert assessment.outcome is Outcome.UNKNOWN


def test_a_job_info_that_is_something_else_is_unreadable_and_a_queued_one_is_not() -> None:
    files = MiSeqRun(MISEQ_NAME, analysis="done").files()
    files["CompletedJobInfo.xml"] = b"<SomethingElse/>"
    foreign = gate(look(MISEQ, files), "local analysis")
    assert (foreign.passed, foreign.unreadable) == (False, True)
    assert "<SomethingElse>" in foreign.found
    queued = gate(assess(MiSeqRun(MISEQ_NAME, analysis="queued")), "local analysis")
    assert (queued.passed, queued.unreadable) == (False, False)


@pytest.mark.parametrize("content", [None, b"", b"<RunPar", b"<SomethingElse/>"])
def test_run_parameters_that_can_not_be_read_are_told_and_hold_nothing(
    content: bytes | None,
) -> None:
    files: dict[str, bytes | None] = {**NextSeqRun(NEXTSEQ_NAME).files()}
    files["RunParameters.xml"] = content
    assessment = look(NEXTSEQ500, files)
    assert assessment.complete
    told = gate(assessment, "RunParameters.xml")
    assert told.found.startswith("RunParameters.xml: ")
    assert told.warns
    del files["RunParameters.xml"]
    assert "RunParameters.xml" not in {one.name for one in look(NEXTSEQ500, files).gates}


def test_a_nextseq_does_not_wait_for_an_analysis() -> None:
    files = {**NextSeqRun(NEXTSEQ_NAME).files(), "QueuedForAnalysis.txt": b""}
    assert look(NEXTSEQ500, files).complete
    files["CompletedJobInfo.xml"] = b"<AnalysisJobInfo><Error>Whoops</Error></AnalysisJobInfo>"
    assert look(NEXTSEQ500, files).facts.error_text is None


def test_a_run_id_that_is_not_the_folder_name_is_told_and_passes() -> None:
    files = NextSeqRun(NEXTSEQ_NAME).files()
    assessment = look(NEXTSEQ500, files, name="180612_NB501016_0002_AHXXXXXXXX")
    assert assessment.complete
    assert assessment.facts.run_id == NEXTSEQ_NAME
    assert "not the folder's name" in gate(assessment, "RunInfo.xml readable").found
    same = look(NEXTSEQ500, files, name=NEXTSEQ_NAME.lower())
    assert "not the folder's name" not in gate(same, "RunInfo.xml readable").found


def test_facts_of_a_run() -> None:
    facts = assess(NextSeqRun(NEXTSEQ_NAME, outcome="UserEndedEarly", experiment="E & co")).facts
    assert facts.experiment == "E & co"
    assert (facts.lanes, facts.cycles) == (4, 14)
    assert (facts.planned_cycles, facts.completed_cycles) == (14, 7)
    assert facts.status_text == "UserEndedEarly"
    assert facts.software == "NextSeq Control Software 2.1.0.31, RTA 2.4.11"


@pytest.mark.parametrize(
    ("run", "sound"),
    [
        (MiSeqRun(MISEQ_NAME, tiles=4), True),
        (MiSeqRun(MISEQ_NAME, tiles=4, missing_tiles=[(c, 4) for c in range(1, 15)]), False),
        (NextSeqRun(NEXTSEQ_NAME), True),
        (NextSeqRun(NEXTSEQ_NAME, outcome="UserEndedEarly"), True),
        (NextSeqRun(NEXTSEQ_NAME, outcome="UserEndedEarly", missing_in=[(3, 2)]), False),
        (NextSeqRun(NEXTSEQ_NAME, completed_cycles=13), False),
    ],
)
def test_the_structure_check_of_a_kind_works_on_its_facts(run: SequencerRun, sound: bool) -> None:
    kind = MISEQ if isinstance(run, MiSeqRun) else NEXTSEQ500
    check = kind.structure(assess(run).facts)
    assert check is not None
    for path, content in run.files().items():
        check.see(path, len(content))
    assert (not check.problems()) is sound


@pytest.mark.parametrize(
    ("name", "is_run"),
    [
        (MISEQ_NAME, True),
        ("20240531_LH00130_0061_A22CC55LT4", True),
        ("170517_ST-E00266_0210_BHJCFFALXX", True),
        ("180103_M000000_0000_0000000000", True),
        ("180103_M000000_1_X", True),
        ("20200624_FS10000106_66_BPA73105-2609", True),
        ("230710_VH00464_302_AACJ3MWM5", True),
        ("20260205_SH01038_0007_ASC2139476-SC3", True),
        ("Instrument", False),
        ("nosync", False),
        (f"{MISEQ_NAME}.tmp", False),
        (f".{MISEQ_NAME}", False),
        (f"{MISEQ_NAME}_finished", False),
        (f"{MISEQ_NAME} - Copy", False),
        (f"{MISEQ_NAME}\n", False),
        ("System Volume Information", False),
        ("$RECYCLE.BIN", False),
        ("lost+found", False),
        (".datalake-syncd-trash", False),
        ("", False),
        ("1801050_M00000_0001_X", False),
        ("\u0661\u0668\u0660\u0661\u0660\u0665_M00000_0001_X", False),
        ("180105_M00000_000001_X", False),
    ],
)
def test_which_folders_are_runs(name: str, is_run: bool) -> None:
    assert all(KINDS[model.kind].is_run(name) is is_run for model in MODELS)
