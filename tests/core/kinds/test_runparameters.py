"""RunParameters.xml of every control software into facts."""

from __future__ import annotations

import pytest

from datalake_syncd.core.kinds.illumina.runinfo import IlluminaFacts
from datalake_syncd.core.kinds.illumina.runparameters import read_run_parameters


def facts_of(inside: str) -> IlluminaFacts:
    return read_run_parameters(f"<RunParameters>{inside}</RunParameters>".encode()).facts


@pytest.mark.parametrize("tag", ["RunID", "RunId", "runid"])
def test_both_spellings_of_the_run_id(tag: str) -> None:
    data = f"<RunParameters><{tag}>R</{tag}></RunParameters>".encode()
    assert read_run_parameters(data).facts.run_id == "R"


def test_hiseq_keeps_everything_in_setup_and_blanks_count_for_nothing() -> None:
    data = (
        b"<RunParameters><Setup><RunID>R</RunID><Kit><RunId>other</RunId></Kit>"
        b"<ScannerID>D1</ScannerID><ApplicationName>HCS</ApplicationName>"
        b"<ApplicationVersion>2.2</ApplicationVersion><RTAVersion>1.18</RTAVersion>"
        b"<Barcode>F</Barcode><ExperimentName> </ExperimentName></Setup></RunParameters>"
    )
    assert read_run_parameters(data).facts == IlluminaFacts(
        run_id="R", instrument_id="D1", flowcell="F", software="HCS 2.2, RTA 1.18"
    )


HISEQ_READS = (
    "<Read1>{}</Read1><IndexRead1>7</IndexRead1><IndexRead2>0</IndexRead2><Read2>{}</Read2>"
)


@pytest.mark.parametrize(
    ("inside", "planned"),
    [
        (
            "<PlannedRead1Cycles>75</PlannedRead1Cycles><PlannedRead2Cycles>8</PlannedRead2Cycles>",
            83,
        ),
        ("<PlannedRead1Cycles>75</PlannedRead1Cycles><PlannedCycles>?</PlannedCycles>", None),
        ('<PlannedReads><Read Cycles="151"/><Read Cycles="8"/></PlannedReads>', 159),
        ("<PlannedCycles> <Read1>76</Read1><Index1>10</Index1></PlannedCycles>", 86),
        ("<PlannedCycles><Read1>76</Read1><Index1>-1</Index1></PlannedCycles>", None),
        ('<Reads><RunInfoRead NumCycles="151"/><RunInfoRead NumCycles="8"/></Reads>', 159),
        ('<Reads><RunInfoRead NumCycles="151"/><RunInfoRead/></Reads>', None),
        ('<Setup><Reads><Read NumCycles="27"/><Read NumCycles="9"/></Reads></Setup>', 36),
        (f"<Setup>{HISEQ_READS.format(101, 101)}</Setup>", 209),
        (f"<Setup>{HISEQ_READS.format(-1, -1)}</Setup>", None),
        # Custom runs have -1 there, and the reads beside it.
        (f'<Setup>{HISEQ_READS.format(-1, -1)}<Reads><Read NumCycles="27"/></Reads></Setup>', 27),
        ("<Setup><Read1>75</Read1><Index1Read>8</Index1Read></Setup>", 83),
        ("", None),
    ],
)
def test_planned_cycles_in_the_way_of_each_model(inside: str, planned: int | None) -> None:
    assert facts_of(inside).planned_cycles == planned


@pytest.mark.parametrize(
    ("inside", "completed"),
    [
        ("<Read1>76</Read1><Index1>10</Index1><Index2>0</Index2>", 86),
        ("<Read1>0</Read1><Read2>0</Read2>", None),
        ("<Read1>76</Read1><Read2/>", None),
        ("", None),
    ],
)
def test_completed_cycles_of_iseq_and_nextseq_2000(inside: str, completed: int | None) -> None:
    assert facts_of(f"<CompletedCycles>{inside}</CompletedCycles>").completed_cycles == completed


@pytest.mark.parametrize(
    "inside",
    [
        "<FlowCellSerial>F</FlowCellSerial>",
        "<FlowCellSerialNumber>F</FlowCellSerialNumber>",
        "<Barcode>F</Barcode><WashBarcode>W</WashBarcode>",
        "<RfidsInfo><SbsSerialBarcode>S</SbsSerialBarcode>"
        "<FlowCellSerialBarcode>F</FlowCellSerialBarcode></RfidsInfo>",
        "<ReagentKitRFIDTag><SerialNumber>R</SerialNumber></ReagentKitRFIDTag>"
        "<FlowcellEEPROMTag><SerialNumber>F</SerialNumber></FlowcellEEPROMTag>",
        "<FlowcellRFIDTag><SerialNumber>F</SerialNumber></FlowcellRFIDTag>",
        "<ConsumableInfo><ConsumableInfo><SerialNumber>R</SerialNumber><Type>Reagent</Type>"
        "</ConsumableInfo><ConsumableInfo><SerialNumber>F</SerialNumber><Type>FlowCell</Type>"
        "</ConsumableInfo></ConsumableInfo>",
        "<ConsumableInfo><ConsumableInfo><Type>FlowCell_1</Type><SerialNumber>F</SerialNumber>"
        "</ConsumableInfo></ConsumableInfo>",
    ],
)
def test_the_flow_cell_wherever_it_stands(inside: str) -> None:
    assert facts_of(inside).flowcell == "F"


@pytest.mark.parametrize("tag", ["RunNumber", "RunCounter", "ScanNumber"])
def test_the_number_of_the_run(tag: str) -> None:
    assert facts_of(f"<{tag}>61</{tag}>").run_number == "61"


@pytest.mark.parametrize("tag", ["RunStartDate", "RunStartTime"])
@pytest.mark.parametrize("date", ["170609", "2020-06-24T18:29:14-07:00", "6/24/2020 4:30:24 PM"])
def test_the_date_is_kept_as_it_is_written(tag: str, date: str) -> None:
    assert facts_of(f"<{tag}>{date}</{tag}>").date == date


@pytest.mark.parametrize(
    ("inside", "software"),
    [
        ("<Application>A</Application><SystemSuiteVersion>1</SystemSuiteVersion>", "A 1"),
        (
            "<Setup><ApplicationVersion>1</ApplicationVersion></Setup><MCSVersion>2</MCSVersion>",
            "1",
        ),
        ("<MCSVersion>2</MCSVersion><RTAVersion>3</RTAVersion>", "2, RTA 3"),
        ("<RtaVersion>v3.4.4</RtaVersion>", "RTA v3.4.4"),
        ("", None),
    ],
)
def test_the_software_by_whatever_name(inside: str, software: str | None) -> None:
    assert facts_of(inside).software == software
