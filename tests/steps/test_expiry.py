"""The attendant that watches the end of the login: told once, kept in the ledger, over at last."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from datalake_syncd.attendants import ATTENDANTS
from datalake_syncd.core.durations import DAY, iso
from datalake_syncd.steps.expiry import ExpiryWatch
from datalake_syncd.steps.notes import CREDENTIAL_EXPIRES
from datalake_syncd.steps.service import Service
from tests.steps.service import service_of

NOW = 1_764_504_000.0


class Lines(logging.Handler):
    """Keeps event and level of what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []

    def emit(self, record: logging.LogRecord) -> None:
        event: tuple[str, object] = getattr(record, "syncd_event", ("", {}))
        self.told.append((event[0], record.levelno))


@pytest.fixture
def lines() -> Iterator[list[tuple[str, int]]]:
    logger, handler = logging.getLogger("tests.steps"), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.told
    logger.removeHandler(handler)


def watch(root: Path, now: list[float]) -> tuple[Service, ExpiryWatch]:
    service = service_of(root, "seq", wall=lambda: now[0])
    return service, ExpiryWatch(service)


def sas(root: Path, ends: float) -> None:
    end = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    (root / "secret").write_text(f"SharedAccessSignature=sv=1&sp=rcwl&se={end}&sig=abc")


def test_k4_it_is_told_once_before_the_end_and_taken_back_after_a_new_one(
    tmp_path: Path, lines: list[tuple[str, int]]
) -> None:
    now = [NOW]
    service, one = watch(tmp_path, now)
    desk = service.ledger.desk
    ends = NOW + 20 * DAY
    sas(tmp_path, ends)
    one.round()
    assert desk.get(CREDENTIAL_EXPIRES) == iso(ends)
    assert (desk.troubles(), lines) == ([], [])

    now[0] = ends - 14 * DAY
    one.round()
    one.round()
    (trouble,) = desk.troubles()
    assert trouble.key == "expiry"
    assert f"expires at {iso(ends)}" in trouble.message
    assert "abc" not in json.dumps([trouble.message, trouble.next_step])
    assert lines == [("credential.expires", 40)]
    # Also a process that was just started does not tell it anew.
    ExpiryWatch(service).round()
    assert len(lines) == 1

    now[0] = ends + 1
    one.round()
    assert "expired at" in desk.troubles()[0].message
    assert desk.troubles()[0].since == ends - 14 * DAY
    assert lines == [("credential.expires", 40)] * 2

    sas(tmp_path, ends + 90 * DAY)
    one.round()
    assert desk.troubles() == []
    assert desk.get(CREDENTIAL_EXPIRES) == iso(ends + 90 * DAY)
    assert lines[2:] == [("credential.renewed", 20)]
    service.ledger.close()


@pytest.mark.parametrize("secret", ["AccountName=a;AccountKey=a2V5", "sas of nothing", None])
def test_what_has_no_end_or_can_not_be_read_is_no_trouble(
    tmp_path: Path, secret: str | None, lines: list[tuple[str, int]]
) -> None:
    service, one = watch(tmp_path, [NOW])
    if secret is None:
        (tmp_path / "secret").unlink()
    else:
        (tmp_path / "secret").write_text(secret)
    one.round()
    assert service.ledger.desk.get(CREDENTIAL_EXPIRES) is None
    assert (service.ledger.desk.troubles(), lines) == ([], [])
    service.ledger.close()


def test_it_attends() -> None:
    assert ExpiryWatch in ATTENDANTS
