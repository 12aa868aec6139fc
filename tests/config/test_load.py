from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.config import (
    Azcopy,
    Config,
    ConfigErrors,
    Daemon,
    Fault,
    Instrument,
    Lake,
    Log,
    Prune,
    load,
    load_text,
    load_with_origins,
)
from datalake_syncd.config.show import rows
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.kinds import KINDS
from tests.config.conftest import GOOD, Faults, Load

FULL = """\
[lake]
account_url = "http://127.0.0.1:10000/devstoreaccount1"
container = "nextseq01"
auth = "connection-string"
secret_file = "/etc/datalake-syncd/secret"
proof = "read-back"
[daemon]
state_dir = "/var/lib/./datalake-syncd/"
workers = 32
scan_interval = "90s"
stale_after = "48h"
[azcopy]
path = "/usr/bin/azcopy"
cap_mbps = 0.5
concurrency = 8
stall_timeout = "15m"
put_blob_mb = 5000
[log]
level = "DEBUG"
format = "json"
file = "/var/log/syncd.log"
[mail]
recipients = ["a@example.org", "b@example.org"]
host = "smtp.example.org"
port = 25
security = "starttls"
user = "u"
password_file = "/etc/p"
[web]
listen = "[::1]:9464"
[instruments.nextseq]
kind = "nextseq500"
source = "/net/NextSeq Output"
require_mount = true
sample_sheets = "/net/Sheets"
sample_sheet = "required"
destination = "Next Seq/Output"
completion_flags = ["A.txt", "B.txt"]
quiet = "1.5h"
max_silence = "7d"
exclude = ["Thumbnail_Images/**"]
special_files = "skip"
[instruments.nextseq.prune]
enabled = true
keep = "14d"
trash = "0s"
proof = "read-back"
ended_early = true
max_runs_per_day = 1
"""


def test_a_full_file_is_read_with_its_types() -> None:
    config = load_text(FULL, Path("x"), {}).config
    assert config.daemon == Daemon(
        state_dir=Path("/var/lib/datalake-syncd"), workers=32, scan_interval=90.0
    )
    assert config.azcopy == Azcopy(
        path="/usr/bin/azcopy", cap_mbps=0.5, concurrency=8, put_blob_mb=5000
    )
    assert config.lake.secret_file == Path("/etc/datalake-syncd/secret")
    assert config.mail is not None
    assert config.mail.recipients == ("a@example.org", "b@example.org")
    assert config.web is not None
    assert config.web.address == ("::1", 9464)
    instrument = config.instruments["nextseq"]
    assert instrument == Instrument(
        kind="nextseq500",
        source=Path("/net/NextSeq Output"),
        require_mount=True,
        sample_sheets=Path("/net/Sheets"),
        sample_sheet="required",
        destination="Next Seq/Output",
        completion_flags=("A.txt", "B.txt"),
        quiet=5400.0,
        max_silence=7 * 86_400.0,
        exclude=("Thumbnail_Images/**",),
        special_files="skip",
        prune=Prune(
            enabled=True,
            trash=0.0,
            proof="read-back",
            ended_early=True,
            max_runs_per_day=1,
        ),
    )


def test_a_short_file_has_defaults(load_good: Load) -> None:
    config = load_good().config
    assert config == Config(
        lake=Lake(account_url="https://mylab.blob.core.windows.net", container="nextseq01"),
        instruments={
            "nextseq": Instrument(
                kind="nextseq500",
                source=Path("/net/NextSeqOutput"),
                destination="NextSeqOutput",
                quiet=3600.0,
            )
        },
    )
    assert config.log == Log(level="INFO", format=None, file=None)
    assert config.mail is None
    assert config.web is None


def test_without_quiet_it_is_the_time_of_the_kind() -> None:
    kinds = {**KINDS, "nextseq500": replace(KINDS["nextseq500"], quiet=90.0)}
    own = load_text(GOOD, Path("x"), {}, None, kinds).config
    assert own.instruments["nextseq"].quiet == 90.0
    text = GOOD.replace("kind =", 'quiet = "5m"\nkind =')
    given = load_text(text, Path("x"), {}, None, kinds).config
    assert given.instruments["nextseq"].quiet == 300.0


def test_a_configuration_does_not_change(load_good: Load) -> None:
    config = load_good().config
    with pytest.raises(ValueError, match="frozen"):
        setattr(config.lake, "container", "other")  # noqa: B010 - mypy knows it is frozen


def test_i1_all_faults_are_told_at_once_with_their_lines() -> None:
    text = """\
wrkers = 2
[lake]
account_url = "https://mylab.blob.core.windows.net?sv=1&sig=s3cr3t"
container = "Bad--"
auth = "service-principl"
password = "s3cr3t"

[daemon]
workers = 0
scan_intervall = "1m"
state_dir = "state"
[instruments.a]
kind = "nextseq5000"
source = "/net/x"
destination = "/x/"
quiet = "1 hour"
prune.enabled = "yes"
[instruments."b c"]
kind = "miseq"
source = "/net/x/y"
exclude = [
  "a",
  "!",
]
[mail]
recipients = "x"
security = "ssl"
"""
    with pytest.raises(ConfigErrors) as caught:
        load_text(text, Path("/etc/c.toml"), {})
    assert [(fault.line, fault.key) for fault in caught.value.faults] == [
        (1, "wrkers"),
        (3, "lake.account_url"),
        (4, "lake.container"),
        (5, "lake.auth"),
        (6, "lake.password"),
        (9, "daemon.workers"),
        (10, "daemon.scan_intervall"),
        (11, "daemon.state_dir"),
        (13, "instruments.a.kind"),
        (15, "instruments.a.destination"),
        (16, "instruments.a.quiet"),
        (17, "instruments.a.prune.enabled"),
        (18, 'instruments."b c"'),
        (18, 'instruments."b c".destination'),
        (20, 'instruments."b c".source'),
        (21, 'instruments."b c".exclude[1]'),
        (25, "mail.host"),
        (26, "mail.recipients"),
        (27, "mail.security"),
    ]
    told = str(caught.value)
    assert "s3cr3t" not in told
    assert told.startswith("19 faults in the configuration /etc/c.toml:\n")
    for hint in (
        'did you mean "workers"?',
        'did you mean "service-principal"?',
        'did you mean "scan_interval"?',
        'did you mean "nextseq500"?',
        '"90s", "15m", "1.5h", "14d"',
        "from 1 to 32",
        'write "x"',
        "secrets are never in this file",
    ):
        assert hint in told
    assert isinstance(caught.value, UsageError)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("old", "new", "key", "part"),
    [
        ("[daemon]", "[daemon]\nworkers = 33", "daemon.workers", "from 1 to 32"),
        ("[daemon]", "[daemon]\nworkers = '2'", "daemon.workers", "a whole number"),
        ("[daemon]", "[daemon]\nworkers = 2.5", "daemon.workers", "a whole number"),
        ("[daemon]", "[daemon]\nworkers = true", "daemon.workers", "a whole number"),
        ("[daemon]", "[daemon]\nscan_interval = 60", "daemon.scan_interval", '"15m"'),
        ("[daemon]", "[daemon]\nscan_interval = '0s'", "daemon.scan_interval", "longer than 0"),
        ("[daemon]", "[daemon]\nstale_after = []", "daemon.stale_after", '"15m"'),
        ("[daemon]", "azcopy.put_blob_mb = 5001\n[daemon]", "lake.azcopy", "a table of its own"),
        ("[daemon]", "[azcopy]\nput_blob_mb = 5001\n[daemon]", "azcopy.put_blob_mb", "1 to 5000"),
        ("[daemon]", "[azcopy]\nput_blob_mb = 0\n[daemon]", "azcopy.put_blob_mb", "1 to 5000"),
        ("[daemon]", "[azcopy]\ncap_mbps = -1\n[daemon]", "azcopy.cap_mbps", "at least 0"),
        ("[daemon]", "[azcopy]\ncap_mbps = inf\n[daemon]", "azcopy.cap_mbps", "a number"),
        ("[daemon]", "[azcopy]\npath = 'bin/azcopy'\n[daemon]", "azcopy.path", "absolute"),
        ("[daemon]", "[log]\nlevel = 'info'\n[daemon]", "log.level", 'did you mean "INFO"'),
        ("[daemon]", "[log]\nformat = 'xml'\n[daemon]", "log.format", '"json" or "text"'),
        ("[daemon]", "[log]\nfile = 'x.log'\n[daemon]", "log.file", "absolute"),
        ("[daemon]", "[web]\nlisten = '9464'\n[daemon]", "web.listen", "HOST:PORT"),
        ("[daemon]", "[web]\nlisten = '::1:9464'\n[daemon]", "web.listen", "HOST:PORT"),
        ("[daemon]", "[web]\nlisten = 'h:65536'\n[daemon]", "web.listen", "HOST:PORT"),
        ("[daemon]", "[web]\nlisten = 'a b:80'\n[daemon]", "web.listen", "HOST:PORT"),
        (
            "[daemon]",
            "[instruments.nextseq.prune]\nmax_runs_per_day = 0\n[daemon]",
            "max_runs",
            "1",
        ),
        (
            "[daemon]",
            "[instruments.nextseq.prune]\nproof = 'claimed'\n[daemon]",
            "prune.proof",
            '"auto"',
        ),
        ("[daemon]", "[instruments.nextseq.prune]\nkeep = '-1d'\n[daemon]", "prune.keep", '"14d"'),
        ("kind =", "sample_sheet = 'none'\nkind =", "nextseq.sample_sheet", '"required"'),
        ("kind =", "completion_flags = []\nkind =", "completion_flags", "at least one"),
        ("kind =", "completion_flags = ['a/b']\nkind =", "completion_flags[0]", "without '/'"),
        ("kind =", "completion_flags = [1]\nkind =", "completion_flags[0]", "text in quotes"),
        ("kind =", "exclude = '*.tmp'\nkind =", "exclude", "a list"),
        ("kind =", "exclude = ['**']\nkind =", "exclude[0]", "would exclude every file"),
        ("kind =", "quiet = '0s'\nkind =", "quiet", "longer than 0"),
        ("kind =", "quite = '1h'\nkind =", "quite", 'did you mean "quiet"'),
        ("kind =", "enabled = true\nkind =", "enabled", "belongs in [instruments.NAME.prune]"),
        ("kind =", "prune = true\nkind =", "prune", "a table"),
        ('kind = "nextseq500"\n', "", "instruments.nextseq.kind", "e.g. miseq"),
        ('"nextseq500"', '"Miseq"', "kind", 'did you mean "miseq"'),
        ('"nextseq500"', "500", "kind", "text in quotes"),
        ("/net/", "net/", "source", "absolute"),
        ('"/net/NextSeqOutput"', '""', "source", "a path in quotes"),
        ('"/net/NextSeqOutput"', '"/"', "source", "below '/'"),
        ("/net/", "/100%/", "source", "two hex digits"),
        ("/net/", "/a*b/", "source", "without '*'"),
        ("/net/", "/a\\nb/", "source", "control characters"),
        ("[lake]", "[lak]", "lak", 'did you mean "lake"'),
        ("[lake]", "lake = 1\n[daemon.x]", "lake", "a table, [lake]"),
        (
            "[instruments.nextseq]",
            "[instrument.nextseq]",
            "instrument",
            'did you mean "instruments"',
        ),
        ("[instruments.nextseq]", "[instruments.'a/b']", "instruments.", "letters, digits"),
    ],
)
def test_i2_a_wrong_value_is_told_with_what_is_accepted(
    old: str, new: str, key: str, part: str, faults_of: Faults
) -> None:
    faults = faults_of((old, new))
    assert any(key in fault.key and part in str(fault) and fault.line for fault in faults), faults


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://mylab.blob.core.windows.net", None),
        ("https://mylab.blob.core.windows.net/", None),
        ("https://MyLab.z1.blob.storage.azure.net:443", None),
        ("https://127.0.0.1:10000/devstoreaccount1", None),
        ("https://[::1]:10000/account", None),
        ("https://azurite:10000/devstoreaccount1", None),
        ("mylab.blob.core.windows.net", "an address such as"),
        ("ftp://mylab.blob.core.windows.net", "an address such as"),
        ("https://", "an address such as"),
        ("https://mylab", "an address such as"),
        ("https://mylab.blob.core.windows.net:port", "an address such as"),
        ("https://[::1", "an address such as"),
        ("http://mylab.blob.core.windows.net", "http:// only for"),
        ("https://mylab.dfs.core.windows.net", "write .blob."),
        ("https://mylab.blob.core.windows.net/nextseq01", "lake.container"),
        ("https://127.0.0.1:10000", "the account after the host"),
        ("https://u:p@mylab.blob.core.windows.net", "never in this file"),
        ("https://mylab.blob.core.windows.net?", "never in this file"),
        ("https://mylab.blob.core.windows.net?hush", "never in this file"),
        ("https://mylab.blob.core.windows.net#x", "without '#'"),
        ("https://my lab.blob.core.windows.net", "without spaces"),
    ],
)
def test_account_urls(url: str, problem: str | None, load_good: Load, faults_of: Faults) -> None:
    change = ("https://mylab.blob.core.windows.net", url)
    if problem is None:
        assert load_good(change).config.lake.account_url == url.rstrip("/").lower()
        return
    (fault,) = faults_of(change)
    assert (fault.key, fault.line) == ("lake.account_url", 2)
    assert problem in str(fault)
    assert "hush" not in str(fault)
    assert ":p@" not in str(fault)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("abc", True),
        ("a1-b2-c3", True),
        ("x" * 63, True),
        ("ab", False),
        ("x" * 64, False),
        ("-" + "a-" * 30, False),
        ("a--b", False),
        ("abc-", False),
        ("Abc", False),
        ("$web", False),
        ("a_b", False),
        ("abc\\n", False),
    ],
)
def test_container_names(name: str, good: bool, load_good: Load, faults_of: Faults) -> None:
    change = ('"nextseq01"', f'"{name}"')
    if good:
        assert load_good(change).config.lake.container == name
    else:
        assert [fault.key for fault in faults_of(change)] == ["lake.container"]


@pytest.mark.parametrize(
    ("prefix", "good"),
    [
        ("NextSeqOutput", True),
        ("a/b c/Ø%#?", True),
        ("", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("a/../b", False),
        (".", False),
        ("a./b", False),
        ("a\\\\b", False),
        ("a\\nb", False),
        ("a\\u202eb", False),
        (" a", False),
        ("a /b", False),
        ("x" * 400, True),
        ("x" * 401, False),
    ],
)
def test_destinations(prefix: str, good: bool, load_good: Load, faults_of: Faults) -> None:
    change = ('destination = "NextSeqOutput"', f'destination = "{prefix}"')
    if good:
        assert load_good(change).config.instruments["nextseq"].destination == prefix
    else:
        assert [fault.key for fault in faults_of(change)] == ["instruments.nextseq.destination"]


def test_the_secret_itself_in_the_place_of_its_file_is_not_repeated(faults_of: Faults) -> None:
    faults = faults_of(("[lake]", '[lake]\nsecret_file = "s3cr3t~value"'))
    assert [fault.key for fault in faults] == ["lake.secret_file"]
    assert "s3cr3t" not in str(faults[0])


def test_credentials_of_systemd(load_good: Load, faults_of: Faults) -> None:
    def change(path: str) -> tuple[str, str]:
        return "[lake]", f'[lake]\nauth = "sas"\nsecret_file = "{path}"'

    here = "${CREDENTIALS_DIRECTORY}/azure"
    under_systemd = load_good(change(here), environ={"CREDENTIALS_DIRECTORY": "/run/credentials/x"})
    assert under_systemd.config.lake.secret_file == Path("/run/credentials/x/azure")
    # `status` in a shell has no use for the secret and must not fail for the want of it.
    assert load_good(change(here)).config.lake.secret_file == Path(here)
    for path in ("${HOME}/x", "${CREDENTIALS_DIRECTORY}", "${CREDENTIALS_DIRECTORY}/../x", "x"):
        assert [fault.key for fault in faults_of(change(path))] == ["lake.secret_file"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[lake]\ncontainer = nextseq01\n", 2, 13),
        ("[lake]\na = 1\na = 2\n", 3, None),
        ("[lake\n", 1, 6),
        ('a = "x', 1, None),
        ("a = '''\n\n", 3, None),
        ("[a]\n[a]\n", 2, None),
    ],
)
def test_a_syntax_error_gives_its_place(text: str, line: int, column: int | None) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text(text, Path("x"), {})
    (fault,) = caught.value.faults
    assert fault.line == line
    if column is not None:
        assert fault.column == column
    assert "not TOML" in str(caught.value)


def test_a_file_is_read_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(path, {}).lake.container == "nextseq01"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"[lake]\n# caf\xe9\n", "line 2: found bytes that are not UTF-8"),
        (b"#" * (1024 * 1024 + 1), "at most 1 MiB"),
        (b"a = " + b"[" * 50_000, "not TOML"),
        (b"a = " + b"9" * 5_000, "not TOML"),
        (b"", "lake.account_url: is missing"),
        (b"\x00", "not TOML"),
    ],
)
def test_odd_files_are_told_as_faults(content: bytes, part: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigErrors) as caught:
        load(path, {})
    assert part in str(caught.value)


def test_missing_and_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="config init"):
        load(tmp_path / "none.toml", {})
    with pytest.raises(ConfigErrors, match="can't be read: Is a directory"):
        load(tmp_path, {})
    with pytest.raises(ConfigErrors, match="null byte"):
        load(Path("/a\0b"), {})


LINES = st.sampled_from(
    [
        *GOOD.splitlines(),
        "[mail]",
        "[web]",
        "[instruments]",
        "instruments = 3",
        "instruments.x = []",
        "[instruments.b.prune]",
        "enabled = 1",
        "[[instruments]]",
        'quiet = "1h"',
        "quiet = 1979-05-27",
        "exclude = [[], {}]",
        'source = "/net/NextSeqOutput/sub"',
        'kind = ""',
        "port = 1",
        "security = 3",
        "auth = {}",
        "nan = nan",
        "prune = 1",
    ]
)


@given(
    st.one_of(
        st.lists(LINES, max_size=12).map("\n".join),
        st.text(alphabet="[]=.\"'#\n ab{},1e-", max_size=60),
        st.tuples(LINES, st.text(max_size=30)).map(lambda pair: GOOD + "\n" + "=".join(pair)),
    )
)
def test_whatever_stands_in_the_file_gives_a_configuration_or_faults(text: str) -> None:
    told: ConfigErrors | None = None
    try:
        assert rows(load_text(text, Path("x"), {}))
    except ConfigErrors as errors:
        told = errors
    if told is not None:
        assert told.faults
        assert str(told).replace("\n", "").isprintable()


def test_every_value_in_force_tells_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(GOOD + '[mail]\nrecipients = ["a@b.c"]\nhost = "h"\nsecurity = "tls"\n')
    shown = {row.key: (row.value, row.origin) for row in rows(load_with_origins(path, {}))}
    assert shown["lake.container"] == ('"nextseq01"', "line 3")
    assert shown["lake.tenant_id"] == ("-", "default")
    assert shown["daemon.scan_interval"] == ('"1m"', "default")
    assert shown["instruments.nextseq.quiet"] == ('"1h"', "default of nextseq500")
    assert shown["instruments.nextseq.prune.enabled"] == ("false", "default")
    assert shown["mail.recipients"] == ('["a@b.c"]', "line 13")
    assert shown["mail.port"] == ("465", "default for tls")
    assert "web.listen" not in shown
    assert "web" not in shown


def test_a_fault_without_a_line_comes_last() -> None:
    errors = ConfigErrors(Path("x"), [Fault((), "b", ""), Fault(("a",), "a", "", line=9)])
    assert [fault.line for fault in errors.faults] == [9, None]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    path.chmod(0)
    with pytest.raises(ConfigErrors, match="Permission denied"):
        load(path, {})
