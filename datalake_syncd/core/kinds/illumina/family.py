"""Every Illumina model that the service knows, each a few lines of data.

The flags of one model mean nothing on another: on a NovaSeq, RTAComplete.txt is there more than
an hour before the last base calls are.
"""

from __future__ import annotations

from datalake_syncd.core.kinds.illumina.rules import (
    COPY_COMPLETE,
    RTA_COMPLETE,
    RUN_STATUS,
    Rules,
    illumina_kind,
)
from datalake_syncd.core.kinds.illumina.structure import BGZF, CBCL, TILES

# Some generations of the control software of these write CopyComplete.txt, others do not.
_LEARNED = (COPY_COMPLETE,)

MISEQ = illumina_kind(
    "miseq",
    "Illumina MiSeq",
    Rules(flags=(RTA_COMPLETE,), learned_flags=_LEARNED, local_analysis=True),
    TILES,
)
# Few such runs were seen: the layout is that of its software's family, or its predecessors'.
MISEQ_I100 = illumina_kind(
    "miseq-i100",
    "Illumina MiSeq i100",
    Rules(flags=(COPY_COMPLETE, RUN_STATUS)),
    CBCL,
    BGZF,
)
MINISEQ = illumina_kind(
    "miniseq",
    "Illumina MiniSeq",
    Rules(flags=(RTA_COMPLETE,), learned_flags=_LEARNED, local_analysis=True),
    BGZF,
)
ISEQ = illumina_kind(
    "iseq",
    "Illumina iSeq 100",
    Rules(flags=(COPY_COMPLETE,), local_analysis=True),
    BGZF,
    CBCL,
)
NEXTSEQ500 = illumina_kind(
    "nextseq500",
    "Illumina NextSeq 500/550",
    Rules(flags=(RUN_STATUS, RTA_COMPLETE), learned_flags=_LEARNED),
    BGZF,
)
NEXTSEQ2000 = illumina_kind(
    "nextseq2000",
    "Illumina NextSeq 1000/2000",
    Rules(flags=(COPY_COMPLETE, RUN_STATUS), onboard_analysis=True),
    CBCL,
)
NOVASEQ6000 = illumina_kind(
    "novaseq6000",
    "Illumina NovaSeq 6000",
    Rules(flags=(RTA_COMPLETE, COPY_COMPLETE)),
    CBCL,
)
NOVASEQX = illumina_kind(
    "novaseqx",
    "Illumina NovaSeq X",
    Rules(flags=(COPY_COMPLETE, RUN_STATUS), onboard_analysis=True, manifests=True),
    CBCL,
)
HISEQ2500 = illumina_kind(
    "hiseq2500",
    "Illumina HiSeq 2000/2500",
    Rules(flags=(RTA_COMPLETE, "Basecalling_Netcopy_complete.txt")),
    TILES,
)
HISEQX = illumina_kind(
    "hiseqx",
    "Illumina HiSeq 3000/4000/X",
    Rules(flags=(RTA_COMPLETE, "SequencingComplete.txt")),
    TILES,
)
