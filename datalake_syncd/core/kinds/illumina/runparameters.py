"""RunParameters.xml: what the control software of each Illumina model says of its run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from datalake_syncd.core.kinds.illumina.runinfo import (
    Described,
    IlluminaFacts,
    sum_all,
    sum_cycles,
    sum_inner_cycles,
    sum_read_cycles,
)
from datalake_syncd.core.kinds.illumina.xmldoc import (
    child,
    local_name,
    read_xml,
    tag_name,
    text_of,
)

# Where the serial number of the flow cell lies when it is not a plain element: NovaSeq 6000,
# MiSeq and NextSeq 500, iSeq. NovaSeq X and MiSeq i100 have a list of consumables instead.
_FLOWCELL_TAGS = (
    ("rfidsinfo", "flowcellserialbarcode"),
    ("flowcellrfidtag", "serialnumber"),
    ("flowcelleepromtag", "serialnumber"),
)
# HiSeq names its reads like this in <Setup>, NextSeq 500 and MiniSeq with "index1read".
_SETUP_READS = frozenset(
    {"read1", "read2", "indexread1", "indexread2", "index1read", "index2read"},
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
    flowcell = _first(words, "flowcellserial", "flowcellserialnumber", "barcode")
    return Described(
        IlluminaFacts(
            run_id=_first(words, "runid"),
            run_number=_first(words, "runnumber", "runcounter", "scannumber"),
            instrument_id=_first(
                words, "instrumentid", "scannerid", "instrumentname", "instrumentserialnumber"
            ),
            flowcell=flowcell or next(_inner_flowcells(root), None),
            date=_first(words, "runstartdate", "runstarttime"),
            experiment=_first(words, "experimentname"),
            software=_software(words),
            planned_cycles=next(_planned_cycles(root, setup), None),
            # Zeros are what stands there from the start of the run on.
            completed_cycles=sum_inner_cycles(child(root, "completedcycles")) or None,
        )
    )


def _planned_cycles(root: Element, setup: Element | None) -> Iterator[int]:
    """The planned cycles in every way in which a model tells them, the surest first."""
    sums = [
        sum_cycles(root, "planned"),  # NextSeq 500, MiniSeq, NovaSeq 6000
        sum_read_cycles(child(root, "plannedreads"), "cycles"),  # NovaSeq X, MiSeq i100
        sum_inner_cycles(child(root, "plannedcycles")),  # iSeq, NextSeq 2000
        sum_read_cycles(child(root, "reads"), "numcycles"),  # MiSeq
    ]
    if setup is not None:
        sums.append(sum_read_cycles(child(setup, "reads"), "numcycles"))  # HiSeq
        reads = [element for element in setup if local_name(element) in _SETUP_READS]
        sums.append(sum_all(map(text_of, reads)))
    return (cycles for cycles in sums if cycles is not None)


def _inner_flowcells(root: Element) -> Iterator[str]:
    for tag, inner in _FLOWCELL_TAGS:
        yield from _texts(child(root, tag), inner)
    for consumable in _children(child(root, "consumableinfo"), "consumableinfo"):
        kind = text_of(child(consumable, "type")) or ""
        if kind.lower().startswith("flowcell"):
            yield from _texts(consumable, "serialnumber")


def _children(parent: Element | None, name: str) -> Iterable[Element]:
    elements = parent if parent is not None else ()
    return (element for element in elements if local_name(element) == name)


def _texts(parent: Element | None, name: str) -> Iterator[str]:
    return (text for text in map(text_of, _children(parent, name)) if text)


def _software(words: dict[str, str]) -> str | None:
    name = _first(words, "applicationname", "application")
    version = _first(words, "applicationversion", "mcsversion", "systemsuiteversion")
    control = " ".join(part for part in (name, version) if part)
    analysis = _first(words, "rtaversion")
    return ", ".join(part for part in (control, analysis and f"RTA {analysis}") if part) or None


def _first(words: dict[str, str], *names: str) -> str | None:
    return next((words[name] for name in names if name in words), None)
