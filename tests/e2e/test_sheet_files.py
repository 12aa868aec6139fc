"""The bytes that are attached are those that were hashed, or the sheet is tried again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from datalake_syncd.core.errors import NeedsPerson, SourceOffline, Transient
from datalake_syncd.steps.sheets.files import (
    Sheet,
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
