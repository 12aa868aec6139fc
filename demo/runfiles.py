"""The metadata files of a simulated run: RunInfo, status, job info, sample sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

Read = tuple[int, int, bool]  # (number, cycles, is index)

NAMESPACES = (
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def run_parts(name: str) -> tuple[str, str, str, str]:
    """Date, instrument, number and flow cell of a run name; blank where it has fewer parts."""
    parts = [*name.split("_", 3), "", "", "", ""]
    return parts[0], parts[1], parts[2], parts[3]


def without_side(name: str) -> str:
    """The flow cell of a run whose folder name puts the side, A or B, before it."""
    return run_parts(name)[3][1:]


def run_number(name: str) -> str:
    """The number of the run without the zeros that the folder's name puts before it."""
    return run_parts(name)[2].lstrip("0") or "0"


def run_info(
    name: str,
    reads: Sequence[Read],
    *,
    version: int,
    layout: str,
    tiles: Sequence[str] = (),
    digits: str = "FiveDigit",
    flowcell: str | None = None,
    date: str | None = None,
) -> bytes:
    """RunInfo.xml; ``layout`` are the attributes of FlowcellLayout, ``tiles`` its TileSet.

    ``flowcell`` and ``date`` are those of the folder's name unless they are given.
    """
    date_of_name, instrument, _, flowcell_of_name = run_parts(name)
    if version >= 4:
        flowcell_of_name = without_side(name)
    if flowcell is None:
        flowcell = flowcell_of_name
    lines = [
        f"<RunInfo {NAMESPACES} Version={quoteattr(str(version))}>",
        f"  <Run Id={quoteattr(name)} Number={quoteattr(run_number(name))}>",
        f"    <Flowcell>{escape(flowcell)}</Flowcell>",
        f"    <Instrument>{escape(instrument)}</Instrument>",
        f"    <Date>{escape(date or date_of_name)}</Date>",
        "    <Reads>",
        *read_lines("Read", reads),
        "    </Reads>",
    ]
    if tiles:
        lines += [
            f"    <FlowcellLayout {layout}>",
            f"      <TileSet TileNamingConvention={quoteattr(digits)}>",
            "        <Tiles>",
            *(f"          <Tile>{escape(tile)}</Tile>" for tile in tiles),
            "        </Tiles>",
            "      </TileSet>",
            "    </FlowcellLayout>",
        ]
    else:
        lines.append(f"    <FlowcellLayout {layout} />")
    return document([*lines, "  </Run>", "</RunInfo>"])


def completion_status(
    name: str, reads: Sequence[Read], completed: int, status: str, error: str | None = None
) -> bytes:
    """RunCompletionStatus.xml, the schema of the NextSeq 500/550."""
    if error is None:
        error = "None" if "Early" not in status else "Thread was being aborted."
    return document(
        [
            f"<RunCompletionStatus {NAMESPACES}>",
            "  <Version>1</Version>",
            f"  <CompletionStatus>{escape(status)}</CompletionStatus>",
            f"  <RunId>{escape(name)}</RunId>",
            *cycle_lines("Planned", reads, sum(cycles for _, cycles, _ in reads)),
            *cycle_lines("Completed", reads, completed),
            "  <ClusterDensity>190.720871</ClusterDensity>",
            "  <ClustersPassingFilter>94.17467</ClustersPassingFilter>",
            "  <EstimatedYield>72.23624</EstimatedYield>",
            f"  <ErrorDescription>{escape(error)}</ErrorDescription>",
            "</RunCompletionStatus>",
        ]
    )


def run_status(reads: Sequence[Read], completed: int, status: str) -> bytes:
    """RunCompletionStatus.xml, the schema of the NovaSeq X; without reads it has no cycles."""
    lines = [
        f"<RunCompletionStatus {NAMESPACES}>",
        "  <RunStartTime>2024-05-31T17:52:16.9253395-04:00</RunStartTime>",
        "  <RunEndTime>2024-06-02T11:51:29.3393731-04:00</RunEndTime>",
    ]
    if reads:
        lines += [
            "  <CompletedReads>",
            *named_read_lines(reads, completed),
            "  </CompletedReads>",
        ]
    lines.append(f"  <RunStatus>{escape(status)}</RunStatus>")
    if "Errored" in status:
        lines += [
            "  <RunError>",
            "    <Type>RecipeExecutionFailedException</Type>",
            "    <Message>I/O data integrity check failed</Message>",
            "  </RunError>",
        ]
    return document([*lines, "</RunCompletionStatus>"])


def job_info(name: str, error: str | None = None) -> bytes:
    """CompletedJobInfo.xml (and QueuedForAnalysis.txt, which has the same shape)."""
    return document(
        [
            f'<AnalysisJobInfo {NAMESPACES} Version="0">',
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


def document(lines: Sequence[str]) -> bytes:
    """An XML document with the line endings of the instruments' Windows."""
    return "\r\n".join(['<?xml version="1.0"?>', *lines]).encode()


def read_lines(tag: str, reads: Sequence[Read]) -> list[str]:
    """One element for each read, as RunInfo.xml and the MiSeq have them."""
    return [
        f'      <{tag} Number="{number}" NumCycles="{cycles}" '
        f'IsIndexedRead="{"Y" if is_index else "N"}" />'
        for number, cycles, is_index in reads
    ]


def cycle_lines(word: str, reads: Sequence[Read], cycles_done: int) -> list[str]:
    """PlannedRead1Cycles, PlannedIndex1ReadCycles and so on, in the order of sequencing."""
    lines = []
    for is_index, number, done in _numbered(reads, cycles_done):
        tag = f"Index{number}Read" if is_index else f"Read{number}"
        lines.append(f"  <{word}{tag}Cycles>{done}</{word}{tag}Cycles>")
    return lines


def named_read_lines(reads: Sequence[Read], cycles_done: int) -> list[str]:
    """<Read ReadName="Index1" Cycles="8" /> and so on, in the order of sequencing."""
    return [
        f'    <Read ReadName="{"Index" if is_index else "Read"}{number}" Cycles="{done}" />'
        for is_index, number, done in _numbered(reads, cycles_done)
    ]


def inner_cycle_lines(word: str, reads: Sequence[Read], cycles_done: int) -> list[str]:
    """<PlannedCycles> with <Read1>, <Index1> and so on inside, in the order of sequencing."""
    lines = [f"  <{word}Cycles>"]
    for is_index, number, done in _numbered(reads, cycles_done):
        tag = f"{'Index' if is_index else 'Read'}{number}"
        lines.append(f"    <{tag}>{done}</{tag}>")
    return [*lines, f"  </{word}Cycles>"]


def _numbered(reads: Sequence[Read], cycles_done: int) -> Iterator[tuple[bool, int, int]]:
    """Whether it is an index read, its number among its like, and its cycles that are done."""
    seen = {True: 0, False: 0}
    for _, cycles, is_index in reads:
        seen[is_index] += 1
        done = min(cycles, cycles_done)
        cycles_done -= done
        yield is_index, seen[is_index], done
