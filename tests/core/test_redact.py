from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.core.redact import MASK, Redactor

SECRETS = st.text("abcXYZ0189+/=%&;~.\"\\' éä", min_size=6, max_size=40).filter(
    lambda text: len(text.strip()) >= 6 and not set(text) <= set(MASK)
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://a/c?sv=1&sig=aB%2B9%3D&se=2 next", "https://a/c?sv=1&sig=***&se=2 next"),
        ("?SIG=abc", "?SIG=***"),
        ("sv%3D1%26sig%3Dabc%252B", "sv%3D1%26sig%3D***"),
        ("AccountName=a;AccountKey=abc==;X=y", "AccountName=a;AccountKey=***;X=y"),
        ("SharedAccessSignature=sv=1&sig=abc&se=2", "SharedAccessSignature=***"),
        ('{"client_secret": "a b", "x": 1}', '{"client_secret": "***", "x": 1}'),
        ("AZCOPY_SPA_CLIENT_SECRET=abc~1 x", "AZCOPY_SPA_CLIENT_SECRET=*** x"),
        ("password: hunter2", "password: ***"),
        ("password='a b' end", "password='***' end"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("Authorization: SharedKey acc:bcd=", "Authorization: SharedKey ***"),
        ("bearer 0123456789abcdef0123", "bearer ***"),
        ("token eyJhbGciOi.eyJzdWIi.c2ln end", "token *** end"),
        ('{"access_token":"abc"}', '{"access_token":"***"}'),
        ("https://user:pw@host/", "https://user:***@host/"),
        # What must stay readable.
        ("password_file = /etc/x", "password_file = /etc/x"),
        ("secret_file=/etc/x", "secret_file=/etc/x"),
        ("design=abc, config=1", "design=abc, config=1"),
        ("Bearer authentication failed", "Bearer authentication failed"),
        ("2026-11-22T15:05:09+00:00 a:b", "2026-11-22T15:05:09+00:00 a:b"),
        ("https://host:443/a@b", "https://host:443/a@b"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, clean: str) -> None:
    assert Redactor().clean(text) == clean


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_a_known_secret_is_masked_however_it_is_written(
    secret: str, before: str, after: str
) -> None:
    redactor = Redactor([secret])
    for written in (
        secret,
        secret.strip(),
        quote(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
    ):
        assert written not in redactor.clean(f"{before}|{written}|{after}")


@given(st.lists(SECRETS, max_size=3), st.text(max_size=80))
def test_cleaning_twice_changes_nothing(secrets: list[str], text: str) -> None:
    redactor = Redactor(secrets)
    assert redactor.clean(redactor.clean(text)) == redactor.clean(text)


def test_the_secret_part_of_a_token_is_known_alone() -> None:
    redactor = Redactor(
        ["sv=2021&sp=rcwl&sig=ab%2Bcd%3D", "DefaultEndpointsProtocol=https;AccountKey=Zm9vYmFy==;"]
    )
    assert redactor.clean("signature ab+cd= or ab%2Bcd%3D or ab%2bcd%3d") == (
        "signature *** or *** or ***"
    )
    assert redactor.clean("key Zm9vYmFy==") == "key ***"


def test_a_longer_secret_hides_a_shorter_one_inside_it() -> None:
    assert Redactor(["abcd", "abcdefgh"]).clean("abcdefgh abcd") == "*** ***"


def test_empty_and_tiny_secrets_mask_nothing() -> None:
    assert Redactor(["", "a", "the"]).clean("the name a") == "the name a"
