"""The lake seen from here: list, read, hash, write single blobs. It has no way to remove one.

Importing this package does not import the Azure SDK; the first call of a `Lake` does.
"""

from __future__ import annotations

from datalake_syncd.adapters.lake.lake import Lake
from datalake_syncd.adapters.lake.reading import Hashed
from datalake_syncd.adapters.lake.rights import PROBE, Rights, Written, unless_refused

__all__ = ["PROBE", "Hashed", "Lake", "Rights", "Written", "unless_refused"]
