from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.config.lines import KeyPath, Lines

TEXT = '''\
# comment = 1
top = 1
"quoted key" = "a # no comment"   # comment

[a] # [not.a.table]
list = [
  "x]", # ]
  'y = 1',
]
long = """
[fake]
key = 1
a\\"""" # four quotes
next = 1
lit = \'\'\'
[fake2]
\'\'\'
inline = { p = 1, q = [1, 2] }
dotted.in."side x" = 2
[a.b."c d".'e.f']
k = 1979-05-27T07:32:00
[[runs]]
n = 1
[[runs]]
n = 2
[runs.deep]
m = 3
'''


def test_every_key_is_found_at_its_line() -> None:
    lines = Lines(TEXT)
    expected: dict[KeyPath, int] = {
        ("top",): 2,
        ("quoted key",): 3,
        ("a",): 5,
        ("a", "list"): 6,
        ("a", "long"): 10,
        ("a", "next"): 14,
        ("a", "lit"): 15,
        ("a", "inline"): 18,
        ("a", "dotted"): 19,
        ("a", "dotted", "in", "side x"): 19,
        ("a", "b"): 20,
        ("a", "b", "c d", "e.f"): 20,
        ("a", "b", "c d", "e.f", "k"): 21,
        ("runs", 0, "n"): 23,
        ("runs", 1, "n"): 25,
        ("runs", 1, "deep", "m"): 27,
    }
    assert {path: lines.exact(path) for path in expected} == expected
    assert lines.exact(("fake",)) is None
    assert lines.exact(("a", "key")) is None


def test_lines_of_an_array_are_no_keys_and_no_tables() -> None:
    lines = Lines('[a]\nlist = [\n  [1, 2],\n  "b",\n  {c = 1},\n]\nd = 1\n')
    assert lines.exact(("a", "d")) == 7
    assert lines.exact(("a", "b")) is None
    assert lines.exact(("1",)) is None


def test_inside_arrays_and_inline_tables_it_is_the_nearest_line() -> None:
    lines = Lines(TEXT)
    assert lines.line(("a", "inline", "p")) == 18
    assert lines.line(("a", "list", 1)) == 6
    assert lines.line(("a", "missing")) == 5
    assert lines.line(("nowhere", "x")) is None
    assert lines.line(()) is None


def test_windows_line_ends_count_once() -> None:
    assert Lines("a = 1\r\n\r\nb = 2\r\n").exact(("b",)) == 3


@given(st.text(alphabet="[]=.\"'#\\\n \tab{},1\r", max_size=60))
def test_any_text_is_survived(text: str) -> None:
    Lines(text).line(("a", "b"))


KEYS = st.text(alphabet="ab-_. \"'\\é#=[]\n", min_size=1, max_size=5)
SCALARS = st.one_of(st.integers(), st.text(alphabet="a]}#=\n\"' [{", max_size=6))
TABLES = st.dictionaries(KEYS, st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=3)


@given(st.dictionaries(KEYS, TABLES, max_size=4), st.booleans())
def test_lines_of_a_generated_file(tables: dict[str, dict[str, Any]], blank: bool) -> None:
    text = ""
    expected: dict[KeyPath, int] = {}

    def here() -> int:
        return text.count("\n") + 1

    for table, values in tables.items():
        expected[table,] = here()
        text += f"[{json.dumps(table)}] # ] x = 1\n" + "\n" * blank
        for key, value in values.items():
            expected[table, key] = here()
            shown = json.dumps(value)
            if isinstance(value, list):
                shown = shown.replace("[", "[\n", 1)
            text += f"  {json.dumps(key)} = {shown} # ''' [c]\n"
    lines = Lines(text)
    assert {path: lines.exact(path) for path in expected} == expected
