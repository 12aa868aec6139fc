from __future__ import annotations

from pathlib import Path

from datalake_syncd.config.template import starting_file
from tests.cli.conftest import Place


def test_check_says_fine_with_a_summary(place: Place) -> None:
    told = place.call("config", "check")
    assert told.code == 0
    assert "is fine" in told.out
    assert f"nextseq (nextseq500): {place.source} -> NextSeqOutput; never pruned" in told.out


def test_check_tells_all_faults_at_once(place: Place) -> None:
    text = place.config.read_text().replace("container", "containr").replace("nextseq500", "miseqq")
    place.config.write_text(text)
    told = place.call("config", "check")
    assert told.code == 2
    for word in ("containr", 'did you mean "container"?', 'did you mean "miseq"?', "line 4"):
        assert word in told.err


def test_show_says_where_each_value_comes_from(place: Place) -> None:
    place.configure('keep = "3d"')
    told = place.call("config", "show")
    assert told.code == 0
    lines = {line.split()[0]: line for line in told.out.splitlines()}
    assert lines["instruments.nextseq.prune.keep"].split()[1:3] == ['"3d"', "line"]
    assert lines["daemon.workers"].split()[1:] == ["2", "default"]
    assert "sig=abc" not in told.out


def test_init_writes_a_file_that_can_be_checked(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "new.toml"
    assert place.call("config", "init", str(target)).code == 0
    assert target.read_text() == starting_file()


def test_init_never_overwrites(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "there.toml"
    target.write_text("mine")
    told = place.call("config", "init", str(target))
    assert told.code == 2
    assert "already there" in told.err
    assert target.read_text() == "mine"
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "nowhere")
    assert place.call("config", "init", str(link)).code == 2
    assert place.call("config", "init", str(tmp_path / "no" / "folder.toml")).code == 2


def test_init_to_stdout_needs_no_configuration(place: Place) -> None:
    place.config.unlink()
    assert place.call("config", "init").out == starting_file()


def test_mounts_are_told_for_wrappers(place: Place) -> None:
    told = place.call("config", "mounts")
    assert told.code == 0
    folder = place.config.parent
    assert [line.split("\t") for line in told.out.splitlines()] == [
        ["ro", str(folder), "configuration"],
        ["rw", str(folder / "state"), "state"],
    ]
    place.configure("enabled = true")
    told = place.call("config", "mounts", "--json")
    assert told.json == {
        "mounts": [
            {"access": "ro", "path": str(folder), "for": "configuration"},
            {"access": "rw", "path": str(folder / "source"), "for": "source of nextseq"},
            {"access": "rw", "path": str(folder / "state"), "for": "state"},
        ],
        "publish": None,
    }


def test_mounts_of_a_faulty_configuration_are_none(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("container", "containr"))
    told = place.call("config", "mounts")
    assert (told.code, told.out) == (2, "")
    assert "containr" in told.err
