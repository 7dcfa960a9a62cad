import os
from pathlib import Path

import pytest

from yadokari_builder.layers.fingerprints import Fingerprints, checksum, checksum_of_file, crc32


def test_the_newest_checksum_of_a_path_counts() -> None:
    known = Fingerprints()
    known.add("/a", 1)
    known.add("/b", 2)
    known.add("/a", 3)
    assert known.find(["/a", "/b", "/c"]) == {"/a": 3, "/b": 2}


def test_what_is_not_known_is_looked_for_below() -> None:
    below = Fingerprints()
    below.add("/a", 1)
    below.add("/b", 2)
    below.link("/c", "/b")
    known = Fingerprints(below)
    known.add("/b", 3)
    assert known.find(["/a", "/b", "/c"]) == {"/a": 1, "/b": 3, "/c": 2}
    assert below.find(["/b"]) == {"/b": 2}


def test_another_name_of_a_file_holds_what_the_file_holds() -> None:
    known = Fingerprints()
    known.add("/a", 1)
    known.link("/b", "/a")
    assert known.find(["/b"]) == {"/b": 1}


def test_nothing_is_known_of_a_name_whose_first_name_is_another_file() -> None:
    known = Fingerprints()
    known.add("/a", 1)
    known.link("/b", "/a")
    known.add("/a", 2)
    assert known.find(["/a", "/b"]) == {"/a": 2}
    known.link("/b", "/a")
    assert known.find(["/b"]) == {"/b": 2}
    known.add("/b", 3)
    assert known.find(["/a", "/b"]) == {"/a": 2, "/b": 3}


def test_what_is_forgotten_is_not_known_until_it_is_noted_again() -> None:
    below = Fingerprints()
    below.add("/a", 1)
    known = Fingerprints(below)
    known.forget("/a")
    assert known.find(["/a"]) == {}
    known.add("/a", 2)
    assert known.find(["/a"]) == {"/a": 2}


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(3_000_000)])
def test_a_file_has_the_checksum_of_its_content_and_attributes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert checksum_of_file(str(path)) == checksum(crc32(content), {})
    os.setxattr(path, "user.b", b"2")
    os.setxattr(path, "user.a", b"1")
    assert checksum_of_file(str(path)) == checksum(crc32(content), {"user.b": b"2", "user.a": b"1"})
    assert checksum(0, {"user.a": b"b"}) != checksum(0, {"user.ab": b""}) != checksum(0, {})


def test_a_name_of_a_file_below_is_not_that_of_the_file_that_took_its_place() -> None:
    below = Fingerprints()
    below.add("/a", 1)
    below.link("/b", "/a")
    known = Fingerprints(below)
    known.add("/a", 2)
    assert known.find(["/a", "/b"]) == {"/a": 2, "/b": 1}


def test_a_chain_of_stages_may_have_any_length() -> None:
    known = Fingerprints()
    known.add("/a", 1)
    for _ in range(3000):
        known = Fingerprints(known)
    assert known.find(["/a"]) == {"/a": 1}


def test_what_is_known_is_learned_once_when_it_is_looked_for() -> None:
    learned: list[Fingerprints] = []

    def learn(known: Fingerprints) -> None:
        learned.append(known)
        known.add("/a", 1)
        known.add("/b", 2)

    above = Fingerprints(Fingerprints(learn=learn))
    above.add("/b", 3)
    assert not learned
    assert above.find(["/b"]) == {"/b": 3}
    assert not learned
    assert above.find(["/a", "/b", "/c"]) == {"/a": 1, "/b": 3}
    assert above.find(["/a"]) == {"/a": 1}
    assert len(learned) == 1
