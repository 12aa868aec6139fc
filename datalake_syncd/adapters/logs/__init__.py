"""The log: one line per fact, for machines (JSON) or people (text), without secrets.

`log_event` is the way to log a fact. Whatever reaches a log is redacted and escaped here, so
that no name from an instrument can forge a line and no error text can give a secret away.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from pythonjsonlogger.json import JsonFormatter

from datalake_syncd.adapters.logs.copy import LogFile
from datalake_syncd.adapters.logs.places import EXTRA as _EXTRA
from datalake_syncd.adapters.logs.places import FileHandler, Ours, StreamHandler, copy_problem
from datalake_syncd.core.durations import iso
from datalake_syncd.core.names import escape_once
from datalake_syncd.core.redact import MASK, Redactor

__all__ = ["FIELDS", "collect", "configure", "copy_problem", "log_event"]

FIELDS = ("timestamp", "level", "event", "run", "instrument", "step", "message")
"""The keys that every JSON line has, in this order; figures and ``exception`` follow."""

ROTATE_BYTES = 10 * 1024 * 1024
ROTATE_COPIES = 5

_LONGEST = 16 * 1024  # characters of one field: a tool that dumps its memory fills no disk
_QUIET = ("azure", "urllib3", "msal", "asyncio", "watchdog", "charset_normalizer")
_OTHER_EVENT = "log"  # records of libraries, which know no events
_PAUSE_SECONDS = 60.0


_beside: logging.Handler | None = None


def log_event(
    logger: logging.Logger,
    level: int,
    event: str,
    message: str,
    *,
    exc_info: BaseException | bool | None = None,
    **fields: object,
) -> None:
    """Log one fact: a fixed event word, a sentence, and fields (run, instrument, step, figures).

    ERROR only if a person must act. The sentence is taken as it is, without %-formatting.
    """
    if logger.isEnabledFor(level):
        extra = {_EXTRA: (event, fields)}
        logger.log(level, message, exc_info=exc_info, extra=extra, stacklevel=2)


def configure(
    level: str,
    format: Literal["json", "text"] | None,  # noqa: A002 - the key of the configuration
    file: Path | None,
    redactor: Redactor,
    stream: IO[str] | None = None,
    environ: Mapping[str, str] | None = None,
    beside: logging.Handler | None = None,
) -> None:
    """Send all records to the stream (stdout) and, if given, to a rotated file.

    ``beside`` gets them too, as text, and has a level of its own. None of them can delay whoever
    logs. Called again, as on a reload, it replaces what it set up before.
    """
    global _beside
    stream = sys.stdout if stream is None else stream
    environ = os.environ if environ is None else environ
    text = format == "text" or (format is None and _is_terminal(stream))
    formatter = _TextFormatter(redactor) if text else _JsonFormatter(redactor)
    main = StreamHandler(stream, journal=_is_journal(stream, environ))
    main.setFormatter(formatter)
    handlers: list[logging.Handler] = [main]
    if file is not None:
        log_file = LogFile(file, ROTATE_BYTES, ROTATE_COPIES)
        copy = FileHandler(log_file, main, pause=_PAUSE_SECONDS)
        copy.setFormatter(formatter)
        handlers.append(copy)
    root = logging.getLogger()
    before = [one for one in root.handlers if isinstance(one, Ours) or one is _beside]
    for old in before:
        root.removeHandler(old)
    for handler in handlers:
        handler.setLevel(level)
    if beside is not None:
        beside.setFormatter(_TextFormatter(redactor))
        handlers.append(beside)
    _beside = beside
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(min(handler.level for handler in handlers))
    for old in before:
        old.close()  # at last: one whose place hangs takes two seconds, and lines go on meanwhile
    for name in _QUIET:
        # They tell every request, headers included; what matters of it is in our own events.
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)


def collect(record: logging.LogRecord, redactor: Redactor) -> dict[str, Any]:
    """A record as the fields of its line, redacted and escaped, the fixed ones first."""
    fact: tuple[str, Mapping[str, object]] = getattr(record, _EXTRA, (_OTHER_EVENT, {}))
    event, fields = fact
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):  # a library's format and arguments do not fit
        message = f"{record.msg} {record.args!r}"
    line: dict[str, Any] = {
        "timestamp": iso(record.created),
        "level": record.levelname,
        "event": event,
        "run": fields.get("run"),
        "instrument": fields.get("instrument"),
        "step": fields.get("step"),
        "message": message,
    }
    if event == _OTHER_EVENT:
        line["logger"] = record.name
    line.update({name: value for name, value in fields.items() if name not in line})
    cleaned = _members(line, redactor)
    if record.exc_info and record.exc_info[1] is not None:
        trace = "".join(traceback.format_exception(record.exc_info[1]))
        # Newlines between its lines are kept (JSON escapes them); nothing else is.
        shown = redactor.clean(trace.rstrip("\n"))
        cleaned["exception"] = "\n".join(map(escape_once, _cut(shown).split("\n")))
    return cleaned


def run_of(record: logging.LogRecord) -> str | None:
    """The run that a record is about, ``INSTRUMENT/NAME``."""
    fact: tuple[str, Mapping[str, object]] = getattr(record, _EXTRA, (_OTHER_EVENT, {}))
    run = fact[1].get("run")
    return run if isinstance(run, str) else None


class _JsonFormatter(JsonFormatter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__(json_ensure_ascii=False)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self.serialize_log_record(collect(record, self._redactor))


class _TextFormatter(logging.Formatter):
    """``time LEVEL event instrument/run step: message (figure=value …)``, traces indented."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        line = collect(record, self._redactor)
        trace = line.pop("exception", None)
        figures = " ".join(f"{k}={_figure(v)}" for k, v in line.items() if k not in FIELDS)
        where = [str(line[key]) for key in ("run", "step") if line[key] is not None]
        if line["run"] is None and line["instrument"] is not None:
            where.insert(0, str(line["instrument"]))
        parts = [
            str(line["timestamp"]),
            f"{line['level']:<7}",
            str(line["event"]),
            f"{' '.join(where)}:" if where else "",
            str(line["message"]),
            f"({figures})" if figures else "",
        ]
        text = " ".join(part for part in parts if part)
        # The bar keeps a trace from looking like lines of the log.
        return text if trace is None else text + "".join(f"\n  | {t}" for t in trace.split("\n"))


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _is_journal(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """True when the stream is the journal's socket, as systemd.exec(5) says how to tell."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError, io.UnsupportedOperation):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def _plain(value: object, redactor: Redactor) -> Any:
    """A value as JSON knows it, with every text in it made safe."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case str():
            return _clean(value, redactor)
        case bytes():
            return _clean(os.fsdecode(value), redactor)
        case datetime():
            return value.isoformat()
        case Mapping():
            return _members(value, redactor)
        case list() | tuple() | set() | frozenset():
            return [_plain(entry, redactor) for entry in value]
        case _:
            try:
                return _clean(str(value), redactor)
            except Exception:  # noqa: BLE001 - no fact is lost over one of its fields
                return f"<{type(value).__name__} that can't be shown>"


def _members(fields: Mapping[Any, object], redactor: Redactor) -> dict[str, Any]:
    cleaned = {}
    for key, value in fields.items():
        name = _clean(str(key), redactor)
        # The name alone can say that the value is a secret: {"client_secret": "…"}.
        secret = isinstance(value, str | bytes) and redactor.clean(f"{key}=x") != f"{key}=x"
        cleaned[name] = MASK if secret else _plain(value, redactor)
    return cleaned


def _clean(text: str, redactor: Redactor) -> str:
    return escape_once(_cut(redactor.clean(text)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _figure(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
