"""Places where a test can end the process as ``kill -9`` would, or make a thread hang for ever.

Set ``SYNCD_FAILPOINT`` to a value of ``FailPoint`` to die there. Set ``SYNCD_HANG`` to
``POINT=FILE`` to hang there as long as FILE exists when it is reached, as an SDK call that never
returns would. Without them this does nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from enum import StrEnum

VARIABLE = "SYNCD_FAILPOINT"
HANG = "SYNCD_HANG"


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
    """End this process at once, or hang this thread, if a test asked for it here."""
    wanted = os.environ.get(VARIABLE)
    if wanted and wanted == str(FailPoint(point)):
        os.kill(os.getpid(), signal.SIGKILL)
    where, _, file = os.environ.get(HANG, "").partition("=")
    if where and where == str(FailPoint(point)) and os.path.exists(file):
        threading.Event().wait()
