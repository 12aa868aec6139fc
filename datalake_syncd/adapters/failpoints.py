"""Places where a test can end the process as ``kill -9`` would, or make a thread hang for ever.

Set ``SYNCD_FAILPOINT`` to a value of ``FailPoint`` to die there. Set ``SYNCD_PAUSE`` to a folder to
wait at each point as long as the folder holds a file of its name. Set ``SYNCD_HANG`` to
``POINT=FILE`` to hang there as long as FILE exists when it is reached, as an SDK call that never
returns would, and ``SYNCD_BUG`` likewise to raise what nobody expects. Without them this does
nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from enum import StrEnum

VARIABLE = "SYNCD_FAILPOINT"
HANG = "SYNCD_HANG"
PAUSE = "SYNCD_PAUSE"
BUG = "SYNCD_BUG"


class FailPoint(StrEnum):
    """Every step boundary: before it, after its effect, after its record; and inside some.

    Tests loop over all of them: one that no test comes by fails the suite.
    """

    MIGRATION_COPIED = "migration-copied"
    MIGRATION_APPLIED = "migration-applied"
    RUN_SIGHTED = "run-sighted"
    RUN_REDERIVED = "run-rederived"
    BEFORE_SETTLE = "before-settle"
    EFFECT_SETTLE = "effect-settle"
    RECORD_SETTLE = "record-settle"
    BEFORE_TRANSFER = "before-transfer"
    SHEET_RECOGNISED = "sheet-recognised"
    SNAPSHOT_TAKEN = "snapshot-taken"
    SENDING_NOTED = "sending-noted"
    RENAMED_SENT = "renamed-sent"
    AZCOPY_STARTED = "azcopy-started"
    AZCOPY_ENDED = "azcopy-ended"
    HASHES_NOTED = "hashes-noted"
    EFFECT_TRANSFER = "effect-transfer"
    RECORD_TRANSFER = "record-transfer"
    BEFORE_VERIFY = "before-verify"
    READ_BACK_NOTED = "read-back-noted"
    EFFECT_VERIFY = "effect-verify"
    RECORD_VERIFY = "record-verify"
    BEFORE_ATTACH_SHEET = "before-attach-sheet"
    INSTRUMENT_SHEET_KEPT = "instrument-sheet-kept"
    EARLIER_SHEET_KEPT = "earlier-sheet-kept"
    EFFECT_ATTACH_SHEET = "effect-attach-sheet"
    RECORD_ATTACH_SHEET = "record-attach-sheet"
    BEFORE_PUBLISH = "before-publish"
    READY_WRITTEN = "ready-written"
    EARLIER_MANIFEST_KEPT = "earlier-manifest-kept"
    MANIFEST_WRITTEN = "manifest-written"
    EFFECT_PUBLISH = "effect-publish"
    RECORD_PUBLISH = "record-publish"
    BEFORE_PRUNE = "before-prune"
    PRUNE_INTENDED = "prune-intended"
    ENTRY_RENAMED = "entry-renamed"
    PRUNE_RENAMED = "prune-renamed"
    EFFECT_PRUNE = "effect-prune"
    RECORD_PRUNE = "record-prune"
    BEFORE_TRASH = "before-trash"
    TRASH_FILE_UNLINKED = "trash-file-unlinked"
    TRASH_EMPTIED = "trash-emptied"
    RECORD_TRASH = "record-trash"
    PRUNE_BROUGHT_BACK = "prune-brought-back"
    UNDO_RENAMED = "undo-renamed"
    REQUEST_DONE = "request-done"
    SCRUB_NOTED = "scrub-noted"
    MAIL_QUEUED = "mail-queued"
    MAIL_TAKEN = "mail-taken"


def reach(point: FailPoint | str) -> None:
    """End this process at once, or hold this thread up, if a test asked for it here."""
    folder = os.environ.get(PAUSE)
    if folder and os.path.exists(file := f"{folder}/{FailPoint(point)}"):
        os.write(2, f"waits at {FailPoint(point)}\n".encode())
        while os.path.exists(file):
            time.sleep(0.02)
    wanted = os.environ.get(VARIABLE)
    if wanted and wanted == str(FailPoint(point)):
        os.write(2, f"died at {wanted}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    if _wanted(HANG, point):
        threading.Event().wait()
    if _wanted(BUG, point):
        raise ZeroDivisionError(f"a test wants a bug at {point}")


def _wanted(variable: str, point: FailPoint | str) -> bool:
    where, _, file = os.environ.get(variable, "").partition("=")
    return bool(where) and where == str(FailPoint(point)) and os.path.exists(file)
