from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_contract.arguments import (
    SYNTAX,
    ArgumentError,
    format_arguments,
    parse_arguments,
    usage,
    without_effect,
)
from yadokari_contract.flags import FLAGS, Flag
from yadokari_contract.spec import COMPRESSION_LEVELS, BuildSpec, GitOptions

words = st.text(min_size=1)
keys = st.text(st.characters(exclude_characters="="), min_size=1)
specs = st.builds(
    BuildSpec,
    context=st.text(),
    dockerfile=st.text(),
    destinations=st.lists(words).map(tuple),
    no_push=st.booleans(),
    tar_path=st.text(),
    oci_layout_path=st.text(),
    digest_file=st.text(),
    image_name_with_digest_file=st.text(),
    image_name_tag_with_digest_file=st.text(),
    image_format=st.sampled_from(["", "docker", "oci"]),
    annotations=st.dictionaries(keys, st.text()).map(MappingProxyType),
    result_file=st.text(),
    build_args=st.dictionaries(keys, st.none() | st.text()).map(MappingProxyType),
    targets=st.lists(st.text(st.characters(exclude_characters=","), min_size=1)).map(tuple),
    secrets=st.lists(words).map(tuple),
    ssh=st.lists(words).map(tuple),
    cache_mounts_dir=st.text(),
    context_digests_file=st.text(),
    cache=st.booleans(),
    cache_repo=st.text(),
    cache_ttl=st.integers(0, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
    cache_copy_layers=st.booleans(),
    cache_run_layers=st.booleans(),
    no_push_cache=st.booleans(),
    cache_from=st.lists(words).map(tuple),
    cache_mounts_repo=st.text(),
    cache_mounts_scope=st.text(),
    cache_mounts_limit=st.integers(0, 1 << 52),
    compression=st.sampled_from(sorted(COMPRESSION_LEVELS)),
    compression_level=st.integers(-1, 22),
    custom_platform=st.text(),
    materialize=st.booleans(),
    image_unpack_limit=st.integers(0, 1 << 52),
    log_timestamp=st.booleans(),
    reproducible=st.booleans(),
    single_snapshot=st.booleans(),
    ignore_paths=st.lists(words).map(tuple),
    ignore_var_run=st.booleans(),
    labels=st.dictionaries(keys, st.text()).map(MappingProxyType),
    insecure=st.booleans(),
    insecure_pull=st.booleans(),
    insecure_registries=st.lists(words).map(tuple),
    registry_mirrors=st.lists(words).map(tuple),
    verbosity=st.sampled_from(["debug", "info", "warn"]),
    log_format=st.sampled_from(["text", "color", "json"]),
    force=st.booleans(),
    dry_run=st.booleans(),
    accepted=st.fixed_dictionaries(
        {},
        optional={"snapshot-mode": st.sampled_from(["full", "redo", "time"]), "use-new-run": st.just("true")},
    ).map(MappingProxyType),
)


@given(specs)
def test_arguments_written_are_read_back_as_they_were(spec: BuildSpec) -> None:
    assert parse_arguments(format_arguments(spec)) == spec


def test_values_follow_after_a_blank_or_an_equals_sign() -> None:
    apart = parse_arguments(
        ["--context", "dir:///src", "-f", "a/Dockerfile", "--destination", "x/y:1", "-d", "z"]
    )
    joined = parse_arguments(["--context=dir:///src", "-fa/Dockerfile", "--destination=x/y:1", "-d=z"])
    assert apart == joined
    assert apart.destinations == ("x/y:1", "z")


def test_a_switch_takes_its_value_only_after_an_equals_sign() -> None:
    assert parse_arguments(["--no-push", "--insecure=false", "--force=true"]) == BuildSpec(
        no_push=True, force=True
    )
    with pytest.raises(ArgumentError, match=r"'false' is not a flag: .* as in --cache=false"):
        parse_arguments(["--no-push", "false"])


def test_a_build_argument_without_a_value_is_told_from_an_empty_one() -> None:
    assert dict(parse_arguments(["--build-arg", "A", "--build-arg", "B="]).build_args) == {"A": None, "B": ""}


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("500", 500), ("1.5GiB", 3 << 29), ("2k", 2048)])
def test_a_size_has_a_unit_or_is_in_bytes(text: str, size: int) -> None:
    assert parse_arguments([f"--image-unpack-limit={text}"]).image_unpack_limit == size


@pytest.mark.parametrize("text", ["", "-1", "much", "1e99", "5x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="it is a number of bytes, as in 10GiB"):
        parse_arguments([f"--image-unpack-limit={text}"])


def test_of_a_flag_with_one_value_the_last_one_counts() -> None:
    assert parse_arguments(["--tar-path=a", "--tarPath=b", "--no-push", "--no-push=false"]) == BuildSpec(
        tar_path="b"
    )


def test_stages_are_given_one_by_one_or_together() -> None:
    spec = parse_arguments(["--target=a,b", "--target", "c"])
    assert (spec.targets, spec.target) == (("a", "b", "c"), "a")
    assert parse_arguments(["--target="]).target == ""


def test_a_flag_may_have_an_older_name() -> None:
    assert parse_arguments(["--snapshotMode=redo"]) == parse_arguments(["--snapshot-mode", "redo"])


def test_a_flag_that_changes_nothing_is_read_like_any_other_and_kept_apart() -> None:
    spec = parse_arguments(["--use-new-run", "--snapshot-mode=redo", "--snapshot-mode=time"])
    assert spec == BuildSpec(accepted={"use-new-run": "true", "snapshot-mode": "time"})


def test_that_a_flag_changes_nothing_is_said_to_those_who_give_it() -> None:
    spec = parse_arguments(["--use-new-run", "--snapshot-mode=redo", "--no-push"])
    assert [line.split(":")[0] for line in without_effect(spec)] == [
        "--snapshot-mode changes nothing",
        "--use-new-run changes nothing",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--destinatoin=x"], "did you mean --destination"),
        (["--whatever"], "--whatever is not a flag"),
        (["-q"], "-q is not a flag: --help lists them"),
        (["--context"], "--context needs a value"),
        (["--log-format=xml"], "it can be text, color, json"),
        (["--no-push=maybe"], "it can be true or false"),
        (["--label=novalue"], "NAME=VALUE"),
        (["--build-arg==x"], "NAME=VALUE"),
        (["--compression=brotli"], "it can be gzip, zstd"),
        (["--compression-level=best"], "it is a number"),
        (["--snapshot-mode=often"], "it can be full, redo, time"),
        (["--use-new-run=maybe"], "it can be true or false"),
        (["--destination="], "--destination is empty"),
        (["--target=a,,b"], "a value is missing"),
        (["--push-retry=-1"], "a number from 0"),
        (["--cache-ttl=soon"], "336h, 1h30m or 90s"),
        (["--cache-ttl="], "336h, 1h30m or 90s"),
        (["--cache-ttl=1"], "336h, 1h30m or 90s"),
        (["--cache-ttl=99999999999h"], "too long"),
        (["--credential-helpers=docker"], "it can be env, google"),
        (["--registry-map=a=b;c"], "NAME=VALUE"),
        (["--git=main"], "with the names branch, single-branch"),
        (["--git=tag=x"], "with the names branch, single-branch"),
        (["--git=depth=all"], "--git depth is 'all': it is a number"),
        (["--git=single-branch=maybe"], "--git single-branch is 'maybe': it can be true or false"),
        (["build"], "'build' is not a flag, nor a verb: --help lists both"),
        (["warn"], "'warn' is not a flag, nor a verb: did you mean warm?"),
        (["-"], "'-' is not a flag"),
        (["--"], "'--' is not a flag"),
    ],
)
def test_what_cannot_be_read_is_explained(arguments: list[str], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        parse_arguments(arguments)


def test_the_usage_names_every_flag() -> None:
    assert all(f"--{flag.name}" in usage() for flag in FLAGS)


def test_the_usage_tells_which_levels_a_compression_has() -> None:
    assert "gzip: 0 to 9, zstd: 1 to 19" in usage()


def _flag(name: str) -> Flag:
    return next(flag for flag in FLAGS if flag.name == name)


@pytest.mark.parametrize(
    ("name", "texts", "value"),
    [
        (
            "git",
            ["branch=a,b,depth=1", "single-branch=1"],
            GitOptions(branch="a,b", depth=1, single_branch=True),
        ),
        ("registry-map", ["a=b;a=c", "d=e/f"], {"a": ("b", "c"), "d": ("e/f",)}),
        ("registry-map", [""], {}),
        ("credential-helpers", ["ecr", "acr,env"], ("ecr", "acr", "env")),
        ("credential-helpers", [""], ()),
        ("cache-ttl", ["1h30m1.5s"], timedelta(hours=1, minutes=30, seconds=1.5)),
        ("cache-ttl", ["5ms"], timedelta(milliseconds=5)),
    ],
)
def test_values_of_every_kind_are_read_and_written(name: str, texts: list[str], value: object) -> None:
    flag = _flag(name)
    assert _read(flag, texts) == value
    assert _read(flag, list(SYNTAX[flag.kind].write(value))) == value


def _read(flag: Flag, texts: list[str]) -> Any:
    value = getattr(BuildSpec(), flag.field)
    for text in texts:
        value = SYNTAX[flag.kind].read(flag, value, text)
    return value
