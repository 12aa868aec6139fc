"""RunInfo.xml of all versions into facts, and facts of several files into one set."""

from __future__ import annotations

import pytest

from datalake_syncd.core.kinds.illumina.runinfo import (
    IlluminaFacts,
    merge,
    read_run_info,
)
from datalake_syncd.core.model import RunFacts

READS = '<Reads><Read Number="1" NumCycles="8" IsIndexedRead="N"/></Reads>'


def info(inside: str, run: str = 'Id="R" Number="7"') -> bytes:
    return f'<RunInfo Version="4"><Run {run}>{inside}</Run></RunInfo>'.encode()


def test_all_facts_of_a_run_info() -> None:
    data = info(
        "<Flowcell>F</Flowcell><Instrument>M1</Instrument><Date>6/24/2020 4:30:24 PM</Date>"
        '<Reads><Read NumCycles="151" Number="1" IsIndexedRead="N" />'
        '<Read NumCycles="8" Number="2" IsIndexedRead="Y" /></Reads>'
        '<FlowcellLayout LaneCount="1" SurfaceCount="2" SwathCount="1" TileCount="14" />'
    )
    assert read_run_info(data).facts == IlluminaFacts(
        run_id="R",
        run_number="7",
        instrument_id="M1",
        flowcell="F",
        date="6/24/2020 4:30:24 PM",
        lanes=1,
        reads=((1, 151, False), (2, 8, True)),
        tiles=28,
        surfaces=2,
    )


@pytest.mark.parametrize(
    ("inside", "reads"),
    [
        ("", ()),
        ("<Reads/>", ()),
        (READS, ((1, 8, False),)),
        (
            '<Reads><Read NumCycles="8"/><Read NumCycles="6" IsIndexedRead="Y"/></Reads>',
            ((1, 8, False), (2, 6, True)),
        ),
        ('<Reads><Read NumCycles="8"/><Read/></Reads>', ()),
        ('<Reads><Read NumCycles="-8"/></Reads>', ()),
        ('<Reads><Read NumCycles="99999999999999999999"/></Reads>', ()),
        ('<Reads><Read NumCycles="\u0668"/></Reads>', ()),
    ],
)
def test_reads_are_all_there_or_not_believed(
    inside: str, reads: tuple[tuple[int, int, bool], ...]
) -> None:
    result = read_run_info(info(inside))
    assert (result.facts.reads, result.problem) == (reads, "")


@pytest.mark.parametrize(("count", "believed"), [(64, True), (65, False), (90_000, False)])
def test_more_reads_than_any_run_has_are_not_believed(count: int, believed: bool) -> None:
    reads = "".join(f'<Read Number="{n}" NumCycles="0"/>' for n in range(count))
    result = read_run_info(info(f"<Flowcell>F</Flowcell><Reads>{reads}</Reads>"))
    assert len(result.facts.reads) == (count if believed else 0)
    told = f"RunInfo.xml: {count} reads, and no run has over 64"
    assert result.problem == ("" if believed else told)
    assert (result.facts.run_id, result.facts.flowcell) == ("R", "F")


@pytest.mark.parametrize(
    ("layout", "tiles"),
    [
        ('<FlowcellLayout LaneCount="2"/>', None),
        ('<FlowcellLayout SurfaceCount="2" SwathCount="3" TileCount="12"/>', 72),
        ('<FlowcellLayout SurfaceCount="0" SwathCount="3" TileCount="12"/>', None),
        (
            '<FlowcellLayout SurfaceCount="9" SwathCount="9" TileCount="9"><TileSet><Tiles>'
            "<Tile>1_1101</Tile><Tile>1_1102</Tile><Tile>2_1101</Tile><Tile>2_1102</Tile>"
            "</Tiles></TileSet></FlowcellLayout>",
            2,
        ),
        (
            "<FlowcellLayout><TileSet><Tiles><Tile>1_1101</Tile><Tile>1_1102</Tile>"
            "<Tile>2_1101</Tile></Tiles></TileSet></FlowcellLayout>",
            None,
        ),
    ],
)
def test_tiles_of_each_lane(layout: str, tiles: int | None) -> None:
    assert read_run_info(info(layout)).facts.tiles == tiles


TILES = "<FlowcellLayout {}><TileSet><Tiles>{}</Tiles></TileSet></FlowcellLayout>"


@pytest.mark.parametrize(
    ("layout", "surfaces"),
    [
        ("", None),
        ('<FlowcellLayout LaneCount="2"/>', None),
        ('<FlowcellLayout SurfaceCount="0"/>', None),
        ('<FlowcellLayout SurfaceCount="2"/>', 2),
        # The list of tiles is the truth: a NovaSeq 6000 SP flow cell says 2 and has one.
        (TILES.format('SurfaceCount="2"', "<Tile>1_2101</Tile><Tile>2_2101</Tile>"), 1),
        (TILES.format('SurfaceCount="1"', "<Tile>1_1101</Tile><Tile>1_21101</Tile>"), 2),
        (TILES.format("", "<Tile>1_1101</Tile><Tile>1_2101</Tile><Tile>2_1101</Tile>"), None),
        (TILES.format('SurfaceCount="2"', ""), 2),
    ],
)
def test_surfaces_of_each_lane(layout: str, surfaces: int | None) -> None:
    assert read_run_info(info(layout)).facts.surfaces == surfaces


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"<RunInfo/>", "RunInfo.xml: it has no <Run>"),
        (b"<RunParameters/>", "RunInfo.xml: its root is <RunParameters>"),
    ],
)
def test_another_document_is_no_run_info(data: bytes, problem: str) -> None:
    assert read_run_info(data).problem == problem


def test_the_first_source_that_knows_a_fact_is_believed() -> None:
    merged = merge(
        RunFacts(completed_cycles=0),
        IlluminaFacts(run_id="info", lanes=2, tiles=3),
        RunFacts(run_id="parameters", experiment="E", completed_cycles=5),
    )
    assert merged == IlluminaFacts(
        run_id="info", lanes=2, tiles=3, experiment="E", completed_cycles=0
    )
