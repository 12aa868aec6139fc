"""File names from instruments: shown safely, fit for the lake or not, excluded or not."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_BLOB_NAME = 1024  # characters, with the prefix
MAX_SEGMENTS = 254

JUNK: tuple[str, ...] = (
    "Thumbs.db",
    "desktop.ini",
    "._*",
    ".DS_Store",
    "~$*",
    "*.mcf_idx-journal",
)
"""What operating systems and vendor software leave behind: reported, not carried."""

#: Those of Latin-1, too: the service's own words are "0x00 to 0x1F, \\u0081, and so on".
_LAKE_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_GROUP_NAME = re.compile(r"\(\?P<[^>]+>")


def escape(text: str) -> str:
    r"""The text with nothing in it that a terminal, a log or a mail could act on.

    Controls, newlines, bidirectional and zero-width characters, odd spaces, unassigned ones
    and the lone surrogates of undecodable bytes become ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``.
    A backslash stays as it is (``C:\data``) unless what follows it would read as one of these
    escapes or as another backslash; then it is doubled. So two names never look alike.
    """
    if text.isprintable() and "\\" not in text:
        return text
    escaped = []
    for position, character in enumerate(text):
        if character == "\\":
            follows = text[position + 1 : position + 2]
            # What follows will itself begin with a backslash when it gets escaped.
            special = follows in ("\\", "x", "u", "U") or not follows.isprintable()
            escaped.append("\\\\" if follows and special else "\\")
        else:
            escaped.append(_escaped(character))
    return "".join(escaped)


def escape_once(text: str) -> str:
    """As `escape`, but backslashes are left alone, so that doing it twice changes nothing.

    For lines that may already hold escaped names: log records, messages, reasons.
    """
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def is_utf8(name: str) -> bool:
    """Whether a name, as `os.fsdecode` gives it, was UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def lake_name_problem(relative_path: str, lake_path: str) -> tuple[str, str] | None:
    """Why a file can't be carried under its own name: (kind, detail) as in `Oddity`, or None.

    ``relative_path`` is the name below the run, ``lake_path`` the full blob name. Names of
    files arrive as `os.fsdecode` gives them (undecodable bytes are lone surrogates).
    """
    for path in (relative_path, lake_path):
        if path.isascii() and path.isprintable() and "\\" not in path:
            continue  # nearly all names, and what follows is many steps
        try:
            path.encode("utf-8")
        except UnicodeEncodeError as error:
            where = escape(path[error.start])
            return "not-utf-8", f"holds {where}, which is not UTF-8; the lake takes only UTF-8"
        control = _LAKE_CONTROL.search(path)
        if control is not None:
            code = f"U+{ord(control[0]):04X}"
            return "control-character", f"holds the character {code}, which the lake refuses"
        if "\\" in path:
            return "backslash", "holds a backslash, which the lake would turn into a slash"
    if "./" in lake_path or lake_path.endswith("."):
        segment = next(segment for segment in lake_path.split("/") if segment.endswith("."))
        return "trailing-dot", f"{escape(segment)!r} ends in a dot, which the lake refuses"
    # The service counts UTF-16 units: an emoji is two.
    length = len(lake_path)
    if not lake_path.isascii():
        length = len(lake_path.encode("utf-16-le")) // 2
    if length > MAX_BLOB_NAME:
        return "too-long", f"is {length} characters long in the lake, of {MAX_BLOB_NAME} possible"
    segments = lake_path.count("/") + 1
    if segments > MAX_SEGMENTS:
        return "too-long", f"is {segments} folders deep in the lake, of {MAX_SEGMENTS}"
    return None


class Excluder:
    """Patterns in the notation of .gitignore against paths relative to a run.

    ``Thumbs.db`` and ``~$*`` hit at any depth, ``Thumbnail_Images/**`` below the run's top;
    ``!pattern`` takes back what an earlier one excluded. Case counts: what is not exactly
    matched is carried. A pattern that can't be read, or never hits, raises ValueError.
    """

    def __init__(self, patterns: Iterable[str] = JUNK) -> None:
        self._rules = tuple((pattern, *_compile(pattern)) for pattern in patterns)
        sources = [regex.pattern for _, excludes, regex in self._rules if excludes]
        self._any = re.compile("|".join(f"(?:{s})" for s in sources) or r"(?!)", re.DOTALL)

    def matches(self, path: str) -> str | None:
        """The pattern that excludes this path, or None."""
        if self._any.match(path) is None:
            return None
        for pattern, excludes, regex in reversed(self._rules):
            if regex.match(path):
                return pattern if excludes else None
        return None


def _compile(pattern: str) -> tuple[bool, re.Pattern[str]]:
    # Here and not above: `status` starts faster without it.
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    if not pattern.isprintable():
        raise ValueError("holds a control character")
    try:
        source, excludes = GitIgnoreSpecPattern.pattern_to_regex(pattern)
        if source is None or excludes is None:
            raise ValueError("never hits: it is empty or a comment")
        # Unnamed groups can stand side by side in one expression; `$` would also hit
        # before a trailing newline, and so exclude a file that must block its run.
        plain = _GROUP_NAME.sub("(?:", str(source)).replace("|$)", r"|\Z)")
        regex = re.compile(plain, re.DOTALL)
    except re.error as error:
        raise ValueError(f"can't be read: {error}") from error
    # A name that nobody has: whatever hits it at the top and deeper hits everything.
    if excludes and regex.match("\ue000") and regex.match("\ue000/\ue000"):
        raise ValueError("would exclude every file")
    return excludes, regex
