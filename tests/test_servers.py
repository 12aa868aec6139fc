from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, get_args

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient, ContentSettings

from tests import conftest, servers
from tests.servers import Azurite, TokenServer

if TYPE_CHECKING:
    from pathlib import Path

AZCOPY_LOGIN: dict[str, dict[str, str]] = {
    "app-service": {"AZCOPY_AUTO_LOGIN_TYPE": "MSI"},
    "imds": {"AZCOPY_AUTO_LOGIN_TYPE": "MSI"},
    "service-principal": {
        "AZCOPY_AUTO_LOGIN_TYPE": "SPN",
        "AZCOPY_TENANT_ID": servers.TENANT,
        "AZCOPY_SPA_APPLICATION_ID": servers.CLIENT_ID,
        "AZCOPY_SPA_CLIENT_SECRET": servers.CLIENT_SECRET,
    },
    "workload-identity": {
        "AZCOPY_AUTO_LOGIN_TYPE": "WORKLOAD",
        "AZURE_TENANT_ID": servers.TENANT,
        "AZURE_CLIENT_ID": servers.CLIENT_ID,
    },
}


def azcopy(
    path: Path, private: Path, argv: list[str], env: dict[str, str] | None = None
) -> tuple[int, dict[str, str], str]:
    """Run azcopy with a clean environment; its exit code, its last summary, all it said."""
    with subprocess.Popen(
        [str(path), *argv, "--output-type", "json", "--log-level", "ERROR"],
        stdin=subprocess.PIPE,  # held open: azcopy spins on a stdin at its end
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            "HOME": str(private),
            "PATH": os.environ["PATH"],
            "AZCOPY_LOG_LOCATION": str(private / "log"),
            "AZCOPY_JOB_PLAN_LOCATION": str(private / "plan"),
            "AZCOPY_DISABLE_SYSLOG": "true",
            **(env or {}),
        },
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        code = process.wait(60)
    summary: dict[str, str] = {}
    for line in said.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("MessageType") == "EndOfJob":
            summary = json.loads(message["MessageContent"])
    return code, summary, said


def source_with_files(folder: Path) -> Path:
    source = folder / "run%1"
    (source / "Data").mkdir(parents=True)
    (source / "RunInfo.xml").write_bytes(b"<RunInfo/>")
    (source / "Data" / "s x#1.bcl").write_bytes(os.urandom(70_000))
    return source


def copy_argv(source: Path, target: str) -> list[str]:
    listing = source.parent / "list.txt"
    files = (path for path in sorted(source.rglob("*")) if path.is_file())
    listing.write_text("".join(f"{path.relative_to(source.parent)}\n" for path in files))
    return [
        "copy", str(source.parent), target,
        "--recursive", "--as-subdir=false", "--list-of-files", str(listing),
        "--from-to", "LocalBlob", "--blob-type", "BlockBlob", "--put-md5",
        "--put-blob-size-mb", "256", "--check-length=false", "--overwrite", "true",
        "--cancel-from-stdin",
    ]  # fmt: skip


def test_azurite_takes_what_the_sdk_sends_and_lists_it(azurite: Azurite, container: str) -> None:
    digest = hashlib.md5(b"hello", usedforsecurity=False).digest()
    lake = azurite.container(container)
    lake.upload_blob(
        "a/b c.txt", b"hello", content_settings=ContentSettings(content_md5=bytearray(digest))
    )
    [blob] = lake.list_blobs()
    assert (blob.name, blob.size) == ("a/b c.txt", 5)
    assert bytes(blob.content_settings.content_md5 or b"") == digest


@pytest.mark.parametrize(
    ("lifetime", "permissions", "allowed"),
    [
        (dt.timedelta(hours=1), "rcwl", True),
        (dt.timedelta(minutes=-5), "rcwl", False),
        (dt.timedelta(hours=1), "r", False),
    ],
)
def test_a_sas_is_checked(
    azurite: Azurite, container: str, lifetime: dt.timedelta, permissions: str, allowed: bool
) -> None:
    sas = azurite.sas(container, permissions, lifetime)
    with BlobServiceClient(azurite.account_url, credential=sas, retry_total=0) as service:
        lake = service.get_container_client(container)
        if allowed:
            lake.upload_blob("x", b"1")
            assert [blob.name for blob in lake.list_blobs()] == ["x"]
        else:
            with pytest.raises(HttpResponseError) as refused:
                lake.upload_blob("x", b"1")
            assert refused.value.status_code == 403


def test_azcopy_uploads_with_a_sas(
    azurite: Azurite, container: str, azcopy_path: Path, tmp_path: Path
) -> None:
    source = source_with_files(tmp_path / "watched")
    target = f"{azurite.account_url}/{container}/NextSeq?{azurite.sas(container)}"
    code, summary, said = azcopy(azcopy_path, tmp_path / "private", copy_argv(source, target))
    assert (code, summary.get("JobStatus"), summary.get("TransfersCompleted")) == (
        0,
        "Completed",
        "2",
    ), said
    blobs = {
        blob.name: bytes(blob.content_settings.content_md5 or b"")
        for blob in azurite.container(container).list_blobs()
    }
    assert set(blobs) == {"NextSeq/run%1/RunInfo.xml", "NextSeq/run%1/Data/s x#1.bcl"}
    for name, digest in blobs.items():
        content = (source.parent / name.removeprefix("NextSeq/")).read_bytes()
        assert digest == hashlib.md5(content, usedforsecurity=False).digest()


def test_data_and_port_outlive_a_kill(tmp_path: Path, azurite: Azurite) -> None:
    with Azurite(tmp_path / "own") as own:
        assert own.port != azurite.port
        own.make_container("lake").upload_blob("x", b"1")
        port = own.port
        own.stop()
        with pytest.raises(RuntimeError, match="not running"):
            _ = own.pid
        own.start()
        assert own.port == port
        assert [blob.name for blob in own.container("lake").list_blobs()] == ["x"]
        own.kill()
        own.start()
        assert own.port == port


def test_azurite_that_cannot_start_says_why(tmp_path: Path, azurite: Azurite) -> None:
    second = Azurite(tmp_path)
    second.port = azurite.port
    with pytest.raises(RuntimeError, match="EADDRINUSE"):
        second.start()


@pytest.mark.parametrize("login", get_args(servers.Login))
def test_azcopy_logs_in_without_a_secret_on_its_command_line(
    azurite_tls: Azurite,
    token_server: TokenServer,
    azcopy_path: Path,
    tmp_path: Path,
    login: servers.Login,
) -> None:
    container = f"login-{login}"
    azurite_tls.make_container(container)
    source = source_with_files(tmp_path / "watched")
    argv = copy_argv(source, f"{azurite_tls.account_url}/{container}")
    env = token_server.environment(login) | AZCOPY_LOGIN[login]
    if login == "workload-identity":
        (tmp_path / "federated").write_text(token_server.token())
        env["AZURE_FEDERATED_TOKEN_FILE"] = str(tmp_path / "federated")
    code, summary, said = azcopy(
        azcopy_path,
        tmp_path / "private",
        [*argv, "--trusted-microsoft-suffixes", azurite_tls.host],
        env,
    )
    assert (code, summary.get("TransfersCompleted")) == (0, "2"), said
    assert token_server.token_requests >= 1


def sdk_credential(
    tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> ManagedIdentityCredential:
    for name, value in tokens.environment("app-service").items():
        monkeypatch.setenv(name, value)
    return ManagedIdentityCredential()


def test_the_sdk_takes_a_managed_identity(
    azurite_tls: Azurite, token_server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        sdk_credential(token_server, monkeypatch) as credential,
        BlobServiceClient(azurite_tls.account_url, credential=credential) as service,
    ):
        service.create_container("sdk-msi").upload_blob("x", b"1")
    assert [blob.name for blob in azurite_tls.container("sdk-msi").list_blobs()] == ["x"]
    assert token_server.token_requests == 1


def test_the_sdk_takes_a_service_principal(
    azurite_tls: Azurite, token_server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in token_server.environment("service-principal").items():
        monkeypatch.setenv(name, value)

    def container_of(secret: str, name: str) -> None:
        with (
            ClientSecretCredential(servers.TENANT, servers.CLIENT_ID, secret) as credential,
            # With the SDK's own retries a wrong secret takes 86 seconds to be told.
            BlobServiceClient(
                azurite_tls.account_url, credential=credential, retry_total=0
            ) as service,
        ):
            service.create_container(name)

    container_of(servers.CLIENT_SECRET, "sdk-spn")
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        container_of("wrong", "sdk-spn-2")


@pytest.mark.parametrize("issue", ["wrong-audience", "expired", "garbage"])
def test_azurite_refuses_bad_tokens(
    azurite_tls: Azurite,
    token_server: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
    issue: servers.Issue,
) -> None:
    token_server.issue = issue
    with (
        sdk_credential(token_server, monkeypatch) as credential,
        BlobServiceClient(azurite_tls.account_url, credential=credential, retry_total=0) as service,
        pytest.raises(HttpResponseError) as refused,
    ):
        service.create_container(f"never-{issue}")
    assert refused.value.status_code in {401, 403}


def test_a_token_server_can_be_told_to_fail(
    token_server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_server.status = 403
    with (
        sdk_credential(token_server, monkeypatch) as credential,
        pytest.raises(ClientAuthenticationError),
    ):
        credential.get_token(f"{servers.AUDIENCE}/.default")
    token_server.status = 200
    token_server.lifetime = 90
    with sdk_credential(token_server, monkeypatch) as credential:
        token = credential.get_token(f"{servers.AUDIENCE}/.default")
    assert 0 < token.expires_on - dt.datetime.now(dt.UTC).timestamp() <= 90


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail), ("", pytest.skip)])
def test_a_missing_service_skips_on_a_laptop_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    conftest.need(True, "anything")
    with pytest.raises(outcome.Exception, match="something is missing"):  # type: ignore[attr-defined]
        conftest.need(False, "something")
