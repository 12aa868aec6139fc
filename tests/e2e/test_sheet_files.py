"""The bytes that are attached are those that were hashed, or the sheet is tried again."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.core.errors import NeedsPerson, SourceOffline, Transient
from datalake_syncd.steps.sheets.files import (
    Sheet,
    differing,
    find_sheet,
    hash_sheet,
    list_sheets,
    places,
    read_whole,
)

CONTENT = b"[Data]\nSample_ID\n" + b"S1\n" * 1_000_000  # more than one read


def nothing() -> None:
    pass


def sheet_in(folder: Path) -> Sheet:
    (folder / "run.csv").write_bytes(CONTENT)
    sheet = find_sheet(folder, "run", list_sheets(folder))
    assert sheet is not None
    return sheet


def test_the_bytes_are_those_that_were_hashed(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path)
    ticks: list[None] = []
    md5 = hash_sheet(sheet, nothing)
    assert md5 == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert read_whole(sheet, md5, lambda: ticks.append(None)) == CONTENT
    assert len(ticks) > 2, "a slow share is given the time that it needs"


@pytest.mark.parametrize("change", ["longer", "shorter", "other file", "gone"])
def test_a_sheet_that_changed_is_tried_again(tmp_path: Path, change: str) -> None:
    sheet = sheet_in(tmp_path)
    md5 = hash_sheet(sheet, nothing)
    match change:
        case "longer":
            sheet.path.write_bytes(CONTENT + b"S2\n")
        case "shorter":
            sheet.path.write_bytes(CONTENT[:-1])
        case "other file":
            (tmp_path / "new").write_bytes(CONTENT)
            os.replace(tmp_path / "new", sheet.path)
        case _:
            sheet.path.rename(tmp_path / "elsewhere")
    for read in (lambda: read_whole(sheet, md5, nothing), lambda: hash_sheet(sheet, nothing)):
        with pytest.raises(Transient, match="is being written just now"):
            read()


@pytest.mark.parametrize("at", [1, 2])
def test_a_sheet_that_changes_while_it_is_read_is_tried_again(tmp_path: Path, at: int) -> None:
    sheet = sheet_in(tmp_path)
    md5 = hash_sheet(sheet, nothing)
    ticks: list[None] = []

    def write_meanwhile() -> None:
        ticks.append(None)
        if len(ticks) == at:
            with sheet.path.open("r+b") as file:  # its last bytes, with the same length
                file.seek(-3, os.SEEK_END)
                file.write(b"S2\n")

    with pytest.raises(Transient, match="is being written just now"):
        read_whole(sheet, md5, write_meanwhile)


def test_a_sheet_folder_is_listed_with_its_years(tmp_path: Path) -> None:
    for name in ("2020", "2023", "misc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.csv").write_bytes(name.encode())
    (tmp_path / "2019").write_bytes(b"a file")
    listed = list_sheets(tmp_path)
    assert listed["run.csv"] == ["2023/run.csv", "2020/run.csv"]
    assert set(places(listed)) == {"2019", "2020", "2023", "misc", "2023/run.csv", "2020/run.csv"}
    found = find_sheet(tmp_path, "run", listed)
    assert found is not None
    assert found.path == tmp_path / "2023/run.csv"
    (tmp_path / "2023/run.csv").rename(tmp_path / "2023/gone.csv")
    found = find_sheet(tmp_path, "run", listed)
    assert found is not None
    assert found.path == tmp_path / "2020/run.csv"
    (tmp_path / "run.csv").symlink_to(tmp_path / "2020/run.csv")
    with pytest.raises(NeedsPerson, match="symbolic link"):
        find_sheet(tmp_path, "run", list_sheets(tmp_path))
    with pytest.raises(SourceOffline, match="can't be listed"):
        list_sheets(tmp_path / "away")


def failing(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int) -> None:
    """Opening this folder fails; root is not stopped by rights."""
    real = os.open

    def refuse(path: Any, *args: Any, **more: Any) -> int:
        if str(path) == str(folder):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT])
def test_a_sheet_folder_that_can_not_be_listed_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing(monkeypatch, tmp_path, number)
    with pytest.raises(SourceOffline, match="can't be listed") as told:
        list_sheets(tmp_path)
    assert f"the sample sheets in {tmp_path} can't be listed" in told.value.what
    assert os.strerror(number) in told.value.what
    denied = number in (errno.EACCES, errno.EPERM)
    assert ("read access" in told.value.next_step) == denied
    assert "retry RUN" not in told.value.next_step, "it heals by itself"


def test_a_year_that_can_not_be_read_is_left_out_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("2019", "2020"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.csv").write_bytes(name.encode())
    failing(monkeypatch, tmp_path / "2020", errno.EACCES)
    left_out: dict[str, NeedsPerson] = {}
    listed = list_sheets(tmp_path, nothing, left_out)
    assert listed["run.csv"] == ["2019/run.csv"]
    assert list(left_out) == ["2020"]
    assert f"the sample sheets in {tmp_path}/2020 are left out" in left_out["2020"].what
    assert "Permission denied" in left_out["2020"].what
    assert "read access" in left_out["2020"].next_step
    assert list_sheets(tmp_path) == listed, "nobody needs to ask for it"


def test_a_year_on_a_disk_with_a_fault_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "2020").mkdir()
    failing(monkeypatch, tmp_path / "2020", errno.EIO)
    with pytest.raises(SourceOffline, match="Input/output error") as told:
        list_sheets(tmp_path)
    assert f"{tmp_path}/2020" in told.value.what


def test_a_sheet_that_can_not_be_read_says_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.csv").write_bytes(b"x")
    failing(monkeypatch, tmp_path / "run.csv", errno.EACCES)
    with pytest.raises(NeedsPerson, match="Permission denied") as told:
        find_sheet(tmp_path, "run", list_sheets(tmp_path))
    assert str(tmp_path / "run.csv") in told.value.what
    assert told.value.next_step == (
        "give the service's user read access to it; the run goes on by itself"
    )


@pytest.mark.parametrize("inside", [True, False])
def test_a_year_that_is_a_link_is_not_followed_and_told(tmp_path: Path, inside: bool) -> None:
    folder = tmp_path / "sheets"
    target = folder / "archive" if inside else tmp_path / "another lab"
    folder.mkdir()
    target.mkdir()
    (target / "run.csv").write_bytes(b"of another lab")
    (folder / "2020").symlink_to(target)
    (folder / "2019").write_bytes(b"a file")
    left_out: dict[str, NeedsPerson] = {}
    listed = list_sheets(folder, nothing, left_out)
    assert "run.csv" not in listed
    assert list(left_out) == ["2020"]
    assert f"{folder}/2020 are left out: it is a symbolic link" in left_out["2020"].what
    assert "mount --bind" in left_out["2020"].next_step
    # The folder that the configuration names may be one.
    (tmp_path / "link").symlink_to(folder)
    assert list_sheets(tmp_path / "link") == listed


def test_sheets_that_differ_are_told_from_copies(tmp_path: Path) -> None:
    for year in ("2018", "2019", "2020", "2021", "2022"):
        (tmp_path / year).mkdir()
    old = (1_600_000_000, 1_600_000_000)
    for place, text in {
        "run.csv": b"one",
        "2022/run.csv": b"one",  # a copy with another time
        "2021/run.csv": b"two",  # as long, and other bytes
        "2020/run.csv": b"three",
    }.items():
        (tmp_path / place).write_bytes(text)
        os.utime(tmp_path / place, (old[0] + len(place), old[1] + len(place) + ord(text[1:2])))
    (tmp_path / "2019/run.csv").symlink_to(tmp_path / "run.csv")
    (tmp_path / "2018/run.csv").mkdir()
    listed = list_sheets(tmp_path)
    taken = find_sheet(tmp_path, "run", listed)
    assert taken is not None
    assert taken.path == tmp_path / "run.csv"
    ticks: list[None] = []
    others = differing(taken, tmp_path, listed, lambda: ticks.append(None))
    assert [one.path for one in others] == [tmp_path / "2021/run.csv", tmp_path / "2020/run.csv"]
    assert len(ticks) >= 6
