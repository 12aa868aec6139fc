"""What a finished call of azcopy means. Pure; success still has to be proven in the lake."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from datalake_syncd.adapters.azcopy.job import CopyResult
from datalake_syncd.adapters.azcopy.refusals import Cause, cause_of_error, cause_of_failure
from datalake_syncd.core.errors import (
    AuthRefused,
    Damaged,
    LakeUnavailable,
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    SyncdError,
    Transient,
)
from datalake_syncd.core.names import escape

_SHOWN = 3  # file names in one message


def judge(result: CopyResult, expected: int) -> None:
    """Return if all ``expected`` files were sent, else raise what `verdict` finds."""
    error = verdict(result, expected)
    if error is not None:
        raise error


def verdict(result: CopyResult, expected: int) -> SyncdError | None:
    """None if azcopy sent all ``expected`` files, else the error to handle.

    None is not yet a proof, and an error does not mean that nothing arrived: the listing of
    the lake decides about each file.
    """
    if result.stopped:
        return Stopped("the upload was stopped")
    if result.arrived:
        return None  # its counters, and its exit code, are those of a killed one
    if _all_sent(result, expected):
        return None
    causes = _causes(result)
    if result.returncode == 2 and "panic" in result.stderr and not causes:
        return _panic(result)
    # What stops everything first; what a person must mend only when nothing else is wrong,
    # since it will still be there at the next try.
    for cause in Cause:
        # A stall says more than the unanswered requests that it ended with.
        if cause in causes and not (result.stalled and cause is Cause.LAKE):
            return _error(cause, causes[cause], result)
    if result.stalled:
        return _stalled(result)
    if result.returncode < 0:
        return _killed(result)
    return _unexplained(result, expected)


def _all_sent(result: CopyResult, expected: int) -> bool:
    last = result.last
    return (
        result.returncode == 0
        and not result.stalled
        and result.ended
        and last is not None
        and last.status == "Completed"
        and last.files_total == last.files_done == expected
        and not result.doubts
        and not result.failures
    )


def _causes(result: CopyResult) -> dict[Cause, list[str]]:
    """Every cause that is named somewhere, with the texts that name it."""
    found: dict[Cause, list[str]] = {}

    def note(cause: Cause | None, text: str) -> None:
        if cause is not None:
            found.setdefault(cause, []).append(text)

    for failure in result.failures:
        # Files of a cancelled job fail without a reason of their own.
        if failure.status != "Cancelled":
            name = failure.source.removeprefix(f"{result.root}/")
            text = f"{escape(name)} ({failure.reason or f'code {failure.code}'})"
            note(cause_of_failure(failure), text)
    for text in result.doubts:
        missing = "no such file" in text
        note(Cause.SOURCE_CHANGED if missing else Cause.UNREADABLE, text)
    refused = result.errors + tuple(
        info for info in result.infos if "Authentication failed" in info
    )
    for text in (*refused, result.stray):
        note(cause_of_error(text), text)
    # A job that nobody stopped and that cancelled itself was refused.
    cancelled = result.last is not None and result.last.status == "Cancelled"
    if cancelled and not result.stalled and not found:
        note(Cause.AUTH, "azcopy gave up the whole job")
    return found


def _some(texts: Iterable[str]) -> str:
    each = list(dict.fromkeys(text[:300] for text in texts))
    more = f" and {len(each) - _SHOWN} more" if len(each) > _SHOWN else ""
    return "; ".join(each[:_SHOWN]) + more


def _error(cause: Cause, texts: list[str], result: CopyResult) -> SyncdError:
    told = _some(texts)
    match cause:
        case Cause.AUTH:
            return AuthRefused(
                f"the lake refused the upload: {told}",
                next_step="check that the login is valid and may write to the container "
                f"{result.container} (Storage Blob Data Contributor; a SAS with rcwl that has "
                "not expired), and that this machine's clock is right (datalake-syncd doctor)",
            )
        case Cause.CONTAINER_MISSING:
            return LakeUnavailable(
                f"the container {result.container} does not exist: {told}",
                why="This service never creates containers.",
                next_step=f"create the container {result.container}, or mend lake.container and "
                "lake.account_url; uploads go on by themselves",
            )
        case Cause.LAKE:
            return LakeUnavailable(f"the lake could not be reached or is busy: {told}")
        case Cause.SOURCE_OFFLINE:
            return SourceOffline(
                f"the source does not answer: {told}",
                next_step="check that the disk or share is mounted and healthy",
            )
        case Cause.SOURCE_CHANGED:
            return SourceChanged(f"the source changed during the upload: {told}")
        case Cause.UNREADABLE:
            return NeedsPerson(
                f"the source could not be read: {told}",
                next_step="give the service's user the right to read these files, then retry",
            )
        case Cause.FILE_REFUSED:
            return NeedsPerson(
                f"the lake refuses to take files: {told}",
                why="A lease, an immutability policy or a name stands against it.",
                next_step="look at these blobs in the lake, end the lease or policy, then retry",
            )
        case Cause.DAMAGED:
            return Damaged(
                f"bytes arrived damaged and were refused: {told}",
                why="The service compared the MD5; nothing wrong was stored.",
                next_step="if this repeats, check the machine's memory, network card and proxy",
            )
        case Cause.OTHER_UPLOADER:
            return Transient(
                f"unfinished blocks of another uploader are in the way: {told}",
                next_step="make sure that no other program uploads to this prefix",
            )
        case Cause.ENVIRONMENT:
            return Transient(
                f"azcopy has no room to work: {told}",
                next_step="check free space and rights of the state directory",
            )
        case Cause.COMMAND_LINE:
            return NeedsPerson(
                f"azcopy does not understand how it was called: {told}",
                why="Trying again would end the same way.",
                next_step="install a tested version of azcopy (the log's azcopy.found line "
                "names it), then retry",
            )
    raise AssertionError(cause)


def _panic(result: CopyResult) -> SyncdError:
    full = "no space left" in result.stderr
    return Transient(
        "azcopy crashed: " + result.stderr[:300],
        why="The disk of its plan folder is full." if full else "",
        next_step="check free space of the state directory",
    )


def _stalled(result: CopyResult) -> SyncdError:
    what = f"azcopy was ended because {result.stall_reason}"
    last = result.last
    if last is not None and last.network_errors > 0:
        return LakeUnavailable(
            f"{what}; {last.network_errors:.0f} % of its requests failed",
            next_step="check network, DNS, proxy and TLS between this machine and the lake",
        )
    return Transient(what, next_step="check network and source if this repeats")


def _killed(result: CopyResult) -> SyncdError:
    number = -result.returncode
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    memory = number == signal.SIGKILL
    return Transient(
        f"azcopy was killed by {name}",
        next_step="if this repeats, look for the out-of-memory killer in the journal and lower "
        "daemon.workers (each has an azcopy of its own), or azcopy.put_blob_mb if it is above 682, "
        "or give the service more memory (MemoryMax of its unit)"
        if memory
        else "",
    )


def _unexplained(result: CopyResult, expected: int) -> SyncdError:
    last = result.last
    if last is None or not result.ended:
        return Transient(
            f"azcopy ended with {result.returncode} before it finished: "
            + (
                _some((*result.errors, result.stderr, result.stray)).strip("; ")
                or "it said nothing"
            )
        )
    return Transient(
        f"azcopy ended with {result.returncode}, {last.status or 'no status'}: it sent "
        f"{last.files_done} of {expected} files, {last.files_failed} failed, "
        f"{last.files_skipped} were skipped" + (f": {last.error}" if last.error else "")
    )
