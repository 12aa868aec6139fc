from __future__ import annotations

from pathlib import Path

import pytest

from datalake_syncd.config.mounts import mounts, published_port
from tests.config.conftest import Load

ETC = Path("/etc/datalake-syncd/config.toml")
STATE = ("rw", "/var/lib/datalake-syncd", "state")
SOURCE = ("ro", "/net/NextSeqOutput", "source of nextseq")
DESTINATION = 'destination = "NextSeqOutput"\n'


def told(loaded: object, path: Path | None = None) -> list[tuple[str, str, str]]:
    return [(one.access, str(one.path), one.what) for one in mounts(loaded.config, path)]  # type: ignore[attr-defined]


def added(load: Load, text: str) -> list[tuple[str, str, str]]:
    return told(load((DESTINATION, DESTINATION + text)))


def test_sources_are_read_only(load_good: Load) -> None:
    assert told(load_good(), ETC) == [
        ("ro", "/etc/datalake-syncd", "configuration"),
        SOURCE,
        STATE,
    ]


def test_a_source_is_writable_only_where_pruning_is_on(load_good: Load) -> None:
    other = '[instruments.miseq]\nkind = "miseq"\nsource = "/net/MiSeq"\ndestination = "M"\n'
    found = added(load_good, other + "[instruments.miseq.prune]\nenabled = true\n")
    assert found == [("rw", "/net/MiSeq", "source of miseq"), SOURCE, STATE]
    found = added(load_good, other + "[instruments.miseq.prune]\nenabled = false\n")
    assert found == [("ro", "/net/MiSeq", "source of miseq"), SOURCE, STATE]


def test_sheets_secrets_certificates_logs_and_hooks_are_there(load_good: Load) -> None:
    text = DESTINATION + 'sample_sheets = "/net/Sheets"\n'
    text += '[mail]\nrecipients = ["a@example.org"]\nhost = "smtp.example.org"\nuser = "u"\n'
    text += 'password_file = "/run/secrets/smtp"\nca_file = "/etc/ssl/lab.pem"\n'
    text += '[log]\nfile = "/var/log/datalake-syncd/syncd.log"\n'
    daemon = 'state_dir = "/var/lib/datalake-syncd"\n'
    container = 'container = "nextseq01"\n'
    sas = 'auth = "sas"\nsecret_file = "/etc/datalake-syncd/sas"\n'
    loaded = load_good(
        (DESTINATION, text),
        (daemon, daemon + 'on_event = ["/usr/local/bin/on-event", "-q"]\n'),
        (container, container + sas),
    )
    assert told(loaded) == [
        ("ro", "/etc/datalake-syncd/sas", "secret"),
        ("ro", "/etc/ssl/lab.pem", "certificates"),
        SOURCE,
        ("ro", "/net/Sheets", "sample sheets of nextseq"),
        ("ro", "/run/secrets/smtp", "secret"),
        ("ro", "/usr/local/bin/on-event", "hook"),
        STATE,
        ("rw", "/var/log/datalake-syncd", "log"),
    ]
    # With the folder of the configuration the secret in it comes by itself.
    assert ("ro", "/etc/datalake-syncd/sas", "secret") not in told(loaded, ETC)


def test_sheets_of_two_instruments_are_one_mount_and_stay_read_only(load_good: Load) -> None:
    found = added(
        load_good,
        'sample_sheets = "/net/Sheets"\n[instruments.nextseq.prune]\nenabled = true\n'
        '[instruments.miseq]\nkind = "miseq"\nsource = "/net/MiSeq"\ndestination = "M"\n'
        'sample_sheets = "/net/Sheets"\n',
    )
    assert found == [
        ("ro", "/net/MiSeq", "source of miseq"),
        ("rw", "/net/NextSeqOutput", "source of nextseq"),
        ("ro", "/net/Sheets", "sample sheets of nextseq"),
        STATE,
    ]


def test_credentials_of_systemd_are_no_mount(load_good: Load) -> None:
    container = 'container = "nextseq01"\n'
    sas = 'auth = "sas"\nsecret_file = "${CREDENTIALS_DIRECTORY}/sas"\n'
    assert told(load_good((container, container + sas))) == [SOURCE, STATE]


@pytest.mark.parametrize(
    ("path", "mounted"),
    [
        ("/etc/syncd.toml", "/etc/syncd.toml"),  # never the whole of /etc
        ("/config.toml", "/config.toml"),
        ("/root/lab/config.toml", "/root/lab/config.toml"),
        ("/home/anna/config.toml", "/home/anna/config.toml"),
        ("/etc/lab/config.toml", "/etc/lab"),
    ],
)
def test_no_folder_of_the_system_is_handed_over(load_good: Load, path: str, mounted: str) -> None:
    found = [one for one in told(load_good(), Path(path)) if one[2] == "configuration"]
    assert found == [("ro", mounted, "configuration")]


@pytest.mark.parametrize(
    ("listen", "port"),
    [("0.0.0.0:9464", 9464), ("[::]:80", 80), ("127.0.0.1:9464", None), ("0.0.0.0:0", None)],
)
def test_a_page_is_published_if_it_listens_beyond_loopback(
    load_good: Load, listen: str, port: int | None
) -> None:
    text = f'{DESTINATION}[web]\nlisten = "{listen}"\n'
    assert published_port(load_good((DESTINATION, text)).config) == port
    assert published_port(load_good().config) is None
