"""Logging in: from `LakeAccess` to a client of the container."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datalake_syncd.core.access import LakeAccess, LakeSecret
from datalake_syncd.core.errors import UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobServiceClient, ContainerClient

SINGLE_PUT_LIMIT = 256 * 1024**2
"""Bytes up to which a blob goes up in one request, whose MD5 the service checks."""

_CONNECT = 20  # seconds
_READ = 60
_RETRIES = 2  # of the SDK itself; with the time-outs above a call ends within about two minutes
_AZ_TIME = 30

# Where Go, and so azcopy, looks for the system's certificates, in its order.
_SYSTEM_TRUST = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

_KNOWN_AUTHORITIES = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
)


def trust(environ: Mapping[str, str]) -> str | bool:
    """What TLS is checked against: the same as azcopy, so that both work or neither.

    ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` if set, else the system's certificates.
    """
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if environ.get(name):
            return environ[name]
    if environ.get("REQUESTS_CA_BUNDLE"):
        return True  # the HTTP library reads it itself
    return next((path for path in _SYSTEM_TRUST if Path(path).is_file()), True)


def container_client(
    access: LakeAccess, secret: LakeSecret, environ: Mapping[str, str]
) -> ContainerClient:
    """A client for the container, with time-outs and few retries. Does not connect yet."""
    from azure.storage.blob import ContainerClient

    return ContainerClient(
        access.account_url, access.container, **_options(access, secret, environ)
    )


def service_client(
    access: LakeAccess, secret: LakeSecret, environ: Mapping[str, str]
) -> BlobServiceClient:
    """A client for what belongs to the account, made like that of the container."""
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient(access.account_url, **_options(access, secret, environ))


def _options(access: LakeAccess, secret: LakeSecret, environ: Mapping[str, str]) -> dict[str, Any]:
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
    from azure.storage.blob import ExponentialRetry

    quiet()
    credential: AzureNamedKeyCredential | AzureSasCredential | TokenCredential
    if secret.sas:
        credential = AzureSasCredential(secret.sas)
    elif secret.account_name and secret.account_key:
        credential = AzureNamedKeyCredential(secret.account_name, secret.account_key)
    else:
        credential = token_credential(access, secret, environ)
    return {
        "credential": credential,
        "connection_verify": trust(environ),
        "connection_timeout": _CONNECT,
        "read_timeout": _READ,
        "connection_data_block_size": 1024**2,
        # Three and five seconds; longer waits are kept in the ledger.
        "retry_policy": ExponentialRetry(
            initial_backoff=1, increment_base=2, retry_total=_RETRIES, random_jitter_range=1
        ),
        "max_single_put_size": SINGLE_PUT_LIMIT,
        "max_single_get_size": 16 * 1024**2,
        "max_chunk_get_size": 16 * 1024**2,
        "user_agent": "datalake-syncd",
    }


def token_credential(
    access: LakeAccess, secret: LakeSecret, environ: Mapping[str, str]
) -> TokenCredential:
    """A source of tokens for the four logins that need one. Raises `UsageError` on a gap."""
    if not access.account_url.lower().startswith("https://"):
        raise UsageError(
            f"the login {access.auth} needs https, and lake.account_url is not",
            why="A token sent over plain http could be read on the way.",
            next_step="write https:// in lake.account_url",
        )
    try:
        return _token_credential(access, secret, environ)
    except ValueError as error:
        raise UsageError(
            f"the login {access.auth} can't be used: {str(error).splitlines()[0]}",
            next_step="check lake.tenant_id, lake.client_id and the service's environment",
        ) from error


def _token_credential(
    access: LakeAccess, secret: LakeSecret, environ: Mapping[str, str]
) -> TokenCredential:
    from azure import identity

    web: dict[str, Any] = {
        "connection_verify": trust(environ),
        "connection_timeout": _CONNECT,
        "read_timeout": _READ,
    }
    # Only for logins at a directory: others keep the retries that suit them.
    directory: dict[str, Any] = web | {"retry_total": _RETRIES}
    if _custom_authority(environ):
        directory["disable_instance_discovery"] = True
    match access.auth:
        case "managed-identity":
            # The address of the identity service is the machine's own: never through a proxy.
            return identity.ManagedIdentityCredential(
                client_id=access.client_id, use_env_settings=False, **web
            )
        case "service-principal":
            return identity.ClientSecretCredential(
                access.tenant_id or "", access.client_id or "", secret.client_secret or "",
                **directory,
            )  # fmt: skip
        case "workload-identity":
            return identity.WorkloadIdentityCredential(
                tenant_id=access.tenant_id or environ.get("AZURE_TENANT_ID"),
                client_id=access.client_id or environ.get("AZURE_CLIENT_ID"),
                token_file_path=environ.get("AZURE_FEDERATED_TOKEN_FILE"),
                **directory,
            )
        case _:
            return identity.AzureCliCredential(
                tenant_id=access.tenant_id or "", process_timeout=_AZ_TIME
            )


def _custom_authority(environ: Mapping[str, str]) -> bool:
    host = environ.get("AZURE_AUTHORITY_HOST", "").partition("://")[2].strip("/")
    host = host or environ.get("AZURE_AUTHORITY_HOST", "").strip("/")
    return bool(host) and host not in _KNOWN_AUTHORITIES


def quiet() -> None:
    """Silence what the SDK logs: every failure reaches the caller as an error, told once."""
    for name in ("azure", "msal", "urllib3"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)


def environment() -> Mapping[str, str]:
    """The service's own environment."""
    return os.environ
