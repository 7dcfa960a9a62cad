from collections import Counter
from dataclasses import fields

import pytest

from yadokari_contract.arguments import ArgumentError, parse_arguments
from yadokari_contract.flags import FLAGS
from yadokari_contract.spec import BuildSpec
from yadokari_contract.variables import VARIABLES, without_effect


def test_no_name_stands_twice() -> None:
    assert max(Counter(variable.name for variable in VARIABLES).values()) == 1


def test_a_variable_stands_for_a_flag_or_a_field_that_is_there() -> None:
    flags = {flag.name for flag in FLAGS}
    assert all(variable.flag in flags for variable in VARIABLES if variable.flag)
    names = {field.name for field in fields(BuildSpec)}
    assert all(variable.field in names for variable in VARIABLES if variable.field)


def test_the_variable_that_forbids_a_push_overrules_the_flag() -> None:
    assert parse_arguments([], {"KANIKO_NO_PUSH": "true"}).no_push
    assert parse_arguments(["--no-push=false"], {"KANIKO_NO_PUSH": "1"}).no_push
    assert not parse_arguments(["--no-push"], {"KANIKO_NO_PUSH": "false"}).no_push


def test_other_variables_are_overruled_by_the_flag() -> None:
    environment = {"KANIKO_CLEANUP": "true", "KANIKO_DIR": "/a"}
    assert parse_arguments([], environment).accepted == {"cleanup": "true", "kaniko-dir": "/a"}
    given = parse_arguments(["--cleanup=false", "--kaniko-dir=/b"], environment)
    assert given.accepted == {"cleanup": "false", "kaniko-dir": "/b"}


def test_mirrors_of_the_variable_come_after_those_of_flags() -> None:
    spec = parse_arguments(["--registry-mirror=one"], {"KANIKO_REGISTRY_MIRROR": "two,http://three:5000,"})
    assert spec.registry_mirrors == ("one", "two", "http://three:5000")


def test_a_variable_may_fill_a_field_that_no_flag_fills() -> None:
    assert parse_arguments([], {"BUILDER_OUTPUT": "/builder/outputs"}).builder_output == "/builder/outputs"


def test_an_empty_variable_is_none() -> None:
    assert parse_arguments([], {variable.name: "" for variable in VARIABLES}) == BuildSpec()
    assert list(without_effect({variable.name: "" for variable in VARIABLES})) == []


def test_a_variable_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"KANIKO_NO_PUSH in the environment: .*'maybe'"):
        parse_arguments([], {"KANIKO_NO_PUSH": "maybe"})


def test_that_a_variable_changes_nothing_is_said() -> None:
    environment = {"FF_KANIKO_RUN_VIA_TINI": "0", "FF_KANIKO_WINGS": "1", "KANIKO_DIR": "/a", "HOME": "/"}
    assert list(without_effect(environment)) == [
        "FF_KANIKO_RUN_VIA_TINI changes nothing: the executor itself reaps what a step leaves behind",
        "FF_KANIKO_WINGS changes nothing: it is not known as a feature of kaniko",
    ]
