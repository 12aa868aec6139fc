"""What a scrub of one run found, and the limits that it keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from datalake_syncd.adapters.lake import Lake
from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.wording import counted

#: What may be wrong with a file, and how it is told.
WRONG = {
    "missing": "missing in the lake",
    "size": "of another size in the lake",
    "bytes": "with other bytes in the lake",
}
_NAMED = 100


class Purse:
    """Bytes that may still be read; ``limit`` None: as many as there are."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit
        self.spent = 0

    def take(self, size: int) -> None:
        """The bytes of one file; the last one may exceed what is left."""
        self.spent += size
        if self._left is not None:
            self._left -= size

    @property
    def empty(self) -> bool:
        """Nothing more may be read."""
        return self._left is not None and self._left <= 0


@dataclass(frozen=True, slots=True)
class How:
    """How a pass reads; times in seconds since the epoch.

    ``sample`` is the share of each run's files (1: all), ``before``: only what nobody proved
    since then. What was read since ``began`` is not read again in ``this_pass``. ``quietly`` is
    called once in each reading thread; ``on_bytes`` in these too, and it may take its time.
    """

    lake: Lake
    lake_id: str
    ledger: Ledger
    now: Callable[[], float]
    this_pass: str
    began: float
    purse: Purse
    sample: float = 1.0
    before: float = float("inf")
    readers: int = 4
    on_total: Callable[[int], None] = lambda _count: None
    on_bytes: Callable[[int], None] = lambda _count: None
    should_stop: Callable[[], bool] = lambda: False
    quietly: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Found:
    """The lists hold raw names, the first hundred each; ``counts`` count all.

    ``trouble``: what is wrong with manifest and marker. ``unreadable``: (path, why) of what the
    lake does not give out, an archived blob for one: nothing is known of it. ``left_out``: why
    the run as a whole could not be judged.
    """

    run: str
    source: str = "ledger"
    files: int = 0
    bytes: int = 0
    files_read: int = 0
    bytes_read: int = 0
    to_read: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WRONG, 0))
    named: dict[str, list[str]] = field(default_factory=lambda: {word: [] for word in WRONG})
    trouble: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    left_out: str | None = None

    def add(self, word: str, path: str) -> None:
        """One more file is wrong."""
        self.counts[word] += 1
        if len(self.named[word]) < _NAMED:
            self.named[word].append(path)

    @property
    def wrong(self) -> bool:
        """Something is not as it was published."""
        return self.left_out is None and (bool(self.trouble) or any(self.counts.values()))

    @property
    def whole(self) -> bool:
        """Everything that was to be read was read."""
        return self.left_out is None and self.files_read + len(self.unreadable) >= self.to_read

    def sentence(self) -> str:
        """What is wrong, with the first names: escaped."""
        parts = [escape_once(one) for one in self.trouble]
        for word, told in WRONG.items():
            if self.counts[word]:
                names = ", ".join(escape(one) for one in self.named[word][:3])
                more = ", …" if self.counts[word] > 3 else ""
                parts.append(f"{counted(self.counts[word], 'file')} {told} ({names}{more})")
        return "; ".join(parts)

    def summary(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        return {
            **self.counts,
            "trouble": self.trouble,
            "named": {word: names[:20] for word, names in self.named.items() if names},
        }

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "run": self.run,
            "fine": not (self.wrong or self.left_out or self.unreadable),
            "manifest": self.source,
            "files": self.files,
            "bytes": self.bytes,
            "files_read": self.files_read,
            "bytes_read": self.bytes_read,
            "finished": self.whole,
            **{word: {"count": self.counts[word], "named": self.named[word]} for word in WRONG},
            "trouble": self.trouble,
            "unreadable": [{"path": path, "why": why} for path, why in self.unreadable],
            "left_out": self.left_out,
        }
