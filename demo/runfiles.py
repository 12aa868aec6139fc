"""The metadata files of a simulated run: RunInfo, RunParameters, status, sample sheet."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

Read = tuple[int, int, bool]  # (number, cycles, is index)

_NAMESPACES = (
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def run_parts(name: str) -> tuple[str, str, str, str]:
    """Date, instrument, number and flow cell of a run name; blank where it has fewer parts."""
    parts = [*name.split("_", 3), "", "", "", ""]
    return parts[0], parts[1], parts[2], parts[3]


def run_info(
    name: str, reads: Sequence[Read], *, version: int, layout: str, tiles: Sequence[str] = ()
) -> bytes:
    """RunInfo.xml; ``layout`` are the attributes of FlowcellLayout, ``tiles`` its TileSet."""
    date, instrument, number, flowcell = run_parts(name)
    if version >= 4:
        flowcell = flowcell[1:]  # the folder's name puts the side, A or B, before it
    lines = [
        f"<RunInfo {_NAMESPACES} Version={quoteattr(str(version))}>",
        f"  <Run Id={quoteattr(name)} Number={quoteattr(number.lstrip('0') or '0')}>",
        f"    <Flowcell>{escape(flowcell)}</Flowcell>",
        f"    <Instrument>{escape(instrument)}</Instrument>",
        f"    <Date>{escape(date)}</Date>",
        "    <Reads>",
        *_read_lines("Read", reads),
        "    </Reads>",
    ]
    if tiles:
        lines += [
            f"    <FlowcellLayout {layout}>",
            '      <TileSet TileNamingConvention="FiveDigit">',
            "        <Tiles>",
            *(f"          <Tile>{escape(tile)}</Tile>" for tile in tiles),
            "        </Tiles>",
            "      </TileSet>",
            "    </FlowcellLayout>",
        ]
    else:
        lines.append(f"    <FlowcellLayout {layout} />")
    return _document([*lines, "  </Run>", "</RunInfo>"])


def miseq_parameters(name: str, reads: Sequence[Read], experiment: str) -> bytes:
    """RunParameters.xml as MiSeq Control Software 2.6 writes it."""
    date, instrument, number, flowcell = run_parts(name)
    return _document(
        [
            f"<RunParameters {_NAMESPACES}>",
            "  <RunParametersVersion>MiSeq_1_1</RunParametersVersion>",
            "  <Setup>",
            "    <ApplicationVersion>2.6.2.1</ApplicationVersion>",
            "    <ApplicationName>MiSeq Control Software</ApplicationName>",
            "  </Setup>",
            f"  <RunID>{escape(name)}</RunID>",
            f"  <ScannerID>{escape(instrument)}</ScannerID>",
            f"  <RunNumber>{escape(number.lstrip('0') or '0')}</RunNumber>",
            "  <MCSVersion>2.6.2.1</MCSVersion>",
            "  <RTAVersion>1.18.54</RTAVersion>",
            f"  <Barcode>{escape(flowcell)}</Barcode>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            "  <Reads>",
            *_read_lines("RunInfoRead", reads),
            "  </Reads>",
            f"  <RunStartDate>{escape(date)}</RunStartDate>",
            "</RunParameters>",
        ]
    )


def nextseq_parameters(name: str, reads: Sequence[Read], experiment: str) -> bytes:
    """RunParameters.xml as NextSeq Control Software 2.1 writes it."""
    date, instrument, number, flowcell = run_parts(name)
    return _document(
        [
            f"<RunParameters {_NAMESPACES}>",
            "  <RunParametersVersion>NextSeq_2_1_0</RunParametersVersion>",
            "  <Setup>",
            "    <ApplicationVersion>2.1.0.31</ApplicationVersion>",
            "    <ApplicationName>NextSeq Control Software</ApplicationName>",
            "  </Setup>",
            f"  <RunID>{escape(name)}</RunID>",
            f"  <InstrumentID>{escape(instrument)}</InstrumentID>",
            f"  <RunNumber>{escape(number.lstrip('0') or '0')}</RunNumber>",
            "  <RTAVersion>2.4.11</RTAVersion>",
            f"  <FlowCellSerial>{escape(flowcell[1:])}</FlowCellSerial>",
            f"  <ExperimentName>{escape(experiment)}</ExperimentName>",
            f"  <RunStartDate>{escape(date)}</RunStartDate>",
            *_cycle_lines("Planned", reads, sum(cycles for _, cycles, _ in reads)),
            "</RunParameters>",
        ]
    )


def completion_status(
    name: str, reads: Sequence[Read], completed: int, status: str, error: str | None = None
) -> bytes:
    """RunCompletionStatus.xml, the schema of the NextSeq 500/550."""
    if error is None:
        error = "None" if "Early" not in status else "Thread was being aborted."
    return _document(
        [
            f"<RunCompletionStatus {_NAMESPACES}>",
            "  <Version>1</Version>",
            f"  <CompletionStatus>{escape(status)}</CompletionStatus>",
            f"  <RunId>{escape(name)}</RunId>",
            *_cycle_lines("Planned", reads, sum(cycles for _, cycles, _ in reads)),
            *_cycle_lines("Completed", reads, completed),
            "  <ClusterDensity>190.720871</ClusterDensity>",
            "  <ClustersPassingFilter>94.17467</ClustersPassingFilter>",
            "  <EstimatedYield>72.23624</EstimatedYield>",
            f"  <ErrorDescription>{escape(error)}</ErrorDescription>",
            "</RunCompletionStatus>",
        ]
    )


def job_info(name: str, error: str | None = None) -> bytes:
    """CompletedJobInfo.xml (and QueuedForAnalysis.txt, which has the same shape)."""
    return _document(
        [
            f'<AnalysisJobInfo {_NAMESPACES} Version="0">',
            *([f"  <Error>{escape(error)}</Error>"] if error else []),
            f"  <RunFolder>D:\\Illumina\\MiSeqAnalysis\\{escape(name)}</RunFolder>",
            "  <Sheet>",
            "    <Type>MiSeq</Type>",
            "    <WorkflowType>GenerateFASTQ</WorkflowType>",
            "  </Sheet>",
            "</AnalysisJobInfo>",
        ]
    )


def sample_sheet(experiment: str, reads: Sequence[Read]) -> bytes:
    """A v1 sample sheet with two samples, CRLF as Illumina Experiment Manager writes it."""
    lines = [
        "[Header]",
        "IEMFileVersion,4",
        f"Experiment Name,{experiment}",
        "Workflow,GenerateFASTQ",
        "",
        "[Reads]",
        *(str(cycles) for _, cycles, is_index in reads if not is_index),
        "",
        "[Settings]",
        "",
        "[Data]",
        "Sample_ID,Sample_Name,Sample_Plate,Sample_Well,I7_Index_ID,index,Sample_Project",
        "sample-1,sample-1,,,N701,TAAGGCGA,demo",
        "sample-2,sample-2,,,N702,CGTACTAG,demo",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def _document(lines: Sequence[str]) -> bytes:
    return "\r\n".join(['<?xml version="1.0"?>', *lines]).encode()


def _read_lines(tag: str, reads: Sequence[Read]) -> list[str]:
    return [
        f'      <{tag} Number="{number}" NumCycles="{cycles}" '
        f'IsIndexedRead="{"Y" if is_index else "N"}" />'
        for number, cycles, is_index in reads
    ]


def _cycle_lines(word: str, reads: Sequence[Read], cycles_done: int) -> list[str]:
    """PlannedRead1Cycles, PlannedIndex1ReadCycles and so on, in the order of sequencing."""
    lines = []
    seen = {True: 0, False: 0}
    for _, cycles, is_index in reads:
        seen[is_index] += 1
        done = min(cycles, cycles_done)
        cycles_done -= done
        number = seen[is_index]
        tag = f"Index{number}Read" if is_index else f"Read{number}"
        lines.append(f"  <{word}{tag}Cycles>{done}</{word}{tag}Cycles>")
    return lines
