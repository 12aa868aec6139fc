"""What the service costs while it stands; each module has a ``measure``."""
