"""A bug's trace as a file that a person can read and send in."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from itertools import pairwise
from pathlib import Path

from datalake_syncd import __version__
from datalake_syncd.core.durations import iso
from datalake_syncd.core.names import escape_once
from datalake_syncd.core.redact import Redactor


def write_report(error: BaseException) -> str | None:
    """Write the report into the folder for temporary files; gives its path, None if it can't.

    The trace also goes to stderr where nobody sits at a terminal: a service's folder for
    temporary files is private, its journal is not.
    """
    text = report(error)
    if not sys.stderr.isatty():
        print(text, file=sys.stderr)  # noqa: T201 - stderr is where it belongs
    try:
        descriptor, path = tempfile.mkstemp(prefix="datalake-syncd-bug-", suffix=".txt")
    except OSError:
        return None
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def report(error: BaseException) -> str:
    """What whoever mends it needs to know; without secrets, and safe to show."""
    lines = [
        "datalake-syncd met an error that nobody expected.",
        f"time:     {iso(time.time())}",
        f"version:  {__version__}",
        f"python:   {platform.python_version()} on {platform.platform()}",
        f"command:  {' '.join(sys.argv)}",
        "",
        *"".join(traceback.format_exception(error)).splitlines(),
    ]
    return redacted("\n".join(lines)) + "\n"


def redacted(text: str) -> str:
    """The text without secrets, known or by their looks, and without what a terminal would obey."""
    return "\n".join(map(escape_once, Redactor(_known()).clean(text).split("\n")))


def _known() -> list[str]:
    """The secrets of the configuration that the command was given, where it can be read at all."""
    try:
        from datalake_syncd.cli.program import CONFIG, CONFIG_VARIABLE
        from datalake_syncd.config import known_secrets, load

        given = [one.partition("=")[2] for one in sys.argv if one.startswith("--config=")]
        given += [after for one, after in pairwise(sys.argv) if one == "--config"]
        path = given[0] if given else os.environ.get(CONFIG_VARIABLE) or CONFIG
        return known_secrets(load(Path(path), os.environ))
    except Exception:  # noqa: BLE001 - something is broken already: what it looks like must do
        return []
