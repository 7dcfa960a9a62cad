"""Specs of ImageBuilds, right and wrong: the operator and the API server must agree on them."""

from typing import Any

from support.resources import SPEC

FROM_CONFIG_MAP = {"configMapKeyRef": {"name": "source"}}


def spec(**changes: Any) -> dict[str, Any]:
    """The plainest spec with changes; `None` takes a field away."""
    return {key: value for key, value in (SPEC | changes).items() if value is not None}


def to(*images: str) -> dict[str, Any]:
    """A spec with these destinations."""
    return spec(destinations=[{"image": image} for image in images])


def limits(**amounts: Any) -> dict[str, Any]:
    """A spec with limits of resources."""
    return spec(executor={"resources": {"limits": amounts}})


def tolerating(**toleration: Any) -> dict[str, Any]:
    """A spec with a toleration."""
    return spec(executor={"tolerations": [toleration]})


RIGHT: list[dict[str, Any]] = [
    spec(),
    spec(dockerfile=None, dockerfileFrom=FROM_CONFIG_MAP),
    limits(memory="2Gi", cpu=2),
    limits(cpu=0, **{"example.com/gpu": 1, "hugepages-2Mi": "4Mi", "ephemeral-storage": "1.5G"}),
    spec(executor={"resources": {"requests": {"cpu": "1000m"}, "limits": {"cpu": 1, "memory": "1e3"}}}),
    tolerating(key="builds", operator="Exists", effect="NoSchedule"),
    tolerating(operator="Exists", effect="NoExecute", tolerationSeconds=5),
    spec(executor={"nodeSelector": {"kubernetes.io/arch": "amd64", "empty": ""}}),
    spec(timeout="1h30m"),
    spec(podRetention={"succeeded": "0s", "failed": "8760h"}, historyLimit=0),
    spec(buildArgs={"HTTP_PROXY": "x", "_a.b-c": ""}),
    to("app"),
    to("team/app"),
    to("localhost:5000/app"),
    to("10.98.0.1:65535/team/app:1.2-rc_3"),
    to("[::1]:5000/app"),
    to("REGISTRY.example.com/a__b/c--d"),
    to("app:1", "app:2", "team/app", "registry.test/app", "registry.test:5000/app", "docker.io/team/other"),
]

WRONG: list[tuple[dict[str, Any], str]] = [
    (spec(dockerfile=None), "exactly one of dockerfile and dockerfileFrom"),
    (spec(dockerfileFrom=FROM_CONFIG_MAP), "exactly one of dockerfile and dockerfileFrom"),
    (spec(timeout="0s"), "between 1s and 24h"),
    (spec(timeout="25h"), "between 1s and 24h"),
    (spec(timeout="1 hour"), "like 90s, 15m or 1h30m"),
    (spec(podRetention={"failed": "8761h"}), "between 0s and 8760h"),
    (spec(podRetention={"failed": "for ever"}), "like 90s, 15m or 1h30m"),
    (spec(buildArgs={"A B": "x"}), "a build argument's name must begin with"),
    (spec(buildArgs={"1A": "x"}), "a build argument's name must begin with"),
    (spec(buildArgs={"": "x"}), "a build argument's name must begin with"),
    (spec(context={"configMap": {"name": "Files"}}), "name must be one of Kubernetes"),
    (limits(memory="lots"), "an amount must be a number"),
    (limits(memory="1.5 Gi"), "an amount must be a number"),
    (limits(memory="-1"), "an amount must be a number"),
    (limits(cpu=-1), "an amount must be a number"),
    (limits(memroy="1Gi"), "a resource must be cpu, memory"),
    (
        spec(executor={"resources": {"requests": {"cpu": "1001m"}, "limits": {"cpu": 1}}}),
        "requests must not be above limits",
    ),
    (tolerating(operator="Equal", effect="NoSchedule"), "without key must have the operator Exists"),
    (tolerating(key="builds", operator="Exists", value="x"), "Exists must have no value"),
    (tolerating(key="builds", tolerationSeconds=5), "must have the effect NoExecute"),
    (spec(executor={"nodeSelector": {"a b": "c"}}), "a label's key must be"),
    (spec(executor={"nodeSelector": {"a": "b c"}}), "a label's value must be"),
    (spec(executor={"image": "Executor"}), "the name in lower case"),
    (to("App"), "the name in lower case"),
    (to(""), "image must be"),
    (to("app@sha256:" + "0" * 64), "no digest"),
    (to("https://example.com/app"), "no https://"),
    (to("registry.test:99999/app"), "a port up to 65535"),
    (to("registry.test:65536/app"), "a port up to 65535"),
    (to("app:"), "image must be"),
    (to("app\n"), "image must be"),
    (to("app", "app:latest"), "the same place"),
    (to("docker.io/app", "app"), "the same place"),
    (to("docker.io/library/app:1", "index.docker.io/app:1"), "the same place"),
    (to("docker.io/team/app", "team/app:latest"), "the same place"),
    (to("Registry.test/app", "registry.test/app:latest"), "the same place"),
]
