"""Secrets out of text: the values that we know, and everything that looks like one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from datalake_syncd.core.names import escape_once

MASK = "***"

# Shorter values would mask parts of ordinary words and say more than they hide.
_SHORTEST = 4

# What ends a value in a URL, a connection string, JSON, a header or a sentence.
_END = r"\s\"'<>;,&}\\"

_KEYS = (
    r"sig|account[_-]?key|shared[_-]?access[_-]?key|shared[_-]?access[_-]?signature"
    r"|[\w-]*client[_-]?secret|[\w-]*password|passwd|pwd|passphrase|secret|sas[_-]?token"
    r"|access[_-]?token|refresh[_-]?token|id[_-]?token|client[_-]?assertion|[\w-]*account[_-]?key"
)

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # key=value, "key": "value", key%3Dvalue; a quoted value may hold spaces.
    (
        re.compile(
            rf"(?i)(?<![A-Za-z])((?:{_KEYS})\\?[\"']?\s*(?:=|:|%3D)\s*)"
            rf"(?:\"[^\"\\]*(?=\")|'[^'\\]*(?=')|\\?[\"']?[^{_END}]+)"
        ),
        "key",
    ),
    # SharedAccessSignature holds "sig=…&se=…": take all of it up to the end of the part.
    (re.compile(r"(?i)(SharedAccessSignature\s*=\s*)[^\s\"'<>;\\]+"), "plain"),
    (
        re.compile(rf"(?i)(authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:[A-Za-z]+\s+)?)[^{_END}]+"),
        "plain",
    ),
    (re.compile(r"(?i)(\bBearer\s+)[A-Za-z0-9._~+/-]{16,}=*"), "plain"),
    (re.compile(r"(\b)eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,4}"), "plain"),
    (re.compile(r"(://[^\s/@:]*:)[^\s/@]+(?=@)"), "plain"),
)


class Redactor:
    """Masks secrets in text. Knows some values, recognises others by what stands before them.

    It is the last net, not the first: secrets are kept out of texts where they are made.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # The longest first, so that no part of it is left standing beside a shorter one.
        known = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def clean(self, text: str) -> str:
        """The text with every secret replaced by ``***``; cleaning twice changes nothing."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, style in _PATTERNS:
            text = pattern.sub(_masked_key if style == "key" else rf"\1{MASK}", text)
        return text


def _masked_key(match: re.Match[str]) -> str:
    value = match[0][len(match[1]) :]
    opening = re.match(r"\\?[\"']?", value)
    return match[1] + (opening[0] if opening else "") + MASK


def _forms(secret: str) -> set[str]:
    """The secret as it may be written: plain, in a URL, in JSON, escaped; and its parts."""
    values = {secret, secret.strip()}
    # A SAS token or connection string also leaks by its one secret part.
    values.update(re.findall(r"(?i)(?:sig|AccountKey|SharedAccessSignature)=([^;&\s]+)", secret))
    values.update([unquote(value) for value in values])
    written: set[str] = set()
    for value in values:
        written.update((value, quote(value, safe=""), quote(value), quote(value, safe="/:+=")))
        written.update((json.dumps(value)[1:-1], escape_once(value)))
        written.add(re.sub("%[0-9A-F]{2}", lambda hit: hit[0].lower(), quote(value, safe="")))
    return {form for form in written if len(form) >= _SHORTEST}
