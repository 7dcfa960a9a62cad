import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.resources import SPEC, image_build
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.inputs import ConfigMapData, Inputs, Missing, gather, run_of

FROM_CONFIG_MAP = {
    "dockerfileFrom": {"configMapKeyRef": {"name": "source"}},
    "destinations": SPEC["destinations"],
}
CONTEXT = {"context": {"configMap": {"name": "files"}}}
NOT_TEXT = b"FROM busybox\n# \xff\xfe\n"


def gathered(spec: dict[str, Any], maps: dict[str, ConfigMapData] | None = None) -> Inputs:
    found = gather(ImageBuildSpec.model_validate(spec), maps or {})
    assert isinstance(found, Inputs)
    return found


def missing(spec: dict[str, Any], maps: dict[str, ConfigMapData]) -> Missing:
    found = gather(ImageBuildSpec.model_validate(spec), maps)
    assert isinstance(found, Missing)
    return found


def binary(content: bytes) -> ConfigMapData:
    return ConfigMapData(binary={"Dockerfile": base64.b64encode(content).decode()})


def test_a_dockerfile_in_binary_data_is_read() -> None:
    assert gathered(FROM_CONFIG_MAP, {"source": binary(NOT_TEXT)}).dockerfile == NOT_TEXT


def test_the_same_dockerfile_is_the_same_image_wherever_it_comes_from() -> None:
    text = {"source": ConfigMapData({"Dockerfile": "FROM busybox\n"})}
    found = {
        gathered(SPEC).hash,
        gathered(FROM_CONFIG_MAP, text).hash,
        gathered(FROM_CONFIG_MAP, {"source": binary(b"FROM busybox\n")}).hash,
    }
    assert len(found) == 1


@given(st.binary(max_size=20))
def test_a_file_is_read_as_it_was_written(content: bytes) -> None:
    assert ConfigMapData.of("name", content).files == {"name": content}


@pytest.mark.parametrize(
    ("spec", "maps", "reason"),
    [
        (FROM_CONFIG_MAP, {}, "ConfigMapNotFound"),
        (FROM_CONFIG_MAP, {"source": ConfigMapData({"dockerfile": ""})}, "ConfigMapNotFound"),
        (SPEC | CONTEXT, {}, "ConfigMapNotFound"),
    ],
)
def test_what_is_missing_is_named(spec: dict[str, Any], maps: dict[str, ConfigMapData], reason: str) -> None:
    assert missing(spec, maps).reason == reason


def test_what_else_a_config_map_holds_is_not_told() -> None:
    maps = {"source": ConfigMapData({"api-of-the-secret-project": "x"}, {"budget.xls": "AA=="})}
    message = missing(FROM_CONFIG_MAP, maps).message
    assert "Dockerfile" in message
    assert "secret" not in message
    assert "budget" not in message


@pytest.mark.parametrize(
    "change",
    [
        {"timeout": "2h"},
        {"executor": {"resources": {"requests": {"cpu": "100m"}}}},
        {"executor": {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "k", "operator": "Exists"}]}},
        {"podRetention": {"succeeded": "1h"}},
        {"historyLimit": 5},
        {"pullSecretRefs": [{"name": "reader"}]},
        {"destinations": [SPEC["destinations"][0] | {"insecure": True, "pushSecretRef": {"name": "writer"}}]},
        {"buildArgs": {}},
    ],
)
def test_what_does_not_make_the_image_is_not_in_the_hash(change: dict[str, Any]) -> None:
    assert gathered(SPEC | change).hash == gathered(SPEC).hash


def test_a_default_tag_written_out_is_not_in_the_hash() -> None:
    plain, spelled = (
        {"destinations": [{"image": image}]} for image in ("app", "docker.io/library/app:latest")
    )
    assert gathered(SPEC | plain).hash == gathered(SPEC | spelled).hash


def test_the_order_of_destinations_is_not_in_the_hash() -> None:
    to = [{"image": "a"}, {"image": "b"}]
    assert gathered(SPEC | {"destinations": to}).hash == gathered(SPEC | {"destinations": to[::-1]}).hash


@pytest.mark.parametrize(
    "change",
    [
        {"dockerfile": "FROM busybox:2\n"},
        {"buildArgs": {"A": "1"}},
        {"target": "final"},
        {"destinations": [{"image": "other"}]},
        {"executor": {"image": "custom"}},
        CONTEXT,
    ],
)
def test_what_makes_the_image_is_in_the_hash(change: dict[str, Any]) -> None:
    maps = {"files": ConfigMapData()}
    assert gathered(SPEC | change, maps).hash != gathered(SPEC).hash


def test_the_files_of_the_context_are_in_the_hash() -> None:
    contexts = [
        ConfigMapData(),
        ConfigMapData({"a": "1"}),
        ConfigMapData({"a": "2"}),
        ConfigMapData({"b": "1"}),
    ]
    assert len({gathered(SPEC | CONTEXT, {"files": files}).hash for files in contexts}) == 4


# What the first version wrote into the status for these specs, as it stored them: with defaults filled in.
FORMER = [
    (
        SPEC | {"destinations": [SPEC["destinations"][0] | {"insecure": False}], "timeout": "1h"},
        {},
        "dc6334dfb4abfc499c51c0429f87724776d58fb89bf7dedac048a3b10b701f68",
    ),
    (
        {
            "dockerfileFrom": {"configMapKeyRef": {"name": "source", "key": "Dockerfile"}},
            "buildArgs": {"A": "ü"},
            "target": "x",
            "destinations": [
                {"image": "a", "insecure": True, "pushSecretRef": {"name": "s"}},
                {"image": "b", "insecure": False},
            ],
            "pullSecretRefs": [{"name": "p"}],
            "executor": {
                "image": "e:1",
                "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
                "nodeSelector": {"a": "b"},
                "tolerations": [{"key": "k", "operator": "Exists"}],
            },
            "timeout": "2h",
            **CONTEXT,
        },
        {
            "source": ConfigMapData({"Dockerfile": "FROM busybox\n"}),
            "files": ConfigMapData({"a": "1"}, {"b": "AAE="}),
        },
        "4d6a2e451034b8c348e4d36193685cc8a0017b466daa0034c772d32ccc7e12be",
    ),
]


@pytest.mark.parametrize(("spec", "maps", "former"), FORMER)
def test_the_hash_of_the_first_version_is_known(
    spec: dict[str, Any], maps: dict[str, ConfigMapData], former: str
) -> None:
    assert gathered(spec, maps).former_hash == former
    with_new_fields = spec | {"historyLimit": 1, "podRetention": {"failed": "1h"}}
    assert gathered(with_new_fields, maps).former_hash == former


def test_a_run_is_named_by_the_image_build_its_inputs_and_what_asked_for_it() -> None:
    inputs, others = gathered(SPEC), gathered(SPEC | {"target": "final"})
    builds = [image_build(), image_build(uid="u2"), image_build(rebuild="now"), image_build(generation=2)]
    assert len({run_of(build, inputs) for build in builds} | {run_of(builds[0], others)}) == 5
    assert run_of(image_build(), inputs) == run_of(image_build(), inputs)
