"""The page in a real browser: it is whole, quiet, works without scripts, and fits a phone."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.adapters.web import WebServer
from datalake_syncd.steps.page.site import Site
from tests import page_scenes
from tests.steps.service import service_of

pytestmark = pytest.mark.home

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--virtual-time-budget=3000",
    "--enable-logging=stderr",
)  # fmt: skip
DARK = "--blink-settings=preferredColorScheme=0"

Scene = Callable[[Ledger, float], None]
SCENES: dict[str, Scene] = {
    "empty": lambda _ledger, _now: None,
    "busy": page_scenes.busy,
    "trouble": page_scenes.trouble,
}


def browser(folder: Path, url: str, *flags: str) -> subprocess.CompletedProcess[str]:
    profile = folder / f"profile-{time.monotonic_ns()}"
    return subprocess.run(
        ["chromium", *FLAGS, f"--user-data-dir={profile}", *flags, url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=folder,
    )


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """The address of a page with this scene."""
    servers: list[WebServer] = []

    def serve(scene: str) -> str:
        root = tmp_path / scene
        root.mkdir()
        service = service_of(root, "seq", wall=time.time)
        service.ledger.database.execute("PRAGMA synchronous=OFF")
        SCENES[scene](service.ledger, time.time())
        servers.append(WebServer(("127.0.0.1", 0), (), Site(service, service.wall()).answer))
        host, port = servers[-1].address
        return f"http://{host}:{port}/"

    yield serve
    for server in servers:
        server.close()


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_complained_of(show: Callable[[str], str], scene: str, tmp_path: Path) -> None:
    url = show(scene)
    for name, size, *flags in (
        ("light", "1000,2200"),
        ("dark", "1000,2200", DARK),
        ("phone", "500,3000"),
    ):
        picture = tmp_path / f"{scene}-{name}.png"
        told = browser(
            tmp_path,
            f"{url}?refresh=off",
            f"--window-size={size}",
            f"--screenshot={picture}",
            *flags,
        )
        complaints = [line for line in told.stderr.splitlines() if "CONSOLE" in line]
        assert complaints == []
        assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert picture.stat().st_size > 20_000


def test_a_page_that_breaks_its_policy_is_complained_of(
    show: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the test above can fail: one more space in the style, and it is refused.
    from datalake_syncd.steps.page import site

    right = site._policy
    monkeypatch.setattr(site, "_policy", lambda style: right(style + " "))
    told = browser(tmp_path, show("busy"), "--dump-dom")
    assert "CONSOLE" in told.stderr
    assert "Content Security Policy" in told.stderr


def test_all_is_there_and_no_name_does_anything(show: Callable[[str], str], tmp_path: Path) -> None:
    dom = browser(tmp_path, show("trouble"), "--dump-dom").stdout
    assert "2 instruments online, 1 offline" in dom
    assert "<script" not in dom
    assert "<img" not in dom
    # What the browser made of the names is text.
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in dom
    assert dom.count('<progress max="100"') == 1
    assert dom.count('role="img"') == 4
    assert len(re.findall(r"<h2 ", dom)) == 6


def test_another_page_can_neither_read_nor_frame_it(
    show: Callable[[str], str], tmp_path: Path
) -> None:
    url = show("busy")
    foreign = tmp_path / "foreign.html"
    foreign.write_text(
        f"<iframe src='{url}'></iframe><p id=told></p><script>\n"
        f"fetch('{url}status.json').then(a => a.text()).then(a => told.textContent = 'got ' + a)\n"
        "  .catch(e => told.textContent = 'refused')</script>"
    )
    told = browser(tmp_path, f"file://{foreign}", "--dump-dom")
    assert "refused</p>" in told.stdout
    assert "frame-ancestors" in told.stderr


def test_it_fits_a_phone(show: Callable[[str], str], tmp_path: Path) -> None:
    # Chromium's windows are not narrower than 500; a frame with a saved copy of the page is.
    saved, frame = tmp_path / "saved.html", tmp_path / "frame.html"
    with urllib.request.urlopen(show("trouble")) as answer:  # noqa: S310 - our own page
        saved.write_bytes(answer.read())
    frame.write_text(
        f"<iframe src='{saved}' width=360 height=800></iframe><p id=told></p><script>\n"
        "document.querySelector('iframe').onload = e => {\n"
        "  const page = e.target.contentDocument.documentElement;\n"
        "  told.textContent = 'wide ' + page.scrollWidth + ' of ' + page.clientWidth;\n"
        "}</script>"
    )
    told = browser(tmp_path, f"file://{frame}", "--dump-dom", "--allow-file-access-from-files")
    found = re.search(r"wide (\d+) of (\d+)", told.stdout)
    assert found is not None, told.stdout[-500:]
    assert int(found[1]) <= int(found[2]) <= 360, "nobody has to scroll sideways"
