"""RunParameters.xml of simulated runs, in the way of each model's control software."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from demo.runfiles import (
    NAMESPACES,
    Read,
    cycle_lines,
    document,
    inner_cycle_lines,
    named_read_lines,
    read_lines,
    run_number,
    run_parts,
    without_side,
)


def total(reads: Sequence[Read]) -> int:
    """All cycles of all reads."""
    return sum(cycles for _, cycles, _ in reads)


def miseq(name: str, reads: Sequence[Read], experiment: str) -> bytes:
    """Control software 2.6 of the MiSeq."""
    date, instrument, _, flowcell = run_parts(name)
    return document(
        [
            f"<RunParameters {NAMESPACES}>",
            "  <RunParametersVersion>MiSeq_1_1</RunParametersVersion>",
            "  <Setup>",
            "    <ApplicationVersion>2.6.2.1</ApplicationVersion>",
            "    <ApplicationName>MiSeq Control Software</ApplicationName>",
            "  </Setup>",
            f"  <RunID>{escape(name)}</RunID>",
            f"  <ScannerID>{escape(instrument)}</ScannerID>",
            f"  <RunNumber>{escape(run_number(name))}</RunNumber>",
            "  <MCSVersion>2.6.2.1</MCSVersion>",
            "  <RTAVersion>1.18.54</RTAVersion>",
            f"  <Barcode>{escape(flowcell)}</Barcode>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            "  <Reads>",
            *read_lines("RunInfoRead", reads),
            "  </Reads>",
            f"  <RunStartDate>{escape(date)}</RunStartDate>",
            "</RunParameters>",
        ]
    )


def nextseq(name: str, reads: Sequence[Read], experiment: str) -> bytes:
    """Control software 2.1 of the NextSeq 500."""
    return _with_setup(name, reads, experiment, "NextSeq", "2_1_0", ("2.1.0.31", "2.4.11"))


def miniseq(name: str, reads: Sequence[Read], experiment: str) -> bytes:
    """Control software 1.1 of the MiniSeq."""
    return _with_setup(name, reads, experiment, "MiniSeq", "1_0_0", ("1.1.8.0", "2.8.6.0"))


def _with_setup(
    name: str,
    reads: Sequence[Read],
    experiment: str,
    model: str,
    schema: str,
    versions: tuple[str, str],
) -> bytes:
    date, instrument, _, _ = run_parts(name)
    control, analysis = versions
    return document(
        [
            f"<RunParameters {NAMESPACES}>",
            f"  <RunParametersVersion>{model}_{schema}</RunParametersVersion>",
            "  <Setup>",
            f"    <ApplicationVersion>{control}</ApplicationVersion>",
            f"    <ApplicationName>{model} Control Software</ApplicationName>",
            "  </Setup>",
            f"  <RunID>{escape(name)}</RunID>",
            f"  <InstrumentID>{escape(instrument)}</InstrumentID>",
            f"  <RunNumber>{escape(run_number(name))}</RunNumber>",
            f"  <RTAVersion>{analysis}</RTAVersion>",
            f"  <FlowCellSerial>{escape(without_side(name))}</FlowCellSerial>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            f"  <RunStartDate>{escape(date)}</RunStartDate>",
            *cycle_lines("Planned", reads, total(reads)),
            "</RunParameters>",
        ]
    )


def hiseq(name: str, reads: Sequence[Read], experiment: str, *, version: str, rta: str) -> bytes:
    """Control software of the HiSeq: everything in <Setup>."""
    date, instrument, _, _ = run_parts(name)
    return document(
        [
            f"<RunParameters {NAMESPACES}>",
            "  <Setup>",
            f"    <ExperimentName>{escape(experiment)}</ExperimentName>",
            "    <ApplicationName>HiSeq Control Software</ApplicationName>",
            f"    <ApplicationVersion>{version}</ApplicationVersion>",
            f"    <RunID>{escape(name)}</RunID>",
            f"    <RunStartDate>{escape(date)}</RunStartDate>",
            f"    <ScannerID>{escape(instrument)}</ScannerID>",
            f"    <ScanNumber>{escape(run_number(name))}</ScanNumber>",
            f"    <RTAVersion>{rta}</RTAVersion>",
            f"    <Barcode>{escape(without_side(name))}</Barcode>",
            "    <Reads>",
            *read_lines("Read", reads),
            "    </Reads>",
            "  </Setup>",
            "  <Version>1</Version>",
            "</RunParameters>",
        ]
    )


def iseq(name: str, reads: Sequence[Read], completed: int, experiment: str) -> bytes:
    """Control software 1.4 of the iSeq."""
    _, instrument, _, flowcell = run_parts(name)
    return document(
        [
            f"<RunParameters {NAMESPACES}>",
            f"  <InstrumentId>{escape(instrument)}</InstrumentId>",
            f"  <RunId>{escape(name)}</RunId>",
            f"  <RunCounter>{escape(run_number(name))}</RunCounter>",
            "  <ApplicationName>iSeq Control Software</ApplicationName>",
            "  <ApplicationVersion>1.4.0.500</ApplicationVersion>",
            "  <RtaVersion>2.12.5.0</RtaVersion>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            *inner_cycle_lines("Planned", reads, total(reads)),
            *inner_cycle_lines("Completed", reads, completed),
            "  <FlowcellEEPROMTag>",
            f"    <SerialNumber>{escape(flowcell)}</SerialNumber>",
            "  </FlowcellEEPROMTag>",
            "  <ReagentKitRFIDTag>",
            "    <SerialNumber>FY0000001-FC6</SerialNumber>",
            "  </ReagentKitRFIDTag>",
            "  <RunStartDate>2020-06-24T18:29:14-07:00</RunStartDate>",
            "</RunParameters>",
        ]
    )


def nextseq2000(name: str, reads: Sequence[Read], completed: int, experiment: str) -> bytes:
    """Control software 1.1 of the NextSeq 1000/2000: it does not name the run."""
    _, instrument, _, flowcell = run_parts(name)
    return document(
        [
            f"<RunParameters {NAMESPACES}>",
            *inner_cycle_lines("Planned", reads, total(reads)),
            *inner_cycle_lines("Completed", reads, completed),
            f"  <InstrumentSerialNumber>{escape(instrument)}</InstrumentSerialNumber>",
            "  <ApplicationName>NextSeq 1000/2000 Control Software</ApplicationName>",
            "  <ApplicationVersion>1.1.0.27334</ApplicationVersion>",
            f"  <FlowCellSerialNumber>{escape(flowcell)}</FlowCellSerialNumber>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            "  <RtaVersion>3.6.14</RtaVersion>",
            "  <RunStartTime>2020-06-02T01:46:25.8840085Z</RunStartTime>",
            f"  <RunCounter>{escape(run_number(name))}</RunCounter>",
            "</RunParameters>",
        ]
    )


def novaseq6000(name: str, reads: Sequence[Read], experiment: str) -> bytes:
    """Control software 1.6 of the NovaSeq 6000."""
    date, instrument, _, _ = run_parts(name)
    return document(
        [
            f"<RunParameters {NAMESPACES}>",
            *cycle_lines("Planned", reads, total(reads)),
            f"  <RunNumber>{escape(run_number(name))}</RunNumber>",
            "  <RtaVersion>v3.4.4</RtaVersion>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            "  <RfidsInfo>",
            f"    <FlowCellSerialBarcode>{escape(without_side(name))}</FlowCellSerialBarcode>",
            "    <SbsSerialBarcode>NV0000001-RGSBS</SbsSerialBarcode>",
            "  </RfidsInfo>",
            f"  <RunStartDate>{escape(date)}</RunStartDate>",
            f"  <RunId>{escape(name)}</RunId>",
            f"  <InstrumentName>{escape(instrument)}</InstrumentName>",
            "  <Application>NovaSeq Control Software</Application>",
            "  <ApplicationVersion>1.6.0</ApplicationVersion>",
            "</RunParameters>",
        ]
    )


def second_generation(
    name: str, reads: Sequence[Read], experiment: str, series: str, version: str
) -> bytes:
    """NovaSeq X and MiSeq i100: a list of consumables, and reads with names."""
    _, instrument, _, _ = run_parts(name)
    return document(
        [
            f"<RunParameters {NAMESPACES}>",
            f"  <Application>{series} Control Software</Application>",
            f"  <SystemSuiteVersion>{version}</SystemSuiteVersion>",
            f"  <InstrumentSerialNumber>{escape(instrument)}</InstrumentSerialNumber>",
            f"  <RunId>{escape(name)}</RunId>",
            f"  <RunCounter>{escape(run_number(name))}</RunCounter>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            "  <ConsumableInfo>",
            "    <ConsumableInfo>",
            "      <SerialNumber>LC0000001-25B3</SerialNumber>",
            "      <Type>Reagent</Type>",
            "    </ConsumableInfo>",
            "    <ConsumableInfo>",
            f"      <SerialNumber>{escape(without_side(name))}</SerialNumber>",
            "      <Type>FlowCell</Type>",
            "    </ConsumableInfo>",
            "  </ConsumableInfo>",
            "  <PlannedReads>",
            *named_read_lines(reads, total(reads)),
            "  </PlannedReads>",
            "</RunParameters>",
        ]
    )
