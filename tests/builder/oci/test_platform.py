"""The cases of containerd's platforms package, in words of our own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.strategies import platforms
from yadokari_builder.oci.platform import InvalidPlatformError, Platform

AMD64 = Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", AMD64),
        ("Linux/x86_64", AMD64),
        ("linux/x86-64", AMD64),
        ("linux/amd64/v1", AMD64),
        ("linux/amd64/v3", Platform("linux", "amd64", "v3")),
        ("linux/i386", Platform("linux", "386")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("linux/arm64/8", Platform("linux", "arm64")),
        ("linux/arm64/v9", Platform("linux", "arm64", "v9")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("linux/arm/6", Platform("linux", "arm", "v6")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("linux/armel", Platform("linux", "arm", "v6")),
        ("macos/arm64", Platform("darwin", "arm64")),
        ("windows(10.0.17763)/amd64", Platform("windows", "amd64", "", "10.0.17763")),
        ("linux/riscv64", Platform("linux", "riscv64")),
    ],
)
def test_platforms_are_read_in_canonical_words(text: str, platform: Platform) -> None:
    assert Platform.parse(text) == platform
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("arm64", Platform("linux", "arm64")),
        ("AArch64", Platform("linux", "arm64")),
        ("arm", Platform("linux", "arm", "v7")),
        ("mips", Platform("linux", "mips")),
        ("linux", AMD64),
        ("Linux", AMD64),
        ("windows", Platform("windows", "amd64")),
        ("windows(10.0)", Platform("windows", "amd64", "", "10.0")),
        ("illumos", Platform("illumos", "amd64")),
    ],
)
def test_half_a_platform_is_completed(text: str, platform: Platform) -> None:
    assert Platform.parse(text, default=AMD64) == platform


def test_a_completed_architecture_keeps_its_variant_only_on_arm() -> None:
    assert Platform.parse("linux", default=Platform("linux", "arm", "v6")) == Platform("linux", "arm", "v6")
    assert Platform.parse("linux", default=Platform("linux", "amd64", "v3")) == AMD64


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/amd64/v1/x", "linux/*", "what", "linux", "a b/c"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlatformError, match=f'"{re.escape(text)}".*: invalid argument$'):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("what", '"what": unknown operating system or architecture: invalid argument'),
        ("linux/*", '"linux/*": wildcards not yet supported: invalid argument'),
        ("linux/a/b/c", '"linux/a/b/c": cannot parse platform specifier: invalid argument'),
        (
            "linux/",
            '"" is an invalid component of "linux/": platform specifier component must match '
            '"^[A-Za-z0-9_.-]+$": invalid argument',
        ),
    ],
)
def test_it_is_refused_in_containerd_s_words(text: str, message: str) -> None:
    with pytest.raises(InvalidPlatformError) as refused:
        Platform.parse(text, default=AMD64)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("platform", "best_first"),
    [
        ("linux/amd64/v3", ["amd64/v3", "amd64/v2", "amd64/v1", "386"]),
        ("linux/amd64", ["amd64", "386"]),
        ("linux/arm/v7", ["arm/v7", "arm/v6", "arm/v5"]),
        ("linux/arm64", ["arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"]),
        ("linux/arm64/v8.2", ["arm64/v8.2", "arm64/v8.1", "arm64/v8", "arm/v8", "arm/v7"]),
        ("linux/arm64/v9.1", ["arm64/v9.1", "arm64/v9", "arm64/v8.6", "arm64/v8.5", "arm64/v8", "arm/v8"]),
        ("linux/s390x", ["s390x"]),
    ],
)
def test_older_variants_run_too_but_later(platform: str, best_first: list[str]) -> None:
    wanted = Platform.parse(platform)
    ranks = [wanted.preference(Platform.parse(f"linux/{text}")) for text in best_first]
    assert ranks == sorted(rank for rank in ranks if rank is not None)
    assert ranks[0] == 0
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize(
    ("platform", "other"),
    [
        ("linux/amd64", "linux/arm64"),
        ("linux/amd64", "windows/amd64"),
        ("linux/amd64", "linux/amd64/v2"),
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/386", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64/v9"),
    ],
)
def test_other_platforms_do_not_match(platform: str, other: str) -> None:
    assert not Platform.parse(platform).matches(Platform.parse(other))


def test_an_image_that_needs_features_matches_where_they_are() -> None:
    image = Platform("linux", "amd64", os_features=("b",))
    assert not AMD64.matches(image)
    assert Platform("linux", "amd64", os_features=("a", "b")).matches(image)


@given(platforms)
def test_normalising_twice_changes_nothing_and_a_platform_matches_itself(platform: Platform) -> None:
    normal = platform.normalized()
    assert normal.normalized() == normal
    assert platform.preference(platform) == 0


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        platform = Platform.parse(text, default=AMD64)
    except InvalidPlatformError:
        return
    assert platform == platform.normalized()
