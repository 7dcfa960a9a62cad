import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.resources import SPEC, image_build
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.inputs.files import ConfigMapData
from yadokari_operator.pods.inputs.gathered import Inputs, gather, run_of
from yadokari_operator.pods.inputs.missing import Missing

FROM_CONFIG_MAP = {
    "dockerfileFrom": {"configMapKeyRef": {"name": "source"}},
    "destinations": SPEC["destinations"],
}
CONTEXT = {"context": {"configMap": {"name": "files"}}}
GCS = {"bucket": "contexts", "key": "a.tar"}
SOME_OF_A = {"name": "a", "items": [{"key": "k", "path": "p"}]}
NOT_TEXT = b"FROM busybox\n# \xff\xfe\n"


def gathered(spec: dict[str, Any], maps: dict[str, ConfigMapData] | None = None) -> Inputs:
    found = gather(ImageBuildSpec.model_validate(spec), maps or {})
    assert isinstance(found, Inputs)
    return found


def test_a_secret_of_build_arguments_counts_by_its_name_and_prefix_and_is_not_waited_for() -> None:
    def of(*sources: dict[str, Any]) -> str:
        return gathered(SPEC | {"buildArgsFrom": list(sources)}).hash

    first, second = ({"secretRef": {"name": name}} for name in "ab")
    hashes = [of(), of(first), of(second), of(first, second), of(second, first), of(first | {"prefix": "P_"})]
    assert len(set(hashes)) == len(hashes)
    assert of() == gathered(SPEC).hash


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
        (
            SPEC | {"context": {"configMaps": [{"name": "a"}, {"name": "b"}]}},
            {"a": ConfigMapData()},
            "ConfigMapNotFound",
        ),
        (
            SPEC | {"context": {"configMaps": [SOME_OF_A]}},
            {"a": ConfigMapData({"other": ""})},
            "ConfigMapNotFound",
        ),
        (SPEC | {"buildArgsFrom": [{"configMapRef": {"name": "args"}}]}, {}, "ConfigMapNotFound"),
        (SPEC | {"certificates": {"configMapRef": {"name": "ca"}}}, {}, "ConfigMapNotFound"),
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
        {"suspend": True, "retries": 0, "pendingTimeout": "5m", "concurrencyPolicy": "Queue"},
        {"output": {"labels": {}}},
        {"cache": {"registry": {"image": "registry.test/cache", "ttl": "1h"}, "mounts": "Registry"}},
        {"executor": {"env": [{"name": "HTTPS_PROXY", "value": "x"}], "labels": {"team": "a"}}},
        {"executor": {"serviceAccountName": "builder", "priorityClassName": "low", "extraArgs": []}},
        {"executor": {"imagePullSecrets": [{"name": "nodes"}], "runtimeClassName": "gvisor"}},
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
        {"executor": {"extraArgs": ["--single-snapshot"]}},
        {"output": {"labels": {"a": "b"}}},
        {"output": {"timestamp": "Zero"}},
        {"output": {"timestamp": 0}},
        {"secrets": [{"id": "a", "secretRef": {"name": "s", "key": "k"}}]},
        {"context": {"git": {"url": "https://example.com/app.git"}}},
        {"dockerfile": None, "dockerfileFrom": {"path": "Dockerfile"}, "context": {"gcs": GCS}},
        {"context": {"gcs": GCS}},
        CONTEXT,
    ],
)
def test_what_makes_the_image_is_in_the_hash(change: dict[str, Any]) -> None:
    maps = {"files": ConfigMapData()}
    assert gathered(SPEC | change, maps).hash != gathered(SPEC).hash


def test_how_a_secret_is_written_is_in_the_hash() -> None:
    secret = {"id": "a", "secretRef": {"name": "s", "key": "k"}}
    plain, encoded = SPEC | {"secrets": [secret]}, SPEC | {"secrets": [secret | {"encoding": "Base64"}]}
    assert gathered(plain).hash != gathered(encoded).hash


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


def args(*sources: dict[str, Any], **build_args: str) -> dict[str, Any]:
    return SPEC | {"buildArgsFrom": list(sources), "buildArgs": build_args}


def of(name: str, prefix: str | None = None) -> dict[str, Any]:
    return {"configMapRef": {"name": name}} | ({"prefix": prefix} if prefix else {})


def test_build_args_of_config_maps_count_in_their_order_and_those_of_the_spec_at_last() -> None:
    maps = {"one": ConfigMapData({"A": "1", "B": "1", "C": "1"}), "two": ConfigMapData({"B": "2", "C": "2"})}
    found = gathered(args(of("one"), of("two"), C="3"), maps)
    assert found.build_args == {"A": "1", "B": "2", "C": "3"}
    assert gathered(args(of("one", "APP_")), maps).build_args == {"APP_A": "1", "APP_B": "1", "APP_C": "1"}
    assert found.hash == gathered(args(A="1", B="2", C="3")).hash


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (ConfigMapData({"1A": ""}), "1A is no name of a build argument"),
        (ConfigMapData({".a": ""}), ".a is no name of a build argument"),
        (ConfigMapData({}, {"A": "AAE="}), "A has a value that is no text"),
        (ConfigMapData({"A": "x" * 4097}), "A has a value of more than 4096 characters"),
    ],
)
def test_a_config_map_that_holds_no_build_args_is_refused(data: ConfigMapData, problem: str) -> None:
    found = missing(args(of("one")), {"one": data})
    assert found.reason == "InvalidSpec"
    assert problem in found.message


def test_files_of_several_config_maps_are_put_into_folders() -> None:
    maps = {"a": ConfigMapData({"k": "1", "l": "2"}), "b": ConfigMapData({}, {"m": "AAE="})}
    some = SOME_OF_A | {"path": "src/"}
    found = gathered(SPEC | {"context": {"configMaps": [some, {"name": "b"}]}}, maps)
    assert found.files is not None
    assert [dict(part.paths) for part in found.files] == [{"k": "src/p"}, {"m": "m"}]
    assert found.files[0].data == ConfigMapData({"k": "1"})


def test_a_context_of_one_config_map_is_the_same_however_it_is_written() -> None:
    maps = {"files": ConfigMapData({"a": "1"})}
    several = {"context": {"configMaps": [{"name": "files"}]}}
    assert gathered(SPEC | CONTEXT, maps).hash == gathered(SPEC | several, maps).hash


@pytest.mark.parametrize(
    "parts",
    [
        [{"name": "a"}, {"name": "b"}],
        [{"name": "a", "items": [{"key": "k", "path": "k/l"}]}, {"name": "b"}],
    ],
)
def test_two_files_at_one_place_of_the_context_are_refused(parts: list[dict[str, Any]]) -> None:
    maps = {"a": ConfigMapData({"k": "1"}), "b": ConfigMapData({"k": "2"})}
    found = missing(SPEC | {"context": {"configMaps": parts}}, maps)
    assert found.reason == "InvalidSpec"
    assert "two files at k" in found.message


@pytest.mark.parametrize(
    "means",
    [
        {"git": {"url": "https://example.com/a.git", "secretRef": {"name": "s"}, "submodules": False}},
        {"git": {"url": "https://example.com/a.git"}},
    ],
)
def test_how_a_context_is_read_is_not_in_the_hash(means: dict[str, Any]) -> None:
    plain = {"git": {"url": "https://example.com/a.git"}}
    assert gathered(SPEC | {"context": means}).hash == gathered(SPEC | {"context": plain}).hash


def test_values_of_extra_arguments_that_cannot_be_are_refused() -> None:
    found = missing(SPEC | {"executor": {"extraArgs": ["--push-retry=often"]}}, {})
    assert found.reason == "InvalidSpec"
    assert "spec.executor.extraArgs" in found.message
    assert "push-retry" in found.message


# What the version before wrote for these specs: an upgrade must build none of them anew.
BEFORE = [
    (SPEC, {}, "0f921a35d82d45269944b48cfc6356f66fee7b524702f10a29241b2b48f0b2a1"),
    (FORMER[1][0], FORMER[1][1], "87412f7c1fe2dd783ad716d49c0537c553a9b17019e59cc043da6dcec6789d26"),
]


@pytest.mark.parametrize(("spec", "maps", "before"), BEFORE)
def test_the_hash_is_that_of_the_version_before(
    spec: dict[str, Any], maps: dict[str, ConfigMapData], before: str
) -> None:
    assert gathered(spec, maps).hash == before


@pytest.mark.parametrize(
    "change",
    [
        {"output": {"labels": {"a": "b"}}},
        {"executor": {"extraArgs": ["--single-snapshot"]}},
        {"secrets": [{"id": "a", "secretRef": {"name": "s", "key": "k"}}]},
        {"context": {"gcs": GCS}},
    ],
)
def test_what_the_first_version_did_not_know_is_not_taken_for_built(change: dict[str, Any]) -> None:
    assert gathered(SPEC | change).former_hash is None


def test_fields_that_do_not_make_the_image_are_not_in_the_first_versions_hash() -> None:
    known = gathered(SPEC).former_hash
    assert gathered(SPEC | {"retries": 5, "concurrencyPolicy": "Queue"}).former_hash == known
    assert gathered(SPEC | {"cache": {}}).former_hash == known
    assert gathered(SPEC | {"executor": {"labels": {"a": "b"}}}).former_hash == known
