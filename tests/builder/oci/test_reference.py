"""The cases of github.com/distribution/reference, in words of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.strategies import references
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import InvalidReferenceError, Reference, Repository

HEX = "a" * 64
SHA = f"sha256:{HEX}"


@given(references)
def test_a_reference_is_read_as_it_was_written(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("debian:bookworm-slim", "docker.io/library/debian:bookworm-slim", "debian:bookworm-slim"),
        ("team/app", "docker.io/team/app:latest", "team/app:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/debian:1", "docker.io/library/debian:1", "debian:1"),
        ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
        ("localhost:5000/a:1", "localhost:5000/a:1", "localhost:5000/a:1"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "127.0.0.1:5000/a:latest"),
        ("[::1]:5000/a/b", "[::1]:5000/a/b:latest", "[::1]:5000/a/b:latest"),
        ("Foo/bar", "Foo/bar:latest", "Foo/bar:latest"),
        ("quay.io/a/b/c:v1.2", "quay.io/a/b/c:v1.2", "quay.io/a/b/c:v1.2"),
        (f"debian@{SHA}", f"docker.io/library/debian@{SHA}", f"debian@{SHA}"),
        (f"debian:12@{SHA}", f"docker.io/library/debian:12@{SHA}", f"debian:12@{SHA}"),
        ("docker.io/localhost/a", "docker.io/localhost/a:latest", "docker.io/localhost/a:latest"),
        ("a__b/c---d/e.f_g", "docker.io/a__b/c---d/e.f_g:latest", "a__b/c---d/e.f_g:latest"),
        ("r.io/" + "a" * 255, "r.io/" + "a" * 255 + ":latest", "r.io/" + "a" * 255 + ":latest"),
        ("a:" + "t" * 128, "docker.io/library/a:" + "t" * 128, "a:" + "t" * 128),
    ],
)
def test_names_are_completed(text: str, canonical: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert reference.familiar == familiar


def test_the_parts_are_told_apart() -> None:
    reference = Reference.parse(f"r.example:5000/team/app:v1@{SHA}")
    assert reference == Reference(Repository("r.example:5000", "team/app"), "v1", Digest("sha256", HEX))
    assert str(reference.repository) == "r.example:5000/team/app"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("r.example:99999/a", "the port 99999 of the registry is larger than 65535"),
        ("r.example:00065536/a", "the port 00065536"),
        ("r.example:" + "9" * 5000 + "/a", "the port 99999999999999999999"),
        (HEX, "64 hex digits are an identifier"),
        ("Debian", "must be lower case"),
        ("team/App", "must be lower case"),
        ("docker.io/Team/app", "must be lower case"),
        ("a b", "may not have"),
        ("a//b", "may not have"),
        ("a/", "may not have"),
        ("-a", "may not have"),
        ("a___b", "may not have"),
        ("a..b", "may not have"),
        ("../a", "not a host"),
        ("https://r.example/a", "without https:// before it"),
        ("http://r.example:5000/a:1", "without http:// before it"),
        ("r.example:/a", "not a host"),
        ("-r.example/a", "not a host"),
        ("r_x.example/a", "not a host"),
        ("[::1/a", "not a host"),
        ("r.io/" + "a" * 256, "longer than 255"),
        ("a:", "the tag '' is not"),
        ("a:-x", "the tag '-x' is not"),
        ("a:b:c", "the tag 'b:c' is not"),
        ("a:ü", "the tag 'ü' is not"),
        ("a:" + "t" * 129, "is not 1 to 128"),
        ("a@sha256:short", "64 lower-case hex digits"),
        ("a@md5:" + "0" * 32, "not sha256 or sha512"),
        ("a@", "not sha256 or sha512"),
        ("a\n", "may not have"),
        ("a:b\n", "the tag"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=why):
        Reference.parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError:
        return
    assert Reference.parse(str(reference)) == reference
