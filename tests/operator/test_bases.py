"""Which base a Dockerfile's steps run in first, as far as its text tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_operator.pods.inputs.bases import first_base, is_tagged, pinned

DIGEST = f"sha256:{'a' * 64}"
PIN = f"debian:12@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "base"),
    [
        (f"FROM {PIN}\nRUN true\n", PIN),
        ("# a comment\nARG x\n\n  from  debian:12  as  Build \n  run true\n", "debian:12"),
        ("FROM registry.test:5000/team/base\nRUN true", "registry.test:5000/team/base"),
        # What runs nothing is built beside.
        (f"FROM alpine AS files\nCOPY a /\nFROM {PIN}\nRUN true\n", PIN),
        (f"FROM {PIN} AS base\nFROM base AS build\nRUN true\nFROM alpine\nRUN true\n", PIN),
        (f"FROM --platform=$BUILDPLATFORM {PIN}\nRUN true\n", PIN),
        (f"FROM --platform=${{TARGETPLATFORM}} {PIN}\nRUN true\n", PIN),
        (f"FROM --platform=linux/arm64 {PIN}\nRUN true\n", ""),
        (f"FROM {PIN}\nCOPY a /\n", ""),
        (f"FROM scratch\nRUN true\nFROM {PIN}\nRUN true\n", PIN),
        ("ARG base=debian\nFROM $base\nRUN true\n", ""),
        ("FROM debian:${version}\nRUN true\n", ""),
        ("FROM https://git.test/app.git\nRUN true\n", ""),
        ("FROM github.com/team/app\nRUN true\n", ""),
        ("FROM\nRUN true\n", ""),
        ("", ""),
    ],
)
def test_the_base_of_the_first_stage_that_runs_something_is_known_if_it_is_written_out(
    text: str, base: str
) -> None:
    assert first_base(text.encode()) == base


def test_nothing_is_known_of_a_dockerfile_that_is_in_the_context() -> None:
    assert first_base(None) == ""


def test_a_base_with_a_digest_is_spelled_out_and_one_without_has_to_be_asked_for() -> None:
    assert pinned(PIN) == pinned(f"debian@{DIGEST}") == f"docker.io/library/debian@{DIGEST}"
    assert pinned(f"registry.test:5000/a/b:1@{DIGEST}") == f"registry.test:5000/a/b@{DIGEST}"
    assert pinned("debian:12") == pinned("") == pinned(f"debian@{DIGEST}0") == ""
    assert is_tagged("debian:12")
    assert not is_tagged(PIN)
    assert not is_tagged("")


@given(st.lists(st.sampled_from(["FROM ", "RUN ", "a", " AS ", "\n", "@", DIGEST, "$x", "\xff", "=", ":"])))
def test_whatever_a_dockerfile_says_what_is_told_is_a_name(words: list[str]) -> None:
    base = first_base("".join(words).encode())
    assert base == "" or bool(pinned(base)) != is_tagged(base)
