"""RunInfo.xml: what an Illumina instrument promises of the run that it makes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from xml.etree.ElementTree import Element

from datalake_syncd.core.kinds.illumina.xmldoc import (
    attribute,
    child,
    count_of,
    local_name,
    read_xml,
    tag_name,
    text_of,
)
from datalake_syncd.core.model import RunFacts

# Far above any run (four, six with UMIs): the ledger keeps each of them.
MAX_READS = 64


@dataclass(frozen=True, slots=True)
class IlluminaFacts(RunFacts):
    """Run facts with the number of tiles and of surfaces in each lane, as RunInfo.xml tells it."""

    tiles: int | None = None
    surfaces: int | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What one metadata file says, or in one line why it is not believed (``problem``)."""

    facts: IlluminaFacts = field(default_factory=IlluminaFacts)
    problem: str = ""


def read_run_info(data: bytes | None) -> Described:
    """Read RunInfo.xml (all versions seen, 2 to 7); never raises."""
    document = read_xml("RunInfo.xml", data)
    if document.root is None:
        return Described(problem=document.problem)
    if local_name(document.root) != "runinfo":
        return Described(problem=f"RunInfo.xml: its root is <{tag_name(document.root)}>")
    run = child(document.root, "run")
    if run is None:
        return Described(problem="RunInfo.xml: it has no <Run>")
    layout, reads = child(run, "flowcelllayout"), _read_elements(run)
    many = len(reads) > MAX_READS
    tiles = _tile_names(layout) if layout is not None else set()
    return Described(
        IlluminaFacts(
            run_id=attribute(run, "id"),
            run_number=attribute(run, "number"),
            instrument_id=text_of(child(run, "instrument")),
            flowcell=text_of(child(run, "flowcell")),
            date=text_of(child(run, "date")),
            # The lanes of the list of tiles are not believed: early NextSeq 500 software names
            # the tiles of its four lanes as if there were two.
            lanes=count_of(attribute(layout, "lanecount")) if layout is not None else None,
            reads=() if many else _reads(reads),
            tiles=_tiles_per_lane(layout, tiles) if layout is not None else None,
            surfaces=_surfaces_per_lane(layout, tiles) if layout is not None else None,
        ),
        f"RunInfo.xml: {len(reads)} reads, and no run has over {MAX_READS}" if many else "",
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
    return sum_all(
        text_of(element)
        for element in parent
        if local_name(element).startswith(first_word) and local_name(element).endswith("cycles")
    )


def sum_read_cycles(parent: Element | None, name: str) -> int | None:
    """Sum of one attribute of all <Read> (or <RunInfoRead>) below; None as in ``sum_cycles``."""
    elements = parent if parent is not None else ()
    reads = [element for element in elements if local_name(element).endswith("read")]
    return sum_all(attribute(read, name) for read in reads)


def sum_inner_cycles(parent: Element | None) -> int | None:
    """Sum of the texts of all children, such as <Read1>76</Read1>; None as in ``sum_cycles``."""
    return sum_all(map(text_of, parent if parent is not None else ()))


def sum_all(texts: Iterable[str | None]) -> int | None:
    """Sum of plain numbers, None when there is none or one is no number."""
    counts = [count_of(text) for text in texts]
    numbers = [count for count in counts if count is not None]
    return sum(numbers) if numbers and len(numbers) == len(counts) else None


def _read_elements(run: Element) -> list[Element]:
    parent = child(run, "reads")
    elements = parent if parent is not None else ()
    return [element for element in elements if local_name(element) == "read"]


def _reads(elements: Iterable[Element]) -> tuple[tuple[int, int, bool], ...]:
    reads: list[tuple[int, int, bool]] = []
    for position, element in enumerate(elements, start=1):
        cycles = count_of(attribute(element, "numcycles"))
        if cycles is None:
            return ()  # some of the reads would promise too few cycles, which is worse than none
        number = count_of(attribute(element, "number"))
        is_index = (attribute(element, "isindexedread") or "").lower() in ("y", "yes", "true", "1")
        reads.append((position if number is None else number, cycles, is_index))
    return tuple(reads)


def _tiles_per_lane(layout: Element, names: Collection[str]) -> int | None:
    if names:
        return _same_for_all(Counter(name.partition("_")[0] for name in names).values())
    counts = [
        count_of(attribute(layout, name)) for name in ("surfacecount", "swathcount", "tilecount")
    ]
    product = 1
    for count in counts:
        if not count:
            return None
        product *= count
    return product


def _surfaces_per_lane(layout: Element, names: Collection[str]) -> int | None:
    if not names:
        return count_of(attribute(layout, "surfacecount")) or None
    # A NovaSeq 6000 says SurfaceCount="2" of an SP flow cell, too, where it scans only one: its
    # list of tiles is the truth. The first digit of a tile is its surface.
    surfaces: dict[str, set[str]] = defaultdict(set)
    for lane, _, tile in (name.partition("_") for name in names):
        surfaces[lane].add(tile[:1])
    return _same_for_all(map(len, surfaces.values()))


def _tile_names(layout: Element) -> set[str]:
    tile_set = child(layout, "tileset")
    tiles = child(tile_set, "tiles") if tile_set is not None else None
    elements = tiles if tiles is not None else ()
    return {text_of(tile) or "" for tile in elements if local_name(tile) == "tile"}


def _same_for_all(counts: Iterable[int]) -> int | None:
    different = set(counts)
    return different.pop() if len(different) == 1 else None
