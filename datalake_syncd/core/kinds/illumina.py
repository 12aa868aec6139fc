"""Illumina sequencers: one set of rules, and a few lines of data for each kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from datalake_syncd.core.kinds import structure
from datalake_syncd.core.kinds.kind import Kind, TopFolder
from datalake_syncd.core.kinds.runinfo import merge, read_run_info, read_run_parameters
from datalake_syncd.core.kinds.runstatus import RunEnd, read_job_info, read_run_status
from datalake_syncd.core.model import Assessment, Gate, Outcome, RunFacts

RUN_INFO = "RunInfo.xml"
RUN_PARAMETERS = "RunParameters.xml"
RUN_STATUS = "RunCompletionStatus.xml"
JOB_INFO = "CompletedJobInfo.xml"
QUEUED = "QueuedForAnalysis.txt"
RTA_COMPLETE = "RTAComplete.txt"
COPY_COMPLETE = "CopyComplete.txt"

_RUN_NAME = re.compile(r"(\d{6}|\d{8})_([A-Za-z0-9-]+)_(\d{1,5})_([A-Za-z0-9-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between the Illumina kinds when a run is assessed.

    ``local_analysis``: the instrument analyses its own runs, and a queued analysis is waited for.
    """

    flags: tuple[str, ...]
    learned_flags: tuple[str, ...]
    local_analysis: bool = False


def is_run_name(name: str) -> bool:
    """True for a standard run folder name, date_instrument_number_flowcell."""
    return _RUN_NAME.fullmatch(name) is not None


def assess(rules: Rules, top: TopFolder) -> Assessment:
    """Judge a run by its top folder: flags, local analysis, run status, RunInfo.xml.

    The configuration's flags replace the kind's flags, the learned ones and the wait for a local
    analysis; the content of a status file counts all the same. A file that can't be parsed is
    "not yet" (no ``needs_person``: the caller counts for how long), a status that nobody knows
    needs a person.
    """
    here = {name.lower() for name in top.names}
    end = read_run_status(top.metadata.get(RUN_STATUS.lower())) if _has(here, RUN_STATUS) else None
    analysed = rules.local_analysis and _has(here, JOB_INFO)
    job = read_job_info(top.metadata.get(JOB_INFO.lower())) if analysed else None
    info = read_run_info(top.metadata.get(RUN_INFO.lower()))
    parameters = read_run_parameters(top.metadata.get(RUN_PARAMETERS.lower()))

    gates = [_flag_gate(name, here, why) for name, why in _needed_flags(rules, top, here)]
    if rules.local_analysis:
        gates.append(_analysis_gate(here, job, waited_for=not top.flags))
    status_expected = RUN_STATUS in rules.flags
    gates.append(_status_gate(end, needed=status_expected and not top.flags))
    gates.append(_info_gate(here, info.problem, info.facts.run_id, top.run_name))

    told = RunFacts(
        planned_cycles=end.planned_cycles if end else None,
        completed_cycles=end.completed_cycles if end else None,
        status_text=end.status_text if end else None,
        error_text=next((one.error_text for one in (end, job) if one and one.error_text), None),
    )
    outcome = _outcome(end, job, status_expected, complete=all(gate.passed for gate in gates))
    return Assessment(tuple(gates), outcome, merge(told, info.facts, parameters.facts))


def illumina_kind(
    name: str, title: str, rules: Rules, layout: structure.Layout, quiet: float = 3600.0
) -> Kind:
    """A kind of Illumina instrument from its rules and the place of its base calls."""
    jobs = (JOB_INFO,) if rules.local_analysis else ()
    return Kind(
        name=name,
        title=title,
        flags=rules.flags,
        learned_flags=rules.learned_flags,
        metadata_files=(RUN_INFO, RUN_PARAMETERS, RUN_STATUS, *jobs),
        quiet=quiet,
        is_run=is_run_name,
        assess=partial(assess, rules),
        structure=partial(structure.CycleCheck, layout),
        unique_names=True,
    )


def _has(here: set[str], name: str) -> bool:
    return name.lower() in here


def _needed_flags(rules: Rules, top: TopFolder, here: set[str]) -> Iterable[tuple[str, str]]:
    if top.flags:
        yield from ((name, "in the run folder (set in the configuration)") for name in top.flags)
        return
    yield from ((name, "in the run folder") for name in rules.flags)
    for name in rules.learned_flags:
        # One that is there already is shown too, although nothing waits for it yet.
        if name.lower() in top.learned or _has(here, name):
            yield name, "in the run folder (this instrument writes one)"


def _flag_gate(name: str, here: set[str], needed: str) -> Gate:
    passed = _has(here, name)
    return Gate(f"flag {name}", passed, "found" if passed else "not there", needed)


def _analysis_gate(here: set[str], job: RunEnd | None, *, waited_for: bool) -> Gate:
    queued = _has(here, QUEUED)
    if job is not None and job.problem:
        passed, found = False, job.problem
    elif job is not None:
        passed, found = True, job.error_text or f"{JOB_INFO} found, it tells of no error"
    elif queued and waited_for:
        passed, found = False, f"{QUEUED} found, {JOB_INFO} not there"
    else:
        passed, found = True, f"{QUEUED} found, not waited for" if queued else f"no {QUEUED}"
    return Gate("local analysis", passed, found, f"no {QUEUED}, or a readable {JOB_INFO}")


def _status_gate(end: RunEnd | None, *, needed: bool) -> Gate:
    name, asked = "run status", f"a known status in {RUN_STATUS}"
    if end is None:
        return Gate(name, not needed, f"no {RUN_STATUS}", asked if needed else asked + ", if any")
    if end.problem:
        return Gate(name, False, end.problem, asked)
    if end.outcome is Outcome.UNKNOWN:
        found = f"unknown status: {end.status_text}"
        return Gate(name, False, found, asked, needs_person=True)
    error = f" ({end.error_text})" if end.error_text else ""
    return Gate(name, True, f"{end.status_text}: {end.outcome.value}{error}", asked)


def _info_gate(here: set[str], problem: str, run_id: str | None, run_name: str) -> Gate:
    if not _has(here, RUN_INFO):
        problem = f"no {RUN_INFO}"
    found = problem or f"run id {run_id or 'not given'}"
    if not problem and run_id and run_id.lower() != run_name.lower():
        # Operators rename folders, and instruments disagree with themselves: told, not judged.
        found += ", which is not the folder's name"
    return Gate(f"{RUN_INFO} readable", not problem, found, f"a readable {RUN_INFO}")


def _outcome(
    end: RunEnd | None, job: RunEnd | None, status_expected: bool, *, complete: bool
) -> Outcome:
    if end is not None:
        return end.outcome
    if job is not None and job.outcome is Outcome.FAILED:
        return Outcome.FAILED
    # Without a status file the flags are the instrument's only word, and they are good news only
    # from an instrument that has no other way to tell. The structure check finds a run cut short.
    return Outcome.GOOD if complete and not status_expected else Outcome.UNKNOWN


MISEQ = illumina_kind(
    "miseq",
    "Illumina MiSeq",
    Rules(flags=(RTA_COMPLETE,), learned_flags=(COPY_COMPLETE,), local_analysis=True),
    structure.TILES,
)
NEXTSEQ500 = illumina_kind(
    "nextseq500",
    "Illumina NextSeq 500/550",
    Rules(flags=(RUN_STATUS, RTA_COMPLETE), learned_flags=(COPY_COMPLETE,)),
    structure.BGZF,
)
