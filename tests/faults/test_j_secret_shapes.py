"""Whatever a secret looks like: no outlet of the program lets it through, in no way of writing."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalake_syncd.adapters.azcopy.argv import copy_argv, redacted
from datalake_syncd.adapters.azcopy.job import AzcopySettings
from datalake_syncd.adapters.lake.faults import told
from datalake_syncd.adapters.logs import _JsonFormatter, _TextFormatter
from datalake_syncd.adapters.logs.places import EXTRA
from datalake_syncd.cli.bug_report import report
from datalake_syncd.config import Config, known_secrets, load_text
from datalake_syncd.config.faults import ConfigErrors
from datalake_syncd.config.show import rows
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.redact import Redactor

ODD = st.text("abcXYZ0189+/=%&;~._-\"' é", min_size=8, max_size=40).map(str.strip)
WORD = st.text("abcdefghXYZ0123456789_-", min_size=12, max_size=40)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@st.composite
def secrets(draw: st.DrawFn) -> dict[str, str]:
    """One of each shape: what stands in the files, by the name of the login."""
    key, signature = (_base64(draw(st.binary(min_size=32, max_size=64))) for _ in range(2))
    odd = draw(ODD.filter(lambda text: len(text) >= 8 and not set(text) <= set("*=;& ")))
    return {
        "sas": f"sv=2021-08-06&sp=rcwl&se=2030-01-01T00%3A00%3A00Z&sig={quote(signature, safe='')}",
        "connection-string": f"DefaultEndpointsProtocol=https;AccountName=lab;AccountKey={key};",
        "service-principal": odd,
        "password": draw(ODD.filter(lambda text: len(text) >= 8 and text.strip("*=;& "))),
        "token": draw(WORD),
    }


def parts(login: str, secret: str) -> list[str]:
    """What of it must not be seen."""
    if login == "sas":
        return [secret.split("sig=")[1], unquote(secret.split("sig=")[1])]
    if login == "connection-string":
        return [secret.split("AccountKey=")[1].rstrip(";")]
    return [secret]


def written(text: str) -> Iterator[str]:
    yield text
    yield quote(text, safe="")
    yield quote(text)
    yield json.dumps(text)[1:-1]


@contextmanager
def configured(folder: Path, login: str, given_secrets: dict[str, str]) -> Iterator[Config]:
    """A configuration of this login, with its secret files."""
    for name in (login, "password"):
        (folder / name).write_text(given_secrets[name])
        (folder / name).chmod(0o600)
    ids = 'tenant_id = "t"\nclient_id = "c"' if login == "service-principal" else ""
    text = f"""
[lake]
account_url = "https://lab.blob.core.windows.net"
container = "lake"
auth = "{login}"
secret_file = "{folder / login}"
{ids}
[daemon]
state_dir = "{folder / "state"}"
heartbeat_url = "https://hc.example.org/ping/{given_secrets["token"]}"
[mail]
recipients = ["lab@example.org"]
host = "smtp.example.org"
user = "u"
password_file = "{folder / "password"}"
[instruments.miseq]
kind = "miseq"
source = "{folder / "source"}"
destination = "out"
"""
    file = folder / "config.toml"
    file.write_text(text)
    before, sys.argv = sys.argv, ["datalake-syncd", "--config", str(file), "status"]
    try:
        yield load_text(text, file, {}).config
    finally:
        sys.argv = before


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - with its trace
        return caught


def log(config: Config, leak: str) -> Iterator[str]:
    redactor = Redactor(known_secrets(config))
    error = raised(ValueError(f"no good: {leak} is no address"))
    fields = {"url": f"https://lab/x?{leak}", "deep": [{"a": (leak,)}], "named": {leak: 1}}
    record = logging.LogRecord(
        "datalake_syncd", logging.ERROR, "", 1, f"login with {leak}", (),
        (type(error), error, error.__traceback__),
    )  # fmt: skip
    setattr(record, EXTRA, ("run.blocked", fields))
    yield _JsonFormatter(redactor).format(record)
    yield _TextFormatter(redactor).format(record)


def lake(config: Config, leak: str) -> Iterator[str]:
    secret_file = config.lake.secret_file
    assert secret_file is not None
    access = LakeAccess(
        config.lake.account_url, "lake", config.lake.auth, "t", "c", secret_file.read_text
    )
    for error in (ServiceRequestError(f"GET https://lab/x?{leak}"), HttpResponseError(leak)):
        with (
            pytest.raises(SyncdError) as caught,
            told("listing", access, lambda: access.read_secret().values()),
        ):
            raise error
        yield f"{caught.value} {caught.value.next_step} {caught.value.__cause__!r}"


def bug(_config: Config, leak: str) -> Iterator[str]:
    yield report(raised(RuntimeError(f"with {leak} in it")))


def configuration(config: Config, leak: str) -> Iterator[str]:
    file = config.daemon.state_dir.parent / "config.toml"
    yield "\n".join(map(str, rows(load_text(file.read_text(), file, {}))))
    wrong = file.read_text().replace("hc.example.org/ping", "hc example org/ping")
    with pytest.raises(ConfigErrors) as caught:
        load_text(wrong, file, {})
    yield f"{caught.value} {caught.value.why}"
    assert leak


OUTLETS: tuple[Callable[[Config, str], Iterator[str]], ...] = (log, lake, bug, configuration)


@pytest.mark.parametrize("login", ["sas", "connection-string", "service-principal"])
@given(made=secrets())
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_j3_no_outlet_lets_a_secret_through(
    login: str, tmp_path: Path, made: dict[str, str]
) -> None:
    with configured(tmp_path, login, made) as config:
        own = {login: made[login], "password": made["password"], "token": made["token"]}
        for name, secret in own.items():
            for part in parts(name, secret):
                for leak in {*written(part)}:
                    for outlet in OUTLETS:
                        if outlet is lake and name != login:
                            continue  # the lake's own errors know the lake's own secret alone
                        for text in outlet(config, leak):
                            assert leak not in text, (outlet.__name__, name)


@given(made=secrets())
@settings(max_examples=25, deadline=None)
def test_j3_a_command_line_holds_no_secret_but_a_sas_and_is_logged_without_it(
    made: dict[str, str],
) -> None:
    for login in ("sas", "connection-string", "service-principal"):
        text = made[login]
        account = "https://lab.blob.core.windows.net"
        access = LakeAccess(account, "lake", login, "t", "c", partial(str, text))
        secret = access.read_secret()
        argv = copy_argv(Path("/runs"), "p", Path("/list"), access, secret, AzcopySettings())
        for part in parts(login, text):
            for leak in written(part):
                assert leak not in "\n".join(redacted(argv, secret)), login
                if login != "sas":
                    assert leak not in "\n".join(argv), login
