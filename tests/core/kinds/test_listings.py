"""The runs that the builders write have the shape of real ones: every path is in a listing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from demo import sequencer
from demo.providers import NanoporeRun, PacBioRun
from tests.core.kinds.test_instrument_files import FILES

LISTINGS = FILES / "_listings"
pytestmark = pytest.mark.skipif(not LISTINGS.is_dir(), reason="no instrument files here")

#: Listings of the top folder alone, with the position of the name in a line.
TOP_ONLY = {
    "miseq_mcs4_230224_M02439_0043_000000000-KT42M.ls-1.txt": 0,
    "nextseq2000_230710_VH00464_302_AACJ3MWM5.ls-lth.txt": -1,
}
#: A listing without the name of the run in its paths.
RELATIVE = "nextseq500_170609_NB551051_0017_AHLFFJBGX2.rta_copy_requests.txt"

# What no listing has, as most leave the base calls or the folders out, and where it is from.
INTEROP = {
    f"InterOp/{name}MetricsOut.bin": "in the listings of MiSeq, NextSeq 500 and NovaSeq X"
    for name in ("Extraction", "Q", "Tile")
}
CBCL = {
    "Data/Intensities/BaseCalls/LN/CN.N/LN_N.cbcl": "format of bcl2fastq; listings have foo.cbcl",
    "Data/Intensities/BaseCalls/LN/s_N_N.filter": "as above",
    "Data/Intensities/s.locs": "as above",
    "InterOp/CN.N/BasecallingMetricsOut.bin": "one folder for each cycle; listings leave it out",
}
BGZF = {
    "Data/Intensities/BaseCalls/LN/N.bcl.bgzf": "as NextSeq 500; its listing has no base calls",
    "Data/Intensities/BaseCalls/LN/N.bcl.bgzf.bci": "as NextSeq 500",
    "Data/Intensities/BaseCalls/LN/s_N.bci": "as NextSeq 500",
    "Data/Intensities/BaseCalls/LN/s_N.filter": "as NextSeq 500",
    "RTAConfiguration.xml": "RTA 2, as NextSeq 500",
    "RTALogs/N-N_GlobalLog_N.tsv": "RTA 2, as NextSeq 500",
    "RTAReadNComplete.txt": "RTA 2, as NextSeq 500",
    "QueuedForAnalysis.txt": "local analysis, as MiSeq",
    **INTEROP,
}


@dataclass(frozen=True)
class Real:
    """The listings of one model: the names of its runs, and the shapes that none of them has."""

    run: str
    known: Mapping[str, str] = field(default_factory=dict)
    top: str = ""
    relative: bool = False


MODELS: dict[str, Real] = {
    "miseq": Real(
        r"\d{6}_M\d{5}_\d{4}_\w+-\w+",
        {
            "Data/Intensities/BaseCalls/LN/CN.N/s_N_N.bcl": "listings have foo.bcl there",
            "Data/Intensities/BaseCalls/LN/s_N_N.filter": "read by bcl2fastq; not listed",
            "Data/Intensities/LN/s_N_N.locs": "as above",
        },
        top="miseq_mcs4",
    ),
    # No such run is listed: the software is of the generation of the NovaSeq X.
    "miseq-i100": Real(r"\d{8}_LH\d+_\d{4}_\w+", {**CBCL, "Logs/Logs.zip": "as NextSeq 550"}),
    "miniseq": Real(
        r"\d{6}_M000000_0000_0000000000",
        {**BGZF, "Data/Intensities/LN/s_N.locs": "as NextSeq 500"},
    ),
    # No such run is listed: the files of the MiniSeq, and these of its manual.
    "iseq": Real(
        r"\d{6}_M000000_0000_0000000000",
        {
            **BGZF,
            "CopyComplete.txt": "its last file",
            "Data/Intensities/s.locs": "one for all lanes, as its flow cell is patterned",
        },
    ),
    "nextseq500": Real(
        r"\d{6}_N[BS]\d+_\d{4}_\w+",
        {"Thumbnail_Images/LN/CN.N/s_N_N_red.jpg": "as MiSeq; RTA does not ask for their copies"},
        relative=True,
    ),
    "nextseq2000": Real(r"\d{6}_VH\d+_\d+_\w+", {}, top="nextseq2000"),
    "novaseq6000": Real(
        r"\d{6}_A\d{5}_\d{4}_\w+",
        {**CBCL, **INTEROP, "Recipe/EffectiveRecipe.xml": "Recipe as NextSeq 2000; not listed"},
    ),
    "novaseqx": Real(
        r"\d{8}_LH\d+_\d{4}_\w+",
        {
            **CBCL,
            "Logs/Logs.zip": "as NextSeq 550",
            "Analysis/N/CopyComplete.txt": "the last file of an analysis, by its manual",
        },
    ),
    "hiseq2500": Real(
        r"\d{6}_(?:D|SN)\d+_\d{4}_\w+",
        {
            "Data/Intensities/BaseCalls/LN/CN.N/s_N_N.bcl.gz": "compressed since HCS 2; not listed",
            "Data/Intensities/BaseCalls/LN/s_N_N.filter": "read by bcl2fastq; not listed",
            "Data/Intensities/LN/s_N_N.clocs": "as above",
            **INTEROP,
        },
    ),
    "hiseqx": Real(
        r"\d{6}_(?:ST-E|E|K)\d+_\d{4}_\w+",
        {
            "Data/Intensities/BaseCalls/LN/CN.N/s_N_N.bcl.gz": "listings have foo.bcl there",
            "Data/Intensities/BaseCalls/LN/s_N_N.filter": "read by bcl2fastq; not listed",
            "Data/Intensities/s.locs": "patterned flow cell, as NovaSeq",
            **INTEROP,
        },
    ),
}


def shape(path: str) -> str:
    """A path without what differs from run to run: numbers, samples, ids, flow cells, movies."""
    path = re.sub(r"[^/]+_S\d+_L\d+_R\d_\d+\.fastq", "SAMPLE_R.fastq", path)
    path = re.sub(r"\bm[\de]+_\d+_\d+(_s\d+)?\b", r"MOVIE", path.replace("_s1.", "_s1 ."))
    path = path.replace("MOVIE .", "MOVIE.")
    path = re.sub(r"(?<![A-Za-z])[A-Z]{3}\d{5}(?=_)", "FLOWCELL", path)
    path = re.sub(r"(?<=_)(?=\d*[a-f])[0-9a-f]{8,40}(?=[_.])", "H", path)
    return re.sub(r"\d+", "N", path)


def lines() -> Iterator[tuple[str, str]]:
    for listing in sorted(LISTINGS.iterdir()):
        for line in listing.read_text(errors="replace").splitlines():
            if line.strip() and not line.startswith("#"):
                yield listing.name, line


def below(run: str) -> set[str]:
    """The shapes of the paths inside the folders of such runs, in all listings."""
    found = (
        re.search(rf"(?:^|/)(?:{run})/(.+)", line.split(maxsplit=1)[-1]) for _, line in lines()
    )
    return {shape(match[1]) for match in found if match is not None}


def listed(real: Real) -> tuple[set[str], set[str]]:
    """Shapes of paths, and names in the top folder where a listing has no more than these."""
    shapes, tops = below(real.run), set()
    for name, line in lines():
        if real.top and name.startswith(real.top):
            tops.add(shape(line.split()[TOP_ONLY[name]]))
        if real.relative and name == RELATIVE:
            shapes.add(shape(line.split(maxsplit=1)[1].replace("\\", "/")))
    return shapes, tops


def built(model: type[sequencer.SequencerRun]) -> set[str]:
    """The shapes of what a builder writes, with all that it can write besides."""
    options: list[dict[str, object]] = [{}]
    if hasattr(model, "analysis"):
        options.append({"analysis": "done"})
    if model.kind == "novaseqx":
        options.append({"analyses": {"1": True}})
    runs = (model("230101_X00001_0001_AHXXXXXXXX", **one) for one in options)  # type: ignore[arg-type]
    return {shape(path) for run in runs for path in run.files()}


def test_every_builder_is_compared() -> None:
    assert {model.kind for model in sequencer.MODELS} == MODELS.keys()


@pytest.mark.parametrize("model", sequencer.MODELS, ids=lambda model: model.kind)
def test_a_sequencer_writes_what_a_real_one_does(model: type[sequencer.SequencerRun]) -> None:
    real = MODELS[model.kind]
    shapes, tops = listed(real)
    assert shapes or tops, "no listing has such a run"
    paths = built(model)
    # Of what lies in a folder that only such a listing has, no more than the folder is known.
    tops -= {path.split("/")[0] for path in shapes if "/" in path}
    strange = {path for path in paths - shapes if path.split("/")[0] not in tops}
    assert strange == strange & real.known.keys(), "no real run has these"
    assert real.known.keys() <= strange, "these are listed after all, or not written"


ONT = r"\d{8}_\d{4}_[^/]+_[0-9a-f]{8}"
ONT_KNOWN = {
    # The folder and the names of MinKNOW 23.11 and later; the listed runs are older.
    "podN/FLOWCELL_H_H_N.podN": "raw reads that are not split by quality",
    "output_hash_FLOWCELL_N_N_H.csv": "checksums",
    # Listed with one id in the name; the acquisition's was added later.
    "sequencing_summary_FLOWCELL_H_H.txt": "as final_summary, which is listed with both",
}


def test_minknow_writes_what_a_real_one_does() -> None:
    inside = (re.sub(rf"^[^/]+/{ONT}/", "", path) for path in NanoporeRun("experiment").files())
    assert {shape(path) for path in inside} - below(ONT) == ONT_KNOWN.keys()


@pytest.mark.parametrize(
    ("model", "run", "known"),
    [
        # A log of one of its computers, named in a listed .transferdone.
        ("revio", r"r84\d+_\d+_\d+", {"N_AN/metadata/nvidia-smi.log"}),
        # The data set of the subreads, beside their BAM; the listed runs have that of HiFi reads.
        ("sequel", r"r64\w+_\d+_\d+", {"N_AN/MOVIE.subreadset.xml"}),
    ],
)
def test_a_pacbio_writes_what_a_real_one_does(
    model: Literal["revio", "sequel"], run: str, known: set[str]
) -> None:
    written = PacBioRun("r84028_20230214_022129", cells=("1_A01",), model=model).files()
    assert {shape(path) for path in written} - below(run) == known
