"""Objects that somebody with the right to make pods and ConfigMaps makes in the operator's name."""

import json
from typing import Any

import pytest

from support.cluster import KubectlError
from support.operator_fixtures import Unseen
from support.operator_process import BUILT, DIGEST, OperatorProcess, wait_until
from yadokari_contract.results.build import BuildResult, format_result

pytestmark = pytest.mark.cluster

FORGED = "sha256:" + "f" * 64
LIE = f"printf %s '{format_result(BuildResult(digest=FORGED))}' > /dev/termination-log"


class Victim(Unseen):
    """An ImageBuild that the operator has not seen, with objects that somebody makes in its name."""

    def forged(self, number: int = 1, script: str = LIE) -> dict[str, Any]:
        """A pod of that name, with these labels and this owner, that runs something else."""
        made = self.pod(number)
        executor = {"name": "executor", "image": self.builds.image, "command": ["sh", "-c", script]}
        made["spec"] = {"restartPolicy": "Never", "containers": [executor]}
        return made

    def create(self, manifest: dict[str, Any]) -> str:
        """Make something; gives its UID."""
        self.builds.kubectl("create", "-f", "-", stdin=manifest)
        found = self.builds.kubectl.get(manifest["kind"], manifest["metadata"]["name"])
        uid: str = found["metadata"]["uid"]
        return uid

    def ended(self, manifest: dict[str, Any]) -> None:
        """Wait until a pod has succeeded."""
        name = manifest["metadata"]["name"]
        done = "--for=jsonpath={.status.phase}=Succeeded"
        self.builds.kubectl("wait", f"pod/{name}", done, "--timeout=60s")


@pytest.fixture
def victim(unseen: Unseen) -> Victim:
    return Victim(unseen.name, unseen.builds, unseen.build, unseen.inputs, unseen.run)


def test_a_pod_forged_before_the_operator_makes_its_own_neither_succeeds_nor_blocks(
    victim: Victim, operator: OperatorProcess
) -> None:
    forged = victim.forged()
    victim.create(forged)
    victim.ended(forged)
    operator.start()
    assert victim.builds.wait_for_phase(victim.name, "Succeeded", seconds=60)["output"]["digest"] == DIGEST


def test_a_forged_pod_of_a_later_attempt_counts_for_nothing(
    victim: Victim, operator: OperatorProcess
) -> None:
    forged = victim.forged(number=7)
    uid = victim.create(forged)
    victim.ended(forged)
    operator.start()
    status = victim.builds.wait_for_phase(victim.name, "Succeeded", seconds=60)
    assert (status["output"]["digest"], uid in status["podUids"]) == (DIGEST, False)


def test_a_forged_pod_of_another_run_that_never_ends_holds_nothing_up(
    victim: Victim, operator: OperatorProcess
) -> None:
    forged = victim.forged(script="sleep 600")
    forged["metadata"]["name"] = forged["metadata"]["name"].replace(victim.run, "0" * len(victim.run))
    victim.create(forged)
    operator.start()
    victim.builds.wait_for_phase(victim.name, "Succeeded", seconds=60)
    victim.builds.kubectl("delete", "pod", forged["metadata"]["name"], "--now", "--ignore-not-found")


def test_a_forged_pod_that_somebody_keeps_from_going_blocks_nothing(
    victim: Victim, operator: OperatorProcess
) -> None:
    forged = victim.forged(script="sleep 600")
    forged["metadata"]["finalizers"] = ["attacker.example.com/keep"]
    victim.create(forged)
    operator.start()
    try:
        status = victim.builds.wait_for_phase(victim.name, "Succeeded", seconds=90)
        assert status["output"]["digest"] == DIGEST
        assert status["run"]["pod"] != forged["metadata"]["name"]
    finally:
        free = json.dumps({"metadata": {"finalizers": None}})
        name = forged["metadata"]["name"]
        victim.builds.kubectl("patch", "pod", name, "--type=merge", "-p", free)
        victim.builds.kubectl("delete", "pod", name, "--now", "--ignore-not-found")


def test_a_pod_with_a_container_more_is_not_taken_for_ours(victim: Victim, operator: OperatorProcess) -> None:
    forged = victim.pod()
    beside = {"name": "beside", "image": victim.builds.image, "command": ["sleep", "600"]}
    forged["spec"]["containers"].append(beside)
    forged["spec"]["shareProcessNamespace"] = True
    victim.create(victim.config_map())
    uid = victim.create(forged)
    operator.start()
    status = victim.builds.wait_for_phase(victim.name, "Succeeded", seconds=60)
    assert uid not in status["podUids"]


def test_a_pod_of_ours_that_the_operator_did_not_get_to_write_down_is_not_made_twice(
    victim: Victim, operator: OperatorProcess
) -> None:
    victim.create(victim.config_map())
    uid = victim.create(victim.pod())
    operator.start()
    status = victim.builds.wait_for_phase(victim.name, "Succeeded", seconds=60)
    assert status["podUids"] == [uid]


def test_what_a_pod_says_cannot_drive_a_terminal_or_break_the_status(
    victim: Victim, operator: OperatorProcess
) -> None:
    hostile = "printf '\\033[2J\\342\\200\\256evil\\007 not json' > /dev/termination-log; exit 11"
    victim.builds.apply(victim.name, hostile)
    operator.start()
    status = victim.builds.wait_for_phase(victim.name, "Failed", seconds=60)
    told = victim.builds.kubectl("describe", "imagebuild", victim.name)
    assert "evil" in status["failure"]["logTail"]
    assert not set("\x1b\x07\u202e") & set(json.dumps(status, ensure_ascii=False) + told)


@pytest.mark.parametrize("name", ["other/secret", "../other", "other.svc/secret", "Secret"])
def test_no_secret_of_another_namespace_can_be_named(victim: Victim, name: str) -> None:
    destination = {"image": "registry.test/app:1", "pushSecretRef": {"name": name}}
    with pytest.raises(KubectlError, match="name must be one of Kubernetes"):
        victim.builds.apply("borrower", BUILT, destinations=[destination])


def test_a_secret_of_the_same_name_in_another_namespace_is_not_lent(
    victim: Victim, operator: OperatorProcess
) -> None:
    kubectl = victim.builds.kubectl
    elsewhere = f"{kubectl.namespace}-other"
    kubectl("create", "namespace", elsewhere)
    try:
        kubectl("create", "secret", "docker-registry", "lent", "-n", elsewhere, "--docker-username=a",
                "--docker-password=b", "--docker-server=c")  # fmt: skip
        destination = {"image": "registry.test/app:1", "pushSecretRef": {"name": "lent"}}
        victim.builds.apply(victim.name, BUILT, destinations=[destination])
        operator.start()
        message = victim.builds.wait_for_reason(victim.name, "SecretNotFound", seconds=60)["message"]
        assert 'secret "lent" not found' in message
        assert victim.builds.config_maps(victim.name) != []
        victim.builds.kubectl("delete", "imagebuild", victim.name)
        wait_until(lambda: victim.builds.pods(victim.name) == [], seconds=40)
    finally:
        kubectl("delete", "namespace", elsewhere, "--wait=false")
