"""Every way to log in, for azcopy and for the SDK, end to end against the real Azurite."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datalake_syncd.adapters.azcopy import (
    AzcopySettings,
    CopyJob,
    CopyResult,
    judge,
    run_copy,
    verdict,
)
from datalake_syncd.adapters.lake import Lake
from datalake_syncd.core.access import AUTH_MODES, LakeAccess
from datalake_syncd.core.errors import AuthRefused, LakeUnavailable
from tests.servers import CLIENT_ID, CLIENT_SECRET, TENANT, Azurite, TokenServer

TOKEN_MODES = [mode for mode in AUTH_MODES if mode not in ("sas", "connection-string")]


class World:
    """One login set up: an account to reach and an environment in which it works."""

    def __init__(self, access: LakeAccess, azurite: Azurite, tokens: TokenServer) -> None:
        self.access = access
        self.azurite = azurite
        self.tokens = tokens


@pytest.fixture
def set_up(
    azurite: Azurite,
    azurite_tls: Azurite,
    token_server: TokenServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], World]:
    def make(auth: str) -> World:
        for name in list(os.environ):
            if name.startswith(("AZURE_", "AZCOPY_", "IDENTITY_", "MSI_")) or "PROXY" in name:
                monkeypatch.delenv(name)
        server = azurite_tls if auth in TOKEN_MODES else azurite
        container = f"auth-{auth}-{time.time_ns()}"
        server.make_container(container)
        secret: str | None = None
        tenant: str | None = None
        client: str | None = None
        if auth in TOKEN_MODES:
            # The adapters must not need more than this: REQUESTS_CA_BUNDLE would hide a gap.
            monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
            monkeypatch.setenv("SSL_CERT_FILE", str(token_server.certificate.path))
        match auth:
            case "sas":
                secret = server.sas(container)
            case "connection-string":
                secret = server.connection_string
            case "managed-identity":
                told = token_server.environment("app-service")
                for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
                    monkeypatch.setenv(name, told[name])
            case "service-principal":
                monkeypatch.setenv("AZURE_AUTHORITY_HOST", token_server.https_url)
                secret, tenant, client = CLIENT_SECRET, TENANT, CLIENT_ID
            case "workload-identity":
                monkeypatch.setenv("AZURE_AUTHORITY_HOST", token_server.https_url)
                federated = tmp_path / "federated-token"
                federated.write_text(token_server.token())
                monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(federated))
                tenant, client = TENANT, CLIENT_ID
            case "azure-cli":
                stub_az(tmp_path, token_server, monkeypatch)
        texts = None if secret is None else (lambda: secret)
        access = LakeAccess(server.account_url, container, auth, tenant, client, texts)
        return World(access, server, token_server)

    return make


def stub_az(folder: Path, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program ``az`` that prints a token as the real one does, if it finds the user's home."""
    home = folder / "home"
    (home / ".azure").mkdir(parents=True)
    expires = int(time.time()) + 3000
    answer = {
        "accessToken": tokens.token(),
        "expiresOn": time.strftime("%Y-%m-%d %H:%M:%S.000000", time.localtime(expires)),
        "expires_on": expires,
        "subscription": "s",
        "tenant": "t",
        "tokenType": "Bearer",
    }
    (home / ".azure/token.json").write_text(json.dumps(answer))
    tools = folder / "tools"
    tools.mkdir()
    az = tools / "az"
    az.write_text(
        '#!/bin/sh\ncase "$1" in version|--version) echo \'{"azure-cli": "2.60.0"}\';;\n'
        '*) cat "$HOME/.azure/token.json";; esac\n'
    )
    az.chmod(az.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))


def copy(
    world: World,
    azcopy: Path,
    tmp_path: Path,
    size: int = 1000,
    cap: float = 0,
) -> CopyResult:
    root = tmp_path / "runs"
    root.mkdir(exist_ok=True)
    (root / "a b%1.txt").write_bytes(os.urandom(size))
    job = CopyJob(
        azcopy,
        root,
        "p",
        ["a b%1.txt"],
        1,
        size,
        world.access,
        AzcopySettings(cap_mbps=cap, stall_timeout=60),
        tmp_path / "private",
    )
    return run_copy(job, clean=shutil.rmtree)


@pytest.mark.parametrize("auth", AUTH_MODES)
def test_azcopy_logs_in(
    set_up: Callable[[str], World], azcopy_path: Path, tmp_path: Path, auth: str
) -> None:
    world = set_up(auth)
    judge(copy(world, azcopy_path, tmp_path), 1)
    [blob] = world.azurite.container(world.access.container).list_blobs()
    assert (blob.name, blob.size) == ("p/a b%1.txt", 1000)
    # A token was really asked for, and only where one is needed; az asks nobody here.
    asked = auth in TOKEN_MODES and auth != "azure-cli"
    assert bool(world.tokens.token_requests) == asked


@pytest.mark.parametrize("auth", AUTH_MODES)
def test_the_sdk_logs_in(set_up: Callable[[str], World], auth: str) -> None:
    world = set_up(auth)
    lake = Lake(world.access)
    lake.check()
    made = lake.upload("p/a b%1.txt", b"content")
    assert [made] == [blob for page in lake.list("p/") for blob in page]
    assert lake.read("p/a b%1.txt", 10) == b"content"
    assert lake.get("p/none") is None
    lake.close()
    asked = auth in TOKEN_MODES and auth != "azure-cli"
    assert bool(world.tokens.token_requests) == asked


def test_a_chosen_identity_is_asked_for(
    set_up: Callable[[str], World], azcopy_path: Path, tmp_path: Path
) -> None:
    world = set_up("managed-identity")
    access = world.access
    world.access = LakeAccess(
        access.account_url, access.container, access.auth, client_id=CLIENT_ID
    )
    judge(copy(world, azcopy_path, tmp_path), 1)
    Lake(world.access).check()
    assert len(world.tokens.requests) >= 2
    for request in world.tokens.requests:
        assert CLIENT_ID in request.query.values()


@pytest.mark.parametrize("auth", [mode for mode in TOKEN_MODES if mode != "azure-cli"])
def test_e26_a_refused_token_request_is_a_refused_login(
    set_up: Callable[[str], World], azcopy_path: Path, tmp_path: Path, auth: str
) -> None:
    world = set_up(auth)
    world.tokens.status = 400
    with pytest.raises(AuthRefused) as caught:
        Lake(world.access).check()
    error = verdict(copy(world, azcopy_path, tmp_path), 1)
    assert isinstance(error, AuthRefused)
    for told in (caught.value, error):
        assert CLIENT_SECRET not in f"{told}{told.why}"
        assert told.next_step


@pytest.mark.parametrize("issue", ["wrong-audience", "garbage"])
def test_e26_a_token_that_the_lake_refuses(
    set_up: Callable[[str], World], azcopy_path: Path, tmp_path: Path, issue: str
) -> None:
    world = set_up("managed-identity")
    world.tokens.issue = issue  # type: ignore[assignment]
    bad = world.tokens.token()
    with pytest.raises(AuthRefused) as caught:
        Lake(world.access).check()
    error = verdict(copy(world, azcopy_path, tmp_path), 1)
    assert isinstance(error, AuthRefused)
    assert bad not in f"{caught.value}{error}"


def test_a_wrong_client_secret(
    set_up: Callable[[str], World], azcopy_path: Path, tmp_path: Path
) -> None:
    world = set_up("service-principal")
    access = world.access
    world.access = LakeAccess(
        access.account_url,
        access.container,
        access.auth,
        access.tenant_id,
        access.client_id,
        lambda: "another-secret",
    )
    with pytest.raises(AuthRefused, match="AADSTS7000215"):
        Lake(world.access).check()
    assert isinstance(verdict(copy(world, azcopy_path, tmp_path), 1), AuthRefused)


def test_an_az_without_login(
    set_up: Callable[[str], World], azcopy_path: Path, tmp_path: Path
) -> None:
    world = set_up("azure-cli")
    (tmp_path / "home/.azure/token.json").rename(tmp_path / "elsewhere")
    with pytest.raises(AuthRefused) as caught:
        Lake(world.access).check()
    assert "az login" in caught.value.next_step
    assert isinstance(verdict(copy(world, azcopy_path, tmp_path), 1), AuthRefused)


def test_e22_an_untrusted_certificate_is_never_accepted(
    set_up: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = set_up("service-principal")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr("datalake_syncd.adapters.lake.credentials._RETRIES", 0)
    with pytest.raises((LakeUnavailable, AuthRefused), match="certificate"):
        Lake(world.access).check()


@pytest.mark.slow
def test_e24_tokens_that_expire_during_a_transfer_are_renewed(
    set_up: Callable[[str], World], azcopy_path: Path, tmp_path: Path
) -> None:
    world = set_up("managed-identity")
    # Seconds. At one megabyte per second, in blocks that each need a valid token, the transfer
    # takes longer: there and at the listing afterwards the first token is no good any more.
    lifetime, size = 20, 32_000_000
    world.tokens.lifetime = lifetime
    begun = time.monotonic()
    root = tmp_path / "runs"
    root.mkdir()
    (root / "big").write_bytes(os.urandom(size))
    job = CopyJob(
        azcopy_path, root, "p", ["big"], 1, size, world.access,
        AzcopySettings(cap_mbps=8, stall_timeout=60, put_blob_mb=8), tmp_path / "private",
    )  # fmt: skip
    result = run_copy(job, clean=shutil.rmtree)
    judge(result, 1)
    assert time.monotonic() - begun > lifetime + 5, "too fast to have needed a second token"
    assert world.tokens.token_requests >= 2
    found = Lake(world.access).get("p/big")
    assert found is not None
    assert found.size == size
