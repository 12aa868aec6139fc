"""The command `doctor` as a person runs it: beside the daemon, without rights, on a bad machine."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import MISEQ, Lab
from tests.e2e.runs import miseq, write
from tests.proxy import Proxy
from tests.servers import REPO


def doctor(lab: Lab, expect: int, *before: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [*before, *lab.command("doctor", "--json")],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=REPO,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert not done.stderr, "nothing but the document where nobody looks at a terminal"
    document = json.loads(done.stdout)
    assert set(document) == {"checks", "faults", "warnings"}
    return {one["check"]: one for one in document["checks"]}


def without_rights(lab: Lab) -> list[str]:
    """What takes the right of root away to read and write whatever it likes."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]


def test_before_and_beside_a_daemon(lab: Lab) -> None:
    first = doctor(lab, 0)
    assert first["daemon"]["found"] == "it was not started with this configuration yet"
    assert not lab.state.exists(), "doctor makes nothing on this machine"
    write(lab, miseq(1))
    with lab.daemon() as daemon:
        lab.wait_published(miseq(1).name)
        second = doctor(lab, 0)
        assert f"process {daemon.process.pid}" in second["daemon"]["found"]
        assert "1 runs" in second["ledger"]["found"]
        assert list(first) == list(second), "the order is always the same"
        assert not daemon.lines("attendant.failed")


def test_what_this_user_may_not_do(lab: Lab) -> None:
    before = without_rights(lab)
    lab.configure(instruments__miseq__prune=["enabled = true"])
    run, other = lab.source() / MISEQ, lab.source("nextseq") / "230102_NB500001_0002_AHAAAAAAXX"
    for folder in (run, other):
        folder.mkdir()
    assert doctor(lab, 0, *before)["prune miseq"]["mark"] == "ok"
    run.chmod(0o555)
    found = doctor(lab, 1, *before)
    assert found["source miseq"]["mark"] == "ok"
    assert found["prune miseq"]["mark"] == "FAULT"
    assert MISEQ in found["prune miseq"]["found"]
    run.chmod(0o755)
    lab.source().chmod(0o555)
    found = doctor(lab, 1, *before)
    assert "can't write to" in found["prune miseq"]["found"]
    assert "prune.enabled = false" in found["prune miseq"]["next_step"]
    lab.source().chmod(0o755)
    other.chmod(0)
    lab.sheets("nextseq").chmod(0)
    found = doctor(lab, 1, *before)
    assert "230102_NB500001_0002_AHAAAAAAXX can't be read" in found["source nextseq"]["found"]
    assert found["sheets nextseq"]["mark"] == "FAULT"
    assert found["source miseq"]["mark"] == found["sheets miseq"]["mark"] == "ok"
    for folder in (other, lab.sheets("nextseq")):
        folder.chmod(0o755)


def test_another_user_is_told_so(lab: Lab) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    lab.state.mkdir()
    os.chown(lab.state, 12345, 12345)
    told = doctor(lab, 0)["user"]
    assert told["mark"] == "warning"
    assert "sudo -u uid 12345" in told["next_step"] or "12345" in told["found"]


def test_the_kernel_allows_few_watches(lab: Lab) -> None:
    small = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'
    before = ["unshare", "--user", "--map-root-user", "sh", "-c", small, "sh"]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user name spaces here")
    told = doctor(lab, 0, *before)["inotify"]
    assert told["mark"] == "warning"
    assert "the kernel allows 5" in told["found"]
    assert "sysctl fs.inotify.max_user_watches=" in told["next_step"]
    assert doctor(lab, 0)["inotify"]["mark"] == "ok"


def test_a_person_at_a_terminal_sees_lines_and_progress_and_no_secret(
    lab: Lab, proxy: Proxy
) -> None:
    sas = lab.azurite.sas(lab.container, "rl")
    lab.secret.write_text(sas)
    lab.configure(lake=['auth = "sas"'])
    done = lab.call("doctor", expect=1)
    lines = done.stdout.splitlines()
    assert any(line.startswith("FAULT    lake miseq-out/") for line in lines)
    assert any(line.strip().startswith("-> give the login read and write") for line in lines)
    assert lines[-1].startswith("3 faults would stop a run; ")
    signature = sas.partition("sig=")[2].partition("&")[0]
    assert signature not in done.stdout + done.stderr
    # On a terminal something moves while it is waited for: a lake that is near answers before
    # the other checks, so that nobody would wait for it.
    proxy.rule = lambda _request: time.sleep(1.0)
    here, there = pty.openpty()
    process = subprocess.Popen(
        lab.command("doctor"), stdout=subprocess.DEVNULL, stderr=there, cwd=REPO
    )
    os.close(there)
    seen = b""
    try:
        while piece := os.read(here, 4096):
            seen += piece
    except OSError:
        pass  # the end of a terminal
    process.wait(60)
    os.close(here)
    assert b"looking at lake" in seen


def test_a_configuration_with_faults_is_told_as_such(lab: Lab) -> None:
    lab.config.write_text("[lake]\n")
    done = lab.call("doctor", expect=2)
    assert "faults in the configuration" in done.stderr or "is missing" in done.stderr


def test_the_package_is_light_for_it(tmp_path: Path) -> None:
    """The help of all commands does not import the lake."""
    code = (
        "import sys; from datalake_syncd.cli import main; main(['doctor', '--help']);"
        "assert 'azure' not in ' '.join(sys.modules), 'azure'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO, capture_output=True)
