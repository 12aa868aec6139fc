"""RunInfo.xml and RunParameters.xml: what an Illumina instrument says of the run it makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from xml.etree.ElementTree import Element

from datalake_syncd.core.kinds.xmldoc import (
    attribute,
    child,
    count_of,
    local_name,
    read_xml,
    tag_name,
    text_of,
)
from datalake_syncd.core.model import RunFacts


@dataclass(frozen=True, slots=True)
class IlluminaFacts(RunFacts):
    """Run facts with ``tiles``, the number of tiles in each lane."""

    tiles: int | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What one metadata file says, or in one line why it says nothing (``problem``)."""

    facts: IlluminaFacts = field(default_factory=IlluminaFacts)
    problem: str = ""


def read_run_info(data: bytes | None) -> Described:
    """Read RunInfo.xml (all versions seen, 2 to 6); never raises."""
    document = read_xml("RunInfo.xml", data)
    if document.root is None:
        return Described(problem=document.problem)
    if local_name(document.root) != "runinfo":
        return Described(problem=f"RunInfo.xml: its root is <{tag_name(document.root)}>")
    run = child(document.root, "run")
    if run is None:
        return Described(problem="RunInfo.xml: it has no <Run>")
    layout = child(run, "flowcelllayout")
    return Described(
        IlluminaFacts(
            run_id=attribute(run, "id"),
            run_number=attribute(run, "number"),
            instrument_id=text_of(child(run, "instrument")),
            flowcell=text_of(child(run, "flowcell")),
            date=text_of(child(run, "date")),
            lanes=count_of(attribute(layout, "lanecount")) if layout is not None else None,
            reads=_reads(child(run, "reads")),
            tiles=_tiles_per_lane(layout) if layout is not None else None,
        )
    )


def read_run_parameters(data: bytes | None) -> Described:
    """Read RunParameters.xml of any Illumina instrument; never raises."""
    document = read_xml("RunParameters.xml", data)
    root = document.root
    if root is None:
        return Described(problem=document.problem)
    if local_name(root) != "runparameters":
        return Described(problem=f"RunParameters.xml: its root is <{tag_name(root)}>")
    # HiSeq keeps everything in <Setup>, the others beside it. Deeper levels repeat names such as
    # SerialNumber and RunId for reagent kits, so they are left alone.
    setup = child(root, "setup")
    words: dict[str, str] = {}
    for element in (*root, *(setup if setup is not None else ())):
        text = text_of(element)
        if text is not None:
            words.setdefault(local_name(element), text)
    planned_reads = child(root, "plannedreads")
    planned = sum_cycles(root, "planned")
    if planned is None and planned_reads is not None:
        planned = sum_read_cycles(planned_reads)
    return Described(
        IlluminaFacts(
            run_id=_first(words, "runid"),
            run_number=_first(words, "runnumber"),
            instrument_id=_first(
                words, "instrumentid", "scannerid", "instrumentname", "instrumentserialnumber"
            ),
            flowcell=_first(words, "flowcellserial", "flowcellserialbarcode", "barcode"),
            date=_first(words, "runstartdate"),
            experiment=_first(words, "experimentname"),
            software=_software(words),
            planned_cycles=planned,
        )
    )


def merge(*sources: RunFacts) -> IlluminaFacts:
    """One set of facts; where several sources know a fact, the first one is believed."""
    found: dict[str, object] = {}
    for source in sources:
        for name in (one.name for one in fields(source)):
            value = getattr(source, name)
            if value not in (None, ()):
                found.setdefault(name, value)
    return IlluminaFacts(**found)  # type: ignore[arg-type]


def sum_cycles(parent: Element, first_word: str) -> int | None:
    """Sum of children such as PlannedRead1Cycles, None when there is none or one is no number."""
    texts = [
        text_of(element)
        for element in parent
        if local_name(element).startswith(first_word) and local_name(element).endswith("cycles")
    ]
    return _sum(texts)


def sum_read_cycles(parent: Element) -> int | None:
    """Sum of the Cycles of all <Read ReadName= Cycles=> below, as NovaSeq X writes them."""
    reads = [element for element in parent if local_name(element) == "read"]
    return _sum([attribute(read, "cycles") for read in reads])


def _sum(texts: list[str | None]) -> int | None:
    counts = [count for count in map(count_of, texts) if count is not None]
    return sum(counts) if counts and len(counts) == len(texts) else None


def _reads(parent: Element | None) -> tuple[tuple[int, int, bool], ...]:
    reads: list[tuple[int, int, bool]] = []
    elements = parent if parent is not None else ()
    found = [element for element in elements if local_name(element) == "read"]
    for position, element in enumerate(found, start=1):
        cycles = count_of(attribute(element, "numcycles"))
        if cycles is None:
            return ()  # some of the reads would promise too few cycles, which is worse than none
        number = count_of(attribute(element, "number"))
        is_index = (attribute(element, "isindexedread") or "").lower() in ("y", "yes", "true", "1")
        reads.append((position if number is None else number, cycles, is_index))
    return tuple(reads)


def _tiles_per_lane(layout: Element) -> int | None:
    tile_set = child(layout, "tileset")
    tiles = child(tile_set, "tiles") if tile_set is not None else None
    if tiles is not None:
        names = {text_of(tile) or "" for tile in tiles if local_name(tile) == "tile"}
        per_lane = set(Counter(name.partition("_")[0] for name in names).values())
        return per_lane.pop() if len(per_lane) == 1 else None
    counts = [
        count_of(attribute(layout, name)) for name in ("surfacecount", "swathcount", "tilecount")
    ]
    product = 1
    for count in counts:
        if not count:
            return None
        product *= count
    return product


def _software(words: dict[str, str]) -> str | None:
    name = _first(words, "applicationname", "application")
    version = _first(words, "applicationversion", "mcsversion", "systemsuiteversion")
    control = " ".join(part for part in (name, version) if part)
    analysis = _first(words, "rtaversion")
    return ", ".join(part for part in (control, analysis and f"RTA {analysis}") if part) or None


def _first(words: dict[str, str], *names: str) -> str | None:
    return next((words[name] for name in names if name in words), None)
