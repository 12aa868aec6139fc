"""The kinds of instruments that the service knows; a new one is a line in KINDS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from datalake_syncd.core.kinds.folder import FOLDER
from datalake_syncd.core.kinds.illumina.family import (
    HISEQ2500,
    HISEQX,
    ISEQ,
    MINISEQ,
    MISEQ,
    MISEQ_I100,
    NEXTSEQ500,
    NEXTSEQ2000,
    NOVASEQ6000,
    NOVASEQX,
)
from datalake_syncd.core.kinds.kind import (
    MAX_METADATA_BYTES,
    ChecksumList,
    Kind,
    StructureCheck,
    TopFolder,
)
from datalake_syncd.core.kinds.massspec.metabolomics import METABOLOMICS
from datalake_syncd.core.kinds.massspec.proteomics import PROTEOMICS
from datalake_syncd.core.kinds.nanopore import NANOPORE
from datalake_syncd.core.kinds.pacbio import PACBIO

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "miseq": MISEQ,
        "miseq-i100": MISEQ_I100,
        "miniseq": MINISEQ,
        "iseq": ISEQ,
        "nextseq500": NEXTSEQ500,
        "nextseq2000": NEXTSEQ2000,
        "novaseq6000": NOVASEQ6000,
        "novaseqx": NOVASEQX,
        "hiseq2500": HISEQ2500,
        "hiseqx": HISEQX,
        "proteomics": PROTEOMICS,
        "metabolomics": METABOLOMICS,
        "nanopore": NANOPORE,
        "pacbio": PACBIO,
        "folder": FOLDER,
    }
)

__all__ = [
    "KINDS",
    "MAX_METADATA_BYTES",
    "ChecksumList",
    "Kind",
    "StructureCheck",
    "TopFolder",
]
