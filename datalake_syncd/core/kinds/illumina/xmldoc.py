"""Read XML that an instrument wrote: it may be half-written, huge, hostile or not XML at all."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from datalake_syncd.core.kinds.kind import MAX_METADATA_BYTES

# Far above real files (RunInfo.xml of a NovaSeq X: 6,300 elements, 6 deep); below this a tree of
# the largest file that is read would still take hundreds of MB.
MAX_ELEMENTS = 100_000
MAX_DEPTH = 100

# .NET writes "utf-16" into the declaration of files that it then saves as UTF-8, so only
# single-byte encodings are believed; everything else is told from its first bytes.
_BELIEVED = frozenset({"iso-8859-1", "iso-8859-15", "latin1", "latin-1", "windows-1252"})
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class XmlDocument:
    """A parsed document, or in one line why there is none (``problem``)."""

    root: Element | None
    problem: str


class _TooMuchError(ValueError):
    """The document nests deeper or has more elements than any instrument writes."""


class _BoundedBuilder(TreeBuilder):
    """A tree builder that stops before a small file becomes a huge tree."""

    def __init__(self) -> None:
        super().__init__()
        self._elements = 0
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._elements += 1
        self._depth += 1
        if self._elements > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise _TooMuchError
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def read_xml(name: str, data: bytes | None) -> XmlDocument:
    """Parse the bytes of the metadata file ``name``; None means that it could not be read.

    Never raises: whatever is wrong comes back as ``problem``. A document type declaration is
    refused altogether, and with it every entity.
    """
    if data is None:
        return _no(name, "can't be read, or is larger than any such file")
    if not data:
        return _no(name, "0 bytes, not written yet")
    if len(data) > MAX_METADATA_BYTES:
        return _no(name, f"refused, {len(data)} bytes where {MAX_METADATA_BYTES} are allowed")
    if not data.strip(b"\0"):
        return _no(name, f"{len(data)} zero bytes, not written yet")
    parser = DefusedXMLParser(
        target=_BoundedBuilder(), forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    try:
        parser.feed(_decode(data))
        root = parser.close()
    except DefusedXmlException:
        return _no(name, "refused, it declares a document type or entities")
    except _TooMuchError:
        return _no(name, f"refused, more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
    except (ParseError, ValueError) as error:
        return _no(name, f"half-written or not XML ({one_line(str(error), 100)})")
    return XmlDocument(root, "")


def local_name(element: Element) -> str:
    """The tag without its namespace, lower-cased: RunID and RunId are the same word."""
    return str(element.tag).rpartition("}")[2].lower()


def tag_name(element: Element) -> str:
    """The tag without its namespace as it is written, to show to people."""
    return one_line(str(element.tag).rpartition("}")[2], 60)


def attribute(element: Element, name: str) -> str | None:
    """An attribute by its lower-cased name, or None when it is absent or blank."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2].lower() == name:
            return one_line(value) or None
    return None


def text_of(element: Element | None) -> str | None:
    """The element's own text in one line, or None when it is absent or blank."""
    return one_line(element.text or "") or None if element is not None else None


def child(parent: Element, name: str) -> Element | None:
    """The first child with this lower-cased name."""
    return next((element for element in parent if local_name(element) == name), None)


def count_of(text: str | None) -> int | None:
    """A plain number of at most six digits, else None."""
    return int(text) if text and re.fullmatch("[0-9]{1,6}", text) else None


def one_line(text: str, limit: int = 200) -> str:
    """Text from an instrument made fit to show: printable, one line, at most ``limit`` long."""
    # The slice keeps a text of megabytes cheap; only its beginning can be shown anyway.
    start = text.strip()[: limit * 4]
    line = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _decode(data: bytes) -> str:
    # Text, not bytes, goes to the parser: expat then ignores the declared encoding. A character
    # that can't be decoded must not make a good status unreadable, so it is replaced.
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace").removeprefix("\ufeff")
    declared = _DECLARED.match(data)
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    return data.decode(encoding if encoding in _BELIEVED else "utf-8", errors="replace")


def _no(name: str, reason: str) -> XmlDocument:
    return XmlDocument(None, f"{name}: {reason}")
