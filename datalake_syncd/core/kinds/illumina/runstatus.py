"""RunCompletionStatus.xml (two schemas) and CompletedJobInfo.xml: how a run ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from datalake_syncd.core.kinds.illumina.runinfo import sum_cycles, sum_read_cycles
from datalake_syncd.core.kinds.illumina.xmldoc import (
    child,
    local_name,
    one_line,
    read_xml,
    tag_name,
)
from datalake_syncd.core.model import Outcome

# Every word an instrument was seen to write. What is not here is unknown and holds the run:
# a new word must never pass for success, nor for a failure that nobody looks at.
_OUTCOMES = {
    "completedasplanned": Outcome.GOOD,
    "successfullycompleted": Outcome.GOOD,
    "runcompleted": Outcome.GOOD,
    "userendedearly": Outcome.ENDED_EARLY,
    "exceptionendedearly": Outcome.ENDED_EARLY,
    "runerrored": Outcome.FAILED,
}


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How the run ended; ``problem`` says in one line why the file could not be read.

    ``outcome`` is UNKNOWN with the text found in ``status_text`` when the file was read but its
    word is new, or it contradicts itself; cycles are sums over all reads.
    """

    outcome: Outcome = Outcome.UNKNOWN
    status_text: str | None = None
    error_text: str | None = None
    planned_cycles: int | None = None
    completed_cycles: int | None = None
    problem: str = ""


def outcome_of(status_text: str | None) -> Outcome:
    """The outcome that a status word stands for."""
    return _OUTCOMES.get((status_text or "").lower(), Outcome.UNKNOWN)


def read_run_status(data: bytes | None) -> RunEnd:
    """Read RunCompletionStatus.xml, whichever schema it has; never raises."""
    document = read_xml("RunCompletionStatus.xml", data)
    root = document.root
    if root is None:
        return RunEnd(problem=document.problem)
    if local_name(root) != "runcompletionstatus":
        # Well-formed, so no longer being written: waiting will not make it a status.
        return RunEnd(status_text=f"no status, its root is <{tag_name(root)}>")
    words = _filled(root, "completionstatus", "runstatus")
    # Two different words in one file: believe neither.
    status = one_line(" / ".join(dict.fromkeys(words))) or "no status in it"
    outcome, error = outcome_of(status), _error_of(root)
    if outcome is Outcome.GOOD and error is not None:
        # Nor a good word beside an error.
        outcome, status = Outcome.UNKNOWN, f"{status}, and yet an error"
    completed = sum_cycles(root, "completed")
    if completed is None:
        completed = sum_read_cycles(child(root, "completedreads"), "cycles")
    return RunEnd(
        outcome=outcome,
        status_text=status,
        error_text=error,
        planned_cycles=sum_cycles(root, "planned"),
        completed_cycles=completed,
    )


def read_job_info(data: bytes | None) -> RunEnd:
    """Read CompletedJobInfo.xml, the end of the analysis on the instrument; never raises."""
    document = read_xml("CompletedJobInfo.xml", data)
    root = document.root
    if root is None:
        return RunEnd(problem=document.problem)
    if local_name(root) != "analysisjobinfo":
        return RunEnd(problem=f"CompletedJobInfo.xml: its root is <{tag_name(root)}>")
    error = next(filter(_is_told, _filled(root, "error")), None)
    if error is None:
        return RunEnd(outcome=Outcome.GOOD)
    return RunEnd(outcome=Outcome.FAILED, error_text=one_line(f"local analysis: {error}", 500))


def _error_of(root: Element) -> str | None:
    """The first error that the file tells of, in either schema."""
    texts = _filled(root, "errordescription")
    for element in _all(root, "runerror"):
        parts = _filled(element, "type", "message") or [_whole_text(element)]
        texts.append(one_line(": ".join(filter(_is_told, parts)), 500))
    return next(filter(_is_told, texts), None)


def _is_told(text: str) -> bool:
    """Whether this is an error: where there is none, instruments write nothing, or the word."""
    return text.lower() not in ("", "none")


def _all(parent: Element, *names: str) -> Iterator[Element]:
    return (element for element in parent if local_name(element) in names)


def _filled(parent: Element, *names: str) -> list[str]:
    """The texts of all children with these lower-cased names, without the blank ones."""
    return [text for text in map(_whole_text, _all(parent, *names)) if text]


def _whole_text(element: Element) -> str:
    return one_line(" ".join(element.itertext()), 500)
