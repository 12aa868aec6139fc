from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from datalake_syncd.config import ConfigErrors, Fault, Loaded, load_text

GOOD = """\
[lake]
account_url = "https://mylab.blob.core.windows.net"
container = "nextseq01"

[daemon]
state_dir = "/var/lib/datalake-syncd"

[instruments.nextseq]
kind = "nextseq500"
source = "/net/NextSeqOutput"
destination = "NextSeqOutput"
"""

Load = Callable[..., Loaded]
Faults = Callable[..., list[Fault]]


def load_changed(
    *changes: tuple[str, str], text: str = GOOD, environ: dict[str, str] | None = None
) -> Loaded:
    """Load the good file with parts of its text replaced."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return load_text(text, Path("/etc/config.toml"), environ or {})


@pytest.fixture
def load_good() -> Load:
    return load_changed


@pytest.fixture
def faults_of() -> Faults:
    def faults(*changes: tuple[str, str], text: str = GOOD) -> list[Fault]:
        with pytest.raises(ConfigErrors) as caught:
            load_changed(*changes, text=text)
        return list(caught.value.faults)

    return faults


@pytest.fixture
def good() -> str:
    return GOOD
