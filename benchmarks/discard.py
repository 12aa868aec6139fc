"""A blob server that takes everything and keeps nothing but names, sizes and MD5s.

For measuring clients: it really receives every byte, and its listings are right, but it writes
nothing and asks nobody for a signature. ``--check-md5`` hashes each Put Blob and compares, as the
service does on its own machine; without it no time of this machine goes into that. ``--mbps``
takes no more than a line of that rate would bring.

    python -m benchmarks.discard [--port N] [--check-md5] [--mbps N]   prints the port
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import hashlib
import itertools
import signal
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

_MAX_PAGE = 5000
_BUFFER = 1 << 20
#: A line may be ahead by so much (seconds): a pause for every packet would cost more.
_SLACK = 0.005


class Kept(NamedTuple):
    """All that is remembered of a blob."""

    size: int
    md5: str
    etag: str


@dataclass(slots=True)
class Container:
    """Blobs by name, and the bytes of blocks that wait for their list."""

    blobs: dict[str, Kept] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    _names: list[str] | None = None

    def put(self, name: str, kept: Kept) -> None:
        """Remember a blob."""
        if name not in self.blobs:
            self._names = None
        self.blobs[name] = kept

    @property
    def names(self) -> list[str]:
        """All names in the order of a listing."""
        if self._names is None:
            self._names = sorted(self.blobs)
        return self._names


class Answer(NamedTuple):
    """Status, further header lines, body."""

    status: str
    headers: bytes = b""
    body: bytes = b""


class Store:
    """The containers of one account, and what a request does to them."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self._etags = itertools.count(1)

    def answer(self, method: bytes, target: str, head: Head, received: Received) -> Answer:
        """What to say to a request whose body was received."""
        path, _, text = target.partition("?")
        query = {key: values[0] for key, values in parse_qs(text, keep_blank_values=True).items()}
        _, _, rest = path.lstrip("/").partition("/")
        container, _, name = unquote(rest).partition("/")
        if not name:
            return self._of_container(method, container, query)
        found = self.containers.get(container)
        if found is None:
            return _missing("ContainerNotFound")
        if method == b"PUT":
            return self._write(found, name, query.get("comp", ""), head, received)
        if method == b"HEAD":
            return _properties(found.blobs.get(name))
        return _missing("BlobNotFound")  # no content is kept that could be read

    def _of_container(self, method: bytes, name: str, query: dict[str, str]) -> Answer:
        if method == b"PUT":
            self.containers.setdefault(name, Container())
            return Answer("201 Created", b'ETag: "0x1"\r\n')
        if query.get("comp") == "list" and query.get("restype") == "container":
            found = self.containers.get(name)
            if found is None:
                return _missing("ContainerNotFound")
            xml = listing(found, name, query)
            return Answer("200 OK", b"Content-Type: application/xml\r\n", xml.encode())
        if name and name not in self.containers:
            return _missing("ContainerNotFound")
        return Answer(
            "200 OK", b'ETag: "0x1"\r\nx-ms-account-kind: StorageV2\r\nx-ms-sku-name: X\r\n'
        )

    def _write(
        self, container: Container, name: str, comp: str, head: Head, received: Received
    ) -> Answer:
        if comp == "block":
            container.waiting[name] = container.waiting.get(name, 0) + received.size
            return Answer("201 Created")
        if comp == "snapshot":
            return Answer("201 Created", b"x-ms-snapshot: 2026-01-01T00:00:00.0000000Z\r\n")
        if comp not in ("", "blocklist"):
            return Answer("200 OK")
        claimed = head.value(b"x-ms-blob-content-md5") or head.value(b"content-md5")
        size = received.size
        if comp == "blocklist":
            claimed, size = head.value(b"x-ms-blob-content-md5"), container.waiting.pop(name, 0)
        elif received.md5 is not None:
            if claimed and claimed != received.md5:
                return Answer("400 Bad Request", b"x-ms-error-code: Md5Mismatch\r\n")
            claimed = received.md5
        kept = Kept(size, claimed, f"0x{next(self._etags):X}")
        container.put(name, kept)
        return Answer("201 Created", b'ETag: "%b"\r\n' % kept.etag.encode())


def _missing(code: str) -> Answer:
    told = f"<Code>{code}</Code><Message>{code}</Message>"
    xml = f'<?xml version="1.0" encoding="utf-8"?><Error>{told}</Error>'
    headers = b"x-ms-error-code: %b\r\nContent-Type: application/xml\r\n" % code.encode()
    return Answer("404 Not Found", headers, xml.encode())


def _properties(kept: Kept | None) -> Answer:
    if kept is None:
        return _missing("BlobNotFound")
    headers = (
        f'Content-Length: {kept.size}\r\nETag: "{kept.etag}"\r\nx-ms-blob-type: BlockBlob\r\n'
        f"x-ms-creation-time: {_date()}\r\nx-ms-lease-status: unlocked\r\n"
        "x-ms-lease-state: available\r\nContent-Type: application/octet-stream\r\n"
    )
    if kept.md5:
        headers += f"Content-MD5: {kept.md5}\r\n"
    return Answer("200 OK", headers.encode())


def listing(container: Container, name: str, query: dict[str, str]) -> str:
    """One page of a listing, with the properties that the service gives."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = min(int(query.get("maxresults") or _MAX_PAGE), _MAX_PAGE)
    names = container.names
    at = bisect_left(names, query.get("marker", "") or prefix)
    date = _date()
    parts: list[str] = []
    while at < len(names) and names[at].startswith(prefix) and len(parts) < limit:
        blob = names[at]
        end = blob.find(delimiter, len(prefix)) if delimiter else -1
        if end >= 0:
            folder = blob[: end + len(delimiter)]
            parts.append(f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>")
            at = bisect_left(names, folder + "\U0010ffff", at)
        else:
            parts.append(_entry(blob, container.blobs[blob], date))
            at += 1
    more = at < len(names) and names[at].startswith(prefix)
    following = f"<NextMarker>{escape(names[at])}</NextMarker>" if more else "<NextMarker />"
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<EnumerationResults ServiceEndpoint="http://127.0.0.1/" ContainerName="{name}">'
        f"<Prefix>{escape(prefix)}</Prefix><MaxResults>{limit}</MaxResults>"
        f"<Blobs>{''.join(parts)}</Blobs>{following}</EnumerationResults>"
    )


def _entry(name: str, kept: Kept, date: str) -> str:
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{date}</Creation-Time>"
        f"<Last-Modified>{date}</Last-Modified><Etag>{kept.etag}</Etag>"
        f"<Content-Length>{kept.size}</Content-Length>"
        "<Content-Type>application/octet-stream</Content-Type><Content-Encoding />"
        f"<Content-Language /><Content-CRC64 /><Content-MD5>{kept.md5}</Content-MD5>"
        "<Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType>"
        "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
        "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        "<ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata /></Blob>"
    )


def _date() -> str:
    return formatdate(usegmt=True)


class Head:
    """The head of a request; a header is looked up only when it is asked for."""

    __slots__ = ("_lower", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._lower = text.lower()

    def value(self, name: bytes) -> str:
        """The value of a header (its name in lower case), "" when it is not there."""
        at = self._lower.find(b"\r\n" + name + b":")
        if at < 0:
            return ""
        begin = at + len(name) + 3
        end = self._text.find(b"\r\n", begin)
        return self._text[begin : end if end >= 0 else None].strip().decode("latin-1")


class Received(NamedTuple):
    """What came as the body."""

    size: int
    md5: str | None


class Line:
    """A line that all connections share; ``mbps`` in megabits per second, 0 for no limit."""

    def __init__(self, mbps: float) -> None:
        self._rate = mbps * 1e6 / 8
        self._free_at = 0.0

    def wait(self, count: int) -> float:
        """Seconds until so many bytes more would have come."""
        if not self._rate:
            return 0.0
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + count / self._rate
        return self._free_at - now


class Connection(asyncio.BufferedProtocol):
    """One client; requests one after the other, bodies into one buffer again and again."""

    def __init__(self, store: Store, line: Line, *, check_md5: bool) -> None:
        self._store = store
        self._shared = line
        self._check = check_md5
        self._buffer = memoryview(bytearray(_BUFFER))
        self._filled = 0
        self._head: Head | None = None
        self._line: tuple[bytes, str] = (b"", "")
        self._length = 0
        self._left = 0
        self._digest: hashlib._Hash | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the base's signature
        """Where the next bytes go."""
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came; several requests may have come at once."""
        wait = self._shared.wait(nbytes)
        if wait > _SLACK and self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(wait, self._read_on)
        self._filled += nbytes
        begin = 0
        while begin < self._filled:
            if self._head is None:
                taken = self._take_head(begin)
                if not taken:
                    break
                begin += taken
            else:
                taken = min(self._left, self._filled - begin)
                if self._digest is not None:
                    self._digest.update(self._buffer[begin : begin + taken])
                self._left -= taken
                begin += taken
            if self._left == 0:
                self._reply()
        rest = self._filled - begin
        if rest and begin:
            self._buffer[:rest] = bytes(self._buffer[begin : self._filled])
        self._filled = rest

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take_head(self, begin: int) -> int:
        text = bytes(self._buffer[begin : min(self._filled, begin + 65536)])
        end = text.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = Head(text[: end + 2])
        method, target, _ = text[: text.find(b"\r\n")].split(b" ", 2)
        self._head, self._line = head, (method, target.decode("latin-1"))
        self._length = self._left = int(head.value(b"content-length") or 0)
        self._digest = hashlib.md5(usedforsecurity=False) if self._check else None
        if head.value(b"expect") and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return end + 4

    def _reply(self) -> None:
        head, transport = self._head, self._transport
        assert head is not None
        assert transport is not None
        method, target = self._line
        md5 = None
        if self._digest is not None:
            md5 = base64.b64encode(self._digest.digest()).decode()
        answer = self._store.answer(method, target, head, Received(self._length, md5))
        self._head = None
        body = b"" if method == b"HEAD" else answer.body
        length = b"" if b"Content-Length:" in answer.headers else b"Content-Length: %d\r\n"
        transport.write(
            b"HTTP/1.1 %b\r\nServer: discard\r\nx-ms-request-id: 1\r\nx-ms-version: 2025-07-05\r\n"
            b"Date: %b\r\nLast-Modified: %b\r\n%b%b\r\n%b"
            % (
                answer.status.encode(),
                (date := _date().encode()),
                date,
                length % len(body) if length else b"",
                answer.headers,
                body,
            )
        )


async def serve(port: int, *, check_md5: bool, mbps: float) -> None:
    """Listen on loopback until SIGTERM."""
    store, line = Store(), Line(mbps)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(store, line, check_md5=check_md5), "127.0.0.1", port, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()


def main() -> None:
    """Start it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--check-md5", action="store_true")
    parser.add_argument("--mbps", type=float, default=0.0)
    given = parser.parse_args()
    asyncio.run(serve(given.port, check_md5=given.check_md5, mbps=given.mbps))


if __name__ == "__main__":
    main()
