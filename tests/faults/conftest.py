"""What the tests of faults share: the lab of the end-to-end tests."""

from __future__ import annotations

from tests.e2e.conftest import lab, proxy

__all__ = ["lab", "proxy"]
