"""Drop folders are named by anybody: odd names arrive, those that can't arrive are named."""

from __future__ import annotations

import os

from tests.e2e.lab import Lab

FINE = ["a folder with spaces", "100%", "a#b+c", "Prøve é", "試料", "case", "CASE"]
BAD = {
    b"not \xff utf-8": "not UTF-8",
    b"ends in a dot.": "ends in a dot",
    b"back\\slash": "backslash",
    b"new\nline": "U+000A",
}


def test_h8_folders_go_under_their_own_name_or_not_at_all(lab: Lab) -> None:
    lab.kinds = {"drop": "folder"}
    lab.__post_init__()
    lab.configure(daemon=["workers = 6"])
    for name in FINE:
        (lab.source("drop") / name).mkdir()
        (lab.source("drop") / name / "data.bin").write_bytes(name.encode())
    for raw in BAD:
        folder = os.path.join(os.fsencode(lab.source("drop")), raw)
        os.mkdir(folder)
        with open(os.path.join(folder, b"data.bin"), "wb") as file:
            file.write(raw)
    (lab.source("drop") / "a file beside them.txt").write_bytes(b"no run")
    with lab.daemon():
        for name in FINE:
            lab.wait_published(name, "drop")

        def told() -> dict[str, str]:
            with lab.ledger() as ledger:
                return {r.name: r.reason or "" for r in ledger.runs.all() if r.status == "blocked"}

        lab.wait_for(lambda: len(told()) == len(BAD))
    for what in BAD.values():
        assert sum(what in reason for reason in told().values()) == 1, what
    for name in FINE:
        assert lab.read(f"drop-out/{name}/data.bin") == name.encode()
        assert f"drop-out/{name}.sync" in lab.blobs()
    assert len(lab.blobs()) == 3 * len(FINE)
    with lab.ledger() as ledger:
        assert len(ledger.runs.all()) == len(FINE) + len(BAD)
    shown = lab.call("status", expect=None).stdout
    assert "\\xff" in shown or "udcff" in shown
    # Nothing of them is printed raw.
    assert "new\nline" not in shown
