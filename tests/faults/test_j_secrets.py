"""Everything fails that has a secret, and every place that anybody could read is searched for it.

Real azcopy, real lake, real mail server, real processes; the secrets are ours, and wrong or right
by turns. A secret is looked for raw, percent-encoded, as JSON writes it, and in base64.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests.e2e.lab import MISEQ, Lab, tree_of
from tests.e2e.runs import expect_published, miseq, write
from tests.mail_server import (
    PASSWORD,
    USER,
    Authority,
    Inbox,
    attached,
    free_port,
    mail_server,
    text_of,
)
from tests.servers import AZCOPY

TOKEN = f"heart-{uuid.uuid4().hex}"


def forms(secret: str) -> set[bytes]:
    """A secret as somebody may have written it down."""
    texts = {secret, unquote(secret)}
    texts |= {quote(text, safe=safe) for text in texts for safe in ("", "/", "/+=")}
    texts |= {text.lower() if text.startswith("%") else text for text in texts}
    texts |= {json.dumps(text)[1:-1] for text in texts}
    written = {text.encode() for text in texts}
    for raw in (secret.encode(), unquote(secret).encode()):
        for before in (b"", b"\0", f"\0{USER}\0".encode(), f"{USER}:".encode()):
            # All of it but what the neighbours' bits change.
            written.add(base64.b64encode(before + raw)[-4 * (len(raw) // 4) :].rstrip(b"=")[:-2])
            written.add(base64.urlsafe_b64encode(before + raw).rstrip(b"=")[-20:-2])
    return {one for one in written if len(one) >= 12}


class Search:
    """What was shown anywhere, by place; and what of it holds a secret."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.forms = {name: forms(secret) for name, secret in secrets.items()}
        self.shown: dict[str, bytes] = {}

    def add(self, place: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        self.shown[place] = self.shown.get(place, b"") + data

    def add_files(self, folder: Path, *, but: set[Path]) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path not in but:
                self.add(str(path.relative_to(folder)), path.read_bytes())

    def found(self) -> list[tuple[str, str]]:
        return [
            (place, name)
            for place, data in self.shown.items()
            for name, written in self.forms.items()
            if any(one in data for one in written)
        ]


@pytest.fixture
def azcopy(tmp_path: Path, azcopy_path: Path) -> Path:
    """The real azcopy, with what it was given and what it wrote kept for us."""
    kept = tmp_path / "azcopy"
    kept.mkdir()
    script = tmp_path / "azcopy.sh"
    script.write_text(
        "#!/bin/sh\n"
        f'here={kept}/$$; mkdir "$here"; printf "%s\\n" "$@" > "$here/argv"\n'
        f'{AZCOPY} "$@"; code=$?\n'
        'cp -r "$AZCOPY_LOG_LOCATION" "$here/log" 2>/dev/null\n'
        'cp -r "$AZCOPY_JOB_PLAN_LOCATION" "$here/plan" 2>/dev/null\n'
        "exit $code\n"
    )
    script.chmod(0o755)
    assert azcopy_path == AZCOPY
    return script


FIRST = (
    ("status", "--json"), ("why", MISEQ), ("why", MISEQ, "--json"), ("doctor",),
    ("scrub", f"miseq/{MISEQ}"), ("mail", "test"), ("config", "show"), ("config", "check"),
)  # fmt: skip
SECOND = (("why", MISEQ), ("doctor", "--json"), ("restore", f"miseq/{MISEQ}", "/nowhere"))


def ask(lab: Lab, search: Search, phase: str, commands: tuple[tuple[str, ...], ...]) -> None:
    with ThreadPoolExecutor(4) as several:
        done = list(several.map(lambda words: lab.call(*words, expect=None), commands))
    for words, one in zip(commands, done, strict=True):
        search.add(f"{phase}: {' '.join(words)}", one.stdout + one.stderr)


@pytest.mark.slow
def test_j3_nothing_that_fails_gives_a_secret_away(lab: Lab, azcopy: Path, tmp_path: Path) -> None:
    write(lab, miseq(1))
    key = lab.azurite.connection_string.split("AccountKey=")[1].split(";")[0]
    wrong_key = base64.b64encode(os.urandom(64)).decode()
    sas = lab.azurite.sas(lab.container, "rcwl")
    wrong_sas = sas.split("sig=")[0] + "sig=" + quote(base64.b64encode(os.urandom(32)), safe="")
    client_secret = f"cl~{uuid.uuid4().hex}+/é"
    search = Search({
        "key": key, "wrong key": wrong_key, "password": PASSWORD, "token": TOKEN,
        "signature": sas.split("sig=")[1].split("&")[0], "client secret": client_secret,
        "wrong signature": wrong_sas.split("sig=")[1],
    })  # fmt: skip
    password = lab.root / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    hook = lab.root / "hook.sh"
    hook.write_text(
        f"#!/bin/sh\n{{ cat; env; echo \"$@\"; tr '\\0' '\\n' < /proc/$PPID/cmdline; }} "
        f">> {lab.root}/told\n"
    )
    hook.chmod(0o755)
    web, inbox = free_port(), Inbox()
    authority = Authority.make(tmp_path / "tls")
    lab.environment = {"SYNCD_AUTH_PAUSES": "0.2,0.2", "TMPDIR": str(lab.root / "temporary")}
    (lab.root / "temporary").mkdir()
    lab.configure(
        azcopy=[f'path = "{azcopy}"'],
        web=[f'listen = "127.0.0.1:{web}"'],
        daemon=[
            f'on_event = ["{hook}", "--quiet"]',
            f'heartbeat_url = "http://127.0.0.1:{free_port()}/ping/{TOKEN}?key={TOKEN}"',
        ],
        log=['format = "json"', 'level = "DEBUG"', f'file = "{lab.root / "copy.log"}"'],
        mail=[
            'recipients = ["lab@example.org"]', 'host = "127.0.0.1"', f'user = "{USER}"',
            f"port = {free_port()}", f'password_file = "{password}"', 'security = "starttls"',
            f'ca_file = "{authority.ca}"',
        ],
    )  # fmt: skip
    # The key is wrong, and nobody listens where mails should go.
    lab.secret.write_text(lab.azurite.connection_string.replace(key, wrong_key))
    search.add("once with a wrong key", lab.call("once", expect=None).stdout)
    ask(lab, search, "wrong key", FIRST)
    # The login is another one, its server is this closed port; then a SAS, and the daemon.
    lab.secret.write_text(client_secret)
    principal = ['auth = "service-principal"', 'tenant_id = "adfs"', 'client_id = "c"']
    lab.environment["AZURE_AUTHORITY_HOST"] = f"https://127.0.0.1:{free_port()}"
    lab.configure(lake=[*principal, 'account_url = "https://127.0.0.1:9/devstoreaccount1"'])
    ask(lab, search, "principal", (("verify", f"miseq/{MISEQ}"),))
    lab.secret.write_text(wrong_sas)
    lab.configure(lake=['auth = "sas"'])
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("heartbeat.failed"), told="heartbeat")
        lab.wait_for(lambda: daemon.lines("run.retry") or daemon.lines("lake.refused"))
        lab.wait_for(lambda: daemon.lines("web.listening"), told="the page")
        for path in ("/", "/status.json", "/metrics", "/healthz", "/readyz", f"/{TOKEN[:5]}"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{web}{path}") as answer:
                    search.add(path, answer.read())
            except urllib.error.HTTPError as error:
                search.add(path, error.read())
        environ = Path(f"/proc/{daemon.process.pid}/environ").read_bytes()
        search.add("argv of the daemon", Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes())
        search.add("environment of the daemon", environ)
        ask(lab, search, "wrong SAS", SECOND)
    # All is well again, so that what lies in the lake and comes by mail can be searched too.
    lab.secret.write_text(lab.azurite.connection_string)
    with mail_server(inbox, starttls=authority.context(), login=True) as port:
        lines = [one for one in lab.settings["mail"] if not one.startswith("port")]
        lab.configure(lake=['auth = "connection-string"'], mail=[*lines, f"port = {port}"])
        search.add("once at last", lab.call("retry", MISEQ, expect=None).stdout)
        search.add("once at last", lab.call("once", expect=None).stdout)
        expect_published(lab, miseq(1))
        write(lab, miseq(2))
        lab.secret.write_text(sas)
        lab.configure(lake=['auth = "sas"'])
        search.add("once with a SAS", lab.call("once", expect=None).stdout)
    expect_published(lab, miseq(2))
    assert inbox.mails
    for number, mail in enumerate(inbox.mails):
        search.add(f"mail {number}", mail.as_bytes() + text_of(mail).encode())
        search.add(f"mail {number}", "".join(attached(mail).values()))
    for blob in lab.client.list_blobs(include=["metadata", "snapshots"]):
        search.add(f"lake: {blob.name}", json.dumps(blob.metadata) + blob.name)
        search.add(f"lake: {blob.name}", lab.read(blob.name))
    search.add_files(lab.root, but={lab.secret, password, *_with_a_sas(tmp_path / "azcopy")})
    assert {"told", "copy.log", "state/ledger.sqlite", "state/pulse.json", "daemon.log"} <= {
        *search.shown
    }
    assert any(place.startswith("azcopy/") and "/log/" in place for place in search.shown)
    assert search.found() == [("config.toml", "token")], "which says so beside the key"


def _with_a_sas(kept: Path) -> set[Path]:
    """azcopy takes a SAS in no other way: SECURITY.md says who can see it, and ``doctor`` too."""
    argv = {path for path in kept.glob("*/argv") if "sig=" in path.read_text()}
    assert argv
    assert len(argv) < len(list(kept.glob("*/argv"))), "other logins have it nowhere there"
    return argv


def test_a_search_finds_what_is_there() -> None:
    """The search itself can fail."""
    search = Search({"key": "aB+/cdef0123456789ghijklmnop=="})
    for number, written in enumerate((
        b"x aB+/cdef0123456789ghijklmnop== y",
        b"aB%2B%2Fcdef0123456789ghijklmnop%3D%3D",
        base64.b64encode(b"aB+/cdef0123456789ghijklmnop=="),
        base64.b64encode(f"\0{USER}\0aB+/cdef0123456789ghijklmnop==".encode()),
        base64.b64encode(f"{USER}:aB+/cdef0123456789ghijklmnop==".encode()),
    )):  # fmt: skip
        search.shown = {str(number): written}
        assert search.found() == [(str(number), "key")], written


def test_files_of_the_state_are_for_the_services_user_alone(lab: Lab) -> None:
    """Whatever the umask of whoever starts it: names of runs may tell of people."""
    write(lab, miseq(1))
    lab.configure(log=[f'file = "{lab.root / "logs" / "copy.log"}"'])
    (lab.root / "logs").mkdir()
    lab.once()
    lab.call("status")
    open_to_others = {
        str(path.relative_to(lab.root)): oct(stat.S_IMODE(path.stat().st_mode))
        for folder in (lab.state, lab.root / "logs")
        for path in (folder, *folder.rglob("*"))
        if path.name != "logs" and path.stat().st_mode & 0o027
    }
    assert open_to_others == {}
    assert tree_of(lab.state)
    assert sys.platform == "linux"
