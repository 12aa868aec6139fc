"""The environment that azcopy runs in, built from nothing: only what is named here goes in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from datalake_syncd.adapters.azcopy.job import AzcopySettings
from datalake_syncd.core.access import LakeAccess, LakeSecret

IMDS = "169.254.169.254"
"""Where a VM asks for its identity; never to be reached through a proxy."""

# Proxies and trust, as the administrator set them for the service.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")

# Where App Service, Azure Arc and alike hand out tokens for a managed identity.
_IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET")

#: What azcopy holds apart from its buffers, and of each listed file: with these 100,000 small
#: files went as fast as without a limit, with two thirds of it slower.
_MIB_ALWAYS = 256
_KIB_PER_FILE = 5

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def child_environment(
    access: LakeAccess,
    secret: LakeSecret,
    private_dir: Path,
    settings: AzcopySettings,
    files: int,
    bytes_: int,
    base: Mapping[str, str],
) -> dict[str, str]:
    """Variables for one call with so much to send, that keeps its own files in ``private_dir``.

    ``base`` is the environment of the service; nothing of it is passed on but proxies, trust
    and what the login needs.
    """
    buffer = buffer_gb(settings)
    made = {
        "HOME": str(private_dir),
        "PATH": base.get("PATH", _PATH),
        "AZCOPY_LOG_LOCATION": str(private_dir / "log"),
        "AZCOPY_JOB_PLAN_LOCATION": str(private_dir / "plan"),
        "AZCOPY_DISABLE_SYSLOG": "true",
        "AZCOPY_BUFFER_GB": f"{buffer:g}",
        "AZCOPY_REQUEST_TRY_TIMEOUT": str(try_timeout_minutes(settings)),
        "GOMEMLIMIT": f"{memory_mib(buffer, files, bytes_)}MiB",
        # With a limit to keep to, cleaning up half as often saves a tenth of its processor time.
        "GOGC": "200",
    }
    if settings.concurrency > 0:
        made["AZCOPY_CONCURRENCY_VALUE"] = str(settings.concurrency)
    made.update(_taken(base, _PROXIES + _TRUST))
    made["NO_PROXY"] = _no_proxy(base)
    made.update(_login(access, secret, base))
    return made


def buffer_gb(settings: AzcopySettings) -> float:
    """GiB of buffers: a whole file of ``put_blob_mb`` must fit into three quarters of them."""
    return max(1.0, settings.put_blob_mb * 1.5 / 1024)


def memory_mib(buffer: float, files: int, bytes_: int) -> int:
    """MiB from which on azcopy cleans up eagerly: some, its buffers, and what it keeps of files.

    Nearer to what it really needs it would do nothing but clean up. Buffers are larger than what
    is in them: their sizes are powers of two.
    """
    buffers = min(buffer * 1024, bytes_ / 2**20) * 1.5
    return math.ceil(_MIB_ALWAYS + buffers + files * _KIB_PER_FILE / 1024)


def try_timeout_minutes(settings: AzcopySettings) -> int:
    """Minutes for one request: as long as all buffers take to leave at the capped rate."""
    if settings.cap_mbps <= 0:
        return 10
    seconds = buffer_gb(settings) * 1024**3 * 8 / (settings.cap_mbps * 1e6)
    return max(10, math.ceil(seconds * 1.5 / 60))


def _taken(base: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: base[name] for name in names if base.get(name)}


def _no_proxy(base: Mapping[str, str]) -> str:
    hosts = base.get("NO_PROXY") or base.get("no_proxy") or ""
    if IMDS in hosts.replace(" ", "").split(","):
        return hosts
    return f"{hosts},{IMDS}" if hosts else IMDS


def _login(access: LakeAccess, secret: LakeSecret, base: Mapping[str, str]) -> dict[str, str]:
    authority = base.get("AZURE_AUTHORITY_HOST", "")
    if authority and "://" not in authority:
        authority = f"https://{authority}"
    made: dict[str, str | None] = {}
    match access.auth:
        case "managed-identity":
            made = {"AZCOPY_AUTO_LOGIN_TYPE": "MSI", "AZCOPY_MSI_CLIENT_ID": access.client_id}
            made |= _taken(base, _IDENTITY)
        case "service-principal":
            made = {
                "AZCOPY_AUTO_LOGIN_TYPE": "SPN",
                "AZCOPY_TENANT_ID": access.tenant_id,
                "AZCOPY_SPA_APPLICATION_ID": access.client_id,
                "AZCOPY_SPA_CLIENT_SECRET": secret.client_secret,
                "AZCOPY_ACTIVE_DIRECTORY_ENDPOINT": authority,
            }
        case "workload-identity":
            made = {
                "AZCOPY_AUTO_LOGIN_TYPE": "WORKLOAD",
                "AZURE_TENANT_ID": access.tenant_id or base.get("AZURE_TENANT_ID"),
                "AZURE_CLIENT_ID": access.client_id or base.get("AZURE_CLIENT_ID"),
                "AZURE_FEDERATED_TOKEN_FILE": base.get("AZURE_FEDERATED_TOKEN_FILE"),
                "AZURE_AUTHORITY_HOST": authority,
            }
        case "azure-cli":
            # The program az is run by azcopy and finds its login in the user's home.
            made = {"AZCOPY_AUTO_LOGIN_TYPE": "AZCLI", "AZCOPY_TENANT_ID": access.tenant_id}
            made |= _taken(base, ("HOME", "AZURE_CONFIG_DIR", "REQUESTS_CA_BUNDLE", "LANG"))
        case "connection-string" if secret.account_key:
            made = {
                "AZCOPY_CRED_TYPE": "SharedKey",
                "ACCOUNT_NAME": secret.account_name,
                "ACCOUNT_KEY": secret.account_key,
            }
        case _:
            pass  # a SAS is part of the address
    return {name: value for name, value in made.items() if value}
