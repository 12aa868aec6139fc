"""Outside of core/kinds nobody knows a family of instruments: each says of itself what counts."""

from __future__ import annotations

import re

from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.kinds.massspec.placing import ONE_NAME_EACH
from datalake_syncd.steps.findings import UNRELEASABLE
from tests.servers import REPO

# What all kinds share; everything else there is about one family.
SHARED = {"kind", "growing", "learned"}
_IMPORT = re.compile(r"datalake_syncd\.core\.kinds\.(\w+)")


def test_the_engine_imports_no_family() -> None:
    package = REPO / "datalake_syncd"
    kinds = package / "core" / "kinds"
    found = {
        f"{path.relative_to(package)}: {name}"
        for path in package.rglob("*.py")
        if not path.is_relative_to(kinds)
        for name in _IMPORT.findall(path.read_text())
        if name not in SHARED
    }
    assert found == set()


def test_what_nobody_can_release_is_what_the_kinds_say() -> None:
    growing = {name for name, kind in KINDS.items() if kind.unreleasable}
    assert growing == {name for name, kind in KINDS.items() if kind.growing is not None}
    assert all(KINDS[name].unreleasable == (ONE_NAME_EACH,) for name in growing)
    assert set(UNRELEASABLE) == {"names", "look", ONE_NAME_EACH}
