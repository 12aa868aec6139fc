"""Whether the login could delete blobs: the one DELETE of this service, which can delete nothing.

A role can't be read with data rights, so there is no other way to warn of one that may delete.
Three things keep it harmless, each alone: the name was drawn at random this moment, so no blob
has it; the request holds only for a blob with an ETag that no blob has; and Azure looks at the
rights first, so that the answer comes before anything else is looked at: 403 without the right,
404 or 412 with it. `tests/test_house.py` keeps this the only place and the condition in it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

NOBODYS_ETAG = '"0x0"'
"""The ETag of no blob: what asks for it is refused, after the rights were looked at."""


def ask_to_delete_nothing(client: ContainerClient, folder: str) -> None:
    """Send it; always ends with an error of the SDK, and its status is the answer."""
    from azure.core import MatchConditions

    name = f"{folder}.datalake-syncd-doctor-{uuid.uuid4().hex}"
    client.get_blob_client(name).delete_blob(
        etag=NOBODYS_ETAG, match_condition=MatchConditions.IfNotModified
    )
