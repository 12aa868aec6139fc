"""PacBio: one folder per SMRT cell, each with its own word that everything was transferred."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from datalake_syncd.core.kinds.checksums import LISTED, Entries
from datalake_syncd.core.kinds.folder import flag_gates, goes_on
from datalake_syncd.core.kinds.kind import ChecksumList, Kind, TopFolder
from datalake_syncd.core.model import Assessment, Gate, Outcome, RunFacts
from datalake_syncd.core.names import escape

DONE = ".transferdone"

# r54097_20170727_165601, r64089e_20220615_171559 (Sequel IIe), r84047_20230404_164149 (Revio)
_RUN_NAME = re.compile(r"r(\d{4,6}[a-z]?)_(\d{8})_\d{6}", re.ASCII | re.IGNORECASE)
_CELL = re.compile(r"\d{1,2}_[A-Z]\d{2}", re.ASCII | re.IGNORECASE)
_CELL_PATTERNS = ("[0-9]_[a-z][0-9][0-9]", "[0-9][0-9]_[a-z][0-9][0-9]")
_TRANSFER_TEST = "transfer_test"
_NFILES = re.compile(r"nfiles:\s*(\d{1,9})(?!\d)", re.ASCII | re.IGNORECASE)
# A word with slashes that is no path: when the transfer was done.
_DATE = re.compile(r"\s*\d{1,4}/\d{1,2}/\d{1,4}\b", re.ASCII)


def is_run_name(name: str) -> bool:
    """True for the name that a Sequel or Revio gives to a run folder."""
    return _RUN_NAME.fullmatch(name) is not None


def is_odd_name(name: str) -> bool:
    """True for a name that somebody made out of a run's, such as ``…_old``."""
    return goes_on(_RUN_NAME, name)


def assess(top: TopFolder) -> Assessment:
    """Every SMRT cell that has a folder must have its ``.transferdone``.

    Cells finish days apart, and a Revio makes the folders of all planned cells at the start: a
    run is carried when the last one is through. The configuration's flags replace this rule.
    """
    gates = tuple(flag_gates(top)) or _cell_gates(top)
    complete = all(gate.passed for gate in gates)
    return Assessment(gates, Outcome.GOOD if complete else Outcome.UNKNOWN, _facts(top.run_name))


def transfer_lists(top: TopFolder) -> tuple[str, ...]:
    """The ``.transferdone`` of every cell: in the cell's folder, or in its ``metadata``."""
    return tuple(
        f"{folder}/{name}"
        for folder, names in top.below.items()
        for name in names
        if _is_place_of_lists(folder) and name.lower().endswith(DONE)
    )


def read_transfer_list(path: str, data: bytes) -> ChecksumList:
    """Parse a Revio's ``.transferdone``: the files of one cell, by their path on the instrument.

    What follows the movie's name there lies below the cell's folder here. Earlier instruments
    write an empty file, or any word, which lists nothing; a list where a Revio has it should.
    """
    folder, _, name = path.rpartition("/")
    movie = name[: -len(DONE)]
    cell = posixpath.dirname(folder) if folder.lower().endswith("/metadata") else folder
    found = Entries(path, folder=cell)
    told: int | None = None
    listed = 0
    for number, line in found.lines(data):
        match = _NFILES.search(line)
        if told is None and match is not None:
            told = int(match[1])
        elif "/" in line and _DATE.match(line) is None:
            listed += 1
            _, inside, rest = line.strip().partition(f"/{movie}/")
            if inside:
                found.add(number, rest, LISTED)
            else:
                found.complain(number, f"no file of {escape(movie)}: '{escape(line[:120])}'")
    if told is None and listed:
        # Where the first line is lost, others may be.
        found.complain(1, f"no line 'nfiles: N', {listed} listed")
    elif told is not None and told != listed:
        found.complain(1, f"{told} files announced, {listed} listed")
    result = found.done(may_be_empty=True)
    if cell != folder and not result.entries and not result.problems:
        remark = "lists no file: it can't be told whether one of this cell is missing"
        return replace(result, remark=remark)
    return result


def _is_place_of_lists(folder: str) -> bool:
    cell, _, rest = folder.partition("/")
    return _CELL.fullmatch(cell) is not None and rest.lower() in ("", "metadata")


def _cell_gates(top: TopFolder) -> tuple[Gate, ...]:
    """One gate for each cell that is not through; a person may give up one and not the others."""
    cells = [name for name in top.names if name in top.below and _CELL.fullmatch(name)]
    done = {path.partition("/")[0] for path in transfer_lists(top)}
    needed = f"a {DONE} of every cell that has a folder"
    missing = []
    for cell in cells:
        if cell not in done:
            untouched = all(name.lower().startswith(_TRANSFER_TEST) for name in top.below[cell])
            found = f"not {'begun' if untouched else 'transferred yet'}, of {len(cells)} cells"
            missing.append(Gate(f"SMRT cell {cell}", False, found, needed, part=True))
    if missing:
        return tuple(missing)
    found = "no folder of a SMRT cell, such as 1_A01"
    if cells:
        found = f"all {len(cells)} cells are transferred"
    return (Gate("SMRT cells", bool(cells), found, needed),)


def _facts(run_name: str) -> RunFacts:
    match = _RUN_NAME.fullmatch(run_name)
    if match is None:
        return RunFacts()
    return RunFacts(run_id=run_name, instrument_id=match[1], date=match[2])


PACBIO = Kind(
    name="pacbio",
    title="PacBio Sequel, Sequel II/IIe, Revio",
    flags=(),
    learned_flags=(),
    metadata_files=(),
    quiet=3600.0,
    is_run=is_run_name,
    assess=assess,
    structure=lambda _facts: None,
    folders=(*_CELL_PATTERNS, *(f"{cell}/metadata" for cell in _CELL_PATTERNS)),
    unique_names=True,
    odd_name=is_odd_name,
    checksum_lists=transfer_lists,
    read_checksums=read_transfer_list,
)
