"""The command line and the environment of azcopy: pure, no process is started."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from datalake_syncd.adapters.azcopy.argv import check_source_root, copy_argv, redacted
from datalake_syncd.adapters.azcopy.environment import child_environment, try_timeout_minutes
from datalake_syncd.adapters.azcopy.job import AzcopySettings
from datalake_syncd.core.access import AUTH_MODES, LakeAccess, LakeSecret
from datalake_syncd.core.errors import AuthRefused, UsageError

SAS = "sv=2026-01-01&sr=c&sp=rcwl&sig=aB%2Fcd%2Bef%3D"
KEY = "c2VjcmV0LWFjY291bnQta2V5LXZhbHVl"
SECRETS = {
    "service-principal": "client~secret.value",
    "sas": f"?{SAS}\n",
    "connection-string": f"DefaultEndpointsProtocol=https;AccountName=lab;AccountKey={KEY}==;",
}
AZURE = "https://mylab.blob.core.windows.net"


def access(auth: str, url: str = AZURE, secret: str | None = None) -> LakeAccess:
    text = SECRETS.get(auth) if secret is None else secret
    return LakeAccess(
        url, "lake", auth, "tenant-x", "client-x", None if text is None else lambda: text
    )


def argv(
    reached: LakeAccess, destination: str = "Out/put", settings: AzcopySettings | None = None
) -> list[str]:
    return copy_argv(
        Path("/data/runs"),
        destination,
        Path("/state/copy-1/list.txt"),
        reached,
        reached.read_secret(),
        settings or AzcopySettings(),
    )


def environment(
    reached: LakeAccess,
    base: dict[str, str] | None = None,
    settings: AzcopySettings | None = None,
    files: int = 0,
    bytes_: int = 10**12,
) -> dict[str, str]:
    settings = settings or AzcopySettings()
    secret = reached.read_secret()
    return child_environment(reached, secret, Path("/p"), settings, files, bytes_, base or {})


def test_f9_f10_the_command_line_is_the_measured_one() -> None:
    assert argv(access("managed-identity")) == [
        "copy",
        "/data/runs",
        "https://mylab.blob.core.windows.net/lake/Out/put",
        *("--recursive", "--as-subdir=false", "--list-of-files", "/state/copy-1/list.txt"),
        *("--from-to", "LocalBlob", "--blob-type", "BlockBlob"),
        *("--put-md5", "--put-blob-size-mb", "256", "--check-length=false"),
        *("--overwrite", "true", "--log-level", "ERROR", "--output-type", "json"),
        *("--cancel-from-stdin", "--skip-version-check"),
    ]


def test_only_copy_is_ever_built() -> None:
    urls = (AZURE, "http://127.0.0.1:10000/devstoreaccount1", "https://lake.example.org")
    settings = (AzcopySettings(), AzcopySettings(cap_mbps=12.5, concurrency=4, put_blob_mb=64))
    names = ("", "a/b", "sync", "--delete-destination=true", "remove")
    for auth, url, setting, name in itertools.product(AUTH_MODES, urls, settings, names):
        words = argv(access(auth, url), name, setting)
        assert words[0] == "copy"
        # Position 1 and 2 are the source and the address, both with a fixed beginning.
        assert words[1].startswith("/")
        assert words[2].startswith("http")
        flags = {word.partition("=")[0] for word in words[3:]}
        assert not flags & {"sync", "remove", "rm", "--delete-destination", "--mirror-mode", "make"}
        assert not flags & {"--follow-symlinks", "--preserve-symlinks", "--dry-run"}


def test_the_prefix_is_percent_encoded_and_may_be_empty() -> None:
    assert argv(access("azure-cli"), "a b/100%#?+ü")[2].endswith(
        "/lake/a%20b/100%25%23%3F%2B%C3%BC"
    )
    assert argv(access("azure-cli"), "")[2] == f"{AZURE}/lake"


def test_a_rate_cap_is_passed_on() -> None:
    words = argv(access("sas"), settings=AzcopySettings(cap_mbps=12.5))
    assert words[words.index("--cap-mbps") + 1] == "12.5"
    assert "--cap-mbps" not in argv(access("sas"))


@pytest.mark.parametrize("auth", AUTH_MODES)
def test_only_a_sas_is_on_the_command_line(auth: str) -> None:
    text = " ".join(argv(access(auth)))
    assert ("sig=" in text) == (auth == "sas")
    assert "client~secret" not in text
    assert KEY not in text
    with_sas = access("connection-string", secret=f"BlobEndpoint=x;SharedAccessSignature={SAS}")
    assert argv(with_sas)[2].endswith(f"?{SAS}")


def test_the_shown_command_line_hides_the_sas() -> None:
    reached = access("sas")
    shown = " ".join(redacted(argv(reached), reached.read_secret()))
    assert "aB%2F" not in shown
    assert "aB/" not in shown
    assert "mylab.blob.core.windows.net/lake" in shown


@pytest.mark.parametrize("auth", [mode for mode in AUTH_MODES if mode != "sas"])
def test_foreign_hosts_must_be_named_as_trusted(auth: str) -> None:
    words = argv(access(auth, "https://127.0.0.1:10000/devstoreaccount1"))
    assert words[words.index("--trusted-microsoft-suffixes") + 1] == "127.0.0.1:10000"
    assert "--trusted-microsoft-suffixes" not in argv(access(auth))
    # Ends like Azure only in its path or in a longer name.
    odd = argv(access(auth, "https://blob.core.windows.net.example.org"))
    assert "--trusted-microsoft-suffixes" in odd


@pytest.mark.parametrize(
    ("root", "word"),
    [
        ("/data/100%", "percent"),
        ("/data/r%zz", "percent"),
        ("/data/r*", "asterisk"),
        ("/data/a\nb", "newline"),
        ("/data/a\rb", "newline"),
        ("-rf", "absolute"),
        ("data", "absolute"),
        ("/data/\udcff", "UTF-8"),
    ],
)
def test_source_roots_that_azcopy_misreads_are_refused(root: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        check_source_root(Path(root))
    assert caught.value.next_step
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("root", ["/data/-x", "/data/a b", "/data/ü#?+", "/data/x%41"])
def test_other_source_roots_are_fine(root: str) -> None:
    check_source_root(Path(root))


def test_nothing_leaks_from_the_services_environment() -> None:
    canary = "canary-0815"
    base = {
        "AZURE_CLIENT_SECRET": canary,
        "AZCOPY_SPA_CLIENT_SECRET": canary,
        "AZCOPY_CONCURRENCY_VALUE": canary,
        "AZCOPY_OAUTH_TOKEN_INFO": canary,
        "AWS_SECRET_ACCESS_KEY": canary,
        "SMTP_PASSWORD": canary,
        "CREDENTIALS_DIRECTORY": canary,
        "LD_PRELOAD": canary,
        "GODEBUG": canary,
        "HOME": "/home/canary-0815",
        "PATH": "/bin",
    }
    for auth in AUTH_MODES:
        made = environment(access(auth), base)
        if auth == "azure-cli":  # az needs the user's home, and that alone
            assert made.pop("HOME") == base["HOME"]
        assert canary not in repr(made)


def test_f10_f11_azcopy_keeps_its_files_in_the_private_folder() -> None:
    made = environment(access("sas"))
    assert made["HOME"] == "/p"
    assert made["AZCOPY_LOG_LOCATION"] == "/p/log"
    assert made["AZCOPY_JOB_PLAN_LOCATION"] == "/p/plan"
    assert made["AZCOPY_DISABLE_SYSLOG"] == "true"
    assert made["PATH"]


def test_memory_fits_the_single_put_size() -> None:
    made = environment(access("sas"))
    assert (made["AZCOPY_BUFFER_GB"], made["GOMEMLIMIT"]) == ("1", "1792MiB")
    large = environment(access("sas"), settings=AzcopySettings(put_blob_mb=1024))
    assert float(large["AZCOPY_BUFFER_GB"]) * 0.75 > 1
    small = environment(access("sas"), settings=AzcopySettings(put_blob_mb=8))
    assert small["AZCOPY_BUFFER_GB"] == "1"
    # Buffers are for bytes that there are. 100,000 files of 400 MiB were slower with 768 MiB.
    many = environment(access("sas"), files=100_000, bytes_=400 << 20)
    assert 900 < int(many["GOMEMLIMIT"].removesuffix("MiB")) < 1400
    few = environment(access("sas"), files=1, bytes_=1)
    assert 256 <= int(few["GOMEMLIMIT"].removesuffix("MiB")) < 300


def test_concurrency_zero_leaves_the_choice_to_azcopy() -> None:
    assert "AZCOPY_CONCURRENCY_VALUE" not in environment(access("sas"))
    made = environment(access("sas"), settings=AzcopySettings(concurrency=16))
    assert made["AZCOPY_CONCURRENCY_VALUE"] == "16"


def test_a_request_may_take_as_long_as_the_cap_makes_it() -> None:
    assert try_timeout_minutes(AzcopySettings()) == 10
    assert try_timeout_minutes(AzcopySettings(cap_mbps=1000)) == 10
    # 1 GiB of buffers at 8 Mbit/s leaves in 18 minutes.
    assert try_timeout_minutes(AzcopySettings(cap_mbps=8)) >= 18


def test_proxies_and_trust_are_passed_and_the_identity_service_stays_direct() -> None:
    base = {
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "intern.example.org",
        "SSL_CERT_FILE": "/ca.pem",
        "SSL_CERT_DIR": "/ca",
    }
    made = environment(access("managed-identity"), base)
    assert made["HTTPS_PROXY"] == "http://proxy:3128"
    assert made["NO_PROXY"].split(",") == ["intern.example.org", "169.254.169.254"]
    assert (made["SSL_CERT_FILE"], made["SSL_CERT_DIR"]) == ("/ca.pem", "/ca")
    assert environment(access("sas"))["NO_PROXY"] == "169.254.169.254"
    once = environment(access("sas"), {"NO_PROXY": "a, 169.254.169.254"})["NO_PROXY"]
    assert once.count("169.254.169.254") == 1


LOGINS: dict[str, dict[str, str]] = {
    "managed-identity": {"AZCOPY_AUTO_LOGIN_TYPE": "MSI", "AZCOPY_MSI_CLIENT_ID": "client-x"},
    "service-principal": {
        "AZCOPY_AUTO_LOGIN_TYPE": "SPN",
        "AZCOPY_TENANT_ID": "tenant-x",
        "AZCOPY_SPA_APPLICATION_ID": "client-x",
        "AZCOPY_SPA_CLIENT_SECRET": "client~secret.value",
        "AZCOPY_ACTIVE_DIRECTORY_ENDPOINT": "https://login.microsoftonline.us",
    },
    "workload-identity": {
        "AZCOPY_AUTO_LOGIN_TYPE": "WORKLOAD",
        "AZURE_TENANT_ID": "tenant-x",
        "AZURE_CLIENT_ID": "client-x",
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/token",
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us",
    },
    "azure-cli": {"AZCOPY_AUTO_LOGIN_TYPE": "AZCLI", "AZCOPY_TENANT_ID": "tenant-x"},
    "sas": {},
    "connection-string": {
        "AZCOPY_CRED_TYPE": "SharedKey",
        "ACCOUNT_NAME": "lab",
        "ACCOUNT_KEY": f"{KEY}==",
    },
}


@pytest.mark.parametrize("auth", AUTH_MODES)
def test_each_login_sets_its_own_variables_and_no_others(auth: str) -> None:
    base = {
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/token",
        "AZURE_AUTHORITY_HOST": "login.microsoftonline.us",
        "AZURE_TENANT_ID": "not-this",
    }
    made = environment(access(auth), base)
    login = ("AUTO", "MSI", "SPA", "TENANT", "ACTIVE", "CRED")
    prefixes = (*(f"AZCOPY_{word}" for word in login), "AZURE_", "ACCOUNT_")
    assert {k: v for k, v in made.items() if k.startswith(prefixes)} == LOGINS[auth]


def test_the_identity_endpoint_reaches_only_a_managed_identity() -> None:
    base = {"IDENTITY_ENDPOINT": "http://x/token", "IDENTITY_HEADER": "abc"}
    made = environment(access("managed-identity"), base)
    assert made["IDENTITY_ENDPOINT"] == "http://x/token"
    assert made["IDENTITY_HEADER"] == "abc"
    assert "IDENTITY_HEADER" not in environment(access("sas"), base)


def test_the_tenant_of_a_workload_identity_may_come_from_the_environment() -> None:
    reached = LakeAccess(AZURE, "lake", "workload-identity")
    made = environment(reached, {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"})
    assert (made["AZURE_TENANT_ID"], made["AZURE_CLIENT_ID"]) == ("t", "c")


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        ("sas", ""),
        ("sas", "sv=1&se=2"),
        ("sas", f"https://x/?{SAS}"),
        ("sas", f"{SAS} {SAS}"),
        ("connection-string", "AccountName=only"),
        ("connection-string", SAS),
        ("service-principal", " \n"),
    ],
)
def test_unusable_secrets_are_told_without_showing_them(auth: str, text: str) -> None:
    with pytest.raises(AuthRefused) as caught:
        access(auth, secret=text).read_secret()
    assert "secret_file" in caught.value.next_step
    assert "aB%2F" not in str(caught.value)


def test_a_missing_secret_or_unknown_login_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="needs a secret"):
        LakeAccess(AZURE, "lake", "sas").read_secret()
    with pytest.raises(UsageError, match="unknown way"):
        LakeAccess(AZURE, "lake", "password").read_secret()


def test_the_secret_is_read_again_at_every_use_and_never_shown() -> None:
    texts = iter(["first-secret", "second-secret"])
    reached = LakeAccess(AZURE, "lake", "service-principal", secret=lambda: next(texts))
    first, second = reached.read_secret(), reached.read_secret()
    assert (first.client_secret, second.client_secret) == ("first-secret", "second-secret")
    assert "first-secret" not in f"{reached!r} {first!r}"
    assert LakeSecret(sas=SAS).values() == (SAS,)
