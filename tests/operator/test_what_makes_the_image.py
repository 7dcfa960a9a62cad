"""Each field of a spec either makes the image, and a change of it builds it, or it does not."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from yadokari_api.inputs.context import HttpContext
from yadokari_api.model import Model
from yadokari_api.pod import scheduling
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.inputs.artifact import Artifact
from yadokari_operator.pods.inputs.files import ConfigMapData
from yadokari_operator.pods.inputs.gathered import Inputs, gather

Fields = dict[str, Any]

TWIN = {"k": "1", "l": "1", "m": "2"}
MAPS = {"a": ConfigMapData(TWIN), "twin": ConfigMapData(TWIN), "other": ConfigMapData(TWIN | {"k": "3"})}
SECRET = {"name": "s"}
VOLUME = {"name": "v"}

CONTEXTS: list[Fields] = [
    {"configMap": {"name": "a"}},
    {"configMaps": [{"name": "a", "path": "src", "items": [{"key": "k", "path": "file"}]}]},
    {
        "git": {
            "url": "https://example.com/app.git",
            "ref": "main",
            "subPath": "src",
            "submodules": True,
            "secretRef": SECRET,
        }
    },
    {"http": {"url": "https://example.com/a.tar", "sha256": "0" * 64, "secretRef": SECRET}},
    {
        "s3": {
            "bucket": "bucket",
            "key": "a.tar",
            "region": "eu-central-1",
            "endpoint": "https://s3.example.com",
            "forcePathStyle": True,
            "secretRef": SECRET,
        }
    },
    {"gcs": {"bucket": "bucket", "key": "a.tar", "secretRef": SECRET}},
    {"azure": {"url": "https://account.blob.core.windows.net/a/b.tar", "secretRef": SECRET}},
    {"oci": {"image": "registry.test/context:1", "pullSecretRef": SECRET}},
    {"persistentVolumeClaim": {"claimName": "claim", "subPath": "src", "readOnly": False}},
    {"fluxSource": {"kind": "GitRepository", "name": "app"}},
]
EXECUTORS: list[Fields] = [
    {
        "image": "executor:1",
        "imagePullSecrets": [SECRET],
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        "serviceAccountName": "builder",
        "nodeSelector": {"pool": "builds"},
        "tolerations": [{"key": "builds", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "runtime": "Auto",
        "isolation": "Auto",
        "lodging": "Auto",
        "runtimeClassName": "gvisor",
        "priorityClassName": "low",
        "labels": {"team": "a"},
        "annotations": {"team": "a"},
        "extraArgs": ["--single-snapshot"],
    },
    {"env": [{"name": "HTTPS_PROXY", "value": "http://proxy.test"}]},
    {"env": [{"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
    {"env": [{"name": "HTTPS_PROXY", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "k"}}}]},
    {
        "volumes": [VOLUME | {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}],
        "volumeMounts": [VOLUME | {"mountPath": "/mnt/a", "subPath": "a", "readOnly": True}],
    },
    {"volumes": [VOLUME | {"configMap": {"name": "a"}}], "volumeMounts": [VOLUME | {"mountPath": "/mnt/a"}]},
    {
        "volumes": [VOLUME | {"persistentVolumeClaim": {"claimName": "claim", "readOnly": True}}],
        "volumeMounts": [VOLUME | {"mountPath": "/mnt/a"}],
    },
]
ASKING = {"interval": "1h"}
# Of each field what it may be: every field that there is, in one of them at least.
ALTERNATIVES: dict[str, list[Any]] = {
    "suspend": [True],
    "dockerfile": ["FROM busybox\n"],
    "dockerfileFrom": [{"configMapKeyRef": {"name": "a", "key": "k"}}, {"path": "docker/Dockerfile"}],
    "context": CONTEXTS,
    "buildArgs": [{"A": "1"}],
    "buildArgsFrom": [
        [{"configMapRef": {"name": "a"}, "prefix": "P_"}],
        [{"secretRef": SECRET, "prefix": "P_"}],
    ],
    "secrets": [[{"id": "npm", "secretRef": {"name": "s", "key": "k"}, "encoding": "Base64"}]],
    "target": ["final"],
    "destinations": [[{"image": "registry.test/app:1", "insecure": True, "pushSecretRef": SECRET}]],
    "platforms": [["linux/amd64"]],
    "pullSecretRefs": [[SECRET]],
    "certificates": [{"configMapRef": {"name": "a"}, "inSteps": True}],
    "output": [
        {"labels": {"a": "b"}, "annotations": {"a": "b"}, "timestamp": "Zero", "compression": "zstd"},
    ],
    "cache": [
        {
            "disabled": True,
            "registry": {
                "image": "registry.test/cache",
                "secretRef": SECRET,
                "ttl": "1h",
                "from": ["registry.test/other"],
                "readOnly": True,
            },
            "volumeClaim": {"claimName": "claim", "subPath": "a"},
            "mounts": "Volume",
        }
    ],
    "executor": EXECUTORS,
    "rebuild": [
        {"schedule": {"cron": "@daily", "timeZone": "Europe/Berlin"}, "onBaseImageChange": ASKING},
        {"onBaseImageChange": ASKING, "onGitChange": ASKING},
    ],
    "priority": [1],
    "timeout": ["2h"],
    "pendingTimeout": ["5m"],
    "retries": [1],
    "concurrencyPolicy": ["Queue"],
    "podRetention": [{"succeeded": "1h", "failed": "2h"}],
    "historyLimit": [5],
}

# What each field is changed to. A change of these is another image, or another place for it.
MAKES: dict[str, Any] = {
    "dockerfile": "FROM busybox:2\n",
    "dockerfileFrom.path": "Dockerfile",
    "context.configMaps[].path": "lib",
    "context.configMaps[].items[].path": "name",
    "context.git.url": "https://example.com/other.git",
    "context.git.ref": "next",
    "context.git.subPath": "lib",
    "context.git.submodules": False,
    "context.http.url": "https://example.com/b.tar",
    "context.http.sha256": "1" * 64,
    "context.s3.bucket": "another",
    "context.s3.key": "b.tar",
    "context.s3.region": "eu-west-1",
    "context.s3.endpoint": "https://s3.example.org",
    "context.gcs.bucket": "another",
    "context.gcs.key": "b.tar",
    "context.azure.url": "https://account.blob.core.windows.net/a/c.tar",
    "context.oci.image": "registry.test/context:2",
    "context.persistentVolumeClaim.claimName": "another",
    "context.persistentVolumeClaim.subPath": "lib",
    "buildArgs": {"A": "2"},
    "buildArgsFrom[].prefix": "Q_",
    "buildArgsFrom[].secretRef.name": "other",
    "secrets[].id": "pip",
    "secrets[].secretRef.name": "other",
    "secrets[].secretRef.key": "other",
    "secrets[].encoding": None,
    "target": "other",
    "destinations[].image": "registry.test/app:2",
    "platforms": ["linux/arm64"],
    "certificates.inSteps": False,
    "output.labels": {"a": "c"},
    "output.annotations": {"a": "c"},
    "output.timestamp": 0,
    "output.compression": None,
    "executor.image": "executor:2",
    "executor.extraArgs": ["--single-snapshot", "--materialize"],
    "executor.volumes[].configMap.name": "other",
    "executor.volumes[].persistentVolumeClaim.claimName": "another",
    "executor.volumes[].persistentVolumeClaim.readOnly": False,
    "executor.volumeMounts[].mountPath": "/mnt/b",
    "executor.volumeMounts[].subPath": "b",
    "executor.volumeMounts[].readOnly": False,
}
# These name what is read: contents make the image, and not the names. First the same ones, then others.
NAMES: dict[str, tuple[str, str]] = {
    "dockerfileFrom.configMapKeyRef.name": ("twin", "other"),
    "dockerfileFrom.configMapKeyRef.key": ("l", "m"),
    "context.configMap.name": ("twin", "other"),
    "context.configMaps[].name": ("twin", "other"),
    "context.configMaps[].items[].key": ("l", "m"),
    "context.fluxSource.kind": ("Bucket", "OCIRepository"),
    "context.fluxSource.name": ("twin", "other"),
    "buildArgsFrom[].configMapRef.name": ("twin", "other"),
}
# And these say how, when and where it is built.
MEANS: dict[str, Any] = {
    "suspend": False,
    "context.git.secretRef.name": "other",
    "context.http.secretRef.name": "other",
    "context.s3.forcePathStyle": False,
    "context.s3.secretRef.name": "other",
    "context.gcs.secretRef.name": "other",
    "context.azure.secretRef.name": "other",
    "context.oci.pullSecretRef.name": "other",
    "context.persistentVolumeClaim.readOnly": True,
    "destinations[].insecure": False,
    "destinations[].pushSecretRef.name": "other",
    "pullSecretRefs[].name": "other",
    "certificates.configMapRef.name": "other",
    "cache.disabled": False,
    "cache.registry.image": "registry.test/another",
    "cache.registry.secretRef.name": "other",
    "cache.registry.ttl": "2h",
    "cache.registry.from": [],
    "cache.registry.readOnly": False,
    "cache.volumeClaim.claimName": "another",
    "cache.volumeClaim.subPath": "b",
    "cache.mounts": None,
    "executor.imagePullSecrets[].name": "other",
    "executor.resources.requests": {"cpu": "2"},
    "executor.resources.limits": {"memory": "2Gi"},
    "executor.serviceAccountName": "other",
    "executor.nodeSelector": {"pool": "other"},
    "executor.tolerations": [],
    "executor.affinity": {"podAffinity": {}},
    "executor.topologySpreadConstraints": [],
    "executor.runtime": "InitContainer",
    "executor.isolation": "Shared",
    "executor.lodging": "Always",
    "executor.runtimeClassName": "kata",
    "executor.priorityClassName": "high",
    "executor.env[].name": "HTTP_PROXY",
    "executor.env[].value": "http://other.test",
    "executor.env[].valueFrom.secretKeyRef.name": "other",
    "executor.env[].valueFrom.secretKeyRef.key": "other",
    "executor.env[].valueFrom.configMapKeyRef.name": "other",
    "executor.env[].valueFrom.configMapKeyRef.key": "other",
    "executor.labels": {"team": "b"},
    "executor.annotations": {"team": "b"},
    "executor.volumes[].emptyDir.medium": None,
    "executor.volumes[].emptyDir.sizeLimit": "2Gi",
    "rebuild.schedule.cron": "@hourly",
    "rebuild.schedule.timeZone": "Europe/Paris",
    "rebuild.onBaseImageChange.interval": "2h",
    "rebuild.onGitChange.interval": "2h",
    "priority": 2,
    "timeout": "3h",
    "pendingTimeout": "6m",
    "retries": 2,
    "concurrencyPolicy": "Forbid",
    "podRetention.succeeded": "3h",
    "podRetention.failed": "4h",
    "historyLimit": 6,
}
# The name by which parts of a spec find each other says nothing: it is changed in both.
LINKS = {"executor.volumes[].name", "executor.volumeMounts[].name"}


def fields_of(model: type[Model], path: str = "") -> Iterator[str]:
    """The path of each field that is no group of others; what is as in a pod is one."""
    for field in model.model_fields.values():
        parts = list(models_in(field.annotation))
        name = f"{path}{field.alias}"
        if not parts or parts[0].__module__ == scheduling.__name__:
            yield name
        for part in parts:
            if part.__module__ != scheduling.__name__:
                is_list = isinstance(getattr(field, "default", None), tuple) or "tuple" in str(
                    field.annotation
                )
                yield from fields_of(part, f"{name}[]." if is_list else f"{name}.")


def models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def changed(spec: Fields, path: str, value: Any) -> Fields:
    """The same spec with another value at a path that it has; without it where that is None."""
    spec = json.loads(json.dumps(spec))
    place: Any = spec
    *groups, last = path.split(".")
    for group in groups:
        place = place[group.removesuffix("[]")]
        place = place[0] if group.endswith("[]") else place
    if value is None:
        del place[last]
    else:
        assert place[last] != value
        place[last] = value
    return spec


def has(spec: Any, path: str) -> bool:
    if isinstance(spec, list):
        return bool(spec) and has(spec[0], path)
    first, _, rest = path.partition(".")
    first = first.removesuffix("[]")
    return isinstance(spec, Mapping) and first in spec and (not rest or has(spec[first], rest))


def hash_of(spec: Fields) -> str:
    """Its hash; drawn anew where there is no such spec."""
    try:
        parsed = ImageBuildSpec.model_validate(spec)
    except ValidationError:
        assume(False)
        raise
    found = gather(parsed, MAPS, artifact_of(parsed))
    assert isinstance(found, Inputs)
    return found.hash


def artifact_of(spec: ImageBuildSpec) -> Artifact | None:
    source = spec.context.flux_source if spec.context else None
    if source is None:
        return None
    content = "2" if "other" in source.name or source.kind == "OCIRepository" else "1"
    where = HttpContext(url="http://flux.test/a.tar.gz", sha256=content * 64)
    return Artifact(where, f"sha256:{content * 64}", "main")


@st.composite
def specs_with(draw: st.DrawFn, path: str) -> Fields:
    """Specs that have a field, and any others."""
    field = path.partition(".")[0].removesuffix("[]")
    spec = {
        name: draw(st.sampled_from(values))
        for name, values in ALTERNATIVES.items()
        if name in (field, "destinations") or draw(st.booleans())
    }
    spec[field] = draw(st.sampled_from([it for it in ALTERNATIVES[field] if has({field: it}, path)]))
    has_text = field == "dockerfile" or (field != "dockerfileFrom" and draw(st.booleans()))
    source = "dockerfile" if has_text else "dockerfileFrom"
    spec.setdefault(source, draw(st.sampled_from(ALTERNATIVES[source])))
    spec.pop("dockerfileFrom" if has_text else "dockerfile", None)
    if "onGitChange" in spec.get("rebuild", ()):
        if field == "context":
            del spec["rebuild"]
        else:
            spec["context"] = next(context for context in CONTEXTS if "git" in context)
    if "path" in spec.get("dockerfileFrom", ()):
        spec.setdefault("context", draw(st.sampled_from(CONTEXTS)))
    return spec


def test_of_each_field_it_is_said_whether_it_makes_the_image() -> None:
    said = [*MAKES, *NAMES, *MEANS, *LINKS]
    assert sorted(said) == sorted(fields_of(ImageBuildSpec))


@pytest.mark.parametrize("path", MAKES)
@settings(max_examples=4)
@given(st.data())
def test_what_makes_the_image_is_in_the_hash(path: str, data: st.DataObject) -> None:
    spec = data.draw(specs_with(path))
    assert hash_of(changed(spec, path, MAKES[path])) != hash_of(spec)


@pytest.mark.parametrize("path", MEANS)
@settings(max_examples=4)
@given(st.data())
def test_how_it_is_built_is_not_in_the_hash(path: str, data: st.DataObject) -> None:
    spec = data.draw(specs_with(path))
    assert hash_of(changed(spec, path, MEANS[path])) == hash_of(spec)


@pytest.mark.parametrize("path", NAMES)
@settings(max_examples=4)
@given(st.data())
def test_contents_are_in_the_hash_and_not_what_they_are_called(path: str, data: st.DataObject) -> None:
    spec, (same, others) = data.draw(specs_with(path)), NAMES[path]
    assert hash_of(changed(spec, path, same)) == hash_of(spec) != hash_of(changed(spec, path, others))


@pytest.mark.parametrize("number", [number for number, it in enumerate(EXECUTORS) if "volumes" in it])
def test_what_a_volume_is_called_is_not_in_the_hash(number: int) -> None:
    base = {name: ALTERNATIVES[name][0] for name in ("dockerfile", "destinations")}
    spec = base | {"executor": EXECUTORS[number]}
    renamed = spec
    for path in LINKS:
        renamed = changed(renamed, path, "w")
    assert hash_of(renamed) == hash_of(spec) != hash_of(base)
