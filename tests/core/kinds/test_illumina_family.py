"""Every Illumina model: its flags and no others, what may lapse, analyses, facts, structure."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.kinds.illumina.runstatus import outcome_of
from datalake_syncd.core.kinds.kind import NO_CHECKSUMS
from datalake_syncd.core.model import Outcome
from demo.sequencer import NovaSeqXRun
from tests.illumina import (
    CBCL_KINDS,
    KINDS_WITH_STATUS,
    NAMES,
    assess,
    failing,
    lapsing,
    problems_of,
    run_of,
    top_of,
)

RTA, COPY = "RTAComplete.txt", "CopyComplete.txt"
STATUS, JOB, QUEUED = "RunCompletionStatus.xml", "CompletedJobInfo.xml", "QueuedForAnalysis.txt"
NETCOPY, SEQUENCED = "Basecalling_Netcopy_complete.txt", "SequencingComplete.txt"
FLAGS = {
    "miseq": (RTA,),
    "miseq-i100": (COPY, STATUS),
    "miniseq": (RTA,),
    "iseq": (COPY,),
    "nextseq500": (STATUS, RTA),
    "nextseq2000": (COPY, STATUS),
    "novaseq6000": (RTA, COPY),
    "novaseqx": (COPY, STATUS),
    "hiseq2500": (RTA, NETCOPY),
    "hiseqx": (RTA, SEQUENCED),
}
LEARNED = {"miseq", "miniseq", "nextseq500"}
ANALYSING = {"miseq", "miniseq", "iseq"}
ONBOARD = {"nextseq2000", "novaseqx"}

every_kind = pytest.mark.parametrize("kind", NAMES)
learning = pytest.mark.parametrize("kind", sorted(LEARNED))
analysing = pytest.mark.parametrize("kind", sorted(ANALYSING))
onboard = pytest.mark.parametrize("kind", sorted(ONBOARD))


@every_kind
def test_each_kind_has_its_own_flags(kind: str) -> None:
    rules = KINDS[kind]
    assert rules.name == kind
    assert rules.flags == FLAGS[kind]
    assert rules.learned_flags == ((COPY,) if kind in LEARNED else ())
    assert (JOB in rules.metadata_files) is (kind in ANALYSING)
    assert bool(rules.folders) is (kind in ONBOARD)
    assert (rules.checksum_lists is not None) is (kind == "novaseqx")
    assert (rules.read_checksums is not None) is (kind == "novaseqx")
    assert rules.unique_names


@every_kind
def test_a_whole_run_is_complete_and_good(kind: str) -> None:
    run = run_of(kind)
    assessment = assess(KINDS[kind], run.files(), name=run.name)
    assert failing(assessment) == []
    assert lapsing(assessment) == []
    assert assessment.outcome is Outcome.GOOD
    assert problems_of(KINDS[kind], run.files()) == ()


@every_kind
def test_a_run_that_crashed_waits_and_nothing_lapses(kind: str) -> None:
    run = run_of(kind, no_flags=True)
    assessment = assess(KINDS[kind], run.files(), name=run.name)
    missing = {f"flag {flag}" for flag in FLAGS[kind]}
    assert set(failing(assessment)) >= missing
    assert lapsing(assessment) == []
    assert assessment.outcome is Outcome.UNKNOWN


@every_kind
def test_each_flag_is_needed_and_lapses_beside_another_one(kind: str) -> None:
    for flag in FLAGS[kind]:
        run = run_of(kind, without=(flag,))
        assessment = assess(KINDS[kind], run.files(), name=run.name)
        expected = [f"flag {flag}"]  # the status file that is missing is named once
        assert failing(assessment) == expected
        assert lapsing(assessment) == (expected if len(FLAGS[kind]) > 1 else [])
        # Whatever the engine lets pass later: without its status file nobody calls a run good.
        wanted = Outcome.GOOD if STATUS in FLAGS[kind] and flag != STATUS else Outcome.UNKNOWN
        assert assessment.outcome is wanted


@every_kind
def test_the_flags_of_all_other_kinds_together_mean_nothing(kind: str) -> None:
    files: dict[str, bytes | None] = {**run_of(kind, no_flags=True).files()}
    others = {flag for flags in FLAGS.values() for flag in flags} - set(FLAGS[kind])
    files.update(dict.fromkeys(others - {STATUS}, b""))
    files.update(dict.fromkeys(("SequenceComplete.txt", "RTAExited.txt"), b""))
    assessment = assess(KINDS[kind], files)
    assert set(failing(assessment)) >= {f"flag {flag}" for flag in FLAGS[kind]}
    assert lapsing(assessment) == []


@learning
def test_a_learned_flag_may_lapse_beside_an_own_one(kind: str) -> None:
    learned = frozenset({"copycomplete.txt"})
    files = run_of(kind).files()
    assessment = assess(KINDS[kind], files, learned=learned)
    assert failing(assessment) == lapsing(assessment) == [f"flag {COPY}"]
    for flag in FLAGS[kind]:
        files.pop(flag)
    assert lapsing(assess(KINDS[kind], files, learned=learned)) == []
    assert not assess(KINDS[kind], {**files, COPY: b""}, learned=learned).complete


@pytest.mark.parametrize("kind", sorted(NAMES.keys() - LEARNED - {"iseq"}))
def test_other_kinds_learn_nothing(kind: str) -> None:
    assert assess(KINDS[kind], run_of(kind).files(), learned=frozenset({"done.txt"})).complete


@analysing
def test_a_queued_analysis_is_waited_for_and_may_lapse(kind: str) -> None:
    rules = KINDS[kind]
    files = run_of(kind, analysis="queued").files()
    assessment = assess(rules, files)
    assert failing(assessment) == lapsing(assessment) == ["local analysis"]
    assert assessment.outcome is Outcome.UNKNOWN
    crashed = {path: data for path, data in files.items() if path not in FLAGS[kind]}
    assert lapsing(assess(rules, crashed)) == []
    done = assess(rules, run_of(kind, analysis="done").files())
    assert (failing(done), done.outcome) == ([], Outcome.GOOD)
    error = assess(rules, run_of(kind, analysis="error").files())
    assert (failing(error), error.outcome) == ([], Outcome.FAILED)
    assert error.facts.error_text == "local analysis: Analysis failed"


@analysing
@pytest.mark.parametrize("content", [None, b"", b"<AnalysisJobInfo>", b"<Other/>"])
def test_an_unreadable_job_info_never_lapses(kind: str, content: bytes | None) -> None:
    files: dict[str, bytes | None] = {**run_of(kind, analysis="done").files(), JOB: content}
    assessment = assess(KINDS[kind], files)
    assert failing(assessment) == ["local analysis"]
    assert lapsing(assessment) == []


@onboard
@pytest.mark.parametrize(
    ("analyses", "unfinished"),
    [
        ({"1": True}, []),
        ({"1": True, "2": True, "10": True}, []),
        ({"1": False}, ["1"]),
        ({"10": False, "1": True, "2": False}, ["2", "10"]),
        # What has no number is no analysis.
        ({"1": True, "1_old": False, "tmp": False, "1.part": False, "\u0661": False}, []),
    ],
)
def test_every_analysis_that_exists_must_be_finished(
    kind: str, analyses: dict[str, bool], unfinished: list[str]
) -> None:
    files = run_of(kind, analyses=analyses).files()
    names = [f"flag Analysis/{number}/{COPY}" for number in unfinished]
    assert failing(assess(KINDS[kind], files)) == names
    assert lapsing(assess(KINDS[kind], files)) == names
    upper = {path.upper(): data for path, data in files.items()}
    assert len(lapsing(assess(KINDS[kind], upper))) == len(names)
    for flag in FLAGS[kind]:
        files.pop(flag)
    assert lapsing(assess(KINDS[kind], files)) == []


@onboard
def test_a_file_is_no_analysis_and_a_flag_elsewhere_is_none(kind: str) -> None:
    files = {**run_of(kind).files(), "Analysis/7": b"a file"}
    assert assess(KINDS[kind], files).complete
    files = {**run_of(kind, analyses={"1": False}).files(), f"Analysis/{COPY}": b""}
    files[f"Analysis/1/Data/{COPY}"] = b""
    assert failing(assess(KINDS[kind], files)) == [f"flag Analysis/1/{COPY}"]


@every_kind
def test_flags_of_the_configuration_never_lapse(kind: str) -> None:
    files = run_of(kind).files()
    files = {**files, QUEUED: b"", "Analysis/1/Data.txt": b""}
    learned = frozenset({"copycomplete.txt"})
    waiting = assess(KINDS[kind], files, learned=learned, flags=("Done.txt", *FLAGS[kind]))
    assert failing(waiting) == ["flag Done.txt"]
    assert lapsing(waiting) == []
    # They replace the wait for an analysis, too.
    assert assess(KINDS[kind], {**files, "DONE.txt": b""}, flags=("Done.txt",)).complete


WORD = "<RunCompletionStatus><RunStatus>{}</RunStatus></RunCompletionStatus>"


@every_kind
@pytest.mark.parametrize("status", [None, b"", WORD.encode()[:-9], WORD.format("Paused").encode()])
def test_a_status_that_says_nothing_clear_never_lapses(kind: str, status: bytes | None) -> None:
    files: dict[str, bytes | None] = {**run_of(kind).files(), STATUS: status}
    assessment = assess(KINDS[kind], files)
    assert failing(assessment) == ["run status"]
    assert lapsing(assessment) == []
    assert assessment.outcome is Outcome.UNKNOWN
    gate = next(gate for gate in assessment.gates if gate.name == "run status")
    assert gate.needs_person is (b"Paused" in (status or b""))
    # Not even beside a flag that may.
    files.pop(next(flag for flag in FLAGS[kind] if flag != STATUS))
    assert "run status" in failing(assess(KINDS[kind], files))
    assert "run status" not in lapsing(assess(KINDS[kind], files))


@every_kind
def test_run_info_never_lapses(kind: str) -> None:
    assessment = assess(KINDS[kind], run_of(kind, without=("RunInfo.xml",)).files())
    assert failing(assessment) == ["RunInfo.xml readable"]
    assert lapsing(assessment) == []


@pytest.mark.parametrize("kind", KINDS_WITH_STATUS)
@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("CompletedAsPlanned", Outcome.GOOD),
        ("RunCompleted", Outcome.GOOD),
        ("SuccessfullyCompleted", Outcome.GOOD),
        ("UserEndedEarly", Outcome.ENDED_EARLY),
        ("ExceptionEndedEarly", Outcome.ENDED_EARLY),
        ("RunErrored", Outcome.FAILED),
    ],
)
def test_how_a_run_ended(kind: str, word: str, outcome: Outcome) -> None:
    run = run_of(kind, outcome=word, cycles=(4, 4))
    assessment = assess(KINDS[kind], run.files(), name=run.name)
    assert (failing(assessment), assessment.outcome) == ([], outcome)
    assert problems_of(KINDS[kind], run.files()) == ()
    if kind != "nextseq500" and outcome is Outcome.FAILED:
        assert "integrity check failed" in (assessment.facts.error_text or "")


VERSIONS = {
    "miseq": "MiSeq Control Software 2.6.2.1, RTA 1.18.54",
    "miseq-i100": "MiSeqi100Series Control Software 1.1.0.26158",
    "miniseq": "MiniSeq Control Software 1.1.8.0, RTA 2.8.6.0",
    "iseq": "iSeq Control Software 1.4.0.500, RTA 2.12.5.0",
    "nextseq500": "NextSeq Control Software 2.1.0.31, RTA 2.4.11",
    "nextseq2000": "NextSeq 1000/2000 Control Software 1.1.0.27334, RTA 3.6.14",
    "novaseq6000": "NovaSeq Control Software 1.6.0, RTA v3.4.4",
    "novaseqx": "NovaSeqXSeries Control Software 1.2.0.28691",
    "hiseq2500": "HiSeq Control Software 2.2.58, RTA 1.18.64",
    "hiseqx": "HiSeq Control Software 3.4.0.38, RTA 2.7.7",
}


@every_kind
def test_facts_of_a_run(kind: str) -> None:
    run = run_of(kind, 61, experiment="E & co")
    facts = assess(KINDS[kind], run.files(), name=run.name).facts
    parts = run.name.split("_")
    sided = kind not in ("miseq", "iseq", "nextseq2000")
    assert facts.run_id == run.name
    assert (facts.instrument_id, facts.run_number) == (parts[1], "61")
    assert facts.flowcell == (parts[3][1:] if sided else parts[3])
    assert facts.date
    assert facts.experiment == "E & co"
    assert facts.software == VERSIONS[kind]
    assert facts.lanes == run.lanes
    assert facts.reads == ((1, 3, False), (2, 2, True))
    assert facts.planned_cycles == 5
    told = ("nextseq500", "miseq-i100", "novaseqx", "nextseq2000", "iseq")
    assert facts.completed_cycles == (5 if kind in told else None)
    assert facts.status_text == run.outcome


@every_kind
def test_a_missing_lane_or_cycle_is_named(kind: str) -> None:
    rules = KINDS[kind]
    gap = problems_of(rules, run_of(kind, lanes=2, missing_in=[(2, 3)]).files())
    assert len(gap) == 1
    assert gap[0].startswith("lane 2: cycle 3 of 1..5 is missing")
    lane = [(1, cycle) for cycle in range(1, 6)]
    gone = problems_of(rules, run_of(kind, lanes=2, missing_in=lane).files())
    assert gone[0].startswith("lane 1: all of cycles 1..5 are missing")
    nothing = problems_of(rules, run_of(kind, missing_cycles=range(1, 6)).files())
    assert nothing[0].startswith("no base calls at all: ")
    empty = problems_of(rules, run_of(kind, lanes=1, empty_cycles=(2,)).files())
    assert empty[0].startswith("lane 1: files of cycle 2 have 0 bytes")


@every_kind
def test_the_file_that_arrives_after_the_flag_is_missed(kind: str) -> None:
    base = "Data/Intensities/BaseCalls"
    files = run_of(kind).files()
    last = [path for path in files if path.startswith(base) and ("C5.1" in path or "0005" in path)]
    assert last
    for path in last:
        if not path.endswith((".stats", ".bci")):
            less = {name: data for name, data in files.items() if name != path}
            assert problems_of(KINDS[kind], less), path


@pytest.mark.parametrize("kind", sorted(set(CBCL_KINDS) - {"miseq-i100"}))
def test_a_surface_that_is_missing_in_every_cycle_is_noticed(kind: str) -> None:
    run = run_of(kind, lanes=1, missing_surfaces=[(cycle, 2) for cycle in range(1, 6)])
    problems = problems_of(KINDS[kind], run.files())
    assert problems == ("lane 1: cycles 1-5 have 1 of 2 surfaces (C<n>.1/L00n_<surface>.cbcl)",)
    # A flow cell of which one surface is scanned is whole with one.
    assert problems_of(KINDS[kind], run_of(kind, surfaces=1).files()) == ()


def test_where_a_novaseq_x_keeps_its_checksums() -> None:
    rules = KINDS["novaseqx"]
    run = run_of("novaseqx", analyses={"1": True, "2": False, "old": True})
    assert isinstance(run, NovaSeqXRun)
    files = run.files()
    assert rules.checksum_lists
    assert rules.read_checksums
    lists = rules.checksum_lists(top_of(rules, files))
    assert lists == ("Manifest.tsv", "Analysis/1/Manifest.tsv", "Analysis/2/Manifest.tsv")
    for path in lists:
        found = rules.read_checksums(path, files[path])
        assert found.problems == ()
        assert found.entries
        for listed, checksum in found.entries.items():
            assert checksum == f"crc32:{zlib.crc32(files[listed]):08x}", listed
    assert "RunInfo.xml" in rules.read_checksums("Manifest.tsv", files["Manifest.tsv"]).entries
    spelled = {path.replace("Manifest", "MANIFEST"): data for path, data in files.items()}
    assert rules.checksum_lists(top_of(rules, spelled))[0] == "MANIFEST.tsv"
    assert rules.checksum_lists(top_of(rules, {"RunInfo.xml": b""})) == ()


def test_a_list_that_a_novaseq_x_did_not_write_is_told() -> None:
    rules = KINDS["novaseqx"]
    files = run_of("novaseqx", analyses={"1": True, "2": True}).files()

    def told(*without: str) -> list[str]:
        left = {path: data for path, data in files.items() if path not in without}
        found = rules.assess(top_of(rules, left))
        assert found.complete
        assert found.outcome is Outcome.GOOD
        return [gate.found for gate in found.gates if gate.name == NO_CHECKSUMS]

    assert told() == []
    ending = ": its checksums can't be compared"
    assert told("Manifest.tsv") == [f"no Manifest.tsv in the run folder{ending}"]
    both = f"no Manifest.tsv in the run folder, Analysis/2{ending}"
    assert told("Manifest.tsv", "Analysis/2/Manifest.tsv") == [both]
    others = KINDS["novaseq6000"]
    made = others.assess(top_of(others, run_of("novaseq6000").files()))
    assert all(gate.name != NO_CHECKSUMS for gate in made.gates)


STATUSES = ["CompletedAsPlanned", "RunCompleted", "UserEndedEarly", "RunErrored", "Paused", ""]
SIGNS = sorted({flag for flags in FLAGS.values() for flag in flags} | {QUEUED, JOB} - {STATUS})
ANALYSES = ["Analysis/1/Data.txt", "Analysis/1/CopyComplete.txt", "Analysis/x/Data.txt"]


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(list(NAMES)),
    signs=st.sets(st.sampled_from(SIGNS)),
    analyses=st.sets(st.sampled_from(ANALYSES)),
    status=st.sampled_from([None, *STATUSES]),
    info=st.booleans(),
    learned=st.booleans(),
    flags=st.sampled_from([None, (), ("Done.txt",), (RTA,)]),
)
def test_no_run_is_called_complete_or_good_for_less_than_its_kind_asks(
    kind: str,
    signs: set[str],
    analyses: set[str],
    status: str | None,
    info: bool,
    learned: bool,
    flags: tuple[str, ...] | None,
) -> None:
    files: dict[str, bytes | None] = dict.fromkeys(signs | analyses, b"<AnalysisJobInfo/>")
    if status is not None:
        files[STATUS] = WORD.format(status).encode() if status else b"<RunCompl"
    if info:
        files["RunInfo.xml"] = b'<RunInfo><Run Id="R"/></RunInfo>'
    known = frozenset({"copycomplete.txt"}) if learned else frozenset()
    assessment = assess(KINDS[kind], files, learned=known, flags=flags)

    needed = set(flags or FLAGS[kind])
    ended = outcome_of(status)
    if assessment.complete:
        assert needed <= files.keys()
        assert info
        assert ended is not Outcome.UNKNOWN or (status is None and STATUS not in needed)
        if not flags:
            assert JOB in files or QUEUED not in files or kind not in ANALYSING
            assert COPY in files or not (learned and kind in LEARNED)
            unfinished = ANALYSES[0] in files and ANALYSES[1] not in files
            assert not (unfinished and kind in ONBOARD)
    if assessment.outcome is Outcome.GOOD:
        word = ended is Outcome.GOOD
        assert word or (assessment.complete and STATUS not in FLAGS[kind])
    for gate in assessment.gates:
        if gate.may_lapse:
            assert not gate.passed
            assert not gate.needs_person
            assert not flags
            assert files.keys() & set(FLAGS[kind])
