"""No way to the lake: names, certificates, tokens."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import uuid
from pathlib import Path

import pytest

from datalake_syncd.adapters.azcopy import AzcopySettings, CopyJob, judge, run_copy, verdict
from datalake_syncd.adapters.lake import Lake
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import AuthRefused, LakeUnavailable
from tests.e2e.lab import Lab
from tests.e2e.runs import expect_published, miseq, write
from tests.proxy import Proxy
from tests.servers import Azurite, Certificate, TokenServer


@pytest.mark.slow
def test_e21_a_name_that_nobody_knows_is_waited_for_and_said(lab: Lab) -> None:
    run = miseq(1)
    write(lab, run)
    lab.account_url = "http://no-such-host.invalid/devstoreaccount1"
    lab.configure()
    with lab.daemon() as daemon:

        def waits() -> bool:
            row = lab.run(run.name)
            return row is not None and row.status == "waiting" and "DNS" in (row.reason or "")

        lab.wait_for(waits, told="no such name")
        assert "DNS" in lab.call("status", expect=None).stdout
        assert daemon.process.poll() is None
        lab.account_url = None
        lab.configure()
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: daemon.lines("config.taken"), told="the right address")
        lab.call("retry", run.name)
        lab.wait_published(run.name)
    expect_published(lab, run)


def copied(access: LakeAccess, azcopy: Path, folder: Path) -> CopyJob:
    """One small file to send; a lake that does not answer is given up after five seconds."""
    root = folder / "runs"
    root.mkdir(exist_ok=True)
    (root / "file").write_bytes(b"data")
    settings = AzcopySettings(stall_timeout=5)
    return CopyJob(azcopy, root, "p", ["file"], 1, 4, access, settings, folder / "private")


HOURS = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("begins", "ends", "trusted", "words"),
    [
        (-HOURS, HOURS, False, ["certificate is not trusted"]),
        (-2 * HOURS, -HOURS, True, ["certificate has expired", "clock"]),
        (HOURS, 2 * HOURS, True, ["certificate is not valid yet", "clock"]),
    ],
    ids=["self-signed", "expired", "not-yet-valid"],
)
def test_e22_k3_a_certificate_that_is_no_good_is_named_and_never_accepted(
    azurite: Azurite,
    container: str,
    azcopy_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begins: dt.timedelta,
    ends: dt.timedelta,
    trusted: bool,
    words: list[str],
) -> None:
    monkeypatch.setattr("datalake_syncd.adapters.lake.credentials._RETRIES", 0)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    certificate = Certificate.make(tmp_path, begins, ends)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with Proxy(azurite.host, certificate=certificate) as proxy:
        access = LakeAccess(
            proxy.account_url, container, "sas", secret=lambda: azurite.sas(container)
        )
        with pytest.raises(LakeUnavailable) as caught:
            Lake(access).check()
        for word in words:
            assert word in caught.value.what + caught.value.next_step
        if begins < dt.timedelta():  # for azcopy one of the two wrong times is enough
            result = run_copy(copied(access, azcopy_path, tmp_path), clean=shutil.rmtree)
            error = verdict(result, 1)
            assert isinstance(error, LakeUnavailable)
            assert "TLS" in error.next_step
        assert proxy.seen == [], "something was said before the certificate was looked at"


@pytest.fixture
def identity(
    azurite_tls: Azurite, token_server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> LakeAccess:
    """A machine with a managed identity, as App Service and Arc hand it out."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "AZCOPY_", "IDENTITY_", "MSI_")) or "PROXY" in name.upper():
            monkeypatch.delenv(name)
    for name, value in token_server.environment("app-service").items():
        monkeypatch.setenv(name, value)
    container = f"lake-{uuid.uuid4().hex[:12]}"
    azurite_tls.make_container(container)
    return LakeAccess(azurite_tls.account_url, container, "managed-identity")


@pytest.mark.parametrize("status", [410, 429, 500])
def test_e25_a_token_service_that_stumbles_is_asked_again(
    identity: LakeAccess, token_server: TokenServer, azcopy_path: Path, tmp_path: Path, status: int
) -> None:
    token_server.hiccups = [status]
    Lake(identity).check()
    assert token_server.token_requests == 2
    token_server.hiccups = [status]
    result = run_copy(copied(identity, azcopy_path, tmp_path), clean=shutil.rmtree)
    if verdict(result, 1) is not None:
        # azcopy asks again by itself for some of them; for the others the service does.
        assert isinstance(verdict(result, 1), AuthRefused)
        result = run_copy(copied(identity, azcopy_path, tmp_path), clean=shutil.rmtree)
    judge(result, 1)
    assert token_server.token_requests >= 4


def test_e25_a_token_service_that_was_away_is_not_remembered_as_away(
    identity: LakeAccess, token_server: TokenServer
) -> None:
    token_server.status = 400  # not asked again at once, as 500 is for half a minute
    lake = Lake(identity)
    with pytest.raises(AuthRefused):
        lake.check()
    token_server.status = 200
    lake.check()
