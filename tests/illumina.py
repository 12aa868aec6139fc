"""One small simulated run of each Illumina model, by the name of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datalake_syncd.core.kinds import Kind, TopFolder
from datalake_syncd.core.model import Assessment
from datalake_syncd.steps.top_folder import matches
from demo.sequencer import MODELS, SequencerRun

NAMES = {
    "miseq": "180105_M00001_{:04d}_000000000-AAAAA",
    "miseq-i100": "20260205_SH01038_{:04d}_ASC2139476-SC3",
    "miniseq": "180103_MN00001_{:04d}_A000H2AAAA",
    "iseq": "20200624_FS10000001_{}_BPA73105-2609",
    "nextseq500": "180612_NB501016_{:04d}_AHAAAAAAXX",
    "nextseq2000": "230710_VH00464_{}_AACJ3AAM5",
    "novaseq6000": "200624_A00834_{:04d}_BHMTFAAAXX",
    "novaseqx": "20240531_LH00130_{:04d}_A22CAAALT4",
    "hiseq2500": "170920_D00118_{:04d}_BHVLWAAAXY",
    "hiseqx": "170517_ST-E00266_{:04d}_BHJCFAAAXX",
}
CLASSES = {model.kind: model for model in MODELS}
KINDS_WITH_STATUS = ("miseq-i100", "nextseq500", "nextseq2000", "novaseqx")
CBCL_KINDS = ("miseq-i100", "nextseq2000", "novaseq6000", "novaseqx")


def run_of(kind: str, number: int = 1, **options: Any) -> SequencerRun:
    """A run of this kind with a few short reads, unless the options say otherwise."""
    small = {"cycles": (3, 2), "index_reads": (2,), **options}
    return CLASSES[kind](NAMES[kind].format(number), **small)


def top_of(
    kind: Kind,
    files: Mapping[str, bytes | None],
    *,
    name: str = "",
    learned: frozenset[str] = frozenset(),
    flags: tuple[str, ...] | None = None,
) -> TopFolder:
    """The top folder of such a run, as the service reads it for this kind."""
    folders: dict[str, dict[str, None]] = {"": {}}
    for path in files:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            folders.setdefault("/".join(parts[:depth]), {})[part] = None
    below = {
        path: tuple(names)
        for path, names in folders.items()
        if path and matches(path, kind.folders)
    }
    metadata = {
        path.lower(): content
        for path, content in files.items()
        if matches(path, kind.metadata_files)
    }
    return TopFolder(name, tuple(folders[""]), metadata, learned, flags, below)


def assess(
    kind: Kind,
    files: Mapping[str, bytes | None],
    *,
    name: str = "",
    learned: frozenset[str] = frozenset(),
    flags: tuple[str, ...] | None = None,
) -> Assessment:
    """What the kind says of a run with these files."""
    return kind.assess(top_of(kind, files, name=name, learned=learned, flags=flags))


def problems_of(kind: Kind, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """What the structure check of the kind says of these files, going by their own metadata."""
    check = kind.structure(assess(kind, files).facts)
    assert check is not None
    for path, content in files.items():
        check.see(path, len(content))
    return check.problems()


def failing(assessment: Assessment) -> list[str]:
    """The names of the gates that are not passed."""
    return [gate.name for gate in assessment.gates if not gate.passed]


def lapsing(assessment: Assessment) -> list[str]:
    """The names of the gates that are not passed and may lapse."""
    assert not any(gate.passed and gate.may_lapse for gate in assessment.gates)
    return [gate.name for gate in assessment.gates if gate.may_lapse]
