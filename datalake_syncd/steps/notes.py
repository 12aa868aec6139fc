"""Names of what the service notes in its ledger for whoever shows it (`Desk.put`)."""

from __future__ import annotations

#: All uploads are paused, since when and why.
UPLOADS_PAUSED = "uploads_paused"
#: The configuration that was read last is not in force, and why.
CONFIG_REFUSED = "config_refused"
#: When the login to the lake ends (ISO 8601).
CREDENTIAL_EXPIRES = "credential_expires"
#: Why the lake could not be asked lately.
LAKE_UNREACHABLE = "lake_unreachable"
