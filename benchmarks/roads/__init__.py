"""How a run gets from the disk to the lake; each module has a ``carry``."""
