"""Lists of checksums that come with a run: md5sum and sha256sum, and NovaSeq X's Manifest.tsv.

A list is somebody else's text: nothing in it is trusted to be short, whole or inside the run.
"""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Iterator

from datalake_syncd.core.kinds.kind import ChecksumList
from datalake_syncd.core.names import escape

#: The value of an entry that is listed without a checksum: the file must be there, no more.
LISTED = ""

MAX_ENTRIES = 1_000_000
_MAX_LINE = 8192  # characters; a path has at most 4096 bytes
_MAX_PROBLEMS = 20
_MAX_SHOWN = 120

_BY_LENGTH = {32: "md5", 64: "sha256"}
_UNREAD_BY_LENGTH = {8: "CRC-32", 40: "SHA-1", 56: "SHA-224", 96: "SHA-384", 128: "SHA-512"}
_BY_TAG = {"md5": "md5", "sha256": "sha256", "sha2-256": "sha256"}

_HEX = r"[0-9A-Fa-f]{8,128}"
# md5sum writes one space and a mark, space for text and * for binary: a name may begin with a
# space itself. Other tools put a tab or more spaces there.
_PLAIN = re.compile(rf"(\\?)({_HEX}) [ *](.+)")
_LOOSE = re.compile(rf"(\\?)({_HEX})[ \t]+\*?(\S.*)")
_TAGGED = re.compile(rf"(\\?)([A-Za-z][A-Za-z0-9/-]{{0,15}}) ?\((.+)\) ?= ?({_HEX})[ \t]*")
_BARE = re.compile(rf"({_HEX})[ \t]*")
_ESCAPED = re.compile(r"\\([\\nr])")
_ABSOLUTE = re.compile(r"/|~/|[A-Za-z]:[/\\]")
_CRC = re.compile(r"[0-9A-Fa-f]{8}")
_CRC_HEADER = re.compile(r"(?i)(crc|check ?sum|hash).{0,20}")
_OF_ONE_FILE = re.compile(r"(?i)(.+?)\.(?:md5|sha256)(?:sum)?(?:\.txt)?")


def read_sum_list(path: str, data: bytes) -> ChecksumList:
    r"""Parse a list as ``md5sum`` or ``sha256sum`` write it; ``path`` is where it lies.

    Read are the usual form (``*`` for binary), names with ``\`` escapes, the BSD form
    ``MD5 (name) = …``, and the bare checksum of ``name`` in a file ``name.md5``; any line
    ending, a BOM, comments (``#``, ``;``, ``//``), ``\`` of Windows between folders. Names are
    relative to the folder of the list, and a list does not list itself.
    """
    found = Entries(path)
    bare: list[tuple[int, str]] = []
    for number, line in found.lines(data):
        if line.startswith(("#", ";", "//")):
            continue
        if match := _PLAIN.fullmatch(line) or _LOOSE.fullmatch(line):
            escaped, digest, name = match[1], match[2], match[3]
            tag = _BY_LENGTH.get(len(digest), "")
        elif match := _TAGGED.fullmatch(line):
            escaped, name, digest = match[1], match[3], match[4]
            tag = _BY_TAG.get(match[2].lower(), "")
            if not tag or _BY_LENGTH.get(len(digest)) != tag:
                found.complain(number, f"{match[2]} is no checksum that is read here")
                continue
        elif match := _BARE.fullmatch(line):
            bare.append((number, match[1]))
            continue
        else:
            found.complain(number, f"no line of a checksum list: {_clip(line)}")
            continue
        if not tag:
            kind = _UNREAD_BY_LENGTH.get(len(digest), f"a number of {len(digest)} digits")
            found.complain(number, f"{kind}, and only MD5 and SHA-256 are read")
            continue
        name = _unescaped(name) if escaped else name.replace("\\", "/")
        found.add(number, name, f"{tag}:{digest.lower()}")
    _add_bare(found, path, bare)
    return found.done()


def read_crc_manifest(path: str, data: bytes) -> ChecksumList:
    """Parse a ``Manifest.tsv``: lines ``path<TAB>crc32``, relative to the folder it lies in."""
    found = Entries(path)
    first = True
    for number, line in found.lines(data):
        name, tab, rest = line.partition("\t")
        crc = rest.split("\t", 1)[0].strip()
        header = first and _CRC_HEADER.fullmatch(crc) is not None
        first = False
        if header:
            continue
        if not tab:
            found.complain(number, f"no path and checksum with a tab between: {_clip(line)}")
        elif _CRC.fullmatch(crc) is None:
            found.complain(number, f"no CRC-32 of 8 hex digits: {_clip(line)}")
        else:
            found.add(number, name.replace("\\", "/"), f"crc32:{crc.lower()}")
    return found.done()


class Entries:
    """Collects the entries of one list; ``path`` is where the list lies, below the run folder.

    Its names are relative to ``folder``, which is the list's own unless given.
    """

    def __init__(self, path: str, *, folder: str | None = None) -> None:
        self._own = path
        self._folder = posixpath.dirname(path) if folder is None else folder
        self._entries: dict[str, str] = {}
        self._problems: list[str] = []
        self._more = 0

    def lines(self, data: bytes) -> Iterator[tuple[int, str]]:
        """The lines that are not blank, with their numbers from 1, whatever ends them."""
        text = _text(data)
        if "\n" not in text:
            # Old programs of the Mac end a line so. Elsewhere it may be part of a name.
            text = text.replace("\r", "\n")
        number = start = 0
        while start < len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            number += 1
            if number > MAX_ENTRIES:
                self.complain(number, f"more than {MAX_ENTRIES} lines, which are not all read")
                return
            if end - start > _MAX_LINE or "\0" in text[start:end]:
                self.complain(number, "no text as in a checksum list")
            elif (line := text[start:end].removesuffix("\r")) and not line.isspace():
                yield number, line
            start = end + 1

    def add(self, number: int, name: str, checksum: str) -> None:
        """Take an entry in: its name below the folder, with ``/``.

        A file may have a checksum of each kind; two of one kind contradict each other.
        """
        if _ABSOLUTE.match(name):
            self.complain(number, f"an absolute path: {_clip(name)}")
            return
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            self.complain(number, f"not a file inside the run: {_clip(name)}")
            return
        path = posixpath.join(self._folder, *parts)
        if path == self._own:
            return  # its checksum was taken while it was being written
        known = self._entries.get(path)
        if not known:
            self._entries[path] = checksum
        elif checksum and checksum not in known.split():
            kind = f"{checksum.partition(':')[0]}:"
            if any(one.startswith(kind) for one in known.split()):
                self.complain(number, f"another checksum of the same file: {_clip(path)}")
            else:
                self._entries[path] = f"{known} {checksum}"

    def complain(self, number: int, what: str) -> None:
        """Note a line that can't be read."""
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(f"line {number}: {what}")
        else:
            self._more += 1

    def done(self, *, may_be_empty: bool = False) -> ChecksumList:
        """The list; one that lists nothing proves nothing, and says so."""
        problems = list(self._problems)
        if self._more:
            problems.append(f"and {self._more} more lines that can't be read")
        if not problems and not self._entries and not may_be_empty:
            problems.append("lists no file")
        return ChecksumList(self._entries, tuple(problems))


def _text(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    # Bytes that are not UTF-8 become what the file system's names become, so that they meet.
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(lambda match: {"\\": "\\", "n": "\n", "r": "\r"}[match[1]], name)


def _add_bare(found: Entries, path: str, bare: list[tuple[int, str]]) -> None:
    """A checksum alone is that of the file that the list is named after."""
    one = _OF_ONE_FILE.fullmatch(posixpath.basename(path))
    for number, digest in bare:
        tag = _BY_LENGTH.get(len(digest))
        if one is None or tag is None or len(bare) > 1:
            found.complain(number, "a checksum without the name of a file")
        else:
            found.add(number, one[1], f"{tag}:{digest.lower()}")


def _clip(text: str) -> str:
    shown = escape(text[:_MAX_SHOWN])
    return f"'{shown}…'" if len(text) > _MAX_SHOWN else f"'{shown}'"
