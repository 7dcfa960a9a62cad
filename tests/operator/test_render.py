from typing import Any

import pytest

from support.resources import SPEC, image_build
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.spec import ImageBuildSpec
from yadokari_builder.sources.repository import read_ref
from yadokari_contract.arguments import parse_arguments
from yadokari_contract.spec import BuildSpec, GitOptions
from yadokari_operator.pods.inputs.files import ConfigMapData
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.names import parse_config_map_name
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


_OF_THE_RUNTIME = {"runtime", "work"}


def rendered(maps: dict[str, ConfigMapData] | None = None, **changes: Any) -> dict[str, Any]:
    """The pod of a spec with changes, without what the runtime is in; `None` takes a field away."""
    fields = {key: value for key, value in (SPEC | changes).items() if value is not None}
    found = gather(ImageBuildSpec.model_validate(fields), maps or {})
    assert isinstance(found, Inputs)
    made_pod: dict[str, Any] = pod(image_build(), found, Settings(), Attempt(run=RUN, number=1, retries=0))
    (executor,) = made_pod["spec"]["containers"]
    for part, kind in ((made_pod["spec"], "volumes"), (executor, "volumeMounts")):
        part[kind] = [it for it in part[kind] if it["name"] not in _OF_THE_RUNTIME]
    spec: dict[str, Any] = made_pod["spec"]
    return spec


def asked(maps: dict[str, ConfigMapData] | None = None, **changes: Any) -> BuildSpec:
    return parse_arguments(rendered(maps, **changes)["containers"][0]["args"])


def variables(**changes: Any) -> dict[str, Any]:
    """By its name, the value of each variable, or the Secret and key that it is in, with ? if it may lack."""
    return {
        entry["name"]: entry["value"] if "value" in entry else referred(entry["valueFrom"]["secretKeyRef"])
        for entry in rendered(**changes)["containers"][0]["env"]
    }


def referred(secret: dict[str, Any]) -> str:
    return f"{secret['name']}/{secret['key']}" + ("?" if secret.get("optional") else "")


@pytest.mark.parametrize(
    ("context", "location"),
    [
        ({"git": {"url": "https://git.test/a.git"}}, "git://git.test/a.git"),
        ({"git": {"url": "https://git.test/a", "ref": "v1"}}, "git://git.test/a#v1"),
        ({"http": {"url": "https://web.test/a.tar"}}, "https://web.test/a.tar"),
        (
            {"http": {"url": "https://web.test/a.tar", "sha256": "0" * 64}},
            "https://web.test/a.tar#sha256:" + "0" * 64,
        ),
        ({"s3": {"bucket": "contexts", "key": "a/b.tar"}}, "s3://contexts/a/b.tar"),
        ({"gcs": {"bucket": "contexts", "key": "b.tar"}}, "gs://contexts/b.tar"),
        (
            {"azure": {"url": "https://a.blob.core.windows.net/c/b.tar"}},
            "https://a.blob.core.windows.net/c/b.tar",
        ),
        ({"oci": {"image": "registry.test/a:1"}}, "oci://registry.test/a:1"),
    ],
)
def test_the_executor_is_told_where_a_context_is_that_it_fetches(
    context: dict[str, Any], location: str
) -> None:
    assert asked(context=context).context == location
    assert [volume["name"] for volume in rendered(context=context)["volumes"]] == ["dockerfile"]


def test_a_repository_is_read_as_the_spec_says() -> None:
    git = {"url": "http://git.test/a", "subPath": "app", "submodules": True, "secretRef": {"name": "login"}}
    found = asked(context={"git": git})
    assert (found.context_sub_path, found.git.recurse_submodules) == ("app", True)
    assert variables(context={"git": git}) == {
        "GIT_PULL_METHOD": "http",
        "GIT_USERNAME": "login/username?",
        "GIT_PASSWORD": "login/password",
    }


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({}, "ssh://git@git.test:2222/a?submodules=false"),
        ({"ref": "main", "submodules": True}, "ssh://git@git.test:2222/a#main"),
    ],
)
def test_a_repository_is_read_over_ssh_with_a_key_for_a_known_server(
    fields: dict[str, Any], location: str
) -> None:
    git = {"url": "ssh://git@git.test:2222/a", "secretRef": {"name": "key"}, **fields}
    assert asked(context={"git": git}).context == location
    ref = read_ref(location, {}, GitOptions())
    assert (ref.remote, ref.ref) == ("ssh://git@git.test:2222/a", fields.get("ref", ""))
    assert (ref.submodules is not False) == bool(fields.get("submodules"))
    assert variables(context={"git": git}) == {
        "SSH_PRIVATE_KEY": "key/ssh-privatekey",
        "SSH_KNOWN_HOSTS": "key/known_hosts",
    }


def test_build_arguments_of_secrets_are_variables_that_the_operator_does_not_know() -> None:
    sources = [
        {"secretRef": {"name": "a"}},
        {"configMapRef": {"name": "b"}},
        {"secretRef": {"name": "c"}, "prefix": "APP_"},
    ]
    maps = {"b": ConfigMapData({"B": "1"})}
    (executor,) = rendered(maps, buildArgsFrom=sources)["containers"]
    assert executor["envFrom"] == [
        {"prefix": "YADOKARI_BUILD_ARG_1_", "secretRef": {"name": "a"}},
        {"prefix": "YADOKARI_BUILD_ARG_3_APP_", "secretRef": {"name": "c"}},
    ]
    assert asked(maps, buildArgsFrom=sources).build_args == {"B": "1"}
    assert "envFrom" not in rendered()["containers"][0]


def test_credentials_of_contexts_come_from_secrets() -> None:
    s3 = {"bucket": "contexts", "key": "a", "region": "r", "forcePathStyle": True, "secretRef": {"name": "s"}}
    assert variables(context={"s3": s3 | {"endpoint": "http://minio.test"}}) == {
        "AWS_REGION": "r",
        "S3_ENDPOINT": "http://minio.test",
        "S3_FORCE_PATH_STYLE": "true",
        "AWS_ACCESS_KEY_ID": "s/AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY": "s/AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN": "s/AWS_SESSION_TOKEN?",
    }
    http = {"url": "https://web.test/a.tar", "secretRef": {"name": "login"}}
    assert variables(context={"http": http}) == {
        "HTTP_USERNAME": "login/username?",
        "HTTP_PASSWORD": "login/password",
    }
    gcs = {"bucket": "contexts", "key": "a", "secretRef": {"name": "s"}}
    assert variables(context={"gcs": gcs}) == {"GCS_CREDENTIALS": "s/credentials.json"}
    azure = {"url": "https://a.blob.core.windows.net/c/b", "secretRef": {"name": "s"}}
    assert variables(context={"azure": azure}) == {"AZURE_STORAGE_ACCESS_KEY": "s/AZURE_STORAGE_ACCESS_KEY"}
    oci = {"image": "a", "pullSecretRef": {"name": "artifacts"}}
    assert variables(context={"oci": oci}, pullSecretRefs=[{"name": "bases"}]) == {
        "DOCKER_AUTH_CONFIG_PULL_1": "bases/.dockerconfigjson",
        "DOCKER_AUTH_CONFIG_PULL_2": "artifacts/.dockerconfigjson",
    }


@pytest.mark.parametrize(("read_only", "mounted"), [(None, True), (True, True), (False, False)])
def test_a_folder_of_a_volume_is_mounted_for_reading_alone_unless_the_spec_says_otherwise(
    read_only: bool | None, mounted: bool
) -> None:
    claim: dict[str, Any] = {"claimName": "sources", "subPath": "app"}
    if read_only is not None:
        claim["readOnly"] = read_only
    spec = rendered(context={"persistentVolumeClaim": claim})
    volume = {"claimName": "sources", "readOnly": mounted}
    assert spec["volumes"][1] == {"name": "context", "persistentVolumeClaim": volume}
    mount = spec["containers"][0]["volumeMounts"][1]
    assert mount == {
        "name": "context",
        "mountPath": "/yadokari/input/context",
        "readOnly": mounted,
        "subPath": "app",
    }


def test_files_of_several_config_maps_are_one_context() -> None:
    maps = {"a": ConfigMapData({"k": "1"}), "b": ConfigMapData({"l": "2"})}
    parts = [{"name": "a", "path": "src"}, {"name": "b"}]
    context = {"configMaps": parts}
    found = gather(ImageBuildSpec.model_validate(SPEC | {"context": context}), maps)
    assert isinstance(found, Inputs)
    _, *copies = config_maps(image_build(), found, RUN)
    assert [copy["data"] for copy in copies] == [{"k": "1"}, {"l": "2"}]
    assert rendered(maps, context=context)["volumes"][1]["projected"]["sources"] == [
        {"configMap": {"name": copies[0]["metadata"]["name"], "items": [{"key": "k", "path": "src/k"}]}},
        {"configMap": {"name": copies[1]["metadata"]["name"], "items": [{"key": "l", "path": "l"}]}},
    ]
    names = [copy["metadata"]["name"] for copy in copies]
    assert [parse_config_map_name("app", name) for name in names] == [RUN, RUN]


def test_a_dockerfile_of_the_context_is_named_by_its_path_there() -> None:
    spec = rendered(
        dockerfile=None,
        dockerfileFrom={"path": "docker/Dockerfile"},
        context={"git": {"url": "https://git.test/a"}},
    )
    executor = spec["containers"][0]
    assert parse_arguments(executor["args"]).dockerfile == "docker/Dockerfile"
    assert (executor["workingDir"], spec["volumes"], executor["volumeMounts"]) == ("/yadokari", [], [])


def test_secrets_are_handed_over_by_variables_that_steps_do_not_get() -> None:
    secrets = [
        {"id": "npm", "secretRef": {"name": "tokens", "key": "npm"}},
        {"id": "pip", "secretRef": {"name": "tokens", "key": "pip"}},
    ]
    assert asked(secrets=secrets).secrets == ("id=npm,env=YADOKARI_SECRET_1", "id=pip,env=YADOKARI_SECRET_2")
    assert variables(secrets=secrets) == {
        "YADOKARI_SECRET_1": "tokens/npm",
        "YADOKARI_SECRET_2": "tokens/pip",
    }


def test_a_secret_that_no_variable_can_hold_is_one_in_base64() -> None:
    keystore = {"id": "jks", "secretRef": {"name": "keys", "key": "jks"}, "encoding": "Base64"}
    assert asked(secrets=[keystore]).secrets == ("id=jks,env=YADOKARI_SECRET_1,encoding=base64",)


def test_certificates_are_trusted_besides() -> None:
    spec = rendered({"ca": ConfigMapData()}, certificates={"configMapRef": {"name": "ca"}})
    executor = spec["containers"][0]
    assert executor["env"] == [{"name": "SSL_CERT_DIR", "value": "/yadokari/input/certificates"}]
    assert {"name": "certificates", "configMap": {"name": "ca"}} in spec["volumes"]
    assert executor["volumeMounts"][-1]["mountPath"] == "/yadokari/input/certificates"
    assert not parse_arguments(executor["args"]).certificates_in_steps


def test_steps_trust_certificates_where_the_spec_says_so() -> None:
    certificates = {"configMapRef": {"name": "ca"}, "inSteps": True}
    executor = rendered({"ca": ConfigMapData()}, certificates=certificates)["containers"][0]
    assert parse_arguments(executor["args"]).certificates_in_steps


def test_what_the_image_is_like_is_handed_on() -> None:
    found = asked(output={"labels": {"a": "b=c"}, "annotations": {"d": "e"}, "compression": "zstd"})
    assert (dict(found.labels), dict(found.annotations)) == ({"a": "b=c"}, {"d": "e"})
    assert found.compression == "zstd"
    assert asked(output={"timestamp": "Zero"}).reproducible
    assert not asked(output={"timestamp": "Build"}).reproducible
    assert variables(output={"timestamp": 1700000000}) == {"SOURCE_DATE_EPOCH": "1700000000"}


def test_build_args_of_config_maps_reach_the_executor() -> None:
    maps = {"args": ConfigMapData({"A": "1"})}
    found = asked(maps, buildArgsFrom=[{"configMapRef": {"name": "args"}}], buildArgs={"B": "2"})
    assert dict(found.build_args) == {"A": "1", "B": "2"}


def test_extra_arguments_come_last() -> None:
    executor = {"extraArgs": ["--single-snapshot", "--ignore-path=/var/log"]}
    assert rendered(executor=executor)["containers"][0]["args"][-2:] == executor["extraArgs"]
    found = asked(executor=executor)
    assert (found.single_snapshot, found.ignore_paths) == (True, ("/var/log",))


def test_the_pod_is_what_the_spec_says_of_it() -> None:
    expression = {"key": "cores", "operator": "Gt", "values": ["4"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    executor = {
        "imagePullSecrets": [{"name": "nodes"}],
        "serviceAccountName": "builder",
        "affinity": affinity,
        "topologySpreadConstraints": [spread],
        "runtimeClassName": "gvisor",
        "priorityClassName": "low",
    }
    spec = rendered(executor=executor)
    assert {name: spec[name] for name in executor} == executor


def test_variables_labels_and_annotations_are_added() -> None:
    env = [
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    executor = {"env": env, "labels": {"team": "a"}, "annotations": {"example.com/b": "c"}}
    made_pod = made(executor=executor)
    assert made_pod["spec"]["containers"][0]["env"] == env
    assert made_pod["metadata"]["labels"]["team"] == "a"
    assert made_pod["metadata"]["labels"]["yadokari.dev/run"] == RUN
    assert made_pod["metadata"]["annotations"]["example.com/b"] == "c"


def test_volumes_are_added_under_names_of_their_own() -> None:
    spec = rendered(
        executor={
            "volumes": [{"name": "context", "emptyDir": {"sizeLimit": "1Gi"}}],
            "volumeMounts": [{"name": "context", "mountPath": "/cache", "subPath": "a"}],
        }
    )
    assert spec["volumes"][-1] == {"name": "user-context", "emptyDir": {"sizeLimit": "1Gi"}}
    mount = {"name": "user-context", "mountPath": "/cache", "subPath": "a"}
    assert spec["containers"][0]["volumeMounts"][-1] == mount


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


def test_labels_of_kueue_are_handed_over_to_the_pod_and_no_others() -> None:
    labels = {"kueue.x-k8s.io/queue-name": "builds", "kueue.x-k8s.io/priority-class": "low", "team": "a"}
    resource = {"metadata": {"namespace": "team", "name": "app", "uid": "u1", "labels": labels}, "spec": SPEC}
    inputs = gather(ImageBuildSpec.model_validate(SPEC), {})
    assert isinstance(inputs, Inputs)
    attempt = Attempt(run=RUN, number=1, retries=0)
    made = pod(ImageBuild.parse(resource), inputs, Settings(), attempt)["metadata"]["labels"]
    plain = pod(image_build(), inputs, Settings(), attempt)["metadata"]["labels"]
    assert made == plain | {name: labels[name] for name in labels if name != "team"}
