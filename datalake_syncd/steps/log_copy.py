"""The attendant that shows in `status` that the copy of the log is not written."""

from __future__ import annotations

from datalake_syncd.adapters.logs import copy_problem
from datalake_syncd.core.names import escape
from datalake_syncd.steps.service import Service

TROUBLE = "log-copy"


class LogCopyWatch:
    """Asks the log every half a minute; the log itself tells it in its own stream at once."""

    name = "log-copy"
    every = 30.0

    def __init__(self, service: Service) -> None:
        self._service = service

    def round(self) -> None:
        """Keep the trouble while it stands."""
        found = copy_problem()
        if found is None:
            self._service.trouble_over(TROUBLE)
            return
        path, why = found
        self._service.trouble(
            "log-copy",
            f"the copy of the log in {escape(str(path))} is not written: {escape(why)}",
            f"look at the disk of {escape(str(path.parent))}; the copy goes on by itself, and "
            "the log itself is whole on stdout (journalctl -u datalake-syncd)",
        )

    def close(self) -> None:
        """Nothing is held."""
