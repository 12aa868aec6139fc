"""The kinds of instruments that the service knows; a new one is a line in KINDS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from datalake_syncd.core.kinds.illumina import MISEQ, NEXTSEQ500
from datalake_syncd.core.kinds.kind import (
    MAX_METADATA_BYTES,
    ChecksumList,
    Kind,
    StructureCheck,
    TopFolder,
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "miseq": MISEQ,
        "nextseq500": NEXTSEQ500,
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
