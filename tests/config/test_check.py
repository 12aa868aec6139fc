from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from datalake_syncd.config import ConfigErrors, Loaded, apart, load_text
from datalake_syncd.core.kinds import KINDS
from tests.config.conftest import GOOD, Faults, Load

SECOND = """
[instruments.second]
kind = "miseq"
source = "/net/MiSeqOutput"
destination = "MiSeqOutput"
"""
ID = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("auth", "keys", "faulty"),
    [
        ("managed-identity", "", []),
        ("managed-identity", "client_id", []),
        ("managed-identity", "tenant_id", ["tenant_id"]),
        ("managed-identity", "secret_file", ["secret_file"]),
        ("service-principal", "tenant_id client_id secret_file", []),
        ("service-principal", "tenant_id client_id", ["secret_file"]),
        ("service-principal", "", ["client_id", "secret_file", "tenant_id"]),
        ("workload-identity", "", []),
        ("workload-identity", "tenant_id client_id", []),
        ("workload-identity", "secret_file", ["secret_file"]),
        ("azure-cli", "tenant_id", []),
        ("azure-cli", "client_id", ["client_id"]),
        ("sas", "secret_file", []),
        ("sas", "", ["secret_file"]),
        ("sas", "secret_file client_id", ["client_id"]),
        ("connection-string", "secret_file", []),
        ("connection-string", "", ["secret_file"]),
    ],
)
def test_each_way_of_logging_in_needs_its_keys(
    auth: str, keys: str, faulty: list[str], load_good: Load, faults_of: Faults
) -> None:
    values = {"tenant_id": ID, "client_id": ID, "secret_file": "/etc/secret"}
    lines = "".join(f'{key} = "{values[key]}"\n' for key in keys.split())
    change = ("[lake]\n", f'[lake]\nauth = "{auth}"\n{lines}')
    if not faulty:
        assert load_good(change).config.lake.auth == auth
    else:
        assert sorted(fault.key for fault in faults_of(change)) == [f"lake.{k}" for k in faulty]


def test_tokens_are_not_sent_over_http(load_good: Load, faults_of: Faults) -> None:
    emulator = ("https://mylab.blob.core.windows.net", "http://azurite:10000/devstoreaccount1")
    (fault,) = faults_of(emulator)
    assert (fault.key, fault.line) == ("lake.account_url", 2)
    sas = ("[lake]\n", '[lake]\nauth = "sas"\nsecret_file = "/s"\n')
    assert load_good(emulator, sas).config.lake.account_url.startswith("http://")


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        ("/net/A", "/net/A", "is the source"),
        ("/net/A", "/net/A/", "is the source"),
        ("/net/A", "/net/B/../A", "is the source"),
        ("/net/A", "/net/A/sub", "is inside the source"),
        ("/net/A/sub", "/net/A", "holds the source"),
        ("/net/A", "/net/AB", None),
    ],
)
def test_i6_sources_may_not_overlap(
    first: str, second: str, relation: str | None, load_good: Load, faults_of: Faults
) -> None:
    text = GOOD.replace("/net/NextSeqOutput", first) + SECOND.replace("/net/MiSeqOutput", second)
    if relation is None:
        assert len(load_good(text=text).config.instruments) == 2
        return
    (fault,) = faults_of(text=text)
    assert fault.key == "instruments.second.source"
    assert f"{relation} of nextseq" in fault.found
    assert fault.line == 15


def test_i6_sources_are_compared_where_their_links_lead(tmp_path: Path, faults_of: Faults) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = GOOD.replace("/net/NextSeqOutput", str(tmp_path / "real"))
    text += SECOND.replace("/net/MiSeqOutput", str(tmp_path / "link"))
    assert [fault.key for fault in faults_of(text=text)] == ["instruments.second.source"]


def test_a_source_that_hangs_does_not_hold_up_the_check(
    monkeypatch: pytest.MonkeyPatch, load_good: Load
) -> None:
    release = threading.Event()
    real = os.path.realpath

    def hanging(path: Path) -> str:
        if "Hung" in str(path):
            release.wait(30)
        return real(path)

    monkeypatch.setattr(apart, "_REALPATH_SECONDS", 0.2)
    monkeypatch.setattr(os.path, "realpath", hanging)
    start = time.monotonic()
    try:
        load_good(("/net/NextSeqOutput", "/net/Hung"))
    finally:
        release.set()
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("state", "log", "keys"),
    [
        ("/data/runs/state", "/var/log/x", ["daemon.state_dir"]),
        ("/data", "/var/log/x", ["daemon.state_dir"]),
        ("/data/runs", "/var/log/x", ["daemon.state_dir"]),
        ("/var/lib/x", "/data/runs/x.log", ["log.file"]),
        ("/data/state", "/data/x.log", []),
        ("/var/lib/x", "/data", []),
    ],
)
def test_our_own_files_and_the_sources_stay_apart(
    state: str, log: str, keys: list[str], load_good: Load, faults_of: Faults
) -> None:
    changes = (
        ("/var/lib/datalake-syncd", state),
        ("/net/NextSeqOutput", "/data/runs"),
        ("[daemon]", f'[log]\nfile = "{log}"\n[daemon]'),
    )
    if keys:
        assert [fault.key for fault in faults_of(*changes)] == keys
    else:
        load_good(*changes)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ("ext4", True),
        ("tmpfs", True),
        (None, True),
        ("fuseblk", True),
        ("fuse.fuse-overlayfs", True),
        ("nfs", False),
        ("nfs4", False),
        ("cifs", False),
        ("smb3", False),
        ("fuse.sshfs", False),
        ("9p", False),
    ],
)
def test_b10_the_ledger_is_not_kept_on_a_network(found: str | None, good: bool) -> None:
    asked: list[Path] = []

    def filesystem_type(path: Path) -> str | None:
        asked.append(path)
        return found

    def load() -> Loaded:
        return load_text(GOOD, Path("x"), {}, filesystem_type)

    if good:
        load()
    else:
        with pytest.raises(ConfigErrors) as caught:
            load()
        (fault,) = caught.value.faults
        assert (fault.key, fault.line) == ("daemon.state_dir", 6)
        assert f"({found})" in fault.found
    assert asked == [Path("/var/lib/datalake-syncd")]


def test_illumina_instruments_may_share_a_prefix(load_good: Load) -> None:
    text = GOOD + SECOND.replace('"MiSeqOutput"', '"NextSeqOutput"')
    assert len(load_good(text=text).config.instruments) == 2


def test_others_may_not_share_a_prefix() -> None:
    # A kind whose runs are named by people: two of them can have a run of the same name.
    other = replace(KINDS["miseq"], unique_names=False)
    text = GOOD + SECOND.replace('"MiSeqOutput"', '"NextSeqOutput"')
    kinds = {**KINDS, "miseq": other}
    load_text(text, Path("x"), {}, None, kinds)  # names of Illumina never meet theirs
    with pytest.raises(ConfigErrors) as caught:
        load_text(text, Path("x"), {}, None, {**kinds, "nextseq500": other})
    assert [fault.key for fault in caught.value.faults] == ["instruments.second.destination"]


@pytest.mark.parametrize(
    ("outer", "inner", "kind", "refused"),
    [
        ("out", "out/a", "folder", True),
        ("out", "out/a/b", "folder", True),
        ("out", "out/a", "metabolomics", True),
        ("out", "output", "folder", False),
        ("out", "out/a", "miseq", False),
        ("out", "out/180612_M00001_0001_000000000-AAAAA", "miseq", True),
        ("out", "out/nosync", "folder", False),
    ],
)
def test_a_prefix_inside_another_must_not_be_a_run_of_it(
    outer: str, inner: str, kind: str, refused: bool, faults_of: Faults, load_good: Load
) -> None:
    """Two runs that met in one blob were both called proven."""
    text = GOOD.replace('"NextSeqOutput"', f'"{inner}"') + SECOND.replace(
        '"MiSeqOutput"', f'"{outer}"'
    ).replace('kind = "miseq"', f'kind = "{kind}"')
    if not refused:
        assert load_good(text=text).config.instruments
        return
    (fault,) = faults_of(text=text)
    assert fault.key == "instruments.nextseq.destination"
    assert "lies inside that of second" in str(fault)


def test_pruning_needs_more_than_a_claim(faults_of: Faults) -> None:
    (fault,) = faults_of(
        ("[lake]", '[lake]\nproof = "claimed"'),
        ("[instruments.nextseq]", "[instruments.nextseq]\nprune.enabled = true"),
    )
    assert (fault.key, fault.line) == ("instruments.nextseq.prune.enabled", 10)


@pytest.mark.parametrize(
    ("keys", "faulty"),
    [
        ("", []),
        ('user = "u"\npassword_file = "/p"', []),
        ('user = "u"', ["mail.password_file"]),
        ('password_file = "/p"', ["mail.user"]),
        ('security = "none"', []),
        ('security = "none"\nuser = "u"\npassword_file = "/p"', ["mail.security"]),
        ('recipients = ["a b@c"]', ["mail.recipients[0]"]),
        ('recipients = ["a@b\\r\\nBcc: x@y"]', ["mail.recipients[0]"]),
        ('recipients = ["Lab <a@b>"]', ["mail.recipients[0]"]),
        ("recipients = []", ["mail.recipients"]),
        ('host = "a:25"', ["mail.host"]),
        ("port = 0", ["mail.port"]),
    ],
)
def test_mail(keys: str, faulty: list[str], load_good: Load, faults_of: Faults) -> None:
    given = {"recipients": '["a@b.c"]', "host": '"smtp.example.org"'}
    lines = [f"{key} = {value}" for key, value in given.items() if f"{key} =" not in keys]
    text = GOOD + "\n".join(["[mail]", *lines, keys, ""])
    if faulty:
        assert [fault.key for fault in faults_of(text=text)] == faulty
    else:
        assert load_good(text=text).config.mail is not None


def test_a_mail_server_on_this_machine_may_get_a_password_in_clear(load_good: Load) -> None:
    mail = '[mail]\nrecipients=["a@b.c"]\nhost="127.0.0.1"\nsecurity="none"\n'
    loaded = load_good(text=GOOD + mail + 'user="u"\npassword_file="/p"\n')
    assert loaded.config.mail is not None
    assert loaded.config.mail.port == 25


def test_checks_go_on_beside_faults_of_single_values(faults_of: Faults) -> None:
    # Both instruments have a bad value; that their sources overlap is told all the same.
    text = GOOD.replace("kind =", "quiet = 1\nkind =") + SECOND.replace(
        '"/net/MiSeqOutput"', '"/net/NextSeqOutput"\nspecial_files = "x"'
    )
    text = text.replace('destination = "MiSeqOutput"\n', "")
    assert [fault.key for fault in faults_of(text=text)] == [
        "instruments.nextseq.quiet",
        "instruments.second.destination",
        "instruments.second.source",
        "instruments.second.special_files",
    ]


FOLDER = GOOD.replace('"nextseq500"', '"folder"')
IN_FOLDER = "instruments.nextseq."


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ('ready_file = "{name}"', '"{name}", the name of the run, with something besides'),
        ('ready_file = "ready"', '"{name}", the name of the run, with something besides'),
        ('ready_file = "ready/{name}"', "a name without '/': the file lies beside the run's"),
        ('checksum_file = "sub/*.md5"', "a name without '/': the file lies in the run's folder"),
    ],
)
def test_files_that_say_that_a_drop_folder_is_complete(
    line: str, accepted: str, faults_of: Faults
) -> None:
    (fault,) = faults_of(("kind =", f"{line}\nkind ="), text=FOLDER)
    assert fault.key == IN_FOLDER + line.split(" ")[0]
    assert fault.accepted.startswith(accepted)


def test_a_drop_folder_may_have_all_rules_at_once(load_good: Load) -> None:
    lines = (
        'ready_file = "{name}.ready"\nchecksum_file = "md5*.txt"\n'
        'completion_flags = ["*.done", "COMPLETE"]\nkind ='
    )
    instrument = load_good(("kind =", lines), text=FOLDER).config.instruments["nextseq"]
    assert instrument.ready_file == "{name}.ready"
    assert instrument.checksum_file == "md5*.txt"
    assert instrument.completion_flags == ("*.done", "COMPLETE")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"folder"}))
@pytest.mark.parametrize("line", ['ready_file = "{name}.ready"', 'checksum_file = "md5sum.txt"'])
def test_only_a_drop_folder_has_files_of_that_kind(kind: str, line: str, faults_of: Faults) -> None:
    text = GOOD.replace('"nextseq500"', f'"{kind}"')
    key = IN_FOLDER + line.split(" ")[0]
    (fault,) = (f for f in faults_of(("kind =", f"{line}\nkind ="), text=text) if f.key == key)
    assert fault.found == f'is there, but kind = "{kind}" does not use it'


NEVER_LAPSE = ("folder", "nanopore", "pacbio", "proteomics", "metabolomics")


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("value", ["1h", "6h"])
def test_only_flags_of_illumina_lapse(kind: str, value: str, faults_of: Faults) -> None:
    """Also with the value that is the default: the key is there, and nobody would follow it."""
    text = GOOD.replace('"nextseq500"', f'"{kind}"')
    key = IN_FOLDER + "flag_grace"
    # An unknown key besides, so that there is always something to refuse.
    line = f'flag_grace = "{value}"\nno_such_key = 1\nkind ='
    faults = faults_of(("kind =", line), text=text)
    found = [fault.found for fault in faults if fault.key == key]
    told = [f'is there, but kind = "{kind}" does not use it']
    assert found == (told if kind in NEVER_LAPSE else [])
    without = faults_of(("kind =", "no_such_key = 1\nkind ="), text=text)
    assert key not in {fault.key for fault in without}


@pytest.mark.parametrize("kind", ["proteomics", "metabolomics"])
@pytest.mark.parametrize(
    "line",
    ['completion_flags = ["done.txt"]', 'sample_sheets = "/sheets"', 'sample_sheet = "required"'],
)
def test_what_never_ends_has_neither_flags_nor_sheets(
    kind: str, line: str, faults_of: Faults, load_good: Load
) -> None:
    text = FOLDER.replace('"folder"', f'"{kind}"')
    text = "\n".join(row for row in text.splitlines() if not row.startswith("sample_sheet"))
    assert load_good(text=text).config.instruments["nextseq"].kind == kind
    (fault,) = faults_of(("kind =", f"{line}\nkind ="), text=text)
    assert fault.key == IN_FOLDER + line.split(" ")[0]


@pytest.mark.parametrize("flag", ["*.done", "DONE?", "[Dd]one"])
def test_flags_of_a_sequencer_are_names_and_no_patterns(
    flag: str, load_good: Load, faults_of: Faults
) -> None:
    line = ("kind =", f'completion_flags = ["RTAComplete.txt", "{flag}"]\nkind =')
    (fault,) = faults_of(line)
    assert fault.key == IN_FOLDER + "completion_flags"
    assert flag in fault.found
    for change, text in ((line, FOLDER), (("kind =", line[1].replace(flag, "Done")), GOOD)):
        flags = load_good(change, text=text).config.instruments["nextseq"].completion_flags
        assert flags is not None
        assert flags[0] == "RTAComplete.txt"


def test_advice_is_given_without_refusing(load_good: Load) -> None:
    loaded = load_good(
        ("[lake]\n", '[lake]\nauth = "sas"\nsecret_file = "/s"\n'),
        ("https://mylab.blob.core.windows.net", "http://azurite:10000/devstoreaccount1"),
        (
            "kind =",
            'sample_sheet = "required"\nprune = {enabled=true, keep="1h", trash="0s"}\nkind =',
        ),
    )
    assert [(fault.key, fault.line) for fault in loaded.advice] == [
        ("lake.auth", 2),
        ("lake.account_url", 4),
        ("instruments.nextseq.prune.keep", 12),
        ("instruments.nextseq.sample_sheet", 11),
    ]
    assert not load_good().advice


@pytest.mark.parametrize("lines", ["", 'sample_sheets = "/sheets"\n'])
def test_what_a_required_sheet_without_a_folder_waits_for_is_told(
    lines: str, load_good: Load
) -> None:
    loaded = load_good(("kind =", f'sample_sheet = "required"\n{lines}kind ='))
    told = [fault.found for fault in loaded.advice]
    whose = "only a SampleSheet.csv that the instrument itself writes opens the way for the marker"
    assert [whose in text for text in told] == ([] if lines else [True])
