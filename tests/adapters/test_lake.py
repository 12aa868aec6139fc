"""The lake adapter against the real Azurite."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from azure.storage.blob import BlobBlock, BlobLeaseClient, BlobType, ContentSettings

from datalake_syncd.adapters.lake import Lake
from datalake_syncd.adapters.lake.credentials import trust
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import (
    AuthRefused,
    Damaged,
    LakeUnavailable,
    NeedsPerson,
    Stopped,
    SyncdError,
    Transient,
    UsageError,
)
from datalake_syncd.core.model import Blob
from tests.servers import REPO, Azurite, Certificate

NAMES = [
    "plain.txt",
    "100%",
    "%41%2F",
    "a#b?c",
    "a+b & c",
    " lead and trail ",
    "größe 試料 🧬",
    "e\u0301",
    "'quoted\"",
    "a//b",
    "tab\tname",
    "x" * 1000,
]


def access(azurite: Azurite, container: str) -> LakeAccess:
    return LakeAccess(
        azurite.account_url, container, "connection-string",
        secret=lambda: azurite.connection_string,
    )  # fmt: skip


@pytest.fixture
def lake(azurite: Azurite, container: str) -> Iterator[Lake]:
    made = Lake(access(azurite, container))
    yield made
    made.close()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_names_go_through_exactly(lake: Lake, azurite: Azurite, container: str, name: str) -> None:
    made = lake.upload(f"p%/{name}", name.encode(), "text/plain")
    assert made.name == f"p%/{name}"
    assert (made.size, made.md5) == (len(name.encode()), md5(name.encode()))
    assert made.blob_type == "BlockBlob"
    [[listed]] = list(lake.list("p%/"))
    assert listed == made == lake.get(f"p%/{name}")
    assert lake.read(f"p%/{name}", 4000) == name.encode()
    # Seen by somebody who has nothing to do with our adapter.
    [blob] = list(azurite.container(container).list_blobs())
    assert blob.name == f"p%/{name}"
    assert blob.content_settings.content_type == "text/plain"


def test_what_is_not_there_is_none(lake: Lake) -> None:
    assert lake.get("none") is None
    assert lake.read("none", 10) is None
    assert lake.hash("none") is None
    assert lake.download_to("none", io.BytesIO()) is None
    assert lake.snapshot("none") is None
    assert list(lake.list("none")) in ([], [[]])
    lake.check()


def test_listing_comes_in_pages(
    lake: Lake, azurite: Azurite, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        lake.upload(f"a/{number}", b"x")
    lake.upload("b/1", b"x")
    monkeypatch.setattr("datalake_syncd.adapters.lake.lake.PAGE", 3)
    pages = list(lake.list("a/"))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [blob.name for page in pages for blob in page] == [f"a/{n}" for n in range(7)]
    assert sum(map(len, lake.list())) == 8


def test_a_listing_tells_type_and_missing_md5(lake: Lake, azurite: Azurite, container: str) -> None:
    client = azurite.container(container)
    client.get_blob_client("page").upload_blob(b"\0" * 512, blob_type=BlobType.PAGEBLOB)
    client.get_blob_client("append").upload_blob(b"x", blob_type=BlobType.APPENDBLOB)
    blocks = client.get_blob_client("blocks")
    blocks.stage_block("AAAA", b"abc")
    blocks.commit_block_list([BlobBlock("AAAA")])
    # Blocks that nobody committed are no blob.
    client.get_blob_client("unfinished").stage_block("AAAA", b"abc")
    found = {blob.name: blob for page in lake.list() for blob in page}
    assert {name: blob.blob_type for name, blob in found.items()} == {
        "page": "PageBlob",
        "append": "AppendBlob",
        "blocks": "BlockBlob",
    }
    assert found["blocks"].md5 is None
    assert found["blocks"] == lake.get("blocks")
    assert lake.get("unfinished") is None


def test_an_empty_blob(lake: Lake) -> None:
    made = lake.upload("empty", b"")
    assert (made.size, made.md5) == (0, md5(b""))
    assert lake.read("empty", 0) == b""
    assert lake.hash("empty") == (md5(b""), 0, made.etag)


def test_hash_and_download_of_many_parts(lake: Lake) -> None:
    data = bytes(range(256)) * 4096 * 40  # 40 MiB
    made = lake.upload("big", data)
    parts: list[int] = []
    assert lake.hash("big", parts.append) == (md5(data), len(data), made.etag)
    assert sum(parts) == len(data)
    assert len(parts) > 1
    into = io.BytesIO()
    assert lake.download_to("big", into) == (md5(data), len(data), made.etag)
    assert into.getvalue() == data


def test_hash_reads_the_bytes_and_not_the_stored_md5(
    lake: Lake, azurite: Azurite, container: str
) -> None:
    made = lake.upload("x", b"right")
    azurite.container(container).get_blob_client("x").set_http_headers(
        ContentSettings(content_md5=bytearray(bytes.fromhex(md5(b"claim"))))
    )
    assert lake.get("x") != made
    hashed = lake.hash("x")
    assert hashed is not None
    assert hashed.md5 == md5(b"right")


def test_stored_bytes_count_whatever_their_encoding_header_says(
    lake: Lake, azurite: Azurite, container: str
) -> None:
    import gzip

    data = gzip.compress(b"content" * 1000)
    azurite.container(container).get_blob_client("x.gz").upload_blob(
        data, content_settings=ContentSettings(content_encoding="gzip")
    )
    assert lake.read("x.gz", 10_000) == data
    hashed = lake.hash("x.gz")
    assert hashed is not None
    assert hashed[:2] == (md5(data), len(data))


def test_hash_of_another_version_is_refused(lake: Lake) -> None:
    old = lake.upload("x", b"old")
    new = lake.upload("x", b"new")
    with pytest.raises(Transient, match="replaced"):
        lake.hash("x", etag=old.etag)
    assert lake.hash("x", etag=new.etag) == (md5(b"new"), 3, new.etag)


def test_e6_a_blob_that_is_replaced_while_it_is_read(lake: Lake) -> None:
    size = 40 * 1024**2
    lake.upload("x", b"a" * size)
    replaced: list[Blob] = []

    def on_bytes(_: int) -> None:
        if not replaced:
            replaced.append(lake.upload("x", b"b" * size))

    with pytest.raises(Transient, match="replaced"):
        lake.hash("x", on_bytes)


def test_reading_back_can_be_stopped(lake: Lake) -> None:
    lake.upload("x", b"a" * (40 * 1024**2))
    parts: list[int] = []
    with pytest.raises(Stopped):
        lake.hash("x", parts.append, lambda: bool(parts))
    assert len(parts) == 1


def test_errors_of_the_target_file_are_not_the_lakes(lake: Lake) -> None:
    lake.upload("x", b"a")

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        lake.download_to("x", Full())


def test_more_than_expected_is_not_read(lake: Lake) -> None:
    lake.upload("x", b"12345")
    with pytest.raises(NeedsPerson, match="5 bytes"):
        lake.read("x", 4)


def test_uploads_overwrite_only_when_told(lake: Lake) -> None:
    lake.upload("x", b"one")
    assert lake.upload("x", b"two").md5 == md5(b"two")
    with pytest.raises(NeedsPerson, match="already exists"):
        lake.upload("x", b"three", overwrite=False)
    assert lake.read("x", 10) == b"two"


def test_a_large_upload_is_one_request(lake: Lake, azurite: Azurite, container: str) -> None:
    data = b"s" * 70_000_000  # more than the SDK sends in one request by itself
    made = lake.upload("sheet", data, "text/csv")
    assert (made.size, made.md5) == (len(data), md5(data))
    blob = azurite.container(container).get_blob_client("sheet")
    assert blob.get_block_list("committed")[0] == []


def test_a_snapshot_keeps_the_old_version(lake: Lake, azurite: Azurite, container: str) -> None:
    lake.upload("x", b"old")
    stamp = lake.snapshot("x")
    lake.upload("x", b"new")
    assert stamp is not None
    old = azurite.container(container).get_blob_client("x", snapshot=stamp)
    assert old.download_blob().readall() == b"old"
    assert [blob.name for page in lake.list() for blob in page] == ["x"]


def every_call(lake: Lake) -> Iterator[tuple[str, SyncdError]]:
    calls: dict[str, Callable[[], object]] = {
        "check": lake.check,
        "list": lambda: list(lake.list()),
        "get": lambda: lake.get("x"),
        "read": lambda: lake.read("x", 1),
        "hash": lambda: lake.hash("x"),
        "upload": lambda: lake.upload("x", b"data"),
        "snapshot": lambda: lake.snapshot("x"),
    }
    for name, call in calls.items():
        with pytest.raises(SyncdError) as caught:
            call()
        yield name, caught.value


def test_a_missing_container_is_named_by_every_call(azurite: Azurite) -> None:
    for name, error in every_call(Lake(access(azurite, "no-such-container"))):
        assert type(error) is LakeUnavailable, name
        assert "no-such-container does not exist" in str(error)
        assert "create the container" in error.next_step


def test_a_wrong_key_is_refused_by_every_call(azurite: Azurite, container: str) -> None:
    wrong = "AccountName=devstoreaccount1;AccountKey=c2VjcmV0LWtleS1vZi1ub2JvZHk="
    reached = LakeAccess(azurite.account_url, container, "connection-string", secret=lambda: wrong)
    for name, error in every_call(Lake(reached)):
        assert isinstance(error, AuthRefused), name
        assert container in error.next_step
        assert "c2VjcmV0" not in f"{error}{error.next_step}"


@pytest.mark.parametrize("how", ["expired", "wrong"])
def test_a_bad_sas_is_refused_and_not_shown(azurite: Azurite, container: str, how: str) -> None:
    sas = azurite.sas(container, lifetime=dt.timedelta(hours=-1 if how == "expired" else 1))
    if how == "wrong":
        sas = sas.replace("sig=", "sig=AA")
    lake = Lake(LakeAccess(azurite.account_url, container, "sas", secret=lambda: sas))
    signature = sas.partition("sig=")[2].partition("&")[0]
    for name, error in every_call(lake):
        assert isinstance(error, AuthRefused), name
        shown = "".join((str(error), error.why, error.next_step, repr(error)))
        assert signature not in shown
        # Whoever logs the trace must not log the original's text either.
        assert error.__cause__ is None
        assert error.__suppress_context__


def test_a_renewed_secret_counts_at_once(azurite: Azurite, container: str) -> None:
    texts = [azurite.sas(container, lifetime=dt.timedelta(hours=-1))]
    lake = Lake(LakeAccess(azurite.account_url, container, "sas", secret=lambda: texts[-1]))
    with pytest.raises(AuthRefused):
        lake.check()
    texts.append(azurite.sas(container))
    lake.check()


def test_e6_a_lease_needs_a_person(lake: Lake, azurite: Azurite, container: str) -> None:
    lake.upload("x", b"old")
    BlobLeaseClient(azurite.container(container).get_blob_client("x")).acquire(60)
    with pytest.raises(NeedsPerson, match="LeaseIdMissing"):
        lake.upload("x", b"new")
    assert lake.read("x", 10) == b"old"


def test_e27_an_archived_blob_needs_a_person(lake: Lake, azurite: Azurite, container: str) -> None:
    lake.upload("x", b"old")
    azurite.container(container).get_blob_client("x").set_standard_blob_tier("Archive")
    with pytest.raises(NeedsPerson, match="archived") as caught:
        lake.hash("x")
    assert "rehydrate" in caught.value.next_step


KEYED = "AccountName=devstoreaccount1;AccountKey=c2VjcmV0LWtleS1vZi1ub2JvZHk="


def somewhere(url: str) -> Lake:
    return Lake(LakeAccess(url, "lake", "connection-string", secret=lambda: KEYED))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datalake_syncd.adapters.lake.credentials._RETRIES", 0)
    monkeypatch.setattr("datalake_syncd.adapters.lake.credentials._READ", 1)


@pytest.mark.usefixtures("impatient")
def test_e21_e22_e9_an_unreachable_lake_says_why(azurite_tls: Azurite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        for url, words in (
            ("http://127.0.0.1:1/devstoreaccount1", "refused"),
            ("http://no-such-host.invalid", "DNS"),
            (azurite_tls.account_url, "certificate is not trusted"),
            (f"http://127.0.0.1:{deaf.getsockname()[1]}/x", "did not answer in time"),
        ):
            with pytest.raises(LakeUnavailable, match=re.escape(words)) as caught:
                somewhere(url).check()
            assert type(caught.value) is LakeUnavailable
            assert "network" in caught.value.next_step


class Answer(BaseHTTPRequestHandler):
    """Says what its server was told to say."""

    def do_GET(self) -> None:
        status, code, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        if code:
            self.send_header("x-ms-error-code", code)
        self.send_header("Content-Type", "text/html" if b"<html" in body else "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def answering() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


XML = '<?xml version="1.0" encoding="utf-8"?><Error><Code>{}</Code><Message>m</Message></Error>'


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "ServerBusy", LakeUnavailable),
        (500, "InternalError", LakeUnavailable),
        (500, "OperationTimedOut", LakeUnavailable),
        (429, "TooManyRequests", LakeUnavailable),
        (403, "AuthorizationPermissionMismatch", AuthRefused),
        (401, "InvalidAuthenticationInfo", AuthRefused),
        (400, "InvalidAuthenticationInfo", AuthRefused),
        (404, "ContainerNotFound", LakeUnavailable),
        (409, "ContainerBeingDeleted", LakeUnavailable),
        (409, "BlobImmutableDueToPolicy", NeedsPerson),
        (412, "LeaseIdMissing", NeedsPerson),
        (400, "Md5Mismatch", Damaged),
        (400, "OutOfRangeInput", NeedsPerson),
        (507, "InsufficientStorage", LakeUnavailable),
    ],
)
def test_answers_and_their_kind(
    answering: ThreadingHTTPServer, status: int, code: str, kind: type[SyncdError]
) -> None:
    answering.answer = (status, code, XML.format(code).encode())  # type: ignore[attr-defined]
    lake = somewhere(f"http://127.0.0.1:{answering.server_port}/devstoreaccount1")
    with pytest.raises(SyncdError) as caught:
        lake.check()
    assert type(caught.value) is kind
    assert str(caught.value)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("body", [b"<html>Please log in to the WiFi</html>", b"", b"{}"])
def test_e23_a_captive_portal_is_no_lake(answering: ThreadingHTTPServer, body: bytes) -> None:
    answering.answer = (200, "", body)  # type: ignore[attr-defined]
    lake = somewhere(f"http://127.0.0.1:{answering.server_port}/devstoreaccount1")
    for call in (
        lake.check,
        lambda: list(lake.list()),
        lambda: lake.read("x", 9),
        lambda: lake.get("x"),
    ):
        with pytest.raises(LakeUnavailable):
            call()


LISTING = """<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://x/" ContainerName="c"><Blobs><Blob>
<Name{kind}>{name}</Name><Properties><Last-Modified>Mon, 23 Nov 2026 01:00:00 GMT</Last-Modified>
{etag}<Content-Length>3</Content-Length><Content-MD5>{md5}</Content-MD5>
{type}</Properties></Blob></Blobs><NextMarker /></EnumerationResults>"""


def listed(answering: ThreadingHTTPServer, **parts: str) -> list[list[Blob]]:
    whole = {"etag": "<Etag>0x1</Etag>", "type": "<BlobType>BlockBlob</BlobType>"}
    told = {"kind": "", "name": "a", "md5": "", **whole, **parts}
    answering.answer = (200, "", LISTING.format(**told).encode())  # type: ignore[attr-defined]
    lake = somewhere(f"http://127.0.0.1:{answering.server_port}/devstoreaccount1")
    return list(lake.list())


def test_a_name_that_xml_can_not_hold_is_decoded(answering: ThreadingHTTPServer) -> None:
    [[blob]] = listed(answering, kind=' Encoded="true"', name="a%EF%BF%BE%25b")
    assert (blob.name, blob.size, blob.md5, blob.etag) == ("a\ufffe%b", 3, None, "0x1")
    [[blob]] = listed(answering, name="a%41b")
    assert blob.name == "a%41b"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("parts", [{"etag": ""}, {"type": ""}, {"name": ""}, {"md5": "no base64"}])
def test_a_listing_with_gaps_is_no_listing(
    answering: ThreadingHTTPServer, parts: dict[str, str]
) -> None:
    with pytest.raises(LakeUnavailable):
        listed(answering, **parts)


def test_tokens_never_travel_in_the_clear() -> None:
    for auth in ("managed-identity", "service-principal", "workload-identity", "azure-cli"):
        reached = LakeAccess("http://lab.example.org", "c", auth, "t", "c", lambda: "secret")
        with pytest.raises(UsageError, match="https"):
            Lake(reached).check()


def test_a_login_with_gaps_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for auth in ("service-principal", "workload-identity"):
        reached = LakeAccess("https://lab.example.org", "c", auth, secret=lambda: "secret")
        with pytest.raises(UsageError, match=auth):
            Lake(reached).check()


def test_trust_is_that_of_azcopy(certificate: Certificate) -> None:
    assert trust({"SSL_CERT_FILE": "/a", "REQUESTS_CA_BUNDLE": "/b"}) == "/a"
    assert trust({"SSL_CERT_DIR": "/d"}) == "/d"
    assert trust({"REQUESTS_CA_BUNDLE": "/b"}) is True
    system = trust({})
    assert system is True or Path(str(system)).is_file()


def test_importing_the_adapter_does_not_import_the_sdk() -> None:
    code = (
        "import sys; from datalake_syncd.adapters.lake import Lake; "
        "from datalake_syncd.core.access import LakeAccess; "
        "Lake(LakeAccess('https://x', 'c', 'sas')).url('a'); "
        "sys.exit(any(name.split('.')[0] == 'azure' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False).returncode == 0


def test_the_adapter_has_no_way_to_remove_a_blob() -> None:
    folder = REPO / "datalake_syncd/adapters/lake"
    # Its one request is for a blob that nobody has, under a condition that none meets: test_house.
    texts = [path.read_text() for path in folder.glob("*.py") if path.stem != "may_delete"]
    assert len(texts) > 3
    assert not [text for text in texts if re.search(r"\.(un)?delete\w*\(|\.remove\(", text)]
    assert not [name for name in dir(Lake) if re.search("delete|remove|purge", name)]


class Records(logging.Handler):
    """Keeps every record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.names: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.names.append(record.name)


def test_the_sdk_logs_nothing(lake: Lake, azurite: Azurite) -> None:
    root, records = logging.getLogger(), Records()
    level = root.level
    root.addHandler(records)
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("here").debug("seen")
        lake.upload("x", b"data")
        with pytest.raises(SyncdError):
            Lake(access(azurite, "no-such-container")).check()
    finally:
        root.removeHandler(records)
        root.setLevel(level)
    assert "here" in records.names
    assert not [name for name in records.names if name.startswith(("azure", "msal"))]
