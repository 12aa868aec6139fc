"""What azcopy says, line by line: JSON on stdout, reasons in its log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FileFailure:
    """One file that did not arrive.

    ``source`` is its full path; ``code`` is the HTTP status, 0 when there was no answer.
    """

    source: str
    code: int
    status: str = "Failed"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Counters of a running or finished job; bytes and files since its start.

    ``bytes_done`` counts what the service acknowledged, ``bytes_over_wire`` all that was sent,
    with repetitions. ``network_errors`` and ``server_busy`` are percentages of all requests so
    far. ``failed`` and ``skipped`` hold only what is new in this message.
    """

    bytes_done: int
    bytes_expected: int
    files_done: int
    files_failed: int
    files_skipped: int
    files_total: int
    bytes_over_wire: int = 0
    network_errors: float = 0.0
    server_busy: float = 0.0
    status: str = ""
    error: str = ""
    failed: tuple[FileFailure, ...] = ()
    skipped: tuple[FileFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Init:
    """The job exists; ``log_file`` is where reasons will be."""

    job_id: str
    log_file: str


@dataclass(frozen=True, slots=True)
class EndOfJob:
    """The last counters, or None when azcopy gave a sentence instead."""

    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Message:
    """A line for people.

    ``kind`` is ``Info``, ``Error``, ``Prompt`` or another type of azcopy's, and "" for a line
    that is no JSON at all.
    """

    kind: str
    text: str


Event = Init | Progress | EndOfJob | Message


def parse_line(line: bytes) -> Event | None:
    """One line of stdout; None for an empty one. Never raises, whatever the line holds."""
    text = line.decode("utf-8", errors="replace").strip()
    if not text:
        return None
    told = _object(text)
    if told is None or not isinstance(kind := told.get("MessageType"), str):
        return Message("", text)
    content = told.get("MessageContent")
    content = content if isinstance(content, str) else ""
    if kind in ("Init", "Progress", "EndOfJob"):
        inner = _object(content)
        if kind == "EndOfJob":
            return EndOfJob(_progress(inner) if inner else None)
        if inner is not None:
            return _init(inner) if kind == "Init" else _progress(inner)
    return Message(kind, content)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _init(told: dict[str, Any]) -> Init:
    return Init(str(told.get("JobID") or ""), str(told.get("LogFileLocation") or ""))


def _number(value: object) -> float:
    # azcopy writes its counters as strings.
    if not isinstance(value, int | float | str):
        return 0.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _progress(told: dict[str, Any]) -> Progress:
    def count(name: str) -> int:
        value = told.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)  # exact, where a float would round
        number = _number(value)
        return int(number) if abs(number) < 2**63 else 0

    return Progress(
        bytes_done=count("TotalBytesTransferred"),
        bytes_expected=count("TotalBytesExpected"),
        bytes_over_wire=count("BytesOverWire"),
        files_done=count("TransfersCompleted"),
        files_failed=count("TransfersFailed"),
        files_skipped=count("TransfersSkipped"),
        files_total=count("TotalTransfers"),
        network_errors=_number(told.get("NetworkErrorPercentage")),
        server_busy=_number(told.get("ServerBusyPercentage")),
        status=str(told.get("JobStatus") or ""),
        error=str(told.get("ErrorMsg") or ""),
        failed=tuple(_failures(told.get("FailedTransfers"))),
        skipped=tuple(_failures(told.get("SkippedTransfers"))),
    )


def _failures(entries: object) -> Iterator[FileFailure]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            yield FileFailure(
                source=str(entry.get("Src") or ""),
                code=int(max(0.0, min(_number(entry.get("ErrorCode")), 999.0))),
                status=str(entry.get("TransferStatus") or ""),
            )


_DOUBTS = re.compile(
    r"^(?:INFO: |WARN: )?(?:Skipping\b|Accessing\b.*\bfailed|.*\bfailed to resolve\b)", re.DOTALL
)


def is_doubt(info: str) -> bool:
    """True for an Info line about something that was left out while the job goes on."""
    return _DOUBTS.match(info) is not None


_FAILED = re.compile(r"\bUPLOADFAILED: (?P<source>.+?) : (?P<code>\d{1,3}) : (?P<reason>.*)$")
_REQUEST_ID = re.compile(r" *X-Ms-Request-Id: *\S+")
_TIME = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
_TROUBLE = re.compile(r"\b(?:ERR|PANIC|FATAL)\b|RESPONSE (?:Status: )?[45]\d\d|Failed to scan")


def log_reasons(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """From azcopy's log: (full source path, reason) for a file, ("", line) for other trouble."""
    for line in lines:
        if found := _FAILED.search(line):
            yield found["source"], _REQUEST_ID.sub("", found["reason"]).strip()
        elif _TIME.match(line) and _TROUBLE.search(line):
            yield "", _TIME.sub("", line).strip()
