"""Lists of checksums: the real tools write them, people edit them, parsers survive both."""

from __future__ import annotations

import codecs
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds import checksums
from datalake_syncd.core.kinds.checksums import read_crc_manifest, read_sum_list
from datalake_syncd.core.kinds.kind import ChecksumList

A = "0123456789abcdef0123456789abcdef"
B = "f" * 32
SHA = "0123456789abcdef" * 4

ODD_NAMES = [
    "plain.txt", " leading space", "*star", "back\\slash", "new\nline", "carriage\rreturn",
    "trailing ", "øæå.txt", "sub/deep er/x.bin", "a (b) = c", "#hash", "100%",
]  # fmt: skip


def entries(text: str | bytes, path: str = "md5sum.txt") -> dict[str, str]:
    result = read_sum_list(path, text.encode() if isinstance(text, str) else text)
    assert result.problems == ()
    return dict(result.entries)


def problems(text: str | bytes, path: str = "md5sum.txt") -> tuple[str, ...]:
    return read_sum_list(path, text.encode() if isinstance(text, str) else text).problems


@pytest.mark.parametrize("tool", ["md5sum", "sha256sum"])
@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]])
def test_what_the_real_tools_write_is_read(tmp_path: Path, tool: str, options: list[str]) -> None:
    assert shutil.which(tool)
    algorithm = tool.removesuffix("sum")
    wanted = {}
    for number, name in enumerate(ODD_NAMES):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = b"x" * number
        file.write_bytes(data)
        wanted[name] = (
            f"{algorithm}:{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}"
        )
    names = [f"./{name}" if name.startswith("s") else name for name in ODD_NAMES]
    listed = subprocess.run(
        [tool, *options, "--", *names], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    assert entries(listed) == wanted
    # Below another folder the same list means files below that folder.
    below = read_sum_list("run 1/sums.txt", listed)
    assert dict(below.entries) == {f"run 1/{name}": value for name, value in wanted.items()}


@pytest.mark.parametrize(
    "text",
    [
        f"{A}  a.txt\r\n{B} *b.txt\r\n",
        f"\ufeff{A}  a.txt\n{B}  b.txt",
        f"# made by hand\n\n  \n; old tools\n// others\n{A}\ta.txt\n{B} b.txt\n",
        f"{A.upper()}  .\\a.txt\n{B}  ././b.txt\n",
        f"MD5 (a.txt) = {A}\nMD5(b.txt)= {B}\n",
        f"{A}  a.txt\n{A}  a.txt\n{B}  b.txt\n",
    ],
)
def test_the_same_list_in_other_clothes(text: str) -> None:
    expected = {"a.txt": f"md5:{A}", "b.txt": f"md5:{B}"}
    assert entries(text) == expected
    assert (
        entries(codecs.BOM_UTF16_LE + text.removeprefix("\ufeff").encode("utf-16-le")) == expected
    )


def test_lines_may_end_as_on_an_old_mac_and_names_may_hold_that() -> None:
    assert entries(f"{A}  a.txt\r{B}  b.txt\r") == {"a.txt": f"md5:{A}", "b.txt": f"md5:{B}"}
    assert entries(f"\ufeff# two\r\r{A}  a.txt\r{B} *b.txt") == {
        "a.txt": f"md5:{A}", "b.txt": f"md5:{B}",
    }  # fmt: skip
    assert problems(f"{A}  a.txt\rwhat\r") == ("line 2: no line of a checksum list: 'what'",)
    # Older tools write such a name as it is.
    assert entries(f"{A}  a\rb.txt\n") == {"a\rb.txt": f"md5:{A}"}
    manifest = read_crc_manifest("Manifest.tsv", b"a\t57e0323c\rb\t00000000\r")
    assert manifest == ChecksumList({"a": "crc32:57e0323c", "b": "crc32:00000000"})


@pytest.mark.parametrize(
    "text",
    [
        f"MD5 (a.txt) = {A}\nSHA256 (a.txt) = {SHA}\n",
        f"{A}  a.txt\n{B}  b.txt\n{SHA}  a.txt\n{A}  ./a.txt\n{SHA}  a.txt\n",
    ],
)
def test_a_file_may_have_a_checksum_of_each_kind(text: str) -> None:
    assert entries(text)["a.txt"] == f"md5:{A} sha256:{SHA}"


@pytest.mark.parametrize("other", [f"{B}  a.txt", f"{SHA[::-1]}  a.txt"])
def test_two_of_one_kind_contradict_each_other(other: str) -> None:
    result = read_sum_list("md5sum.txt", f"{A}  a.txt\n{SHA}  a.txt\n{other}\n".encode())
    assert dict(result.entries) == {"a.txt": f"md5:{A} sha256:{SHA}"}
    assert result.problems == ("line 3: another checksum of the same file: 'a.txt'",)


def test_folders_of_windows_are_folders() -> None:
    assert entries(f"{A} *sub\\deep\\a.txt\n") == {"sub/deep/a.txt": f"md5:{A}"}


def test_a_list_never_lists_itself() -> None:
    assert entries(f"{A}  sums.txt\n{B}  b.txt\n{A}  sub/sums.txt", "in/sums.txt") == {
        "in/b.txt": f"md5:{B}",
        "in/sub/sums.txt": f"md5:{A}",
    }
    assert problems(f"{A}  md5sum.txt\n") == ("lists no file",)


@pytest.mark.parametrize("name", ["x.bam.md5", "X.BAM.MD5", "x.bam.md5sum", "x.bam.md5.txt"])
def test_a_checksum_alone_is_of_the_file_that_the_list_is_named_after(name: str) -> None:
    assert list(entries(f"{A}\n", f"in/{name}").values()) == [f"md5:{A}"]
    assert [path.lower() for path in entries(f"{A}\n", f"in/{name}")] == ["in/x.bam"]
    assert problems(f"{A}\n{B}\n", name) == (
        "line 1: a checksum without the name of a file",
        "line 2: a checksum without the name of a file",
    )


def test_a_checksum_alone_in_a_list_of_many_is_no_entry() -> None:
    assert problems(f"{A}\n") == ("line 1: a checksum without the name of a file",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{A}  /etc/passwd", "an absolute path: '/etc/passwd'"),
        (f"{A}  C:\\runs\\a.txt", "an absolute path: 'C:/runs/a.txt'"),
        (f"{A}  \\\\server\\a.txt", "an absolute path: '//server/a.txt'"),
        (f"{A}  ../a.txt", "not a file inside the run: '../a.txt'"),
        (f"{A}  sub/../../a.txt", "not a file inside the run"),
        (f"{A}  ./", "not a file inside the run: './'"),
        (f"{A[:-1]}  a.txt", "a number of 31 digits, and only MD5 and SHA-256 are read"),
        (f"{'a' * 40}  a.txt", "SHA-1, and only MD5 and SHA-256 are read"),
        (f"{'a' * 128}  a.txt", "SHA-512, and only MD5 and SHA-256 are read"),
        (f"SHA1 (a.txt) = {'a' * 40}", "SHA1 is no checksum that is read here"),
        (f"SHA256 (a.txt) = {A}", "SHA256 is no checksum that is read here"),
        ("<html>not found</html>", "no line of a checksum list: '<html>not found</html>'"),
        (f"{A}  a\0b", "no text as in a checksum list"),
        (f"{A}  {'a' * 9000}", "no text as in a checksum list"),
        (f"{B}  ok.txt", "another checksum of the same file: 'ok.txt'"),
        ("\x1b[31m", "no line of a checksum list: '\\x1b[31m'"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line(line: str, words: str) -> None:
    result = read_sum_list("md5sum.txt", f"# first\n{A}  ok.txt\n{line}\n".encode())
    assert dict(result.entries) == {"ok.txt": f"md5:{A}"}
    (problem,) = result.problems
    assert problem.startswith(f"line 3: {words}")
    assert problem.isprintable()


def test_problems_are_counted_but_not_without_end() -> None:
    told = problems("what\n" * 500)
    assert len(told) == 21
    assert told[19] == "line 20: no line of a checksum list: 'what'"
    assert told[20] == "and 480 more lines that can't be read"


def test_an_endless_list_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "MAX_ENTRIES", 3)
    result = read_sum_list("md5sum.txt", "".join(f"{A}  {n}\n" for n in range(9)).encode())
    assert list(result.entries) == ["0", "1", "2"]
    assert result.problems == ("line 4: more than 3 lines, which are not all read",)


def test_an_empty_list_proves_nothing() -> None:
    assert problems(b"") == problems(b"# nothing\n") == ("lists no file",)
    assert read_crc_manifest("Manifest.tsv", b"").problems == ("lists no file",)


def test_a_crc_manifest_is_relative_to_its_own_folder() -> None:
    data = b"Data/a b.txt\t57e0323c\nData\\c.txt\tA9EBAA62\r\nempty.txt\t00000000\textra\n"
    assert dict(read_crc_manifest("Manifest.tsv", data).entries) == {
        "Data/a b.txt": "crc32:57e0323c",
        "Data/c.txt": "crc32:a9ebaa62",
        "empty.txt": "crc32:00000000",
    }
    below = read_crc_manifest("Analysis/1/Manifest.tsv", data)
    assert below.problems == ()
    assert set(below.entries) == {
        "Analysis/1/Data/a b.txt", "Analysis/1/Data/c.txt", "Analysis/1/empty.txt",
    }  # fmt: skip


def test_a_crc_manifest_may_have_one_header_line() -> None:
    for header in ("path\tcrc32", "File\tCRC-32 checksum", "name\tHash"):
        result = read_crc_manifest("Manifest.tsv", f"{header}\na\t57e0323c\n".encode())
        assert result == ChecksumList({"a": "crc32:57e0323c"})
    late = read_crc_manifest("Manifest.tsv", b"a\t57e0323c\npath\tcrc32\n")
    assert late.problems == ("line 2: no CRC-32 of 8 hex digits: 'path\\x09crc32'",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Data/a.txt\t57e0323", "no CRC-32 of 8 hex digits"),
        ("Data/a.txt\t57e0323cc", "no CRC-32 of 8 hex digits"),
        ("Data/a.txt\t", "no CRC-32 of 8 hex digits"),
        ("Data/a.txt 57e0323c", "no path and checksum with a tab between"),
        ("../a.txt\t57e0323c", "not a file inside the run"),
        ("/a.txt\t57e0323c", "an absolute path"),
        ("\t57e0323c", "not a file inside the run"),
        ("ok\t00000000", "another checksum of the same file"),
    ],
)
def test_a_crc_manifest_with_a_bad_line_says_which(line: str, words: str) -> None:
    result = read_crc_manifest("Manifest.tsv", f"ok\t57e0323c\n{line}\n".encode())
    assert dict(result.entries) == {"ok": "crc32:57e0323c"}
    (problem,) = result.problems
    assert problem.startswith(f"line 2: {words}")


FRAGMENTS = st.sampled_from(
    [
        A.encode(), SHA.encode(), b"57e0323c", b" ", b"  ", b" *", b"\t", b"\n", b"\r\n", b"\\",
        b"../", b"./", b"/", b"a", b"b.txt", b"MD5 (", b") = ", b"#", b"\0", b"\xff", b"C:",
        b"crc32", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, "ø".encode(),
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(
    data=st.lists(FRAGMENTS, max_size=40).map(b"".join) | st.binary(max_size=200),
    path=st.sampled_from(["md5sum.txt", "Manifest.tsv", "Analysis/1/Manifest.tsv", "a.md5"]),
)
def test_any_bytes_give_entries_inside_the_run_or_problems(data: bytes, path: str) -> None:
    for read in (read_sum_list, read_crc_manifest):
        result = read(path, data)
        assert result.entries or result.problems
        folder = path.rpartition("/")[0]
        for name, checksum in result.entries.items():
            parts = name.split("/")
            assert not {"", ".", ".."} & set(parts)
            assert name != path
            assert name.startswith(f"{folder}/") or not folder
            kinds = [one.partition(":")[0] for one in checksum.split()]
            assert len(kinds) == len(set(kinds)) > 0
            for algorithm, _, digest in (one.partition(":") for one in checksum.split()):
                assert len(digest) == {"crc32": 8, "md5": 32, "sha256": 64}[algorithm]
                assert digest == digest.lower()
        assert all(problem.isprintable() for problem in result.problems)


@settings(max_examples=200)
@given(
    names=st.lists(
        st.text(st.sampled_from("ab .*()=#\\ø\n\r\t"), min_size=1, max_size=8), unique=True
    )
)
def test_every_name_comes_back_from_the_escaped_form(names: list[str]) -> None:
    lines, wanted = [], {}
    for name in names:
        if name.startswith("~/") or not name.strip("."):
            continue
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        lines.append(f"{chr(92) if escaped != name else ''}{A}  {escaped}\n")
        wanted[name] = f"md5:{A}"
    result = read_sum_list("in/the.list", "".join(lines).encode())
    assert dict(result.entries) == {f"in/{name}": value for name, value in wanted.items()}


def test_a_manifest_of_a_real_instrument(instrument_files: Path) -> None:
    (path,) = instrument_files.rglob("Manifest.tsv")
    result = read_crc_manifest("Analysis/2/Manifest.tsv", path.read_bytes())
    assert result.problems == ()
    assert len(result.entries) == len(path.read_text().splitlines())
    assert result.entries["Analysis/2/Data/Secondary_Analysis_Complete.txt"] == "crc32:00000000"
