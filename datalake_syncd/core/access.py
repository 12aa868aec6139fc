"""How the lake is reached: account, container, the way to log in, and what the secret holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from datalake_syncd.core.errors import AuthRefused, UsageError

AUTH_MODES = (
    "managed-identity",
    "service-principal",
    "workload-identity",
    "azure-cli",
    "sas",
    "connection-string",
)
"""Every value that ``lake.auth`` may have."""

_SECRET_MODES = {"service-principal", "sas", "connection-string"}

_AZURE_HOSTS = (
    ".core.windows.net",
    ".core.usgovcloudapi.net",
    ".core.chinacloudapi.cn",
    ".core.cloudapi.de",
    ".storage.azure.net",
)


@dataclass(frozen=True, slots=True)
class LakeSecret:
    """What the secret of one moment holds; which fields are set depends on the login."""

    client_secret: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)
    account_name: str | None = None
    account_key: str | None = field(default=None, repr=False)

    def values(self) -> tuple[str, ...]:
        """All that must never be shown, for a `core.redact.Redactor`."""
        return tuple(filter(None, (self.client_secret, self.sas, self.account_key)))


@dataclass(frozen=True, slots=True)
class LakeAccess:
    """Where the lake is and how to log in.

    ``account_url`` is the account's blob endpoint, ``auth`` one of `AUTH_MODES`. ``secret``
    gives the client secret, SAS token or connection string; it is called again at every use, so
    that a renewed secret file counts at once. Never part of ``repr``.
    """

    account_url: str
    container: str
    auth: str
    tenant_id: str | None = None
    client_id: str | None = None
    secret: Callable[[], str] | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Host of the account, with the port if one is given."""
        return urlsplit(self.account_url).netloc

    @property
    def is_azure(self) -> bool:
        """True when the host is in one of Microsoft's own storage domains."""
        return (urlsplit(self.account_url).hostname or "").endswith(_AZURE_HOSTS)

    def url(self, name: str = "") -> str:
        """Address of a blob (or prefix) in the container, percent-encoded, without a SAS."""
        base = f"{self.account_url.rstrip('/')}/{quote(self.container)}"
        return f"{base}/{quote(name, safe='/')}" if name else base

    def read_secret(self) -> LakeSecret:
        """The secret as it is now.

        Raises `UsageError` when the login needs one and none is configured, `AuthRefused` when
        it does not hold what the login needs (the file may be mended at any time).
        """
        if self.auth not in AUTH_MODES:
            raise UsageError(
                f'unknown way to log in to the lake: "{self.auth}"',
                next_step=f"set lake.auth to one of {', '.join(AUTH_MODES)}",
            )
        if self.auth not in _SECRET_MODES:
            return LakeSecret()
        if self.secret is None:
            raise UsageError(
                f'the login "{self.auth}" needs a secret and none is configured',
                next_step="set lake.secret_file",
            )
        text = self.secret().strip()
        if self.auth == "service-principal":
            if not text:
                raise _unusable("is empty", "the client secret")
            return LakeSecret(client_secret=text)
        if self.auth == "sas":
            return LakeSecret(sas=_sas(text))
        return _connection_string(text)


def _unusable(found: str, needed: str) -> AuthRefused:
    return AuthRefused(
        f"the secret for the lake {found}",
        why=f"The login needs {needed}.",
        next_step="put the right secret into lake.secret_file; no restart is needed",
    )


def _sas(text: str) -> str:
    token = text.lstrip("?")
    if not re.search(r"(^|&)sig=[^&]", token) or re.search(r"\s|://", token):
        raise _unusable("is no SAS token", "a SAS token (sv=…&sig=…), not a URL")
    return token


def _connection_string(text: str) -> LakeSecret:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.strip().partition("=")
        if separator:
            parts[name.lower()] = value
    if signature := parts.get("sharedaccesssignature"):
        return LakeSecret(sas=_sas(signature))
    account, key = parts.get("accountname"), parts.get("accountkey")
    if not account or not key:
        needed = "a connection string with AccountName and AccountKey, or SharedAccessSignature"
        raise _unusable("is no connection string", needed)
    return LakeSecret(account_name=account, account_key=key)
