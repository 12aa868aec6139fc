"""From the SDK's exceptions to ours: which kind, in words, without secrets."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import (
    AuthRefused,
    Damaged,
    LakeUnavailable,
    NeedsPerson,
    SyncdError,
    Transient,
)
from datalake_syncd.core.names import escape_once
from datalake_syncd.core.redact import Redactor

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

# 409 that pass by themselves.
_PASSING = re.compile("BeingDeleted|BeingCreated|IsDisabled|Disabled|InProgress|PendingCopy")
_DAMAGED = ("Md5Mismatch", "Crc64Mismatch")
_NETWORK: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "its name can't be resolved (DNS)",
        re.compile("resolve|Name or service not known|getaddrinfo|name resolution", re.IGNORECASE),
    ),
    # Both happen just as well to a good certificate on a machine that has just been started.
    (
        "its certificate has expired, or this machine's clock is wrong (TLS)",
        re.compile("certificate has expired"),
    ),
    (
        "its certificate is not valid yet, or this machine's clock is wrong (TLS)",
        re.compile("certificate is not yet valid"),
    ),
    ("its certificate is not trusted (TLS)", re.compile("certificate verify failed|CERTIFICATE")),
    ("the secure connection failed (TLS)", re.compile("SSL|TLS")),
    ("the proxy does not let us through", re.compile("proxy", re.IGNORECASE)),
    ("the connection was refused", re.compile("refused")),
    ("there is no route to it", re.compile("unreachable|No route", re.IGNORECASE)),
    ("it did not answer in time", re.compile("timed? ?out", re.IGNORECASE)),
    ("the connection broke", re.compile("reset|aborted|broken|Incomplete", re.IGNORECASE)),
)


@contextlib.contextmanager
def told(action: str, access: LakeAccess, secrets: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Turn whatever the SDK raises inside into one of our errors.

    ``action`` completes "while …", ``secrets`` are asked for when something went
    wrong. The original is left out of the new error's trace: its text may hold a signed address.
    """
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        raise translated(error, action, access, Redactor(secrets())) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The SDK stumbles like this over a 200 from a login page or a proxy.
        raise LakeUnavailable(
            f"something that is not the lake answered while {action}",
            why=f"Its answer can't be read ({type(error).__name__}).",
            next_step="check for a proxy, firewall or login page between this machine and "
            f"{access.host}",
        ) from error


def storage_code(error: BaseException) -> str:
    """The service's word for the error (``BlobNotFound``), "" when it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def translated(
    error: AzureError, action: str, access: LakeAccess, redactor: Redactor
) -> SyncdError:
    """Our error for one of the SDK's."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    code = storage_code(error)
    status = getattr(error, "status_code", None)
    text = _first_line(error, redactor)
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        return _refused(action, access, code, text)
    if code.startswith("InvalidAuthentication"):
        return _refused(action, access, code, text)
    if isinstance(error, HttpResponseError) and status is not None:
        return _answered(status, code, action, access, text)
    whole = redactor.clean(str(error))
    how = next((words for words, pattern in _NETWORK if pattern.search(whole)), "")
    return LakeUnavailable(
        f"the lake could not be reached while {action}: {how or text}",
        why=text if how else "",
        next_step="check network, DNS, proxy and certificates between this machine and "
        f"{access.host}",
    )


def _answered(status: int, code: str, action: str, access: LakeAccess, text: str) -> SyncdError:
    if status == 404 and code in ("ContainerNotFound", "ResourceNotFound"):
        return container_missing(access)
    if code in _DAMAGED:
        return Damaged(
            f"bytes arrived damaged and were refused while {action}",
            next_step="if this repeats, check the machine's memory, network card and proxy",
        )
    if code == "BlobArchived":
        return NeedsPerson(
            f"a blob is archived and can't be used while {action}",
            next_step="rehydrate it (set its tier to Hot or Cool), then retry",
        )
    if code in ("ConditionNotMet", "BlobModifiedWhileReading"):
        return Transient(f"the blob was replaced by somebody while {action}")
    if status in (409, 412) and not _PASSING.search(code):
        return NeedsPerson(
            f"the lake refused while {action}: {code or status}: {text}",
            why="A lease, an immutability policy or another kind of blob stands against it.",
            next_step="look at the blob in the lake, end the lease or policy, then retry",
        )
    if status in (408, 429) or status >= 500 or status in (409, 412) or status < 400:
        return LakeUnavailable(
            f"the lake answered {status} {code} while {action}: {text}".replace("  ", " "),
            next_step="nothing, unless it lasts: the service tries again by itself",
        )
    return NeedsPerson(
        f"the lake refused while {action}: {status} {code}: {text}",
        next_step="check the name of the blob and the kind of storage account",
    )


def container_missing(access: LakeAccess) -> LakeUnavailable:
    """The error for a container that is not there."""
    return LakeUnavailable(
        f"the container {access.container} does not exist in {access.account_url}",
        why="This service never creates containers.",
        next_step=f"create the container {access.container}, or mend lake.container and "
        "lake.account_url; the service goes on by itself",
    )


def _refused(action: str, access: LakeAccess, code: str, text: str) -> AuthRefused:
    step = {
        "managed-identity": "check that the machine has an identity and that it",
        "service-principal": "check tenant, client and secret (expired?), and that the client",
        "workload-identity": "check the federated token file, tenant and client, and that it",
        "azure-cli": "run az login as the service's user, and check that this login",
        "sas": "check that the SAS token has not expired and that it",
        "connection-string": "check that the key in the connection string is current and",
    }.get(access.auth, "check that the login")
    return AuthRefused(
        f"the login {access.auth} was refused while {action}: {code or 'no token'}: {text}",
        next_step=f"{step} may read and write {access.container} (Storage Blob Data "
        "Contributor; a SAS with rcwl), and that this machine's clock is right (doctor)",
    )


def _first_line(error: AzureError, redactor: Redactor) -> str:
    lines = str(getattr(error, "message", "") or error).strip().splitlines()
    return escape_once(redactor.clean(lines[0])[:300]) if lines else type(error).__name__
