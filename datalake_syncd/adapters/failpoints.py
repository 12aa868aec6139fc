"""Places where a test can end the process as ``kill -9`` would, to see that nothing is lost.

Set ``SYNCD_FAILPOINT`` to a value of ``FailPoint``; without it this does nothing.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

VARIABLE = "SYNCD_FAILPOINT"


class FailPoint(StrEnum):
    """Every step boundary: before it, after its effect, after its record; and inside some."""

    BEFORE_SETTLE = "before-settle"
    EFFECT_SETTLE = "effect-settle"
    RECORD_SETTLE = "record-settle"
    BEFORE_TRANSFER = "before-transfer"
    AZCOPY_STARTED = "azcopy-started"
    AZCOPY_ENDED = "azcopy-ended"
    EFFECT_TRANSFER = "effect-transfer"
    RECORD_TRANSFER = "record-transfer"
    BEFORE_VERIFY = "before-verify"
    EFFECT_VERIFY = "effect-verify"
    RECORD_VERIFY = "record-verify"
    BEFORE_ATTACH_SHEET = "before-attach-sheet"
    INSTRUMENT_SHEET_KEPT = "instrument-sheet-kept"
    EFFECT_ATTACH_SHEET = "effect-attach-sheet"
    RECORD_ATTACH_SHEET = "record-attach-sheet"
    BEFORE_PUBLISH = "before-publish"
    MANIFEST_WRITTEN = "manifest-written"
    EFFECT_PUBLISH = "effect-publish"
    RECORD_PUBLISH = "record-publish"
    BEFORE_PRUNE = "before-prune"
    PRUNE_INTENDED = "prune-intended"
    PRUNE_RENAMED = "prune-renamed"
    EFFECT_PRUNE = "effect-prune"
    RECORD_PRUNE = "record-prune"
    BEFORE_TRASH = "before-trash"
    TRASH_FILE_UNLINKED = "trash-file-unlinked"
    TRASH_EMPTIED = "trash-emptied"
    RECORD_TRASH = "record-trash"
    PRUNE_BROUGHT_BACK = "prune-brought-back"
    UNDO_RENAMED = "undo-renamed"


def reach(point: FailPoint | str) -> None:
    """End this process at once if a test asked for it here."""
    wanted = os.environ.get(VARIABLE)
    if wanted and wanted == str(FailPoint(point)):
        os.kill(os.getpid(), signal.SIGKILL)
