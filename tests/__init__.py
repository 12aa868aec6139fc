"""Tests; what several of them share is in ``servers`` and ``conftest``."""
