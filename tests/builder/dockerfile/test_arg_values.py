import time

import pytest

from yadokari_builder.dockerfile.arg_values import meta_values, stage_values, unused
from yadokari_builder.dockerfile.expand import Variables
from yadokari_builder.dockerfile.instructions import Arg
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.dockerfile.predefined import needs_declaration
from yadokari_builder.errors import DockerfileError


def test_args_before_the_first_from_build_on_each_other() -> None:
    args = (Arg((("a", "1"), ("b", "$a$P"))), Arg((("c", None), ("d", None))))
    assert meta_values(args, {"P": "p", "Q": "q"}, {"d": "4", "Q": "given"}) == {
        "P": "p",
        "Q": "given",
        "a": "1",
        "b": "1p",
        "d": "4",
    }


def test_a_build_argument_comes_before_the_default_and_that_before_the_global_value() -> None:
    arg = Arg((("a", "$a-default"), ("b", "$b-default"), ("c", None), ("d", None), ("e", "$c$a")))
    values = stage_values(arg, Variables({"b": "env"}), {"b": "no", "c": "global"}, {"a": "given"})
    assert values == (
        ("a", "given"),
        ("b", "env-default"),
        ("c", "global"),
        ("d", None),
        ("e", "globalgiven"),
    )


def test_a_default_that_does_not_count_may_be_wrong() -> None:
    arg = Arg((("a", "${b?}"),))
    assert stage_values(arg, Variables({}), {}, {"a": "given"}) == (("a", "given"),)
    with pytest.raises(DockerfileError, match="b: is not allowed to be unset"):
        stage_values(arg, Variables({}), {}, {})


def test_a_name_that_is_declared_without_a_value_is_empty_and_not_undefined() -> None:
    variables = Variables({})
    arg = Arg((("a", None), ("b", "$a$c"), ("d", "$e"), ("e", None)))
    assert stage_values(arg, variables, {}, {}) == (("a", None), ("b", ""), ("d", ""), ("e", None))
    assert variables.undefined == ["c", "e"]


def test_many_args_in_a_large_environment_take_little_time() -> None:
    variables = Variables({f"a{number}": "" for number in range(20_000)})
    started = time.process_time()
    for number in range(5_000):
        stage_values(Arg(((f"b{number}", "$a1"),)), variables, {}, {})
    assert time.process_time() - started < 2


def test_args_that_grow_without_end_are_refused_with_their_line() -> None:
    lines = [f"ARG a{number}={f'${{a{number - 1}}}' * 10 if number else 'a' * 10}" for number in range(10)]
    meta_args = parse("\n".join([*lines, "FROM a"])).meta_args
    with pytest.raises(DockerfileError, match=r"Dockerfile:7: .* more than 1048576 characters"):
        meta_values(meta_args, {}, {})


def test_build_arguments_that_nobody_declares_are_told() -> None:
    assert unused(["c", "b", "a", "HTTP_PROXY"], [Arg((("a", None),))]) == ("b", "c")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("A", True), ("HTTP_PROXY", False), ("no_proxy", False), ("TARGETARCH", False), ("BUILDKIT_X", False)],
)
def test_few_build_arguments_need_no_declaration(name: str, expected: bool) -> None:
    assert needs_declaration(name) is expected
