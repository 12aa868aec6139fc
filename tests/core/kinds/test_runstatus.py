"""RunCompletionStatus.xml in both schemas and CompletedJobInfo.xml into outcomes."""

from __future__ import annotations

import pytest

from datalake_syncd.core.kinds.illumina.runstatus import (
    RunEnd,
    outcome_of,
    read_job_info,
    read_run_status,
)
from datalake_syncd.core.model import Outcome


def status(inside: str) -> RunEnd:
    return read_run_status(f"<RunCompletionStatus>{inside}</RunCompletionStatus>".encode())


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("CompletedAsPlanned", Outcome.GOOD),
        ("SuccessfullyCompleted", Outcome.GOOD),
        ("RunCompleted", Outcome.GOOD),
        ("runcompleted", Outcome.GOOD),
        ("UserEndedEarly", Outcome.ENDED_EARLY),
        ("ExceptionEndedEarly", Outcome.ENDED_EARLY),
        ("RunErrored", Outcome.FAILED),
        ("RunCompletedWithWarnings", Outcome.UNKNOWN),
        ("Completed", Outcome.UNKNOWN),
        ("NotCompletedAsPlanned", Outcome.UNKNOWN),
    ],
)
@pytest.mark.parametrize("tag", ["CompletionStatus", "RunStatus"])
def test_words_of_the_status(tag: str, word: str, outcome: Outcome) -> None:
    end = status(f"<{tag}> {word}\n</{tag}>")
    assert end == RunEnd(outcome=outcome, status_text=word)
    assert outcome_of(word) is outcome


def test_first_schema_with_cycles_and_error() -> None:
    end = status(
        "<CompletionStatus>UserEndedEarly</CompletionStatus><RunId>R</RunId>"
        "<PlannedRead1Cycles>75</PlannedRead1Cycles>"
        "<PlannedIndex1ReadCycles>8</PlannedIndex1ReadCycles>"
        "<CompletedRead1Cycles>75</CompletedRead1Cycles>"
        "<CompletedIndex1ReadCycles>3</CompletedIndex1ReadCycles>"
        "<ErrorDescription>Thread\n was aborted</ErrorDescription>"
    )
    assert end == RunEnd(
        Outcome.ENDED_EARLY, "UserEndedEarly", "Thread was aborted", 83, 78, problem=""
    )


@pytest.mark.parametrize("text", ["None", "none", "", " "])
def test_no_error_is_no_error(text: str) -> None:
    end = status(
        f"<CompletionStatus>CompletedAsPlanned</CompletionStatus>"
        f"<ErrorDescription>{text}</ErrorDescription>"
    )
    assert end.error_text is None


def test_second_schema_with_cycles_and_error() -> None:
    end = status(
        '<CompletedReads><Read ReadName="Read1" Cycles="151"/><Read Cycles="8"/></CompletedReads>'
        "<RunStatus>RunErrored</RunStatus>"
        "<RunError><Type>Some.Exception</Type><Message>disk full</Message></RunError>"
    )
    assert end == RunEnd(
        Outcome.FAILED, "RunErrored", "Some.Exception: disk full", None, 159, problem=""
    )


def test_two_statuses_that_disagree_are_unknown() -> None:
    end = status(
        "<CompletionStatus>CompletedAsPlanned</CompletionStatus><RunStatus>RunErrored</RunStatus>"
    )
    assert end.outcome is Outcome.UNKNOWN
    assert end.status_text == "CompletedAsPlanned / RunErrored"


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        (
            "<CompletionStatus>CompletedAsPlanned</CompletionStatus>"
            "<CompletionStatus>ExceptionEndedEarly</CompletionStatus>",
            "CompletedAsPlanned / ExceptionEndedEarly",
        ),
        (
            "<RunStatus>RunCompleted</RunStatus><x/><RunStatus>RunErrored</RunStatus>",
            "RunCompleted / RunErrored",
        ),
        ("<RunStatus>RunCompleted<b>not</b></RunStatus>", "RunCompleted not"),
        (
            "<RunStatus>RunCompleted</RunStatus><RunError><Message>disk full</Message></RunError>",
            "RunCompleted, and yet an error",
        ),
        (
            "<RunStatus>RunCompleted</RunStatus><RunError/><RunError>disk full</RunError>",
            "RunCompleted, and yet an error",
        ),
        (
            "<CompletionStatus>CompletedAsPlanned</CompletionStatus>"
            "<ErrorDescription>None</ErrorDescription><ErrorDescription>x</ErrorDescription>",
            "CompletedAsPlanned, and yet an error",
        ),
    ],
)
def test_a_file_that_contradicts_itself_is_not_believed(inside: str, text: str) -> None:
    end = status(inside)
    assert (end.outcome, end.status_text) == (Outcome.UNKNOWN, text)
    # Nor does the structure check take such a run for one that was cut short.
    assert outcome_of(end.status_text) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "nothing",
    [
        "<RunError/>",
        "<RunError> </RunError>",
        "<RunError><Type/><Message> </Message></RunError>",
        "<RunError><Type>None</Type><Message>none</Message></RunError>",
        "<ErrorDescription>NONE</ErrorDescription><RunError/>",
        "<RunStatus>RunCompleted</RunStatus>",
    ],
)
def test_an_error_without_words_is_none(nothing: str) -> None:
    end = status(f"<RunStatus>RunCompleted</RunStatus>{nothing}")
    assert end == RunEnd(Outcome.GOOD, "RunCompleted")


def test_a_status_without_end_is_cut() -> None:
    words = "".join(f"<RunStatus>Run{number}</RunStatus>" for number in range(10_000))
    assert len(status(words).status_text or "") <= 200


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"<RunCompletionStatus/>", "no status in it"),
        (b"<RunCompletionStatus><RunStatus/></RunCompletionStatus>", "no status in it"),
        (
            b"<RunCompletionStatus><Old><RunStatus>RunCompleted</RunStatus></Old>"
            b"</RunCompletionStatus>",
            "no status in it",
        ),
        (b"<Other><RunStatus>RunCompleted</RunStatus></Other>", "no status, its root is <Other>"),
    ],
)
def test_a_whole_document_without_a_status_is_unknown_not_half_written(
    data: bytes, text: str
) -> None:
    assert read_run_status(data) == RunEnd(status_text=text)


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"<AnalysisJobInfo/>", RunEnd(Outcome.GOOD)),
        (b"<AnalysisJobInfo><Warning>w</Warning></AnalysisJobInfo>", RunEnd(Outcome.GOOD)),
        (b"<AnalysisJobInfo><Error/></AnalysisJobInfo>", RunEnd(Outcome.GOOD)),
        (b"<AnalysisJobInfo><Error>None</Error></AnalysisJobInfo>", RunEnd(Outcome.GOOD)),
        (
            b"<AnalysisJobInfo><Error>none</Error><Error>Whoops</Error></AnalysisJobInfo>",
            RunEnd(Outcome.FAILED, error_text="local analysis: Whoops"),
        ),
        (
            b"<AnalysisJobInfo><Error/><Error>Whoops</Error></AnalysisJobInfo>",
            RunEnd(Outcome.FAILED, error_text="local analysis: Whoops"),
        ),
        (
            b"<AnalysisJobInfo><Error><Message>Whoops</Message></Error></AnalysisJobInfo>",
            RunEnd(Outcome.FAILED, error_text="local analysis: Whoops"),
        ),
        (b"<Other/>", RunEnd(problem="CompletedJobInfo.xml: its root is <Other>")),
    ],
)
def test_job_info(data: bytes, end: RunEnd) -> None:
    assert read_job_info(data) == end
