from __future__ import annotations

import os
import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datalake_syncd.core.names import JUNK, Excluder, escape, escape_once, lake_name_problem

# Few characters, so that backslashes, x and hex digits meet; and any at all.
NAMES = st.one_of(
    st.text(alphabet="\\\\xuU0a\n\x1b\u202e\udcff\U000e0001 é", max_size=12),
    st.text(st.characters(codec=None), max_size=30),
)


def unescape(text: str) -> str:
    return re.sub(
        r"\\\\|\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})",
        lambda m: "\\" if m[0] == "\\\\" else chr(int(m[1] or m[2] or m[3], 16)),
        text,
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("RunInfo.xml", "RunInfo.xml"),
        ("Prøve 1 (µ).raw", "Prøve 1 (µ).raw"),
        ("a\nb", "a\\x0ab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("tab\t", "tab\\x09"),
        ("\x7f\x85", "\\x7f\\x85"),
        ("gpj\u202eexe", "gpj\\u202eexe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028end", "line\\u2028end"),
        ("hard\u00a0space", "hard\\xa0space"),
        ("\ufeffbom", "\\ufeffbom"),
        ("tag\U000e0041", "tag\\U000e0041"),
        (os.fsdecode(b"\xff.bcl"), "\\udcff.bcl"),
        ("C:\\data", "C:\\data"),
        ("a\\", "a\\"),
        ("a\\x0ab", "a\\\\x0ab"),
        ("\\\\host", "\\\\\\host"),
        ("\\\n", "\\\\\\x0a"),
    ],
)
def test_names_are_shown_safely(name: str, shown: str) -> None:
    assert escape(name) == shown


@given(NAMES)
@example("\\\\x0a")
def test_nothing_that_acts_is_left_and_no_two_names_look_alike(name: str) -> None:
    shown = escape(name)
    assert all(unicodedata.category(c)[0] != "C" for c in shown)
    assert not {unicodedata.category(c) for c in shown} & {"Zl", "Zp"}
    shown.encode("utf-8")
    assert unescape(shown) == name


@given(NAMES)
def test_escaping_once_changes_nothing_the_second_time(name: str) -> None:
    shown = escape_once(name)
    assert shown.isprintable()
    assert escape_once(shown) == shown
    assert escape_once(escape(name)) == escape(name)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Data/s_1.bcl", None),
        ("100%.txt", None),
        ("a#b?+&'\";:,|<>*[]{}^~@$ .x", None),
        (" leading and trailing ", None),
        ("Ä\u0308 😀 漢字", None),
        ("\u202e", None),
        (os.fsdecode(b"caf\xe9.txt"), "not-utf-8"),
        ("a\nb", "control-character"),
        ("\r", "control-character"),
        ("\x00", "control-character"),
        ("\x7f", "control-character"),
        ("\x80", "control-character"),
        ("\x9f", "control-character"),
        ("\x01", "control-character"),
        ("\ufffe", "control-character"),
        ("\uffff", "control-character"),
        ("dir\\file", "backslash"),
        ("name.", "trailing-dot"),
        ("folder./name", "trailing-dot"),
        ("...", "trailing-dot"),
        (".hidden", None),
        ("x" * 1022, None),
        ("x" * 1023, "too-long"),
        ("😀" * 511, None),
        ("😀" * 512, "too-long"),
        ("/".join("a" * 253), None),
        ("/".join("a" * 254), "too-long"),
    ],
)
def test_what_the_lake_cannot_carry_is_known_before(path: str, kind: str | None) -> None:
    problem = lake_name_problem(path, f"p/{path}")
    assert (problem[0] if problem else None) == kind
    if problem:
        assert problem[1].isprintable()


def test_the_prefix_counts_and_a_renamed_file_is_judged_by_both_names() -> None:
    assert lake_name_problem("a", "p" * 1022 + "/a") is None
    assert lake_name_problem("a", "p" * 1023 + "/a") is not None
    assert lake_name_problem("a\\b", "p/ab") is not None
    assert lake_name_problem("ab", "p/a\\b") is not None
    assert lake_name_problem("name.", "p/name") is None


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("Thumbs.db", "Thumbs.db"),
        ("Images/Thumbs.db", "Thumbs.db"),
        ("Images/desktop.ini", "desktop.ini"),
        ("._RunInfo.xml", "._*"),
        ("a/.DS_Store", ".DS_Store"),
        ("~$sheet.xlsx", "~$*"),
        ("x.d/chromatography.mcf_idx-journal", "*.mcf_idx-journal"),
        ("a\nb/Thumbs.db", "Thumbs.db"),
        ("Thumbs.db2", None),
        ("myThumbs.db", None),
        ("Thumbs.db\n", None),
        ("thumbs.db", None),
        ("Data/analysis.tdf-journal", None),
        ("RunInfo.xml", None),
        ("x~$", None),
    ],
)
def test_junk_is_excluded_and_nothing_else(path: str, pattern: str | None) -> None:
    assert Excluder().matches(path) == pattern


def test_patterns_are_those_of_gitignore() -> None:
    excluder = Excluder([*JUNK, "Thumbnail_Images/**", "Logs/", "/top.txt", "*.tmp", "!keep.tmp"])
    assert excluder.matches("Thumbnail_Images/L001/a.jpg") == "Thumbnail_Images/**"
    assert excluder.matches("Data/Thumbnail_Images/a.jpg") is None
    assert excluder.matches("Data/Logs/x") == "Logs/"
    assert excluder.matches("Logs") is None
    assert excluder.matches("top.txt") == "/top.txt"
    assert excluder.matches("Data/top.txt") is None
    assert excluder.matches("a/b.tmp") == "*.tmp"
    assert excluder.matches("a/keep.tmp") is None
    assert Excluder([]).matches("Thumbs.db") is None
    assert Excluder(["!x"]).matches("x") is None


@pytest.mark.parametrize(
    "pattern", ["", "  ", "# note", "!", "a\\", "[z-a]", "a\nb", "*", "**", "/", "***", "/**"]
)
def test_patterns_that_hit_nothing_or_all_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Excluder([pattern])


@given(st.text(max_size=20), NAMES)
def test_a_pattern_works_or_is_refused_with_a_value_error(pattern: str, path: str) -> None:
    try:
        excluder = Excluder([pattern])
    except ValueError:
        return
    assert excluder.matches(path) in {None, pattern}


def test_a_large_run_is_judged_quickly() -> None:
    paths = [f"Data/Intensities/BaseCalls/L00{i % 4}/C{i}.1/s_1_{i}.bcl.gz" for i in range(150_000)]
    excluder = Excluder([*JUNK, "Thumbnail_Images/**"])
    start = time.process_time()
    assert not any(map(excluder.matches, paths))
    assert time.process_time() - start < 5  # measured 0.25 s; the machine may be busy
