"""What doctor finds, with the real azcopy and Azurite: rights of a login, kinds of places."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import RetentionPolicy

from datalake_syncd.adapters.lake import PROBE, may_delete
from datalake_syncd.adapters.lake.rights import PROBE_BYTES
from datalake_syncd.adapters.ledger import DaemonLock, Ledger, Trouble
from datalake_syncd.config import load_text
from datalake_syncd.steps.doctor.checks import CHECKS, Check
from datalake_syncd.steps.doctor.examine import examine
from datalake_syncd.steps.doctor.finding import Finding, Machine, Mark, fine
from datalake_syncd.steps.scrub.notes import LAST
from datalake_syncd.steps.service import bring_into_force
from tests.e2e.mounts import tmpfs
from tests.mail_server import PASSWORD, USER, Authority, Inbox, mail_server
from tests.servers import AZCOPY, Azurite, TokenServer

DAY = dt.timedelta(days=1)


class Scene:
    """A configuration with one instrument, and what doctor finds in it."""

    def __init__(self, root: Path, url: str, container: str) -> None:
        self.root, self.url, self.container = root, url, container
        self.auth = "connection-string"
        self.azcopy = AZCOPY
        self.lines: dict[str, list[str]] = {"instrument": [], "prune": [], "more": [], "log": []}
        self.skew = 0.0
        self.secret = root / "secret"
        self.state = root / "state"
        self.source = root / "source"
        self.sheets = root / "sheets"
        for folder in (self.state, self.source, self.sheets):
            folder.mkdir()

    def login(self, auth: str, secret: str) -> None:
        self.auth = auth
        self.secret.write_text(secret)
        self.secret.chmod(0o600)

    def machine(self) -> Machine:
        text = f"""
[lake]
account_url = "{self.url}"
container = "{self.container}"
auth = "{self.auth}"
{f'secret_file = "{self.secret}"' if self.auth != "managed-identity" else ""}
[daemon]
state_dir = "{self.state}"
[azcopy]
path = "{self.azcopy}"
[log]
{chr(10).join(self.lines["log"])}
[instruments.seq]
kind = "miseq"
source = "{self.source}"
sample_sheets = "{self.sheets}"
destination = "MiSeqOutput"
{chr(10).join(self.lines["instrument"])}
[instruments.seq.prune]
{chr(10).join(self.lines["prune"])}
{chr(10).join(self.lines["more"])}
"""
        config = load_text(text, self.root / "config.toml", {}).config
        access = bring_into_force(config).access
        return Machine(config, access, lambda: time.time() + self.skew)

    def look(self, *names: str) -> dict[str, Finding]:
        """The findings of these checks (all without names) by what they are about."""
        checks = [check for check in CHECKS if not names or check.name in names]
        found = list(examine(self.machine(), checks=checks))
        assert len({one.name for one in found}) == len(found), "each line has its own name"
        for one in found:
            assert one.mark is Mark.OK or one.next_step, f"{one.name} does not say what to do"
        return {one.name: one for one in found}


@pytest.fixture
def scene(tmp_path: Path, azurite: Azurite, container: str) -> Scene:
    made = Scene(tmp_path, azurite.account_url, container)
    made.login("connection-string", azurite.connection_string)
    return made


@pytest.fixture
def alone(tmp_path: Path) -> Scene:
    """Without a lake."""
    made = Scene(tmp_path, "http://127.0.0.1:9/devstoreaccount1", "lake")
    made.login("connection-string", "AccountName=a;AccountKey=a2V5")
    return made


def marks(found: dict[str, Finding]) -> dict[str, str]:
    return {name: str(one.mark) for name, one in found.items() if one.mark is not Mark.OK}


# --- the lake --------------------------------------------------------------------------------


def test_a_good_machine_before_its_first_start(scene: Scene, azurite: Azurite) -> None:
    found = scene.look()
    # The account's key may do everything, deleting too; the disk here may be short of room.
    assert marks({k: v for k, v in found.items() if k != "state"}) == {"deleting": "warning"}
    assert list(found) == [
        "versions", "user", "azcopy", "lake.secret_file", "expiry", "lake", "clock",
        "lake MiSeqOutput/", "snapshots", "kept in the lake", "deleting", "source seq",
        "sheets seq", "inotify", "state", "log", "ledger", "daemon",
        "scrub", "page", "mail",
    ]  # fmt: skip
    assert "10.32.2" in found["azcopy"].what
    assert "SHA-256" in found["azcopy"].what
    assert found["kept in the lake"].what == (
        "versioning off, soft delete off, immutability policy off"
    )
    assert not list(scene.state.iterdir()), "doctor makes no ledger"

    # The second time it overwrites its own blob, and nothing else is ever left behind.
    assert "deleting" in scene.look("lake")
    client = azurite.container(scene.container)
    kept = client.list_blobs(include=["snapshots", "uncommittedblobs"])
    assert [blob.name for blob in kept] == [f"MiSeqOutput/{PROBE}"]
    assert client.download_blob(f"MiSeqOutput/{PROBE}").readall() == PROBE_BYTES


FAULTS = {
    "rcwl": {},
    "rcwdl": {"deleting": "warning"},
    "rcw": {"lake": "FAULT"},
    "rl": {"lake MiSeqOutput/": "FAULT", "snapshots": "FAULT"},
    "wl": {"lake MiSeqOutput/": "FAULT"},
    "l": {"lake MiSeqOutput/": "FAULT", "snapshots": "FAULT"},
    "d": {"lake": "FAULT"},
}


@pytest.mark.parametrize("rights", FAULTS)
def test_every_right_that_a_sas_lacks_or_has_too_much_is_named(
    scene: Scene, azurite: Azurite, rights: str
) -> None:
    azurite.container(scene.container).upload_blob("MiSeqOutput/R1/a", b"precious")
    scene.login("sas", azurite.sas(scene.container, rights, 30 * DAY))
    found = scene.look("lake", "expiry")
    assert marks(found) == FAULTS[rights]
    for one in found.values():
        assert one.mark is not Mark.FAULT or "rcwl" in one.next_step
    if "kept in the lake" in found:
        told = found["kept in the lake"]
        assert "soft delete not known" in told.what
        assert "az storage account blob-service-properties" in told.next_step
    there = azurite.container(scene.container)
    assert there.download_blob("MiSeqOutput/R1/a").readall() == b"precious"


def test_create_without_write_is_found_when_the_probe_is_there(
    scene: Scene, azurite: Azurite
) -> None:
    """A right to create alone writes every run once, and fails at the first that changes."""
    scene.look("lake")
    scene.login("sas", azurite.sas(scene.container, "rcl", 30 * DAY))
    assert marks(scene.look("lake")) == {"lake MiSeqOutput/": "FAULT"}


def test_nothing_but_its_own_blob_is_overwritten(scene: Scene, azurite: Azurite) -> None:
    client = azurite.container(scene.container)
    client.upload_blob(f"MiSeqOutput/{PROBE}", b"somebody else's")
    found = scene.look("lake")["lake MiSeqOutput/"]
    assert found.mark is Mark.FAULT
    assert "is not what doctor writes there" in found.what
    assert client.download_blob(f"MiSeqOutput/{PROBE}").readall() == b"somebody else's"


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("expired", "AuthorizationFailure"),
        ("wrong signature", "AuthorizationFailure"),
        ("wrong key", "AuthorizationFailure"),
        ("no token", "is no SAS token"),
    ],
)
def test_a_login_that_is_refused_stops_a_run(
    scene: Scene, azurite: Azurite, secret: str, words: str
) -> None:
    good = azurite.sas(scene.container)
    match secret:
        case "expired":
            scene.login("sas", azurite.sas(scene.container, "rcwl", -dt.timedelta(hours=1)))
        case "wrong signature":
            scene.login("sas", good[:-8] + "AAAAAAA%3D")
        case "wrong key":
            wrong = azurite.connection_string.replace("Eby8", "Eby9")
            scene.login("connection-string", wrong)
        case _:
            scene.login("sas", "https://lake/?sig=nothing")
    found = scene.look("lake", "expiry")
    assert found["lake"].mark is Mark.FAULT
    assert words in found["lake"].what
    assert "deleting" not in found
    if secret == "expired":
        assert found["expiry"].mark is Mark.FAULT
        assert "expired at 20" in found["expiry"].what
    if "clock" in found:
        assert "agree" in found["clock"].what, "also a refusal tells the time"


def test_a_container_that_is_not_there(scene: Scene) -> None:
    scene.container = "nothing-here"
    found = scene.look("lake")
    assert "does not exist" in found["lake"].what
    assert "create the container" in found["lake"].next_step


def test_nobody_answers(alone: Scene) -> None:
    found = alone.look("lake")
    assert found["lake"].mark is Mark.FAULT
    assert "could not be reached" in found["lake"].what
    assert "not compared" in found["clock"].what


@pytest.mark.parametrize(
    ("skew", "mark"), [(400.0, Mark.FAULT), (-400.0, Mark.FAULT), (120.0, Mark.WARNING)]
)
def test_a_clock_that_is_wrong(scene: Scene, skew: float, mark: Mark) -> None:
    scene.skew = skew
    told = scene.look("lake")["clock"]
    assert told.mark is mark
    assert ("ahead of" if skew > 0 else "behind") in told.what


@pytest.mark.parametrize(("left", "mark"), [(13, Mark.WARNING), (15, Mark.OK)])
def test_the_end_of_a_sas_is_told_fourteen_days_before(
    scene: Scene, azurite: Azurite, left: int, mark: Mark
) -> None:
    scene.login("sas", azurite.sas(scene.container, "rcwl", left * DAY))
    told = scene.look("expiry")["expiry"]
    assert told.mark is mark
    if mark is Mark.WARNING:
        assert "put it into" in told.next_step


def test_a_sas_of_a_stored_policy_says_how_to_look(alone: Scene) -> None:
    alone.login("sas", "sv=2024-01-01&si=syncd&sr=c&sig=abc")
    told = alone.look("expiry")["expiry"]
    assert told.mark is Mark.OK
    assert "stored access policy syncd" in told.what
    assert "policy show" in told.next_step


def test_what_matters_before_pruning_is_a_warning_then(scene: Scene, azurite: Azurite) -> None:
    scene.lines["prune"] = ["enabled = true"]
    told = scene.look("lake")["kept in the lake"]
    assert told.mark is Mark.WARNING
    assert "turn on blob soft delete" in told.next_step
    policy = RetentionPolicy(enabled=True, days=9)
    own = Azurite(scene.root / "own")
    with own:
        own.make_container(scene.container)
        own.service.set_service_properties(delete_retention_policy=policy)
        scene.url = own.account_url
        scene.login("connection-string", own.connection_string)
        told = scene.look("lake")["kept in the lake"]
    assert told.mark is Mark.OK
    assert "soft delete for 9 days" in told.what


def test_a_role_that_may_delete_is_found_without_reading_roles(
    scene: Scene,
    azurite_tls: Azurite,
    token_server: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    azurite_tls.make_container(scene.container)
    told = token_server.environment("app-service")
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, told[name])
    scene.url = azurite_tls.account_url
    scene.auth = "managed-identity"
    found = scene.look("lake", "expiry")
    assert found["lake"].mark is Mark.OK
    assert "the login managed-identity may list" in found["lake"].what
    assert found["deleting"].mark is Mark.WARNING, "the emulator lets every token do everything"
    assert found["expiry"].what == "the login managed-identity has nothing that expires here"
    kept = azurite_tls.container(scene.container).list_blobs(include=["snapshots", "deleted"])
    assert [blob.name for blob in kept] == [f"MiSeqOutput/{PROBE}"]
    token_server.status = 400
    told_now = scene.look("lake")["lake"]
    assert (told_now.mark, "was refused" in told_now.what) == (Mark.FAULT, True)


def test_the_question_whether_it_may_delete_deletes_nothing_at_all(
    scene: Scene, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the name, by a mistake or a wonder, were that of a blob: no blob has the ETag."""
    client = azurite.container(scene.container)
    client.upload_blob("MiSeqOutput/precious", b"x")

    class Drawn:
        hex = "precious"

    class Wonder:
        @staticmethod
        def uuid4() -> Drawn:
            return Drawn()

    monkeypatch.setattr(may_delete, "uuid", Wonder)
    name = "MiSeqOutput/.datalake-syncd-doctor-precious"
    client.upload_blob(name, b"y")
    assert scene.look("lake")["deleting"].mark is Mark.WARNING
    assert client.download_blob(name).readall() == b"y"
    assert client.download_blob("MiSeqOutput/precious").readall() == b"x"


def test_a_lake_that_never_answers_is_given_up(alone: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        alone.url = f"http://127.0.0.1:{silent.getsockname()[1]}/devstoreaccount1"
        (check,) = [replace(one, seconds=1.0) for one in CHECKS if one.name == "lake"]
        began = time.monotonic()
        (told,) = list(examine(alone.machine(), checks=[check]))
        assert time.monotonic() - began < 10
    assert (told.mark, told.name) == (Mark.FAULT, "lake")
    assert "does not answer (nothing came for 1 s)" in told.what
    assert "proxy" in told.next_step


# --- azcopy, secrets -------------------------------------------------------------------------


def test_azcopy_missing_or_another(alone: Scene, tmp_path: Path) -> None:
    alone.azcopy = tmp_path / "azcopy"
    told = alone.look("azcopy")["azcopy"]
    assert told.mark is Mark.FAULT
    assert "install azcopy" in told.next_step
    alone.azcopy.write_text("#!/bin/sh\necho azcopy version 9.9.9\n")
    alone.azcopy.chmod(0o755)
    told = alone.look("azcopy")["azcopy"]
    assert told.mark is Mark.WARNING
    assert "9.9.9" in told.what
    alone.azcopy.write_text("#!/bin/sh\nexit 3\n")
    assert alone.look("azcopy")["azcopy"].mark is Mark.FAULT


def test_a_secret_that_others_can_read(alone: Scene) -> None:
    alone.secret.chmod(0o644)
    found = alone.look("secrets", "lake")
    assert found["lake.secret_file"].mark is Mark.FAULT
    assert "chmod 600" in found["lake.secret_file"].next_step
    assert found["lake"].mark is Mark.FAULT
    alone.lines["more"] = [
        "[mail]", 'recipients = ["a@example.org"]', 'host = "smtp.example.org"', 'user = "u"',
        f'password_file = "{alone.root / "nothing"}"',
    ]  # fmt: skip
    assert marks(alone.look("secrets")) == {
        "lake.secret_file": "FAULT",
        "mail.password_file": "warning",
    }


# --- sources ---------------------------------------------------------------------------------


def test_a_source_that_is_no_mount_or_not_there(alone: Scene) -> None:
    alone.lines["instrument"] = ["require_mount = true"]
    told = alone.look("source")["source seq"]
    assert (told.mark, "is not a mount point" in told.what) == (Mark.FAULT, True)
    alone.lines["instrument"] = []
    assert alone.look("source")["source seq"].mark is Mark.OK
    alone.source.rmdir()
    told = alone.look("source")["source seq"]
    assert (told.mark, "is not there" in told.what) == (Mark.FAULT, True)
    alone.sheets.rmdir()
    assert alone.look("sheets")["sheets seq"].mark is Mark.FAULT


def test_a_year_of_sample_sheets_that_is_left_out(alone: Scene) -> None:
    (alone.sheets / "2022").mkdir()
    for year in ("2021", "2023"):
        (alone.sheets / year).symlink_to(alone.sheets / "2022")
    found = alone.look("sheets")
    assert list(found) == ["sheets seq", "sheets seq 2023", "sheets seq 2021"]
    assert found["sheets seq"].mark is Mark.OK
    told = found["sheets seq 2021"]
    assert told.mark is Mark.WARNING
    assert f"{alone.sheets}/2021 are left out: it is a symbolic link" in told.what
    assert "put the folder itself there" in told.next_step


def test_a_source_that_is_empty_where_it_was_not(alone: Scene) -> None:
    with_runs = Ledger(alone.state, writable=True)
    with_runs.desk.set_instruments({"seq": ("miseq", str(alone.source))})
    with_runs.desk.update_instrument("seq", ever_seen_runs=1)
    with_runs.close()
    told = alone.look("source")["source seq"]
    assert (told.mark, "is empty where runs were before" in told.what) == (Mark.FAULT, True)


def test_an_instrument_that_hangs_keeps_no_other_waiting(alone: Scene) -> None:
    come_back = threading.Event()

    def hang(_machine: Machine, of: str) -> Iterator[Finding]:
        come_back.wait(60)
        yield fine(of)

    checks = [
        Check("share", hang, lambda _config: ("a", "b"), "look at the mount", 0.5),
        Check("other", lambda _machine, _of: [fine("good")]),
        Check("bug", lambda _machine, _of: [fine(str(1 // 0))]),
    ]
    began = time.monotonic()
    waited: list[str] = []
    found = list(examine(alone.machine(), waited.append, checks=checks))
    assert time.monotonic() - began < 5
    come_back.set()
    assert [one.name for one in found] == ["share a", "share b", "other", "bug"] == waited
    assert [str(one.mark) for one in found] == ["FAULT", "FAULT", "ok", "FAULT"]
    assert "does not answer" in found[0].what
    assert found[0].next_step == "look at the mount"
    assert "ZeroDivisionError" in found[3].what


@pytest.mark.root
def test_pruning_needs_one_writable_file_system(alone: Scene) -> None:
    alone.lines["prune"] = ["enabled = true"]
    run = alone.source / "R1"
    run.mkdir()
    assert alone.look("prune")["prune seq"].mark is Mark.OK
    with tmpfs(run, "1m"):
        told = alone.look("prune")["prune seq"]
    assert (told.mark, "R1 on another file system" in told.what) == (Mark.FAULT, True)
    with tmpfs(alone.source, "1m,ro"):
        found = alone.look("prune", "source")
    assert (found["prune seq"].mark, "read-only" in found["prune seq"].what) == (Mark.FAULT, True)
    assert found["source seq"].mark is Mark.OK, "a read-only source is fine for all but pruning"
    alone.source.rename(alone.source.with_name("away"))
    found = alone.look("prune", "source")
    assert "is not there" in found["source seq"].what
    assert "is not known" in found["prune seq"].what, "one cause is told once"
    assert "source seq" in found["prune seq"].next_step


# --- ledger, daemon, page --------------------------------------------------------------------


def test_beside_a_running_daemon_nothing_is_written(alone: Scene) -> None:
    lock = DaemonLock(alone.state)
    ledger = Ledger(alone.state, writable=True)
    ledger.desk.trouble(Trouble("scan/seq", "it can't be scanned", "mend it", 1000.0, "seq"))
    before = {path.name: path.stat().st_mtime_ns for path in alone.state.iterdir()}
    found = alone.look("ledger", "daemon", "state", "source", "user")
    assert {path.name: path.stat().st_mtime_ns for path in alone.state.iterdir()} == before
    ledger.close()
    lock.release()
    assert "it runs (process" in found["daemon"].what
    assert "undamaged" in found["ledger"].what
    assert found["trouble scan/seq"].what == "it can't be scanned"
    assert alone.look("daemon")["daemon"].mark is Mark.WARNING, "nobody runs now"


def test_a_schedule_of_scrubs_that_is_not_kept(alone: Scene) -> None:
    ledger = Ledger(alone.state, writable=True)
    assert "no scrub of all runs" in alone.look("scrub")["scrub"].what
    assert "[scrub]" in alone.look("scrub")["scrub"].next_step
    alone.lines["more"] = ["[scrub]", 'every = "7d"']
    for days, mark in ((20, "ok"), (22, "warning")):
        at = time.time() - days * DAY.total_seconds()
        ledger.desk.put(LAST, json.dumps({"began": at, "ended": at}))
        assert marks(alone.look("scrub")) == ({} if mark == "ok" else {"scrub": mark})
    ledger.close()


def test_a_ledger_that_is_damaged(alone: Scene) -> None:
    Ledger(alone.state, writable=True).close()
    path = alone.state / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[5000:9000] = b"\xff" * 4000
    path.write_bytes(bytes(data))
    told = alone.look("ledger")["ledger"]
    assert (told.mark, "can't be read" in told.what) == (Mark.FAULT, True)


def test_a_ledger_of_another_version(alone: Scene) -> None:
    ledger = Ledger(alone.state, writable=True)
    ledger.database.execute("PRAGMA user_version=2")
    told = alone.look("ledger")["ledger"]
    assert (told.mark, "older schema" in told.what) == (Mark.WARNING, True)
    ledger.database.execute("PRAGMA user_version=999")
    told = alone.look("ledger")["ledger"]
    assert (told.mark, "newer version" in told.what) == (Mark.FAULT, True)
    ledger.close()


def test_a_large_ledger_is_not_checked_for_long(alone: Scene) -> None:
    """A reader keeps the daemon from writing."""
    ledger = Ledger(alone.state, writable=True)
    with ledger.database.transaction():
        rows = ((f"key{number}", "x" * 50) for number in range(5000))
        ledger.database.execute_many("INSERT INTO meta VALUES (?,?)", rows)
    assert ledger.database.sound(60.0)
    assert not ledger.database.sound(0.0)
    assert ledger.database.sound(60.0), "the limit is for one check only"
    ledger.close()


def test_the_port_of_the_page(alone: Scene) -> None:
    assert alone.look("page")["page"].what == "there is no [web] in the configuration"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        alone.lines["more"] = ["[web]", f'listen = "127.0.0.1:{port}"']
        told = alone.look("page")["page"]
        assert (told.mark, "somebody else listens" in told.what) == (Mark.WARNING, True)
    assert "is free" in alone.look("page")["page"].what


def test_the_mail_server_is_asked_and_gets_no_mail(alone: Scene, tmp_path: Path) -> None:
    assert alone.look("mail")["mail"].what == "none is configured"
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    inbox, authority = Inbox(), Authority.make(tmp_path / "ca")
    with mail_server(inbox, starttls=authority.context(), login=True) as port:
        alone.lines["more"] = [
            "[mail]", 'recipients = ["a@lab.example"]', 'host = "127.0.0.1"', f"port = {port}",
            f'user = "{USER}"', f'password_file = "{password}"', f'ca_file = "{authority.ca}"',
        ]  # fmt: skip
        told = alone.look("mail")["mail"]
        assert (told.mark, f"logged in as {USER}" in told.what) == (Mark.OK, True)
        assert "a@lab.example" in told.what
        password.write_text("wrong")
        told = alone.look("mail")["mail"]
        assert (told.mark, "refused the login" in told.what) == (Mark.WARNING, True)
        assert "mail.password_file" in told.next_step
    assert alone.look("mail")["mail"].mark is Mark.WARNING, "it is down now"
    assert inbox.mails == []


# --- disks -----------------------------------------------------------------------------------


@pytest.mark.root
def test_a_disk_without_room_stops_a_run_under_the_ledger_only(alone: Scene) -> None:
    logs = alone.root / "logs"
    logs.mkdir()
    alone.lines["log"] = [f'file = "{logs / "syncd.log"}"']
    with tmpfs(alone.state, "1m"), tmpfs(logs, "1m"):
        found = alone.look("state", "log")
    assert marks(found) == {"state": "FAULT", "log": "warning"}
    assert "1.0 MiB free" in found["state"].what
    with tmpfs(alone.state, "2g,nr_inodes=100"):
        assert "inodes" in alone.look("state")["state"].what
        assert alone.look("state")["state"].mark is Mark.FAULT
    with tmpfs(alone.state, "2g,ro"):
        assert "read-only" in alone.look("state")["state"].what


def test_a_log_folder_that_is_not_there_or_a_fifo(alone: Scene) -> None:
    alone.lines["log"] = [f'file = "{alone.root / "logs" / "syncd.log"}"']
    assert "is not there" in alone.look("log")["log"].what
    (alone.root / "logs").mkdir()
    assert alone.look("log")["log"].mark is not Mark.FAULT
    os.mkfifo(alone.root / "logs" / "syncd.log")
    told = alone.look("log")["log"]
    assert (told.mark, "no regular file" in told.what) == (Mark.WARNING, True)
    shutil.rmtree(alone.root / "logs")
