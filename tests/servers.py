"""Real and stand-in servers for tests: Azurite, token endpoints, a certificate for both.

Everything listens on loopback, on a port that the system chose, so that any number of test
runs can go on side by side.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

REPO = Path(__file__).resolve().parent.parent
AZCOPY = REPO / ".tools/bin/azcopy"
AZURITE = REPO / ".tools/bin/azurite-blob"

# Azurite's account, the same on every machine and in Microsoft's documentation.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1; ``path`` is also the CA file of its clients."""

    path: Path
    key: Path

    @classmethod
    def make(
        cls,
        folder: Path,
        begins: dt.timedelta = dt.timedelta(hours=-1),
        ends: dt.timedelta = dt.timedelta(days=2),
    ) -> Self:
        """Write ``cert.pem`` and ``key.pem`` into ``folder``; both times are counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
                        x509.DNSName("localhost"),
                    ]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder / "cert.pem", folder / "key.pem")
        made.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made


class Azurite:
    """The real Azurite in ``folder``; data outlive :meth:`stop` and :meth:`kill`.

    Keeps its port over a restart. With a certificate it speaks https and takes OAuth tokens
    (of :class:`TokenServer`) as well as keys and SAS; what it says is in ``folder/azurite.log``.
    Start it from a thread that lives as long as it should: it dies with that thread, so that
    nothing stays behind when a test process is killed.
    """

    account_name = ACCOUNT
    account_key = KEY

    def __init__(self, folder: Path, certificate: Certificate | None = None) -> None:
        self.folder = folder
        self.certificate = certificate
        self.port = 0
        self.log = folder / "azurite.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._service: BlobServiceClient | None = None

    @property
    def scheme(self) -> str:
        """``https`` with a certificate, else ``http``."""
        return "https" if self.certificate else "http"

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, also what azcopy wants as a trusted suffix for OAuth."""
        return f"127.0.0.1:{self.port}"

    @property
    def account_url(self) -> str:
        """What ``lake.account_url`` of a configuration would be."""
        return f"{self.scheme}://{self.host}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """All of it: endpoint, account and key."""
        return (
            f"DefaultEndpointsProtocol={self.scheme};AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.account_url};"
        )

    @property
    def pid(self) -> int:
        """The process, for tests that stop or kill it themselves."""
        if self._process is None:
            raise RuntimeError("Azurite is not running")
        return self._process.pid

    def start(self, wait: float = 90.0) -> None:
        """Start it, on its old port if it had one, and wait until it answers."""
        if self._process is not None:
            raise RuntimeError("Azurite is running already")
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        # The SDK is often ahead of the newest API version that Azurite knows by name.
        argv += ["--location", str(self.folder / "data"), "--skipApiVersionCheck"]
        argv += ["--silent", "--disableTelemetry"]
        if self.certificate:
            argv += ["--oauth", "basic"]
            argv += ["--cert", str(self.certificate.path), "--key", str(self.certificate.key)]
        if shutil.which("setpriv"):
            argv = ["setpriv", "--pdeathsig", "KILL", *argv]
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.port = self._wait_for_port(self._process, begin, wait)
        except BaseException:
            self.kill()
            raise

    def _wait_for_port(self, process: subprocess.Popen[bytes], begin: int, wait: float) -> int:
        until = time.monotonic() + wait
        while True:
            said = self.log.read_bytes()[begin:].decode(errors="replace")
            # Azurite says this when the socket listens.
            if found := re.search(r"successfully listens on https?://127\.0\.0\.1:(\d+)", said):
                return int(found[1])
            if process.poll() is not None:
                raise RuntimeError(f"Azurite ended at once with {process.returncode}:\n{said}")
            if time.monotonic() > until:
                raise TimeoutError(f"Azurite did not listen within {wait} s:\n{said}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order; the data stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would; what it had not written is gone."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._service is not None:
            self._service.close()
            self._service = None
        process, self._process = self._process, None
        if process is None:
            return
        # Its own process group: never anybody else's Azurite.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def service(self) -> BlobServiceClient:
        """A client with the account key; closed by :meth:`stop`."""
        if self._service is None:
            self._service = BlobServiceClient.from_connection_string(
                self.connection_string,
                connection_verify=str(self.certificate.path) if self.certificate else True,
                retry_total=1,
            )
        return self._service

    def container(self, name: str) -> ContainerClient:
        """A client for a container; shares the connection of :attr:`service`, needs no close."""
        return self.service.get_container_client(name)

    def make_container(self, name: str) -> ContainerClient:
        """Create a container."""
        return self.service.create_container(name)

    def sas(
        self,
        container: str,
        permissions: str = "rcwl",
        lifetime: dt.timedelta = dt.timedelta(hours=2),
        begins: dt.timedelta = dt.timedelta(days=-1),
    ) -> str:
        """A SAS token (without ``?``) for a container; a negative lifetime makes a dead one.

        It is good when ``begins`` has passed from now on.
        """
        now = dt.datetime.now(dt.UTC)
        return generate_container_sas(
            ACCOUNT,
            container,
            account_key=KEY,
            permission=ContainerSasPermissions.from_string(permissions),
            start=now + begins,
            expiry=now + lifetime,
        )


@dataclass(frozen=True)
class Request:
    """One request to the token server. ``kind``: discovery, app-service, imds or secret."""

    kind: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]


# What TokenServer.issue can be: a good token, or one of these that Azurite refuses.
Issue = Literal["good", "wrong-audience", "expired", "garbage"]
# The ways to log in that TokenServer.environment knows.
Login = Literal["app-service", "imds", "service-principal", "workload-identity"]
TENANT = "adfs"  # any other tenant makes clients ask login.microsoftonline.com first
CLIENT_ID = "3f1c9c2e-0000-4000-8000-1d5e6a7b8c9d"
CLIENT_SECRET = "made-up-client-secret"
IDENTITY_HEADER = "made-up-identity-header"
AUDIENCE = "https://storage.azure.com"
ISSUER_TENANT = "ab1f708d-50f6-404c-a006-d71b2ac7a606"


@dataclass
class TokenServer:
    """Stands in for the places where Azure hands out tokens, over http and https.

    It answers App Service's identity endpoint, the VM's metadata service (IMDS, reached by
    using ``http_url`` as HTTP proxy), and AAD's discovery and token paths. The clients that ask
    are the real ones. ``lifetime`` (seconds), ``issue`` and ``status`` may be set at any time.
    """

    certificate: Certificate
    lifetime: int = 3600
    issue: Issue = "good"
    status: int = 200  # answer token requests with this HTTP status; discovery always works
    hiccups: list[int] = field(default_factory=list)  # and before that with these, once each
    requests: list[Request] = field(default_factory=list)
    _servers: list[ThreadingHTTPServer] = field(default_factory=list)

    def __enter__(self) -> Self:
        handler = _handler_for(self)
        plain = _QuietServer(("127.0.0.1", 0), handler)
        secure = _QuietServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.path, self.certificate.key)
        # The handshake belongs to the connection's own thread, not to the accepting one.
        secure.socket = context.wrap_socket(
            secure.socket, server_side=True, do_handshake_on_connect=False
        )
        self._servers = [plain, secure]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers = []

    @property
    def http_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._servers[0].server_address[1]}"

    @property
    def https_url(self) -> str:
        """``https://127.0.0.1:PORT``, the authority for AAD."""
        return f"https://127.0.0.1:{self._servers[1].server_address[1]}"

    @property
    def token_requests(self) -> int:
        """How often a token was asked for (discovery does not count)."""
        return sum(request.kind != "discovery" for request in self.requests)

    def environment(self, login: Login) -> dict[str, str]:
        """What a process needs in its environment to find this server: azcopy and SDK alike."""
        trust = {
            "SSL_CERT_FILE": str(self.certificate.path),
            "REQUESTS_CA_BUNDLE": str(self.certificate.path),
        }
        if login == "app-service":
            endpoint = f"{self.http_url}/msi/token"
            return trust | {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": IDENTITY_HEADER}
        if login == "imds":
            return trust | {"HTTP_PROXY": self.http_url, "NO_PROXY": "127.0.0.1"}
        return trust | {
            "AZURE_AUTHORITY_HOST": self.https_url,
            "AZCOPY_ACTIVE_DIRECTORY_ENDPOINT": self.https_url,
        }

    def token(self, issue: Issue | None = None) -> str:
        """A bearer token as the server would hand it out now."""
        issue = issue or self.issue
        if issue == "garbage":
            return "not.a.token"
        now = int(time.time())
        claims = {
            "aud": AUDIENCE if issue != "wrong-audience" else "https://vault.azure.net",
            "iss": f"https://sts.windows.net/{ISSUER_TENANT}/",
            "iat": now - 7200,
            "nbf": now - 7200,
            "exp": now - 3600 if issue == "expired" else now + self.lifetime,
            "tid": ISSUER_TENANT,
            "oid": "11059fcc-5514-4800-b5f8-49808b9cfab6",
            "sub": "tests",
        }
        # Azurite reads the claims and does not check the signature.
        return jwt.encode(claims, "made-up-signing-key-of-32-bytes-or-so", algorithm="HS256")

    def answer(self, request: Request, host: str) -> tuple[int, dict[str, object]]:
        """Status and JSON body for one request."""
        self.requests.append(request)
        if request.kind == "discovery":
            return 200, _discovery(request.path, host)
        status = self.hiccups.pop(0) if self.hiccups else self.status
        if status != 200:
            return status, {"error": "invalid_request", "error_description": "as told"}
        if request.kind == "app-service":
            if request.headers.get("x-identity-header") != IDENTITY_HEADER:
                return 401, {"error": "unauthorized", "error_description": "X-IDENTITY-HEADER"}
        elif request.kind == "imds":
            if request.headers.get("metadata", "").lower() != "true":
                return 400, {"error": "invalid_request", "error_description": "Metadata: true"}
        elif "client_assertion" not in request.form and (
            request.form.get("client_secret") != CLIENT_SECRET
        ):
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: secret"}
        body: dict[str, object] = {"access_token": self.token(), "token_type": "Bearer"}
        if request.kind == "secret":
            return 200, body | {"expires_in": self.lifetime, "ext_expires_in": self.lifetime}
        expires = int(time.time()) + self.lifetime
        return 200, body | {
            "expires_in": str(self.lifetime),
            "expires_on": str(expires),
            "resource": AUDIENCE,
        }


def _discovery(path: str, host: str) -> dict[str, object]:
    base = f"https://{host}"
    if "/discovery/instance" in path:
        return {
            "tenant_discovery_endpoint": f"{base}/{TENANT}/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [],
        }
    tenant = path.split("/")[1]
    return {
        "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
        "issuer": f"{base}/{tenant}/v2.0",
        "jwks_uri": f"{base}/{tenant}/keys",
    }


def _kind(method: str, path: str) -> str:
    if "openid-configuration" in path or "/discovery/instance" in path:
        return "discovery"
    if method == "POST":
        return "secret"
    return "imds" if path.startswith("/metadata/") else "app-service"


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up or distrust the certificate are what some tests are about."""


def _handler_for(tokens: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
            pass

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            form = parse_qs(self.rfile.read(length).decode())
            # As a proxy (IMDS) it gets the whole address instead of a path.
            parts = urlsplit(self.path)
            request = Request(
                kind=_kind(self.command, parts.path),
                method=self.command,
                path=parts.path,
                query={name: values[0] for name, values in parse_qs(parts.query).items()},
                headers={name.lower(): value for name, value in self.headers.items()},
                form={name: values[0] for name, values in form.items()},
            )
            status, body = tokens.answer(request, self.headers.get("host", ""))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 (the base class looks for these names)

    return Handler
