"""Every way to log in, with the whole service: azcopy and the SDK on one road of one run."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, Lab
from tests.servers import CLIENT_SECRET, Azurite, TokenServer

OUT = f"miseq-out/{MISEQ}"
CLIENT = "11111111-2222-3333-4444-555555555555"


def test_sas(lab: Lab) -> None:
    lab.secret.write_text(lab.azurite.sas(lab.container, "rcwl"))
    lab.configure(lake=['auth = "sas"'])
    goes_the_whole_road(lab)


def test_connection_string_with_a_sas_in_it(lab: Lab) -> None:
    sas = lab.azurite.sas(lab.container, "rcwl")
    url = lab.azurite.account_url
    lab.secret.write_text(f"BlobEndpoint={url};SharedAccessSignature={sas}")
    goes_the_whole_road(lab)


Login = Callable[[Path, TokenServer], tuple[list[str], dict[str, str]]]


def managed_identity(_folder: Path, server: TokenServer) -> tuple[list[str], dict[str, str]]:
    return ['auth = "managed-identity"'], server.environment("app-service")


def service_principal(folder: Path, server: TokenServer) -> tuple[list[str], dict[str, str]]:
    secret = folder / "client-secret"
    secret.write_text(CLIENT_SECRET)
    secret.chmod(0o600)
    environment = {"AZURE_AUTHORITY_HOST": authority(server)}
    lines = ['auth = "service-principal"', 'tenant_id = "adfs"', f'client_id = "{CLIENT}"']
    return [*lines, f'secret_file = "{secret}"'], environment


def workload_identity(folder: Path, server: TokenServer) -> tuple[list[str], dict[str, str]]:
    token = folder / "federated-token"
    token.write_text("a.federated.token")
    environment = {
        "AZURE_AUTHORITY_HOST": authority(server),
        "AZURE_FEDERATED_TOKEN_FILE": str(token),
    }
    lines = ['auth = "workload-identity"', 'tenant_id = "adfs"', f'client_id = "{CLIENT}"']
    return lines, environment


def azure_cli(folder: Path, server: TokenServer) -> tuple[list[str], dict[str, str]]:
    """A stand-in for ``az`` that fetches its token from the same server."""
    binaries = folder / "bin"
    binaries.mkdir()
    az = binaries / "az"
    identity = server.environment("app-service")
    az.write_text(
        f"#!{sys.executable}\n"
        "import json, time, urllib.request\n"
        f"request = urllib.request.Request({identity['IDENTITY_ENDPOINT']!r} + "
        "'?resource=https://storage.azure.com&api-version=2019-08-01', "
        f"headers={{'X-IDENTITY-HEADER': {identity['IDENTITY_HEADER']!r}}})\n"
        "token = json.load(urllib.request.urlopen(request))['access_token']\n"
        "until = time.time() + 3600\n"
        "print(json.dumps({'accessToken': token, 'expires_on': int(until), 'tokenType': 'Bearer',"
        " 'subscription': 's', 'tenant': 't', "
        "'expiresOn': time.strftime('%Y-%m-%d %H:%M:%S.000000', time.localtime(until))}))\n"
    )
    az.chmod(0o755)
    return ['auth = "azure-cli"'], {"PATH": f"{binaries}:{os.environ['PATH']}"}


def authority(server: TokenServer) -> str:
    environment = server.environment("service-principal")
    return (
        environment.get("AZURE_AUTHORITY_HOST") or environment["AZCOPY_ACTIVE_DIRECTORY_ENDPOINT"]
    )


@pytest.mark.parametrize(
    "login", [managed_identity, service_principal, workload_identity, azure_cli],
    ids=lambda login: login.__name__,
)  # fmt: skip
def test_tokens(
    login: Login,
    tmp_path: Path,
    azurite_tls: Azurite,
    token_server: TokenServer,
    azcopy_path: Path,
) -> None:
    assert azcopy_path.exists()
    container = f"lake-{uuid.uuid4().hex[:12]}"
    azurite_tls.make_container(container)
    lab = Lab(tmp_path, azurite_tls, container)
    lines, environment = login(tmp_path, token_server)
    lab.environment = {**environment, "SSL_CERT_FILE": str(token_server.certificate.path)}
    lab.drop_secret = True
    lab.configure(lake=lines)
    goes_the_whole_road(lab)
    assert token_server.token_requests >= 2, "azcopy and the SDK each fetched their own"


def goes_the_whole_road(lab: Lab) -> None:
    run = MiSeqRun(MISEQ)
    run.write_all(lab.source())
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(b"[Data]\nSample_ID\nA\n")
    began = time.monotonic()
    lab.once()
    assert lab.the_run().published_at is not None, time.monotonic() - began
    told = json.loads(lab.call("verify", MISEQ, "--json").stdout)
    assert told
    files = {p: d for p, d in run.files().items() if p != "SampleSheet.csv"}
    lab.expect_in_lake(files, OUT)
