from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.core.sas import SasFacts, sas_facts

AT = 1_764_504_000.0  # 2025-11-30T12:00:00Z


@pytest.mark.parametrize(
    ("token", "expires"),
    [
        ("sv=1&se=2025-11-30T12%3A00%3A00Z&sp=rcwl&sig=x", AT),
        ("?se=2025-11-30T12:00:00Z&sp=rcwl&sig=x", AT),
        ("se=2025-11-30T12:00Z&sp=rcwl&sig=x", AT),
        ("se=2025-11-30T12:00:00.0000000Z&sp=rcwl&sig=x", AT),
        ("se=2025-11-30&sp=rcwl&sig=x", AT - 12 * 3600),
        # The key that signed it ends before.
        ("se=2025-12-24T12:00:00Z&ske=2025-11-30T12:00:00Z&sp=rcwl&sig=x", AT),
        ("se=soon&sp=rcwl&sig=x", None),
        ("sp=rcwl&sig=x", None),
    ],
)
def test_the_end_of_a_token(token: str, expires: float | None) -> None:
    assert sas_facts(token) == SasFacts("rcwl", None, expires, None)


def test_start_and_policy() -> None:
    assert sas_facts("st=2025-11-30T12:00:00Z&si=mine&sig=x") == SasFacts(None, AT, None, "mine")


@given(st.text() | st.lists(st.sampled_from(["se=", "ske=", "&", "=", "2025-", "Z"])).map("".join))
def test_no_text_is_too_much(text: str) -> None:
    sas_facts(text)
