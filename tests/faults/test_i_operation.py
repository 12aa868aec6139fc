"""Reloads, upgrades, clones, full instruments and odd time zones, while runs are on their way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import LEDGER
from datalake_syncd.adapters.ledger.schema import MIGRATIONS
from datalake_syncd.core.durations import parse_iso
from datalake_syncd.core.manifest import parse_marker
from tests.e2e.lab import MISEQ, Daemon, Lab, tree_of
from tests.e2e.mounts import fill, tmpfs
from tests.e2e.runs import expect_published, folder_of, miseq, row_of, write
from tests.proxy import Proxy, Request
from tests.servers import REPO

OUT = f"miseq-out/{MISEQ}"
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "1h"']
SLOW = ["cap_mbps = 8"]


def begun(lab: Lab, daemon: Daemon) -> None:
    lab.wait_for(lambda: daemon.lines("transfer.started"), told="the transfer began")


def reload(lab: Lab, daemon: Daemon) -> None:
    before = len(daemon.lines("config.taken"))
    lab.configure()
    daemon.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: len(daemon.lines("config.taken")) > before, told="taken")


def large_run(lab: Lab) -> dict[str, bytes]:
    """A run that takes some seconds to send at ``SLOW``."""
    write(lab, miseq(1))
    (folder_of(lab, miseq(1)) / "big.bin").write_bytes(os.urandom(4 << 20))
    return tree_of(folder_of(lab, miseq(1)))


def test_i4_an_instrument_that_is_taken_out_in_mid_transfer_loses_and_frees_nothing(
    lab: Lab,
) -> None:
    files = large_run(lab)
    lab.configure(azcopy=SLOW, instruments__miseq__prune=PRUNE)
    with lab.daemon() as daemon:
        begun(lab, daemon)
        del lab.kinds["miseq"]
        reload(lab, daemon)
        lab.wait_for(lambda: lab.the_run().status != "running", told="its step came to its end")
        status = json.loads(lab.call("status", "--json", expect=None).stdout)
        assert [run["run"] for run in status["runs"]] == [f"miseq/{MISEQ}"]
        assert [one["configured"] for one in status["instruments"] if one["name"] == "miseq"] == [
            False
        ]
        assert "instrument configured" in lab.call("why", MISEQ, expect=None).stdout
        assert tree_of(lab.source() / MISEQ) == files
        assert f"{OUT}.sync" not in lab.blobs()
        assert daemon.lines("run.blocked") == []
        lab.kinds["miseq"] = "miseq"
        lab.configure(azcopy=[], instruments__miseq__prune=["enabled = false"])
        reload(lab, daemon)
        lab.wait_published()
    expect_published(lab, miseq(1))


def test_i5_another_container_in_mid_transfer_gets_the_whole_run_and_alone_its_marker(
    lab: Lab,
) -> None:
    files = large_run(lab)
    old = lab.container
    lab.configure(azcopy=SLOW)
    with lab.daemon() as daemon:
        begun(lab, daemon)
        lab.container = f"lake-{uuid.uuid4().hex[:12]}"
        lab.azurite.make_container(lab.container)
        lab.configure(azcopy=[])
        reload(lab, daemon)
        lab.wait_published()
    lab.expect_in_lake(files, OUT)
    expect_published(lab, miseq(1))
    assert str(lab.the_run().lake).endswith(lab.container)
    there = {one.name for one in lab.azurite.service.get_container_client(old).list_blobs()}
    assert not {name for name in there if name.endswith((".sync", ".md5"))}


@pytest.mark.root
def test_i8_an_instrument_that_runs_full_frees_nothing_that_is_not_proven(lab: Lab) -> None:
    def nothing_is_taken(request: Request) -> None:
        if request.method == "PUT":
            request.status, request.error = 403, "AuthorizationFailure"

    with tmpfs(lab.source(), "2M"), Proxy(lab.azurite.host, nothing_is_taken) as proxy:
        write(lab, miseq(1))
        files = tree_of(lab.source() / MISEQ)
        fill(lab.source() / "filler")
        lab.account_url = proxy.account_url
        lab.environment["SYNCD_AUTH_PAUSES"] = "0.1,0.1"
        lab.configure(instruments__miseq__prune=PRUNE)
        lab.once(expect=1)
        assert tree_of(lab.source() / MISEQ) == files, "a full disk is no reason to free it"
        told = lab.call("status", expect=None).stdout
        assert MISEQ in told
        proxy.rule = lambda _request: None
        lab.call("retry", MISEQ)
        lab.once(expect=None)
        assert row_of(lab, miseq(1)).proof == "checked", "and proof is not lowered"
        lab.expect_in_lake(files, OUT)


def as_of(schema: int, ledger: Path) -> None:
    """The same ledger as an earlier version would have written it."""
    old = ledger.with_name("older.sqlite")
    with sqlite3.connect(old) as target:
        for statements in MIGRATIONS[:schema]:
            for statement in statements:
                target.execute(statement)
        target.execute("ATTACH DATABASE ? AS now", (str(ledger),))
        tables = target.execute(
            "SELECT name FROM main.sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            columns = [row[1] for row in target.execute(f"PRAGMA main.table_info({table})")]
            named = ", ".join(columns)
            target.execute(
                f"INSERT INTO main.{table} ({named}) SELECT {named} FROM now.{table}"  # noqa: S608 - our tables
            )
        target.commit()
        target.execute("DETACH DATABASE now")
        target.execute(f"PRAGMA user_version={schema}")
    target.close()
    old.replace(ledger)


@pytest.mark.parametrize("schema", sorted({1, len(MIGRATIONS) - 1}))
def test_i9_an_upgrade_in_mid_transfer_goes_on_where_it_was(lab: Lab, schema: int) -> None:
    """Killed in a transfer, its ledger as an earlier version left it, and the new one starts."""
    large_run(lab)
    lab.configure(azcopy=SLOW)
    with lab.daemon() as daemon:
        begun(lab, daemon)
        daemon.process.kill()
        daemon.process.wait()
    as_of(schema, lab.state / LEDGER)
    lab.configure(azcopy=["cap_mbps = 0"])
    lab.once(expect=None)
    expect_published(lab, miseq(1))
    assert lab.state.joinpath(f"{LEDGER}.before-schema-{schema + 1}").exists()
    with lab.ledger() as ledger:
        assert ledger.database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)


def test_i10_a_cloned_machine_beside_the_first_spoils_nothing(lab: Lab, tmp_path: Path) -> None:
    large_run(lab)
    lab.configure(azcopy=SLOW)
    with lab.daemon() as daemon:
        begun(lab, daemon)
        daemon.process.kill()
        daemon.process.wait()
    clone = tmp_path / "clone"
    shutil.copytree(lab.state, clone)
    lab.configure(azcopy=["cap_mbps = 0"])
    other = tmp_path / "clone.toml"
    other.write_text(lab.config.read_text().replace(str(lab.state), str(clone)))
    command = [*lab.command(), "once"]
    both = [
        subprocess.Popen(words, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for words in (command, [str(other) if one == str(lab.config) else one for one in command])
    ]
    for process in both:
        process.wait(120)
    lab.once(expect=None)
    expect_published(lab, miseq(1))
    assert "read back and equal" in lab.call("verify", MISEQ, "--read-back").stdout
    told = subprocess.run(
        [str(other) if one == str(lab.config) else one for one in lab.command("verify", MISEQ)],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


def test_i11_times_are_utc_wherever_the_machine_stands(lab: Lab) -> None:
    write(lab, miseq(1))
    lab.environment["TZ"] = "Asia/Kolkata"
    began = time.time()
    lines = lab.once()
    marked, _ = parse_marker(lab.read(f"{OUT}.sync"))
    assert marked.endswith("+00:00")
    assert began - 2 < parse_iso(marked) < time.time() + 2
    assert all(line["timestamp"].endswith("+00:00") for line in lines)
    status = json.loads(lab.call("status", "--json").stdout)
    assert status["runs"][0]["published_at"] == marked
    assert abs((lab.the_run().published_at or 0) - parse_iso(marked)) < 1
