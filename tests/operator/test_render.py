from typing import Any

import pytest

from support.resources import SPEC, image_build
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.arguments import parse_arguments
from yadokari_operator.pods.inputs import ConfigMapData, Inputs, gather
from yadokari_operator.pods.render import Attempt, config_maps, pod
from yadokari_operator.settings import Settings

RUN = "0123456789"
FILES = ConfigMapData({"a.txt": "text"}, {"b.bin": "AAE="})


def inputs(context: ConfigMapData | None = None, **changes: Any) -> Inputs:
    refers = {} if context is None else {"context": {"configMap": {"name": "files"}}}
    found = gather(
        ImageBuildSpec.model_validate(SPEC | refers | changes), {} if context is None else {"files": context}
    )
    assert isinstance(found, Inputs)
    return found


def made(
    context: ConfigMapData | None = None, settings: Settings | None = None, **changes: Any
) -> dict[str, Any]:
    attempt = Attempt(run=RUN, number=2, retries=1)
    return pod(image_build(generation=3), inputs(context, **changes), settings or Settings(), attempt)


def container(**changes: Any) -> dict[str, Any]:
    executor: dict[str, Any] = made(**changes)["spec"]["containers"][0]
    return executor


def test_the_pod_is_named_and_labelled_by_build_run_and_attempt_and_owned() -> None:
    metadata = made()["metadata"]
    assert metadata["name"] == "app-0123456789-2"
    assert metadata["labels"]["yadokari.dev/imagebuild"] == "app"
    assert metadata["labels"]["yadokari.dev/run"] == RUN
    assert metadata["labels"]["yadokari.dev/attempt"] == "2"
    assert metadata["annotations"] == {"yadokari.dev/retries": "1", "yadokari.dev/generation": "3"}
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == ["u1"]


def test_the_pod_has_no_way_to_the_api_server() -> None:
    spec = made()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert "serviceAccountName" not in spec


def test_steps_cannot_forge_packets() -> None:
    assert container()["securityContext"]["capabilities"] == {"drop": ["NET_RAW"]}


def test_the_pod_is_within_the_baseline_standard() -> None:
    spec = made()["spec"]
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert "add" not in spec["containers"][0]["securityContext"]["capabilities"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert all("hostPath" not in volume for volume in spec["volumes"])


def test_the_pod_runs_once_and_for_as_long_as_the_timeout_allows() -> None:
    spec = made(timeout="1m30s")["spec"]
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"]) == ("Never", 90)


def test_the_executor_reads_back_what_the_spec_says() -> None:
    settings = Settings(registry_mirrors=("mirror.test",), insecure_registries=("plain.test:5000",))
    arguments = container(
        settings=settings,
        buildArgs={"A": "1", "B": "x=y z"},
        target="final",
        destinations=[{"image": "one.test/a:1", "insecure": True}, {"image": "two.test/b"}],
    )["args"]
    spec = parse_arguments(arguments)
    assert spec.destinations == ("one.test/a:1", "two.test/b")
    assert dict(spec.build_args) == {"A": "1", "B": "x=y z"}
    assert spec.target == "final"
    assert spec.registry_mirrors == ("mirror.test",)
    assert spec.insecure_registries == ("plain.test:5000", "one.test")
    assert (spec.insecure, spec.insecure_pull) == (False, False)
    assert (spec.result_file, spec.log_format) == ("/dev/termination-log", "text")


def test_all_mounts_lie_in_the_runtimes_own_directory() -> None:
    executor = container()
    assert all(f"{mount['mountPath']}/".startswith("/yadokari/") for mount in executor["volumeMounts"])
    spec = parse_arguments(executor["args"])
    assert spec.dockerfile == "/yadokari/input/dockerfile/Dockerfile"
    assert spec.context == "dir:///yadokari/input/context"


def secrets(**spec: Any) -> dict[str, str]:
    env = container(**spec)["env"]
    assert {entry["valueFrom"]["secretKeyRef"]["key"] for entry in env} <= {".dockerconfigjson"}
    return {entry["name"]: entry["valueFrom"]["secretKeyRef"]["name"] for entry in env}


def test_secrets_go_into_the_environment_by_reference_each_for_its_purpose() -> None:
    assert secrets(
        pullSecretRefs=[{"name": "reader"}, {"name": "mirror"}],
        destinations=[{"image": "a"}, {"image": "b", "pushSecretRef": {"name": "writer"}}],
    ) == {
        "DOCKER_AUTH_CONFIG_PULL_1": "reader",
        "DOCKER_AUTH_CONFIG_PULL_2": "mirror",
        "DOCKER_AUTH_CONFIG_PUSH_2": "writer",
    }


def test_a_secret_to_pull_with_that_may_push_too_is_handed_over_twice() -> None:
    assert secrets(
        pullSecretRefs=[{"name": "both"}], destinations=[{"image": "a", "pushSecretRef": {"name": "both"}}]
    ) == {"DOCKER_AUTH_CONFIG_PULL_1": "both", "DOCKER_AUTH_CONFIG_PUSH_1": "both"}


def test_the_executor_image_is_the_operators_unless_the_spec_names_one() -> None:
    settings = Settings(executor_image="ours:1")
    assert container(settings=settings)["image"] == "ours:1"
    assert container(settings=settings, executor={"image": "theirs:2"})["image"] == "theirs:2"


def test_resources_and_placement_are_handed_on() -> None:
    spec = made(
        executor={
            "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [
                {"key": "builds", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
            ],
        }
    )["spec"]
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}}
    assert spec["nodeSelector"] == {"disk": "fast"}
    assert spec["tolerations"] == [
        {"key": "builds", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    ]


def test_the_dockerfile_is_in_an_immutable_config_map_that_the_pod_mounts() -> None:
    (made_map,) = config_maps(image_build(), inputs(), RUN)
    assert made_map["immutable"] is True
    assert made_map["data"] == {"Dockerfile": "FROM busybox\n"}
    assert made()["spec"]["volumes"][2:] == [
        {"name": "dockerfile", "configMap": {"name": made_map["metadata"]["name"]}},
        {"name": "context", "emptyDir": {}},
    ]


def test_a_dockerfile_that_is_no_text_reaches_the_executor_byte_for_byte() -> None:
    source = {"dockerfile": None, "dockerfileFrom": {"configMapKeyRef": {"name": "source"}}}
    spec = ImageBuildSpec.model_validate(SPEC | source)
    found = gather(spec, {"source": ConfigMapData(binary={"Dockerfile": "RlJPTSD/Cg=="})})
    assert isinstance(found, Inputs)
    (made_map,) = config_maps(image_build(), found, RUN)
    assert (made_map["data"], made_map["binaryData"]) == ({}, {"Dockerfile": "RlJPTSD/Cg=="})


def test_a_context_is_copied_text_and_binary() -> None:
    _, made_map = config_maps(image_build(), inputs(FILES), RUN)
    assert made_map["immutable"] is True
    assert (made_map["data"], made_map["binaryData"]) == ({"a.txt": "text"}, {"b.bin": "AAE="})
    volumes = made(FILES)["spec"]["volumes"]
    assert volumes[-1] == {"name": "context", "configMap": {"name": made_map["metadata"]["name"]}}


IMAGE_VOLUME = Settings(executor_image="ours:1", executor_runtime="ImageVolume")
BELOW = [
    {"name": "work", "mountPath": f"/yadokari/{name}", "subPath": name} for name in ("work", "tmp", "input")
]


def test_an_init_container_that_may_do_nothing_else_copies_the_runtime_that_steps_cannot_write() -> None:
    spec = made(executor={"image": "ours:1", "resources": {"limits": {"memory": "1Gi"}}})["spec"]
    (preparing,) = spec["initContainers"]
    assert (preparing["image"], preparing["args"]) == ("ours:1", ["copy-runtime", "/runtime"])
    assert preparing["volumeMounts"] == [{"name": "runtime", "mountPath": "/runtime"}]
    assert preparing["resources"] == {"limits": {"memory": "1Gi"}}
    assert preparing["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "env" not in preparing
    assert spec["volumes"][:2] == [{"name": "runtime", "emptyDir": {}}, {"name": "work", "emptyDir": {}}]
    mounts = spec["containers"][0]["volumeMounts"]
    assert mounts[0] == {"name": "runtime", "mountPath": "/yadokari", "readOnly": True}
    assert mounts[1:4] == BELOW


def test_where_the_cluster_has_image_volumes_the_runtime_is_one_of_the_executors_own_image() -> None:
    spec = made(settings=IMAGE_VOLUME)["spec"]
    assert "initContainers" not in spec
    assert spec["volumes"][0] == {"name": "runtime", "image": {"reference": "ours:1"}}
    mounts = spec["containers"][0]["volumeMounts"]
    assert mounts[0] == {
        "name": "runtime",
        "mountPath": "/yadokari",
        "readOnly": True,
        "subPath": "yadokari",
    }
    assert mounts[1:4] == BELOW


@pytest.mark.parametrize(
    ("settings", "asked", "way"),
    [
        (Settings(), None, "InitContainer"),
        (Settings(), "ImageVolume", "ImageVolume"),
        (IMAGE_VOLUME, "InitContainer", "InitContainer"),
        (IMAGE_VOLUME, "Auto", "ImageVolume"),
    ],
)
def test_the_spec_says_how_the_runtime_comes_before_the_settings_do(
    settings: Settings, asked: str | None, way: str
) -> None:
    spec = made(settings=settings, executor={"runtime": asked} if asked else None)["spec"]
    assert ("initContainers" in spec) == (way == "InitContainer")


NAMESPACES = Settings(
    executor_seccomp_profile="yadokari/namespaces.json",
    executor_host_users="false",
    executor_proc_mount="Unmasked",
)


def test_pods_get_what_namespaces_take_where_the_settings_say_that_nodes_have_it() -> None:
    spec = made(settings=NAMESPACES)["spec"]
    assert spec["securityContext"]["seccompProfile"] == {
        "type": "Localhost",
        "localhostProfile": "yadokari/namespaces.json",
    }
    assert spec["hostUsers"] is False
    assert spec["containers"][0]["securityContext"]["procMount"] == "Unmasked"
    assert "procMount" not in spec["initContainers"][0]["securityContext"]


def test_a_build_that_shares_the_executors_namespaces_gets_an_ordinary_pod() -> None:
    executor = {"isolation": "Shared"}
    assert made(settings=NAMESPACES, executor=executor)["spec"].keys() == made()["spec"].keys()
    assert (
        container(settings=NAMESPACES, executor=executor)["securityContext"] == container()["securityContext"]
    )


def test_how_steps_are_kept_apart_is_handed_on() -> None:
    asked = made(settings=Settings(executor_isolation="Shared"), executor={"isolation": "Namespaces"})
    assert parse_arguments(asked["spec"]["containers"][0]["args"]).isolation == "namespaces"
    assert (
        parse_arguments(container(settings=Settings(executor_isolation="Shared"))["args"]).isolation
        == "shared"
    )
    assert parse_arguments(container()["args"]).isolation == "auto"
