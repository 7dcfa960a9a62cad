"""What goes wrong on a real cluster, and that docs/runbook.md shows it in the same words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.operator_process import Builds, fails
from yadokari_contract.reasons import Reason

pytestmark = pytest.mark.cluster

RUNBOOK = Path(__file__).parents[2] / "docs/runbook.md"
HUNGRY = "tail /dev/zero"
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "Unschedulable": ("true", {"executor": {"nodeSelector": {"pool": "builds"}}}),
    "ImagePullFailed": ("true", {"executor": {"image": "registry.invalid/executor:1"}}),
    "SecretNotFound": (
        "true",
        {"destinations": [{"image": "registry.test/app:1", "pushSecretRef": {"name": "registry-login"}}]},
    ),
    "ConfigMapNotFound": ("", {"dockerfileFrom": {"configMapKeyRef": {"name": "source"}}}),
    "RegistryUnauthorized": (
        fails(Reason.UNAUTHORIZED, "registry.test refused the credentials: 401 UNAUTHORIZED", 0),
        {},
    ),
    "PushFailed": (fails(Reason.PUSH_FAILED, "registry.test: 503 Service Unavailable", 0), {"retries": 0}),
    "StepFailed": (fails(Reason.RUN_FAILED, "Dockerfile:3: RUN make: exit code 2", 3), {}),
    "OOMKilled": (HUNGRY, {"executor": {"resources": {"limits": {"memory": "32Mi"}}}}),
    "Timeout": ("sleep 60", {"timeout": "4s"}),
}


@pytest.fixture(scope="module")
def quoted() -> str:
    """The runbook without what is another one each time."""
    return plain(RUNBOOK.read_text())


def plain(text: str) -> str:
    return " ".join(re.sub(r"-[0-9a-f]{10}-", "-RUN-", text).split())


def test_what_goes_wrong_is_shown_as_the_runbook_has_it(builds: Builds, quoted: str) -> None:
    for reason, (script, spec) in WRONG.items():
        executor = {"image": builds.image} | spec.get("executor", {})
        builds.apply(reason.lower(), script or None, **(spec | {"executor": executor}))
    missing: list[str] = []
    for reason in WRONG:
        name = reason.lower()
        builds.wait_for_reason(name, reason)
        condition = builds.status(name)["conditions"][0]
        missing += shown(builds, name, reason, condition["message"], quoted)
    refuse_pods(builds)
    builds.apply("quotaexceeded", "true")
    builds.wait_for_reason("quotaexceeded", "QuotaExceeded")
    message = builds.status("quotaexceeded")["conditions"][0]["message"]
    missing += shown(builds, "quotaexceeded", "QuotaExceeded", message, quoted)
    assert missing == []


def refuse_pods(builds: Builds) -> None:
    """Let no further pod into the namespace."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "builds"},
        "spec": {"hard": {"pods": "0"}},
    }
    builds.kubectl("apply", "-f", "-", stdin=quota)


def shown(builds: Builds, name: str, reason: str, message: str, quoted: str) -> Iterator[str]:
    """Give what `kubectl get` and `kubectl describe` show and the runbook does not."""
    head, row = builds.kubectl("get", "ib", name, "-o", "wide").splitlines()
    row = plain(row[: head.index("IMAGE")])
    told = builds.kubectl("describe", "ib", name)
    event = next((line for line in told.splitlines() if re.match(rf"\s+Warning\s+{reason}\s", line)), "")
    said = plain(re.sub(rf"^\s+Warning\s+{reason}\s+\S+( \(.*?\))?\s+yadokari\s", "", event))
    print(row, message, event, sep="\n")
    words = (said or plain(message)).split()
    # What the cluster itself says goes on in other words with each version, as may why an image did not come.
    begin = "ErrImagePull" if reason == "ImagePullFailed" else " ".join(words[:6])
    for text in (row, begin):
        if text not in quoted:
            yield text
