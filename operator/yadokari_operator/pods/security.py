"""What the pod may do: the least with which a Dockerfile can be built, and what namespaces take."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from yadokari_api.pod.executor import Executor
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]

WITHOUT_STEPS: Mapping[str, Any] = MappingProxyType(
    {
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
)
"""The security context of a container of the executor image that runs no step: it needs no right at all."""


def isolation_of(executor: Executor, settings: Settings) -> str:
    """Tell how steps are kept apart: what the spec says before what the settings say."""
    return executor.isolation or settings.executor_isolation


def of_pod(executor: Executor, settings: Settings) -> Manifest:
    """Give the fields of a pod's spec that say what it may do, and what it is told of the cluster: nothing.

    A build that wants no namespaces gets an ordinary pod: steps can make device nodes there.
    """
    profile: Manifest = {"type": "RuntimeDefault"}
    plain: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"seccompProfile": profile},
    }
    if isolation_of(executor, settings) == "Shared":
        return plain
    if settings.executor_seccomp_profile:
        profile |= {"type": "Localhost", "localhostProfile": settings.executor_seccomp_profile}
    return plain | ({"hostUsers": False} if settings.executor_host_users == "false" else {})


def of_container(executor: Executor, settings: Settings) -> Manifest:
    """Give the security context of the executor's container.

    Root and the default capabilities: what the baseline Pod Security Standard allows, and what a RUN step
    needs to install packages (chown, setuid programs). None needs to forge packets.
    """
    context: Manifest = {"runAsUser": 0, "runAsGroup": 0, "capabilities": {"drop": ["NET_RAW"]}}
    wants_namespaces = isolation_of(executor, settings) != "Shared"
    if settings.executor_proc_mount == "Unmasked" and wants_namespaces:
        context["procMount"] = "Unmasked"
    return context
