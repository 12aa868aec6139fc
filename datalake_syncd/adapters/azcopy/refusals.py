"""From azcopy's codes and words to causes: the table that the verdict is read from."""

from __future__ import annotations

import re
from enum import Enum, auto

from datalake_syncd.adapters.azcopy.output import FileFailure


class Cause(Enum):
    """Why something did not arrive, in the order in which it is told when several apply."""

    COMMAND_LINE = auto()
    AUTH = auto()
    CONTAINER_MISSING = auto()
    LAKE = auto()
    ENVIRONMENT = auto()
    SOURCE_OFFLINE = auto()
    SOURCE_CHANGED = auto()
    UNREADABLE = auto()
    FILE_REFUSED = auto()
    DAMAGED = auto()
    OTHER_UPLOADER = auto()


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_LOCAL: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (Cause.UNREADABLE, _words("permission denied", "operation not permitted")),
    (
        Cause.SOURCE_OFFLINE,
        _words(
            "host is down",
            "stale (nfs )?file handle",
            "input/output error",
            "transport endpoint is not connected",
            "no such device",
            "cannot allocate memory.*open",
        ),
    ),
    (
        Cause.SOURCE_CHANGED,
        _words("modified (during|since)", r"\bEOF\b", "no such file", "size of the file changed"),
    ),
    (Cause.ENVIRONMENT, _words("no space left", "too many open files")),
)

_BEING_MADE = _words("being deleted", "being created", "ContainerDisabled", "AccountIsDisabled")
_MD5 = _words("md5 ?mismatch", "contentmd5", "content-md5", "MD5 value")
_BLOCKS = _words("block list is invalid", "InvalidBlockList", "InvalidBlobOrBlock", "block content")
_NO_CONTAINER = _words("container does not exist", "ContainerNotFound")

_ERRORS: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (
        Cause.AUTH,
        _words(
            "auto-login",
            "requires authentication",
            "trusted-microsoft-suffixes",
            "Authentication failed",
            "no SAS token or OAuth token",
            "failed to get (access )?token",
            "AADSTS",
        ),
    ),
    (Cause.COMMAND_LINE, _words("unknown (flag|command|shorthand)", "^Usage:", "invalid argument")),
    (Cause.SOURCE_OFFLINE, _words("failed to scan path", "cannot find source")),
    (
        Cause.ENVIRONMENT,
        _words("no space left", "making .azcopy directory", "read-only file system"),
    ),
)


def cause_of_failure(failure: FileFailure) -> Cause | None:
    """The cause of one failed file; None when only the counters are left to tell."""
    reason, code = failure.reason, failure.code
    match code:
        case 0:
            return _first(_LOCAL, reason) or Cause.LAKE
        case 401 | 403:
            return Cause.AUTH
        case 404:
            return Cause.CONTAINER_MISSING if not reason or _NO_CONTAINER.search(reason) else None
        case 409 | 412:
            return Cause.LAKE if _BEING_MADE.search(reason) else Cause.FILE_REFUSED
        case 400:
            if _MD5.search(reason):
                return Cause.DAMAGED
            return Cause.OTHER_UPLOADER if _BLOCKS.search(reason) else Cause.FILE_REFUSED
        case 408 | 429 | 507:
            return Cause.LAKE
        case _ if code >= 500:
            return Cause.LAKE
        case _ if code >= 400:
            return Cause.FILE_REFUSED
    return None


def cause_of_error(text: str) -> Cause | None:
    """The cause that an error message for the whole job names, if it names one."""
    return _first(_ERRORS, text)


def _first(table: tuple[tuple[Cause, re.Pattern[str]], ...], text: str) -> Cause | None:
    return next((cause for cause, pattern in table if pattern.search(text)), None)
