"""A TCP port of this machine: does anybody listen, could we."""

from __future__ import annotations

import socket


def answers(host: str, port: int, seconds: float = 3.0) -> bool:
    """Whether somebody takes connections there now; an address for all is tried on this host."""
    try:
        with socket.create_connection((_reachable(host), port), seconds):
            return True
    except OSError:
        return False


def why_not_ours(host: str, port: int) -> str | None:
    """Why this process could not listen there; None when it could. Nothing stays open."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared
