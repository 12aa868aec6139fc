"""The one command line that azcopy is ever given: an upload of listed files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from datalake_syncd.adapters.azcopy.job import AzcopySettings
from datalake_syncd.core.access import LakeAccess, LakeSecret
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape
from datalake_syncd.core.redact import Redactor


def copy_argv(
    source_root: Path,
    destination: str,
    list_file: Path,
    access: LakeAccess,
    secret: LakeSecret,
    settings: AzcopySettings,
) -> list[str]:
    """The arguments after the program's name; the first is always ``copy``.

    A SAS has no other way into azcopy than its command line, which others on the machine can
    read; every other secret goes through the environment. Raises `UsageError` for a source
    root that azcopy would misread.
    """
    check_source_root(source_root)
    url = access.url(destination.strip("/"))
    if secret.sas:
        url = f"{url}?{secret.sas}"
    argv = ["copy", str(source_root), url]
    argv += ["--recursive", "--as-subdir=false", "--list-of-files", str(list_file)]
    argv += ["--from-to", "LocalBlob"]
    # Without it, .vhd and .vhdx files become page blobs.
    argv += ["--blob-type", "BlockBlob"]
    # One request per file up to this size, whose MD5 the service checks on arrival.
    argv += ["--put-md5", "--put-blob-size-mb", str(settings.put_blob_mb)]
    # Safe because our own listing of the lake decides; saves one request per file.
    argv += ["--check-length=false", "--overwrite", "true"]
    argv += ["--log-level", "ERROR", "--output-type", "json", "--cancel-from-stdin"]
    argv += ["--skip-version-check"]
    if settings.cap_mbps > 0:
        argv += ["--cap-mbps", f"{settings.cap_mbps:g}"]
    if not secret.sas and not access.is_azure:
        # azcopy sends tokens and keys only to hosts that it was told to trust.
        argv += ["--trusted-microsoft-suffixes", access.host]
    return argv


def check_source_root(root: Path) -> None:
    """Refuse a folder that azcopy would read as a pattern, a flag or an encoded address."""
    problem = source_root_problem(root)
    if problem:
        raise UsageError(
            problem,
            why="Files below it can't be uploaded safely; their own names may hold all of this.",
            next_step="rename the folder, or point the instrument's source to a mount or bind "
            "mount with a plain name",
        )


def source_root_problem(root: Path) -> str:
    """What azcopy would misread in the name of this folder, in words; empty when nothing."""
    text = str(root)
    problem = ""
    if not root.is_absolute():
        problem = "is no absolute path"
    elif re.search(r"%(?![0-9A-Fa-f]{2})", text):
        problem = "holds a percent sign, which azcopy reads as part of an address"
    elif "*" in text:
        problem = "holds an asterisk, which azcopy takes for a pattern"
    elif re.search(r"[\x00-\x1f\x7f]", text):
        problem = "holds a newline or another control character"
    elif any(0xDC80 <= ord(character) <= 0xDCFF for character in text):
        problem = "is not UTF-8"
    return f"the source folder {escape(text)} {problem}" if problem else ""


def redacted(argv: Iterable[str], secret: LakeSecret) -> list[str]:
    """The command line as it may be logged."""
    redactor = Redactor(secret.values())
    return [redactor.clean(word) for word in argv]
