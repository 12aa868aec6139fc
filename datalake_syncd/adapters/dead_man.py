"""Asking for one web address, as a sign of life for a dead-man's switch."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from urllib.parse import urlsplit

from datalake_syncd.core.errors import Transient
from datalake_syncd.core.names import escape

#: Seconds that the server may take for each answer.
ANSWER_WITHIN = 10.0


def ask(url: str, agent: str) -> None:
    """GET the address once; raises `Transient` unless the answer is a good one.

    The address itself is a secret of its own kind and stands in no message.
    """
    host = urlsplit(url).hostname or "?"
    opener = urllib.request.OpenerDirector()
    handlers: Sequence[urllib.request.BaseHandler] = (
        urllib.request.ProxyHandler(),  # http_proxy, https_proxy, no_proxy
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        # Without handlers for files and FTP a redirection leads nowhere but to the web.
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    )
    for handler in handlers:
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers={"User-Agent": agent})  # noqa: S310 - web only, see the handlers
    try:
        with opener.open(request, timeout=ANSWER_WITHIN):
            pass  # its words do not matter
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(host, f"it answered {error.code} {escape(str(error.reason))}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
        if TimeoutError in (type(error), type(reason)):
            reason = f"no answer within {ANSWER_WITHIN:g} s"
        raise _failed(host, escape(str(reason or type(error).__name__))) from None


def _failed(host: str, reason: str) -> Transient:
    return Transient(
        f"the dead-man's switch at {host} could not be reached: {reason}",
        why="who keeps it will miss us although nothing is wrong here",
        next_step="look at daemon.heartbeat_url, and at the way there (proxy, firewall)",
    )
