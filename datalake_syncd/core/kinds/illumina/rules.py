"""Illumina sequencers: the one set of rules by which every model is judged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from datalake_syncd.core.kinds.checksums import read_crc_manifest
from datalake_syncd.core.kinds.folder import goes_on
from datalake_syncd.core.kinds.illumina import structure
from datalake_syncd.core.kinds.illumina.runinfo import merge, read_run_info
from datalake_syncd.core.kinds.illumina.runparameters import read_run_parameters
from datalake_syncd.core.kinds.illumina.runstatus import RunEnd, read_job_info, read_run_status
from datalake_syncd.core.kinds.kind import NO_CHECKSUMS, Identity, Kind, TopFolder
from datalake_syncd.core.kinds.learned import is_asked
from datalake_syncd.core.model import Assessment, Gate, Outcome, RunFacts

RUN_INFO = "RunInfo.xml"
RUN_PARAMETERS = "RunParameters.xml"
RUN_STATUS = "RunCompletionStatus.xml"
JOB_INFO = "CompletedJobInfo.xml"
QUEUED = "QueuedForAnalysis.txt"
RTA_COMPLETE = "RTAComplete.txt"
COPY_COMPLETE = "CopyComplete.txt"
ANALYSIS = "Analysis"
MANIFEST = "Manifest.tsv"

_RUN_NAME = re.compile(r"(\d{6}|\d{8})_([A-Za-z0-9-]+)_(\d{1,5})_([A-Za-z0-9-]+)", re.ASCII)
_ANALYSIS_FOLDER = re.compile(rf"{ANALYSIS}/\d+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between the Illumina kinds when a run is assessed.

    ``local_analysis``: the instrument analyses its own runs, and a queued analysis is waited for.
    ``onboard_analysis``: it writes analyses into ``Analysis/<n>``, each with a CopyComplete.txt.
    ``manifests``: it lists the CRC-32 of its files, in the run folder and in each analysis.
    """

    flags: tuple[str, ...]
    learned_flags: tuple[str, ...] = ()
    local_analysis: bool = False
    onboard_analysis: bool = False
    manifests: bool = False


@dataclass(frozen=True, slots=True)
class _Wait:
    """What a missing sign means: ``asked`` it is waited for at all, ``lapses`` not for ever."""

    asked: bool
    lapses: bool


def is_run_name(name: str) -> bool:
    """True for a standard run folder name, date_instrument_number_flowcell."""
    return _RUN_NAME.fullmatch(name) is not None


def is_odd_name(name: str) -> bool:
    """True for a name that somebody made out of a standard one, such as ``…_finished``."""
    return goes_on(_RUN_NAME, name)


def assess(rules: Rules, top: TopFolder) -> Assessment:
    """Judge a run by its top folder: flags, analyses, run status, RunInfo.xml.

    The configuration's flags replace the kind's flags, the learned ones and the wait for an
    analysis; the content of a status file counts all the same. A file that can't be parsed is
    "not yet" (no ``needs_person``: the caller counts for how long), a status that nobody knows
    needs a person.

    Once one of the kind's own flags is there, other signs that are missing may lapse: a second
    flag that never comes must not hold a run for ever. Flags that the configuration names, and
    files that are there but say nothing clear, never lapse.
    """
    here = {name.lower() for name in top.names}
    end = read_run_status(top.metadata.get(RUN_STATUS.lower())) if _has(here, RUN_STATUS) else None
    analysed = rules.local_analysis and _has(here, JOB_INFO)
    job = read_job_info(top.metadata.get(JOB_INFO.lower())) if analysed else None
    info = read_run_info(top.metadata.get(RUN_INFO.lower()))
    parameters = read_run_parameters(top.metadata.get(RUN_PARAMETERS.lower()))

    own = not top.flags
    wait = _Wait(asked=own, lapses=own and any(_has(here, name) for name in rules.flags))
    gates = [_flag_gate(name, here, why, wait) for name, why in _needed_flags(rules, top, here)]
    if rules.local_analysis:
        gates.append(_local_gate(here, job, wait))
    if rules.onboard_analysis:
        gates += _analysis_gates(top, wait)
    status_expected = RUN_STATUS in rules.flags
    if end is not None or not (status_expected and wait.asked):
        gates.append(_status_gate(end))  # else the flag of its name says that it is missing
    gates.append(_info_gate(here, info.problem, info.facts.run_id, top.run_name))
    if parameters.problem and _has(here, RUN_PARAMETERS):
        needed = "a readable one tells more of the run; nothing waits for it"
        gates.append(Gate(RUN_PARAMETERS, True, parameters.problem, needed, warns=True))
    if rules.manifests:
        gates += _manifest_gates(top)

    told = RunFacts(
        planned_cycles=end.planned_cycles if end else None,
        completed_cycles=end.completed_cycles if end else None,
        status_text=end.status_text if end else None,
        error_text=next((one.error_text for one in (end, job) if one and one.error_text), None),
    )
    outcome = _outcome(end, job, status_expected, complete=all(gate.passed for gate in gates))
    return Assessment(tuple(gates), outcome, merge(told, info.facts, parameters.facts))


def illumina_kind(
    name: str, title: str, rules: Rules, *layouts: structure.Layout, quiet: float = 3600.0
) -> Kind:
    """A kind of Illumina instrument from its rules and the place of its base calls.

    Several layouts: a run is whole when it is whole in one of them.
    """
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
        structure=partial(structure.check_of, layouts),
        folders=(ANALYSIS, f"{ANALYSIS}/*") if rules.onboard_analysis else (),
        unique_names=True,
        odd_name=is_odd_name,
        lapses=True,
        identity=Identity(RUN_INFO, lambda data: read_run_info(data).facts.run_id),
        checksum_lists=manifest_paths if rules.manifests else None,
        read_checksums=read_crc_manifest if rules.manifests else None,
    )


def analysis_folders(top: TopFolder) -> tuple[str, ...]:
    """The folders ``Analysis/<n>`` of a run as they are spelled, by number.

    A folder whose name is no number is no analysis, and neither is a file.
    """
    found = [path for path in top.below if _ANALYSIS_FOLDER.fullmatch(path)]
    return tuple(sorted(found, key=lambda path: (len(path), path)))


def manifest_paths(top: TopFolder) -> tuple[str, ...]:
    """The lists of checksums in the run folder and in its analyses, as they are spelled."""
    return tuple(
        f"{folder}/{name}" if folder else name
        for folder, names in _manifest_places(top)
        for name in names
    )


def _manifest_places(top: TopFolder) -> Iterable[tuple[str, list[str]]]:
    """The folders that have a list, empty for the run folder, with the lists that are there."""
    places = [("", top.names), *((path, top.below[path]) for path in analysis_folders(top))]
    for folder, names in places:
        yield folder, [name for name in names if name.lower() == MANIFEST.lower()]


def _manifest_gates(top: TopFolder) -> Iterable[Gate]:
    """Nothing waits for a list, since software may not write one; that none came is told."""
    without = [folder or "the run folder" for folder, names in _manifest_places(top) if not names]
    if without:
        found = f"no {MANIFEST} in {', '.join(without)}: its checksums can't be compared"
        yield Gate(NO_CHECKSUMS, True, found, f"a {MANIFEST} in each, as the instrument writes it")


def _has(here: Iterable[str], name: str) -> bool:
    return name.lower() in here


def _needed_flags(rules: Rules, top: TopFolder, here: set[str]) -> Iterable[tuple[str, str]]:
    if top.flags:
        needed = "in the run folder (set in the configuration)"
        yield from ((top.filled(name), needed) for name in top.flags)
        return
    yield from ((name, "in the run folder") for name in rules.flags)
    for name in rules.learned_flags:
        # One that is there already is shown too, although nothing waits for it yet.
        if is_asked(top.learned, name, top.run_name) or _has(here, name):
            yield name, "in the run folder (this instrument writes one)"


def _flag_gate(name: str, here: set[str], needed: str, wait: _Wait) -> Gate:
    if _has(here, name):
        return Gate(f"flag {name}", True, "found", needed)
    return Gate(f"flag {name}", False, "not there", needed, may_lapse=wait.lapses)


def _local_gate(here: set[str], job: RunEnd | None, wait: _Wait) -> Gate:
    name, needed = "local analysis", f"no {QUEUED}, or a readable {JOB_INFO}"
    queued = _has(here, QUEUED)
    if job is not None and job.problem:
        return Gate(name, False, job.problem, needed, unreadable=True)
    if job is not None:
        found = job.error_text or f"{JOB_INFO} found, it tells of no error"
        return Gate(name, True, found, needed)
    if queued and wait.asked:
        found = f"{QUEUED} found, {JOB_INFO} not there"
        return Gate(name, False, found, needed, may_lapse=wait.lapses)
    return Gate(name, True, f"{QUEUED} found, not waited for" if queued else f"no {QUEUED}", needed)


def _analysis_gates(top: TopFolder, wait: _Wait) -> Iterable[Gate]:
    """One for each analysis, since each of them takes its own time."""
    for folder in analysis_folders(top):
        name, needed = f"flag {folder}/{COPY_COMPLETE}", "in every analysis that is there"
        if _has(map(str.lower, top.below[folder]), COPY_COMPLETE):
            yield Gate(name, True, "found", needed)
        elif wait.asked:
            yield Gate(name, False, "not there", needed, may_lapse=wait.lapses)
        else:
            yield Gate(name, True, "not there, not waited for", needed)


def _status_gate(end: RunEnd | None) -> Gate:
    name, asked = "run status", f"a known status in {RUN_STATUS}"
    if end is None:
        return Gate(name, True, f"no {RUN_STATUS}", f"{asked}, if any")
    if end.problem:
        return Gate(name, False, end.problem, asked, unreadable=True)
    error = f" ({end.error_text})" if end.error_text else ""
    if end.outcome is Outcome.UNKNOWN:
        found = f"unknown status: {end.status_text}{error}"
        return Gate(name, False, found, asked, needs_person=True)
    return Gate(name, True, f"{end.status_text}: {end.outcome.value}{error}", asked)


def _info_gate(here: set[str], problem: str, run_id: str | None, run_name: str) -> Gate:
    if not _has(here, RUN_INFO):
        problem = f"no {RUN_INFO}"
    found = problem or f"run id {run_id or 'not given'}"
    if not problem and run_id and run_id.lower() != run_name.lower():
        # Operators rename folders, and instruments disagree with themselves: told, not judged.
        found += ", which is not the folder's name"
    needed = f"a readable {RUN_INFO}"
    return Gate(f"{RUN_INFO} readable", not problem, found, needed, unreadable=bool(problem))


def _outcome(
    end: RunEnd | None, job: RunEnd | None, status_expected: bool, *, complete: bool
) -> Outcome:
    if end is not None and end.outcome is Outcome.UNKNOWN:
        return Outcome.UNKNOWN
    if job is not None and job.outcome is Outcome.FAILED:
        # Whatever the status file says: the error may be one of the sequencing ("Sequencing
        # failed" was seen), and nothing in the file tells it from one of the analysis alone. A
        # failed run is carried all the same, but not pruned unless somebody asks for it. It can
        # be analysed again: that writes this file anew, and the run is good in its next
        # generation.
        return Outcome.FAILED
    if end is not None:
        return end.outcome
    # Without a status file the flags are the instrument's only word, and they are good news only
    # from an instrument that has no other way to tell. The structure check finds a run cut short.
    return Outcome.GOOD if complete and not status_expected else Outcome.UNKNOWN
