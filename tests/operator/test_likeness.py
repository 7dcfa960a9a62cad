import copy
from collections.abc import Callable
from typing import Any

import pytest

from support.resources import SPEC, image_build
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.cluster.likeness import is_like
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.render import Attempt, pod
from yadokari_operator.settings import Settings


def made() -> dict[str, Any]:
    found = gather(ImageBuildSpec.model_validate(SPEC), {})
    assert isinstance(found, Inputs)
    return pod(image_build(), found, Settings(), Attempt(run="0" * 10, number=1, retries=0))


def as_served() -> dict[str, Any]:
    """The pod as an API server gives it: with its defaults, and without what is empty."""
    found = copy.deepcopy(made())
    spec = found["spec"]
    spec |= {
        "serviceAccountName": "default",
        "schedulerName": "default-scheduler",
        "dnsPolicy": "ClusterFirst",
    }
    for container in (*spec["initContainers"], *spec["containers"]):
        container |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
        container.pop("env", None)
    for volume in spec["volumes"]:
        if "configMap" in volume:
            volume["configMap"]["defaultMode"] = 420
    return found


def test_a_pod_of_ours_is_known_in_spite_of_what_the_server_adds() -> None:
    assert is_like(as_served(), made())


CHANGES: list[Callable[[dict[str, Any]], object]] = [
    lambda spec: spec["containers"].append({"name": "beside", "image": "x"}),
    lambda spec: spec["initContainers"].append({"name": "before", "image": "x"}),
    lambda spec: spec["containers"][0].update(image="evil"),
    lambda spec: spec["containers"][0].update(command=["sh"]),
    lambda spec: spec["containers"][0]["args"].append("--no-push"),
    lambda spec: spec["containers"][0].update(env=[{"name": "A", "value": "b"}]),
    lambda spec: spec["containers"][0].update(envFrom=[{"secretRef": {"name": "s"}}]),
    lambda spec: spec["containers"][0]["volumeMounts"].append({"name": "x", "mountPath": "/yadokari/lib"}),
    lambda spec: spec["containers"][0]["volumeMounts"].pop(0),
    lambda spec: spec["containers"][0].update(lifecycle={"postStart": {"exec": {"command": ["x"]}}}),
    lambda spec: spec["containers"][0].update(workingDir="/x"),
    *(
        lambda spec, probe=probe: spec["containers"][0].update({probe: {"exec": {"command": ["x"]}}})
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    ),
    lambda spec: spec["initContainers"][0].update(restartPolicy="Always"),
    lambda spec: spec["containers"][0]["securityContext"].update(privileged=True),
    lambda spec: spec["containers"][0]["securityContext"].update(procMount="Unmasked"),
    lambda spec: spec["containers"][0]["securityContext"].update(capabilities={"add": ["SYS_ADMIN"]}),
    lambda spec: spec.update(hostAliases=[{"ip": "192.0.2.1", "hostnames": ["registry.example.com"]}]),
    lambda spec: spec.update(dnsConfig={"nameservers": ["192.0.2.1"]}),
    lambda spec: spec["containers"][0]["securityContext"].update(runAsUser=1),
    lambda spec: spec["initContainers"][0].update(image="evil"),
    lambda spec: spec["volumes"][2]["configMap"].update(name="another"),
    lambda spec: spec["volumes"].pop(0),
    lambda spec: spec.update(shareProcessNamespace=True),
    lambda spec: spec.update(hostNetwork=True),
    lambda spec: spec.update(automountServiceAccountToken=True),
    lambda spec: spec.update(serviceAccountName="powerful"),
    lambda spec: spec["securityContext"]["seccompProfile"].update(type="Unconfined"),
    lambda spec: spec.update(ephemeralContainers=[{"name": "debugger"}]),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_pod_that_runs_or_may_do_anything_else_is_another_one(
    change: Callable[[dict[str, Any]], object],
) -> None:
    found = as_served()
    change(found["spec"])
    assert not is_like(found, made())
