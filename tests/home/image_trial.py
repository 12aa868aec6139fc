"""The image tried with a real run: the real azcopy in it, a real Azurite beside it.

``python -m tests.home.image_trial IMAGE``, as root, with the image in buildah's store;
docker/check.sh builds it first.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

from datalake_syncd.cli.program import COMMANDS
from datalake_syncd.daemon import STOP_GRACE
from tests.e2e.lab import Lab, log_lines, tree_of
from tests.e2e.runs import miseq
from tests.home.container import Container, Image, running
from tests.servers import Azurite

_ZOMBIES = "cat /proc/[0-9]*/stat | sed 's/.*) //' | grep -c ^Z"


def say(text: str) -> None:
    """One thing that was seen."""
    sys.stdout.write(f"  ok  {text}\n")
    sys.stdout.flush()


def main(name: str) -> None:
    """Everything in order; an AssertionError says what was not as it must be."""
    image = Image.inspect(name)
    the_image_tells_what_it_is(image)
    folder = Path(tempfile.mkdtemp(prefix="image-check-"))
    with Azurite(folder / "azurite") as azurite:
        container = f"lake-{uuid.uuid4().hex[:12]}"
        azurite.make_container(container)
        lab = Lab(folder / "lab", azurite, container, kinds={"miseq": "miseq"})
        lab.configure(azcopy=['path = "azcopy"'])
        lab.state.mkdir(mode=0o750)
        user = int(image.config["User"].split(":")[0])
        for path in (lab.state, lab.secret):
            os.chown(path, user, user)
        a_run_is_published_and_a_stopped_one_goes_on(image, lab)
    shutil.rmtree(folder)
    sys.stdout.write(f"The image {name} works.\n")


def the_image_tells_what_it_is(image: Image) -> None:
    """User, health check and labels."""
    user = image.config["User"]
    assert user.split(":")[0] not in {"", "0", "root"}, user
    assert image.config["Healthcheck"]["Test"] == ["CMD", "datalake-syncd", "health"]
    labels = image.config["Labels"]
    titles = ("title", "description", "version", "revision", "created")
    told = {title: labels.get(f"org.opencontainers.image.{title}") for title in titles}
    assert all(value and value != "unknown" for value in told.values()), told
    say(f"user {user}, version {told['version']}, revision {told['revision']}")


def a_run_is_published_and_a_stopped_one_goes_on(image: Image, lab: Lab) -> None:
    """The daemon as process 1, twice."""
    first, second = miseq(1), miseq(2)
    mounts = [("ro", lab.config), ("ro", lab.secret), ("rw", lab.state)]
    mounts += [("ro", lab.source()), ("ro", lab.sheets())]
    log = lab.root / "daemon.log"
    words = ("--config", str(lab.config), "run")
    with running(image, mounts, log, *words) as container:
        first.write_all(lab.source())
        wait_published(lab, container, first.name)
        lab.expect_in_lake(tree_of(lab.source() / first.name), f"miseq-out/{first.name}")
        assert f"miseq-out/{first.name}.sync" in lab.blobs()
        say("a run is in the lake, byte for byte, with its marker")
        it_may_do_nothing_else(container, lab)
        nothing_stays_as_a_zombie(container)
        it_is_healthy(container, lab)

        # Slow enough that it is stopped in the middle of the transfer.
        lab.configure(azcopy=['path = "azcopy"', "cap_mbps = 8"])
        container.signal(signal.SIGHUP)
        lab.wait_for(lambda: "config.taken" in log.read_text(), told="the reload")
        say("SIGHUP reads the configuration again")
        large = lab.source() / second.name / "Data/large.bin"
        large.parent.mkdir(parents=True)
        large.write_bytes(os.urandom(12_000_000))
        second.write_all(lab.source())
        lab.wait_for(lambda: _sending(log, second.name), told="a transfer that goes on")
        asked = time.monotonic()
        container.signal(signal.SIGTERM)
        code = container.wait(STOP_GRACE + 15)
        took = time.monotonic() - asked
    assert code == 0, code
    last = log_lines(log.read_text())[-1]
    assert last["event"] == "service.stopped", last
    row = lab.the_run(second.name)
    assert row.published_at is None, "it was too quick to be stopped in the middle"
    say(f"SIGTERM in the middle of a transfer ends it in good order after {took:.1f} s")

    lab.configure(azcopy=['path = "azcopy"', "cap_mbps = 0"])
    with running(image, mounts, log, *words) as container:
        wait_published(lab, container, second.name)
        container.signal(signal.SIGTERM)
        assert container.wait(STOP_GRACE + 15) == 0
    lab.expect_in_lake(tree_of(lab.source() / second.name), f"miseq-out/{second.name}")
    assert lab.the_run(first.name).generation == 1
    say("a second start goes on and publishes it")


def wait_published(lab: Lab, container: Container, name: str) -> None:
    """Until this run is published, as long as the service is there."""

    def published() -> bool:
        assert container.process.poll() is None, (lab.root / "daemon.log").read_text()[-3000:]
        run = lab.run(name)
        return run is not None and run.published_at is not None

    lab.wait_for(published, 180, told=f"{name} published")


def _sending(log: Path, name: str) -> bool:
    return any(
        line["event"] == "transfer.started" and line.get("run", "").endswith(name)
        for line in log_lines(log.read_text())
    )


def it_may_do_nothing_else(container: Container, lab: Lab) -> None:
    """No root, no capability, no file but its own."""
    status = container.status()
    user = container.image.config["User"].split(":")[0]
    assert status["Uid"].split() == [user] * 4
    assert status["NSpid"].split()[-1] == "1", "it is not process 1"
    assert int(status["CapBnd"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    for path in ("/x", "/var/lib/datalake-syncd/x", "/opt/datalake-syncd/x", lab.source() / "x"):
        done = container.execute("touch", str(path))
        assert "Read-only file system" in done.stderr, done
    assert container.execute("touch", "/tmp/x", str(lab.state / "x")).returncode == 0
    say(f"process 1, uid {user}, no capabilities, root and sources read-only")


def nothing_stays_as_a_zombie(container: Container) -> None:
    """What a hook leaves behind is taken in when it ends."""
    assert container.execute("sh", "-c", "(sleep 0.2 &)").returncode == 0
    time.sleep(1)
    assert container.execute("sh", "-c", _ZOMBIES).stdout.strip() == "0"
    say("a child that nobody waits for does not stay as a zombie")


def it_is_healthy(container: Container, lab: Lab) -> None:
    """The health check of the image, if this version has the command."""
    if "health" not in {entry.name for entry in COMMANDS}:
        return
    test = container.image.config["Healthcheck"]["Test"][1:]
    told = ""

    def healthy() -> bool:
        nonlocal told
        done = container.execute(test[0], "--config", str(lab.config), *test[1:])
        told = done.stdout + done.stderr
        return done.returncode == 0

    lab.wait_for(healthy, 60, told="healthy")
    say(f"healthy: {told.strip()}")


if __name__ == "__main__":
    main(sys.argv[1])
