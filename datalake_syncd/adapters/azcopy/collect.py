"""Everything that one call of azcopy told, gathered into a `CopyResult` without secrets."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from datalake_syncd.adapters.azcopy.job import CopyJob, CopyResult
from datalake_syncd.adapters.azcopy.output import (
    EndOfJob,
    Event,
    FileFailure,
    Init,
    Message,
    Progress,
    is_doubt,
    log_reasons,
)
from datalake_syncd.core.names import escape_once
from datalake_syncd.core.redact import Redactor

# A call has some thousand files; what goes beyond is counted by azcopy, not kept.
_KEEP_FAILURES = 20_000
_KEEP_MESSAGES = 100
_KEEP_TEXT = 2000

# Errors of logins come in many lines with rulers of dashes between them.
_LINES = re.compile(r"\s*[\r\n]+[-\s]*")


class Collector:
    """Takes the events of one call; its runner sets ``stopped``, ``stall_reason``, ``arrived``."""

    def __init__(self, job: CopyJob, redactor: Redactor) -> None:
        self._root = str(job.source_root)
        self._container = job.access.container
        self._redactor = redactor
        self._last: Progress | None = None
        self._ended = False
        self._failures: list[FileFailure] = []
        self._messages: dict[str, list[str]] = {"doubt": [], "Info": [], "Error": [], "": []}
        self._log_notes: list[str] = []
        self._reasons: dict[str, str] = {}
        self.warnings: list[str] = []
        self.stopped = False
        self.arrived = False
        self.stall_reason = ""

    def take(self, event: Event) -> Progress | None:
        """Note one event; new counters are given back, without their lists."""
        match event:
            case Progress():
                return self._count(event)
            case EndOfJob(progress):
                self._ended = True
                return self._count(progress) if progress else None
            case Init():
                return None
            case Message(kind, text):
                key = "doubt" if kind == "Info" and is_doubt(text) else kind
                self._note(key if key in self._messages else "Info", text)
                return None

    def _count(self, told: Progress) -> Progress:
        room = _KEEP_FAILURES - len(self._failures)
        self._failures += [*told.failed, *told.skipped][:room]
        error = self._clean(told.error) if told.error else ""
        self._last = replace(told, failed=(), skipped=(), error=error)
        return self._last

    def _note(self, key: str, text: str) -> None:
        if len(self._messages[key]) < _KEEP_MESSAGES:
            self._messages[key].append(self._clean(text))

    def _clean(self, text: str) -> str:
        # Cut after cleaning: half a secret would not be recognised.
        clean = self._redactor.clean(text.strip()[: 4 * _KEEP_TEXT])[:_KEEP_TEXT]
        return escape_once(_LINES.sub(" ", clean))

    def read_log(self, folder: Path) -> None:
        """Add what azcopy's log says to the failures; a log that is not there says nothing."""
        known = {failure.source: number for number, failure in enumerate(self._failures)}
        try:
            files = sorted(folder.glob("*.log"))
        except OSError:
            return
        for path in files:
            try:
                with path.open(encoding="utf-8", errors="replace") as lines:
                    for source, text in log_reasons(lines):
                        self._add_reason(known, source, text)
            except OSError as error:
                self.warnings.append(f"azcopy's log could not be read: {error.strerror}")

    def _add_reason(self, known: dict[str, int], source: str, text: str) -> None:
        if source in known:
            number = known[source]
            self._failures[number] = replace(self._failures[number], reason=self._reason(text))
        elif len(self._log_notes) < _KEEP_MESSAGES:
            self._log_notes.append(self._clean(f"{source}: {text}" if source else text))

    def _reason(self, text: str) -> str:
        # Thousands of files fail for the same reason; cleaning is what takes the time.
        if text not in self._reasons and len(self._reasons) < _KEEP_FAILURES:
            self._reasons[text] = self._clean(text)
        return self._reasons.get(text) or self._clean(text)

    def result(self, returncode: int, stderr: bytes, seconds: float) -> CopyResult:
        """All of it, once azcopy is gone."""
        return CopyResult(
            root=self._root,
            container=self._container,
            returncode=returncode,
            last=self._last,
            ended=self._ended,
            failures=tuple(self._failures),
            doubts=tuple(self._messages["doubt"]),
            infos=tuple(self._messages["Info"]),
            errors=tuple(self._messages["Error"]),
            stray=self._clean(" ".join(self._messages[""])),
            stderr=self._clean(stderr.decode("utf-8", errors="replace")),
            log_notes=tuple(self._log_notes),
            warnings=tuple(self.warnings),
            stopped=self.stopped,
            arrived=self.arrived,
            stalled=bool(self.stall_reason),
            stall_reason=self.stall_reason,
            seconds=seconds,
        )
