"""What needs a person: told by the same look in `status`, in its document and as problems."""

from __future__ import annotations

from pathlib import Path

from datalake_syncd.adapters.ledger import DaemonState, Ledger, Trouble
from datalake_syncd.core.model import Status
from datalake_syncd.steps.notes import CONFIG_REFUSED, UPLOADS_PAUSED
from datalake_syncd.steps.overview.document import document
from datalake_syncd.steps.overview.problems import problems
from datalake_syncd.steps.overview.report import read_report

NOW = 2_000_000_000.0


def look(ledger: Ledger) -> tuple[dict[str, str], bool]:
    report = read_report(ledger, NOW, daemon=DaemonState(running=True, pid=1))
    assert document(report)["needs_attention"] is report.needs_attention
    return {one.key: one.message for one in problems(report)}, report.needs_attention


def test_every_kind_of_problem_stands_until_it_ends(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writable=True)
    desk = ledger.desk
    desk.set_instruments({"seq": ("miseq", "/seq")})
    assert look(ledger) == ({}, False)

    run = ledger.runs.add("seq", "R1", prefix="p/R1", now=NOW, reason="new")
    run = ledger.runs.set(run, status=Status.BLOCKED, reason="a FIFO lies in it")
    desk.trouble(Trouble("azcopy", "azcopy is not there", "install it", NOW))
    desk.put(CONFIG_REFUSED, "line 3: wrong")
    desk.put(UPLOADS_PAUSED, "403")
    desk.update_instrument("seq", online=0, offline_since=NOW, offline_reason="gone")
    found, attention = look(ledger)
    assert attention
    assert found == {
        "lake": "403",
        "azcopy": "azcopy is not there",
        "configuration": "line 3: wrong",
        "source/seq": "gone",
        "run/seq/R1": "a FIFO lies in it",
    }

    ledger.runs.set(run, status=Status.WAITING, reason=None)
    assert desk.trouble_over("azcopy")
    assert not desk.trouble_over("azcopy")
    desk.put(CONFIG_REFUSED, None)
    desk.put(UPLOADS_PAUSED, None)
    desk.update_instrument("seq", online=1)
    assert look(ledger) == ({}, False)
    ledger.close()


def test_a_trouble_keeps_its_beginning_while_its_words_change(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writable=True)
    ledger.desk.trouble(Trouble("scan/seq", "first", "do", NOW, "seq"))
    ledger.desk.trouble(Trouble("scan/seq", "second", "do", NOW + 60, "seq"))
    ledger.desk.trouble(Trouble("azcopy", "not there", "do", NOW - 60))
    assert ledger.desk.troubles() == [
        Trouble("azcopy", "not there", "do", NOW - 60),
        Trouble("scan/seq", "second", "do", NOW, "seq"),
    ]
    ledger.close()
