"""Sizes and shares as people write them: ``50GB``, ``64GiB``, ``1%``. Bytes, and parts of one."""

from __future__ import annotations

import re

_UNITS: dict[str, int] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]i?B|B)", re.IGNORECASE)
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_LARGEST = 10**18

SIZES = 'a number and a unit: "500MB", "50GB", "1.5TB", "64GiB"'
"""What `parse_size` takes, in words for an error."""
SHARES = 'a share of more than 0% and at most 100%: "1%", "0.5%"'
"""What `parse_share` takes, in words for an error."""


def parse_size(text: str) -> int:
    """Bytes of ``"500MB"`` (a thousand thousand), ``"64GiB"`` (1024 three times); else ValueError.

    A number without a unit is refused: 50 megabytes and 50 gigabytes are both plausible.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a size: {SIZES}")
    unit = match[2].upper().replace("I", "i")
    size = round(float(match[1]) * _UNITS[unit])
    if not 0 < size <= _LARGEST:
        raise ValueError("a size above 0 and up to a million terabytes")
    return size


def size_text(size: int) -> str:
    """The shortest text that `parse_size` reads back as these bytes, e.g. ``50GB``."""
    for unit in ("TB", "TiB", "GB", "GiB", "MB", "MiB", "KB", "KiB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return f"{size}B"


def parse_share(text: str) -> float:
    """The part of one that ``"1%"`` is: 0.01; else ValueError."""
    match = _SHARE.fullmatch(text.strip())
    share = 0.0 if match is None else float(match[1]) / 100
    if not 0 < share <= 1:
        raise ValueError(f"not a share: {SHARES}")
    return share


def share_text(share: float) -> str:
    """``1%`` of 0.01."""
    return f"{share * 100:.12g}%"
