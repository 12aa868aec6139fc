"""What lists list and a look finds, as one gate."""

from __future__ import annotations

from datalake_syncd.core.model import Gate, Oddity
from datalake_syncd.steps.checksum_lists import LISTED_FILES, Lists


def lists(*names: str, final: bool = True, problems: tuple[str, ...] = ()) -> Lists:
    made = Lists(("md5sum.txt",), final, problems=list(problems))
    for name in names:
        made.take(name, "md5:00")
    return made


def gate(made: Lists, *accepted: str) -> Gate:
    (found,) = made.gates(accepted)
    assert found.name == LISTED_FILES
    return found


def test_all_that_is_listed_is_there() -> None:
    made = lists("a", "b")
    for name in ("b", "a", "unlisted"):
        made.see(name)
    found = gate(made)
    assert (found.passed, found.found) == (True, "all 2 are there")
    assert found.needed == "every file that md5sum.txt lists"


def test_what_is_missing_is_waited_for_or_needs_a_person() -> None:
    for final in (True, False):
        made = lists(*(f"f{number}\n" for number in range(8)), final=final)
        made.see("f0\n")
        found = gate(made)
        assert not found.passed
        assert found.needs_person is final
        named = ", ".join(f"f{number}\\x0a" for number in range(1, 6))
        assert found.found == f"7 of 8 are not there: {named} and 2 more"


def test_a_person_may_release_it() -> None:
    made = lists("a")
    assert not gate(made, "structure").passed
    found = gate(made, LISTED_FILES)
    assert found.passed
    assert not found.needs_person
    assert found.found == "1 of 1 are not there: a (released by a person)"


def test_a_list_that_can_not_be_read_needs_a_person_though_it_is_not_final() -> None:
    told = tuple(f"md5sum.txt: line {number}: what" for number in range(9))
    found = gate(lists(final=False, problems=told))
    assert not found.passed
    assert found.needs_person
    assert found.found.endswith("md5sum.txt: line 4: what; and 4 more lines that can't be read")


def test_what_is_left_out_is_told_and_not_missed() -> None:
    made = lists("a", "Thumbs.db", "link")
    made.see("a")
    made.see_oddity(Oddity("Thumbs.db", "excluded", "by the pattern Thumbs.db", blocks=False))
    made.see_oddity(Oddity("link", "symlink", "", blocks=False))
    made.see_oddity(Oddity("._other", "excluded", "", blocks=False))
    found = gate(made)
    assert found.passed
    assert found.found == "all 3 are there; not carried, nor compared: Thumbs.db, link"


def test_several_lists_of_one_file_must_all_be_right() -> None:
    made = Lists(("md5sum.txt", "sha256sum.txt"), final=False)
    for checksum in ("md5:00", "sha256:11", "md5:00", ""):
        made.take("a", checksum)
    assert made.expected == {"a": "md5:00 sha256:11"}
    assert made.listed == 1


def test_a_file_that_is_listed_without_checksum_must_only_be_there() -> None:
    made = Lists(("m.transferdone",), final=True)
    made.take("a", "")
    assert made.expected == {}
    assert not gate(made).passed
    made.see("a")
    assert gate(made).passed


def test_lists_that_list_nothing_say_nothing() -> None:
    assert list(Lists(("m.transferdone",), final=True).gates(())) == []
