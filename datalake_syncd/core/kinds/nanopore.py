"""Oxford Nanopore: what MinKNOW writes, one run folder alone or several below one experiment."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from datalake_syncd.core.kinds.checksums import LISTED, Entries
from datalake_syncd.core.kinds.folder import flag_gates, is_neighbour
from datalake_syncd.core.kinds.kind import ChecksumList, Kind, TopFolder
from datalake_syncd.core.model import Assessment, Gate, Outcome, RunFacts
from datalake_syncd.core.names import escape

_FLAGS = re.ASCII | re.IGNORECASE
# {start}_{position}_{flow cell}_{protocol run id}: 20231205_1618_3B_PAS86456_72d9fceb
_RUN_FOLDER = re.compile(r"\d{8}_\d{4}_[^_/]+_[^_/]+_[0-9a-f]{8}", _FLAGS)
_BELOW_RUN_FOLDER = re.compile(rf"/{_RUN_FOLDER.pattern}/(.+)", _FLAGS | re.DOTALL)
# MinKNOW runs on Windows too.
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/", re.ASCII)
_READS = frozenset(
    (
        "pod5",
        *(f"{a}_{b}" for a in ("fast5", "fastq", "bam", "pod5") for b in ("pass", "fail", "skip")),
    )
)
_SUMMARY = re.compile(r"final_summary.*\.txt", _FLAGS)
_OUTPUT_HASH = re.compile(r"output_hash_.*\.csv", _FLAGS)
# Written when a run begins: sample_sheet_{flow cell}_{start}_{run id}.csv
_SHEET = re.compile(r"sample_sheet_.*_\d{8}_\d{4}_[0-9a-f]{8}\.csv", _FLAGS)
# What MinKNOW names after a run, with the time of its start or without. There one id is that of
# the run or (2020 to 2022) of its acquisition; of two, the first is that of the run.
_OF_A_RUN = re.compile(
    r"(?:(?:sample_sheet|report|output_hash)_.*_\d{8}_\d{4}"
    r"|(?:sequencing_summary|throughput|pore_activity|barcode_alignment)_.+?)"
    r"_([0-9a-f]{8})(?:_[0-9a-f]{8})?\..+",
    _FLAGS,
)
_IDS = ("protocol_run_id", "acquisition_run_id")
_HASH = re.compile(r"[0-9A-Fa-f]{64}")

# MinKNOW's own folders beside the experiments, in the root of its data.
_WORKING = frozenset(
    ("core-dump-db", "intermediate", "logs", "persistence", "pings", "queued_reads", "reads",
     "reports", "tmp", "user_scripts")
)  # fmt: skip
_DEPTHS = ("", "*/", "*/*/")
_MAX_NAMED = 5
_MAX_VALUE = 200


def _all_but(words: Collection[str]) -> Iterator[str]:
    """Patterns that together fit every name, in lower case, that is none of these words."""
    for begin in sorted({word[:length] for word in words for length in range(len(word) + 1)}):
        following = {word[len(begin)] for word in words if word.startswith(begin) and word != begin}
        yield f"{begin}[!{''.join(sorted(following))}]*" if following else f"{begin}?*"
        if begin and begin not in words:
            yield begin


# Folders of reads hold up to 100,000 names, so they are never listed: neither those that a run
# is known by, nor those that anybody's own tools may make.
_NOT_LISTED = _READS | {"bam", "fast5", "fastq"}
_PERHAPS_RUNS = tuple(_all_but(_NOT_LISTED))


def is_run_name(name: str) -> bool:
    """True for any name that a lab may give to an experiment or sample."""
    return not is_neighbour(name) and name.lower() not in _WORKING


def assess(top: TopFolder) -> Assessment:
    """Every MinKNOW run in the folder must have its ``final_summary_*.txt``.

    A run has a folder of its own, or several share one (pooled); then the names of MinKNOW's
    sheets, reports and tables say which runs there are. The configuration's flags replace this
    rule.
    """
    gates = tuple(flag_gates(top)) or _summary_gates(top)
    complete = all(gate.passed for gate in gates)
    facts = _facts(top.metadata)
    return Assessment(gates, Outcome.GOOD if complete else Outcome.UNKNOWN, facts)


def hash_lists(top: TopFolder) -> tuple[str, ...]:
    """MinKNOW's own ``output_hash_*.csv``, one for each run since 2025."""
    return tuple(
        _join(folder, name)
        for folder, names in _run_folders(top)
        for name in names
        if _OUTPUT_HASH.fullmatch(name)
    )


def read_output_hash(path: str, data: bytes) -> ChecksumList:
    """Parse ``output_hash_*.csv``: SHA-256 by file, which is blank for files like POD5.

    Paths are relative to the run folder that the list lies in; an absolute one (of Windows too)
    is taken from below a folder of that name on, or else below one with the name of a run.
    """
    found = Entries(path)
    folder = path.rpartition("/")[0].rpartition("/")[2]
    header: list[str] | None = None
    for number, line in found.lines(data):
        try:
            cells = [cell.strip() for cell in next(csv.reader(io.StringIO(line)), [])]
        except csv.Error as error:
            found.complain(number, f"no line of a CSV file ({error})")
            continue
        if header is None:
            header = [cell.lower() for cell in cells]
            if header.count("file_path") != 1 or header.count("file_hash") != 1:
                found.complain(number, "no columns file_path and file_hash, each of them once")
                return found.done()
            continue
        if len(cells) < len(header):
            found.complain(number, f"{len(cells)} columns of {len(header)}")
            continue
        name = cells[header.index("file_path")].replace("\\", "/")
        digest = cells[header.index("file_hash")]
        if digest and _HASH.fullmatch(digest) is None:
            found.complain(number, f"no SHA-256: '{escape(digest[:_MAX_VALUE])}'")
            continue
        if _ABSOLUTE.match(name):
            name = _below(folder, name)
        found.add(number, name, f"sha256:{digest.lower()}" if digest else LISTED)
    return found.done()


def _below(folder: str, name: str) -> str:
    """An absolute path cut below the run folder; as it is when it does not go through one."""
    inside = name.partition(f"/{folder}/")[2] if folder else ""
    if not inside and (match := _BELOW_RUN_FOLDER.search(name)) is not None:
        inside = match[1]
    return inside or name


def _run_folders(top: TopFolder) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The folders that MinKNOW runs were written to: (path, empty for the top; names)."""
    for path, names in (("", top.names), *top.below.items()):
        own_name = path.rpartition("/")[2] if path else top.run_name
        if _RUN_FOLDER.fullmatch(own_name) or any(map(_is_of_a_run, names)):
            yield path, names


def _is_of_a_run(name: str) -> bool:
    if name.lower() in _READS:
        return True
    return _SUMMARY.fullmatch(name) is not None or _SHEET.fullmatch(name) is not None


def _summary_gates(top: TopFolder) -> tuple[Gate, ...]:
    """One gate for each run without its summary; a person may give up one and not the others."""
    folders = summaries = 0
    missing: list[str] = []
    for path, names in _run_folders(top):
        folders += 1
        there = [name for name in names if _SUMMARY.fullmatch(name)]
        summaries += len(there)
        shown = escape(path or top.run_name)
        if there:
            told = _ended(top.metadata, [_join(path, name) for name in there])
            missing += [f"run {one} of {shown}" for one in sorted(_begun(names, there) - told)]
        else:
            missing.append(shown)
    needed = "a final_summary_*.txt of every MinKNOW run in the folder"
    if 0 < len(missing) <= _MAX_NAMED:
        return tuple(
            Gate(f"final summary of {one}", False, "not there", needed, part=True)
            for one in missing
        )
    found = f"{summaries} in {folders} run folder{'' if folders == 1 else 's'}"
    if not folders:
        found = "no folder of a MinKNOW run"
    elif missing:
        more = len(missing) - _MAX_NAMED
        found = f"not there for {', '.join(missing[:_MAX_NAMED])} and {more} more"
    return (Gate("final summaries", bool(folders) and not missing, found, needed),)


def _begun(names: Iterable[str], summaries: Iterable[str]) -> set[str]:
    """The ids of the runs, or of their acquisitions, that the files of one folder tell of."""
    if any(name.lower() == "final_summary.txt" for name in summaries):
        return set()  # MinKNOW of 2019 did not name the run
    return {match[1].lower() for match in map(_OF_A_RUN.fullmatch, names) if match}


def _ended(metadata: Mapping[str, bytes | None], summaries: Iterable[str]) -> set[str]:
    """The ids of the runs that these summaries are of, and of their acquisitions.

    The name has one or both; the summary of 2020 to 2022 has that of the run inside alone.
    """
    ids = set()
    for path in summaries:
        ids.update(re.split(r"[_.]", path.rpartition("/")[2].lower()))
        said = _summary(metadata.get(path.lower()) or b"")
        ids.update(value[:8].lower() for key, value in said if key in _IDS)
    return ids


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _facts(metadata: Mapping[str, bytes | None]) -> RunFacts:
    """What the summaries say; where several runs are pooled, each different value."""
    keys = ("protocol_run_id", "instrument", "flow_cell_id", "started", "protocol_group_id")
    found: dict[str, list[str]] = {key: [] for key in keys}
    for path in sorted(metadata):
        for key, value in _summary(metadata[path] or b""):
            if key in found and value and value not in found[key]:
                found[key].append(value)
    run_id, instrument, flowcell, date, experiment = map(_some, found.values())
    return RunFacts(
        run_id=run_id,
        instrument_id=instrument,
        flowcell=flowcell,
        date=date,
        experiment=experiment,
    )


def _summary(data: bytes) -> Iterator[tuple[str, str]]:
    for line in data[: 1 << 16].decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        # As it is: facts are escaped where they are shown.
        yield key.strip().lower(), value.strip()[:_MAX_VALUE]


def _some(values: list[str]) -> str | None:
    more = f" and {len(values) - _MAX_NAMED} more" if len(values) > _MAX_NAMED else ""
    return f"{', '.join(values[:_MAX_NAMED])}{more}" if values else None


NANOPORE = Kind(
    name="nanopore",
    title="Oxford Nanopore (MinKNOW: MinION, GridION, PromethION)",
    flags=(),
    learned_flags=(),
    metadata_files=tuple(f"{depth}final_summary*.txt" for depth in _DEPTHS),
    quiet=3600.0,
    is_run=is_run_name,
    assess=assess,
    structure=lambda _facts: None,
    folders=(*_PERHAPS_RUNS, *(f"*/{pattern}" for pattern in _PERHAPS_RUNS)),
    any_name=True,
    checksum_lists=hash_lists,
    read_checksums=read_output_hash,
)
