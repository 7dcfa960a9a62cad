"""docs/kaniko.md: what becomes of each flag and variable of kaniko."""

import pytest

from support.kaniko import KanikoFlag, has_default, kaniko_flags, kaniko_variables, with_tables
from support.pages import DOCS
from yadokari_contract.arguments import parse_warm
from yadokari_contract.flags import FLAGS, LOGIN_FLAGS, Flag
from yadokari_contract.variables import VARIABLES
from yadokari_contract.verbs import PUSH, WARM

_BY_NAME = {name: flag for flag in FLAGS for name in (flag.name, flag.alias) if name}
_OWN = {f"cache-mounts-{part}" for part in ("dir", "limit", "repo", "scope")} | {
    *(
        "cache-from",
        "certificates-in-steps",
        "context-digests-file",
        "image-unpack-limit",
        "inputs-hash",
        "isolation",
        "lodging",
        "lodging-env",
        "push-by-digest",
        "result-file",
    ),
    *("source-date", "ssh", "unless-pushed"),
}
"""Flags that kaniko has not."""


def named(name: str) -> Flag:
    return _BY_NAME[name]


def test_the_page_shows_the_flags_and_variables_that_there_are() -> None:
    page = (DOCS / "kaniko.md").read_text()
    assert page == with_tables(page), "PYTHONPATH=builder:tests python -m support.kaniko writes the tables"


@pytest.mark.parametrize("theirs", kaniko_flags("executor"), ids=lambda flag: flag.name)
def test_a_flag_of_kaniko_is_known_with_its_short_name(theirs: KanikoFlag) -> None:
    assert named(theirs.name).short == theirs.short


@pytest.mark.parametrize("theirs", kaniko_flags("executor"), ids=lambda flag: flag.name)
def test_a_default_other_than_kanikos_is_explained(theirs: KanikoFlag) -> None:
    ours = named(theirs.name)
    assert has_default(ours, theirs.default.rstrip("/")) or ours.unlike


def test_there_is_no_flag_that_kaniko_has_not_but_a_few() -> None:
    assert set(_BY_NAME) - {flag.name for flag in kaniko_flags("executor")} == _OWN


def test_the_variables_are_kanikos() -> None:
    assert sorted(variable.name for variable in VARIABLES) == sorted(kaniko_variables())


def test_the_flags_of_push_are_kanikos_and_a_few() -> None:
    theirs = {(flag.name, flag.short) for flag in kaniko_flags("push")}
    log = {("verbosity", "v"), ("log-format", ""), ("log-timestamp", "")}
    own = {("azure-container-registry-config", "")}
    assert {(flag.name, flag.short) for flag in PUSH.flags} == theirs | log | own


def test_the_flags_of_the_warmer_are_kanikos_and_a_few() -> None:
    theirs = {(flag.name, flag.short) for flag in kaniko_flags("warmer")}
    names = {(name, flag.short) for flag in WARM.flags for name in (flag.name, flag.alias) if name}
    own = {"credential-helpers", "custom-platform", "image-download-retry", "image-fs-extract-retry"}
    assert names == theirs | {(name, "") for name in own}


@pytest.mark.parametrize("theirs", kaniko_flags("warmer"), ids=lambda flag: flag.name)
def test_a_flag_of_kanikos_warmer_is_taken(theirs: KanikoFlag) -> None:
    values = {"switch": "true", "duration": "1h", "pairs": "a=b", "pairs of many": "a=b"}
    value = theirs.default or values.get(theirs.kind, "a")
    parse_warm(["--image=a", f"--{theirs.name}={value}"], {})


def test_the_flags_of_login_are_kanikos() -> None:
    theirs = {(flag.name, flag.short) for flag in kaniko_flags("login")}
    assert {(flag.name, flag.short) for flag in LOGIN_FLAGS} == theirs
