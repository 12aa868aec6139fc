"""What a SAS token says of itself: its rights, from when and until when it is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class SasFacts:
    """Read from the token alone; times in seconds since the epoch, None where it has none.

    ``policy`` is the name of a stored access policy, which then holds what is missing here.
    """

    permissions: str | None
    starts: float | None
    expires: float | None
    policy: str | None


def sas_facts(token: str) -> SasFacts:
    """The facts of a token (``sv=…&sp=…&se=…&sig=…``); what can't be read counts as not there.

    A user delegation key may end before the token does: the earlier of both counts.
    """
    fields = dict(parse_qsl(token.lstrip("?"), keep_blank_values=True))
    ends = [end for name in ("se", "ske") if (end := _time(fields.get(name))) is not None]
    return SasFacts(
        permissions=fields.get("sp"),
        starts=_time(fields.get("st")),
        expires=min(ends, default=None),
        policy=fields.get("si") or None,
    )


def _time(text: str | None) -> float | None:
    """ISO 8601 as Azure takes it: a date alone is its midnight, and all of it is UTC."""
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
