"""The source tree: reading it by descriptors, and the only place that removes anything.

``walk`` reads, ``trash`` moves runs aside and unlinks them by plan, ``private`` clears the
service's own scratch folders.
"""

from datalake_syncd.adapters.tree.access import Access, access_of
from datalake_syncd.adapters.tree.files import (
    hash_file,
    is_folder,
    open_regular,
    read_small,
    top_names,
)
from datalake_syncd.adapters.tree.listed import ListedSums
from datalake_syncd.adapters.tree.private import clear_private, make_private_root
from datalake_syncd.adapters.tree.walk import Entry, Look, file_stat, look

__all__ = [
    "Access",
    "Entry",
    "ListedSums",
    "Look",
    "access_of",
    "clear_private",
    "file_stat",
    "hash_file",
    "is_folder",
    "look",
    "make_private_root",
    "open_regular",
    "read_small",
    "top_names",
]
