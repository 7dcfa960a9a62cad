"""The life of a build on a real cluster; a shell script stands in for the executor."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.operator_process import BUILT, DIGEST, Builds, OperatorProcess, wait_until
from support.queueing import GATE, PREEMPTED, QUEUE, forget, let_go, queueing, send_away
from support.registry import make_certificate

pytestmark = pytest.mark.cluster


def test_a_build_goes_from_pending_to_succeeded(builds: Builds) -> None:
    builds.apply("good", f"sleep 2\n{BUILT}")
    status = builds.wait_for_phase("good", "Succeeded")
    assert (status["output"]["digest"], status["output"]["image"]) == (DIGEST, "registry.test/app:1")
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Succeeded": "True",
    }
    assert set(builds.events("good")) >= {
        ("Normal", reason) for reason in ("Scheduling", "Building", "Succeeded")
    }
    builds.kubectl("wait", "--for=condition=Ready", "ib/good", "--timeout=1s")
    columns = builds.kubectl("get", "ib", "good", "-o", "wide").splitlines()
    head = "NAME READY STATUS PROGRESS REASON IMAGE DIGEST BECAUSE DURATION AGE"
    assert columns[0].split() == head.split()
    assert columns[1].split()[:6] == ["good", "True", "Succeeded", "Succeeded", "registry.test/app:1", DIGEST]


def test_an_executor_that_dies_without_a_word_leaves_its_log(builds: Builds) -> None:
    builds.apply("crash", "echo Traceback: lost; exit 1")
    failure = builds.wait_for_phase("crash", "Failed")["failure"]
    assert failure["reason"] == "ExecutorFailed"
    assert "Traceback: lost" in failure["logTail"]


def test_an_operator_killed_during_a_build_loses_nothing(builds: Builds, operator: OperatorProcess) -> None:
    builds.apply("survivor", f"sleep 4\n{BUILT}")
    pod = builds.wait_for_phase("survivor", "Building")["run"]["pod"]
    operator.kill()
    builds.kubectl("wait", f"pod/{pod}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    operator.start()
    status = builds.wait_for_phase("survivor", "Succeeded")
    assert (status["run"]["pod"], builds.pods("survivor")) == (pod, [pod])
    assert builds.events("survivor").count(("Normal", "Succeeded")) == 1


def test_an_operator_that_is_told_to_stop_does_so_at_once(builds: Builds, operator: OperatorProcess) -> None:
    builds.apply("stopped", BUILT)
    builds.wait_for_phase("stopped", "Succeeded")
    begin = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - begin < 10
    operator.start()


def test_who_asks_for_it_gets_a_new_build(builds: Builds) -> None:
    builds.apply("asked", BUILT)
    first = builds.wait_for_phase("asked", "Succeeded")
    builds.kubectl("annotate", "ib/asked", "yadokari.dev/rebuild-requested-at=now")
    second = builds.wait(
        "asked", lambda s: s["phase"] == "Succeeded" and s["run"]["pod"] != first["run"]["pod"]
    )
    assert second["rebuildRequestedAt"] == "now"


def test_any_change_of_the_spec_mends_a_failure_and_the_last_success_is_kept(builds: Builds) -> None:
    builds.apply("mended", BUILT)
    builds.wait_for_phase("mended", "Succeeded")
    builds.apply("mended", "trap 'exit 143' TERM; sleep 60 & wait", timeout="2s")
    failed = builds.wait_for_phase("mended", "Failed")
    assert failed["lastSucceeded"]["digest"] == DIGEST
    builds.apply("mended", f"sleep 3\n{BUILT}", timeout="1m")
    builds.wait_for_phase("mended", "Succeeded")


def test_a_pod_is_kept_for_as_long_as_the_spec_says(builds: Builds) -> None:
    builds.apply("brief", BUILT, podRetention={"succeeded": "3s"})
    builds.wait_for_phase("brief", "Succeeded")
    assert len(builds.pods("brief")) == 1
    wait_until(lambda: builds.pods("brief") == [], seconds=6)
    assert builds.status("brief")["phase"] == "Succeeded"


def test_a_dockerfile_in_binary_data_reaches_the_executor(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(f"{BUILT}# \xff\xfe\n".encode("latin-1"))
    builds.kubectl("create", "configmap", "binary", f"--from-file={tmp_path / 'Dockerfile'}")
    assert "binaryData" in builds.kubectl.get("configmap", "binary")
    builds.apply("binary", None, dockerfileFrom={"configMapKeyRef": {"name": "binary"}})
    builds.wait_for_phase("binary", "Succeeded")


def test_an_event_that_may_not_be_made_keeps_no_build_from_its_end(builds: Builds) -> None:
    rules = builds.kubectl.get("role", "yadokari")["rules"]
    without = [rule for rule in rules if rule["resources"] != ["events"]]
    try:
        builds.kubectl("patch", "role", "yadokari", "--type=merge", "-p", json.dumps({"rules": without}))
        builds.apply("eventless", BUILT)
        builds.wait_for_phase("eventless", "Succeeded")
        assert builds.events("eventless") == []
    finally:
        builds.kubectl("patch", "role", "yadokari", "--type=merge", "-p", json.dumps({"rules": rules}))


def test_a_changed_spec_is_built_anew_and_the_same_one_is_not(builds: Builds) -> None:
    builds.apply("changed", BUILT)
    first = builds.wait_for_phase("changed", "Succeeded")
    builds.kubectl("annotate", "ib/changed", "touched=yes")
    builds.apply("changed", BUILT, timeout="2h", buildArgs={}, podRetention={"failed": "1h"})
    builds.wait_for_phase("changed", "Succeeded")
    assert builds.pods("changed") == [first["run"]["pod"]]

    builds.apply("changed", BUILT, target="final")
    second = builds.wait(
        "changed", lambda s: s["phase"] == "Succeeded" and s["run"]["pod"] != first["run"]["pod"]
    )
    wait_until(lambda: builds.pods("changed") == [second["run"]["pod"]])
    wait_until(lambda: builds.config_maps("changed") == [])


def test_a_spec_that_changes_during_a_build_ends_it_first(builds: Builds) -> None:
    builds.apply("overtaken", f"trap 'exit 143' TERM; sleep 60 & wait\n{BUILT}")
    old = builds.wait_for_phase("overtaken", "Building")["run"]["pod"]
    builds.apply("overtaken", BUILT)
    assert builds.wait_for_phase("overtaken", "Succeeded")["run"]["pod"] != old
    assert old not in builds.pods("overtaken")


def test_a_config_map_may_come_later_and_change(builds: Builds) -> None:
    def source(script: str) -> None:
        resource = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "source"},
            "data": {"Dockerfile": script},
        }
        builds.kubectl("apply", "-f", "-", stdin=resource)

    builds.apply("later", None, dockerfileFrom={"configMapKeyRef": {"name": "source"}})
    builds.wait_for_reason("later", "ConfigMapNotFound")
    source(BUILT)
    first = builds.wait_for_phase("later", "Succeeded", seconds=15)["run"]["pod"]
    source(f"{BUILT}# changed\n")
    builds.wait("later", lambda s: s["phase"] == "Succeeded" and s["run"]["pod"] != first, seconds=15)
    builds.kubectl("delete", "configmap", "source")
    time.sleep(1)
    assert builds.status("later")["phase"] == "Succeeded"


def test_a_context_reaches_the_executor(builds: Builds) -> None:
    builds.kubectl("create", "configmap", "files", "--from-literal=a=one")
    builds.apply(
        "context",
        f"[ $(cat /yadokari/input/context/a) = one ] || exit 14\n{BUILT}",
        context={"configMap": {"name": "files"}},
    )
    builds.wait_for_phase("context", "Succeeded")


def test_a_missing_secret_is_told_and_waited_for(builds: Builds) -> None:
    builds.apply(
        "secret",
        f'[ "$DOCKER_AUTH_CONFIG_PULL_1" = \'{{"auths":{{}}}}\' ] || exit 13\n{BUILT}',
        pullSecretRefs=[{"name": "pull"}],
    )
    assert '"pull" not found' in builds.wait_for_reason("secret", "SecretNotFound")["message"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull"},
        "stringData": {".dockerconfigjson": json.dumps({"auths": {}}, separators=(",", ":"))},
    }
    builds.kubectl("apply", "-f", "-", stdin=secret)
    builds.wait_for_phase("secret", "Succeeded", seconds=90)


def test_a_pod_that_is_deleted_is_followed_by_another(builds: Builds) -> None:
    builds.apply("deleted", f"trap 'exit 143' TERM; sleep 5 & wait\n{BUILT}")
    pod = builds.wait_for_phase("deleted", "Building")["run"]["pod"]
    builds.kubectl("delete", "pod", pod)
    status = builds.wait("deleted", lambda s: s["phase"] == "Succeeded", seconds=60)
    assert (status["run"]["attempt"], status["run"]["retries"]) == (2, 0)


def test_too_little_memory_is_told_with_the_limit(builds: Builds) -> None:
    executor = {"image": builds.image, "resources": {"limits": {"memory": "32Mi"}}}
    # A container's end may overtake the word of why, so that the runtime tells of a SIGKILL alone.
    for name in ("greedy", "greedier", "greediest"):
        builds.apply(name, "exec tail /dev/zero", executor=executor)
        status = builds.wait_for_phase(name, "Failed")
        if builds.reason(name) == "OOMKilled":
            break
    assert builds.reason(name) == "OOMKilled", status
    assert "32Mi" in status["message"]


def test_a_pod_that_no_node_takes_is_given_up_to_the_second(builds: Builds) -> None:
    executor = {"image": builds.image, "nodeSelector": {"no": "such-node"}}
    builds.apply("unwanted", BUILT, executor=executor, timeout="4s")
    begin = time.monotonic()
    message = builds.wait_for_phase("unwanted", "Failed")["message"]
    assert 2 < time.monotonic() - begin < 7
    assert "no node took the pod within the timeout of 4s" in message
    wait_until(lambda: builds.pods("unwanted") == [])


def test_a_running_pod_on_a_dead_node_is_given_up(builds: Builds) -> None:
    node = f"dead-{builds.kubectl.namespace}"
    builds.kubectl(
        "create",
        "-f",
        "-",
        stdin={"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"dead": node}}},
    )
    try:
        size = {"cpu": "1", "memory": "1Gi", "pods": "9", "ephemeral-storage": "9Gi"}
        status = {"capacity": size, "allocatable": size}
        builds.kubectl("patch", "node", node, "--subresource=status", "-p", json.dumps({"status": status}))
        executor = {
            "image": builds.image,
            "nodeSelector": {"dead": node},
            "tolerations": [{"operator": "Exists"}],
        }
        builds.apply("dead", BUILT, executor=executor, timeout="2s")
        pod = builds.wait("dead", lambda s: "pod" in s.get("run", {}))["run"]["pod"]
        builds.kubectl("wait", f"pod/{pod}", "--for=jsonpath={.spec.nodeName}=" + node, "--timeout=20s")
        started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        running = {
            "phase": "Running",
            "startTime": started,
            "containerStatuses": [
                {
                    "name": "executor", "state": {"running": {"startedAt": started}},
                    "ready": True, "restartCount": 0, "image": "x", "imageID": "x",
                }
            ],
        }  # fmt: skip
        builds.kubectl("patch", "pod", pod, "--subresource=status", "-p", json.dumps({"status": running}))
        builds.wait_for_phase("dead", "Building")
        begin = time.monotonic()
        message = builds.wait_for_phase("dead", "Failed")["message"]
        assert 25 < time.monotonic() - begin < 34
        assert "its node does not answer" in message
    finally:
        builds.kubectl("delete", "node", node)


def test_a_pod_that_can_never_be_made_is_stalled(builds: Builds) -> None:
    executor = {"image": builds.image, "resources": {"limits": {"example.com/gpu": "500m"}}}
    builds.apply("impossible", BUILT, executor=executor)
    status = builds.wait_for_phase("impossible", "Failed")
    assert builds.reason("impossible") == "InvalidSpec"
    assert "example.com/gpu" in status["message"]
    builds.apply("impossible", BUILT)
    builds.wait_for_phase("impossible", "Succeeded")


def test_a_pod_that_breaks_a_policy_is_told_of(builds: Builds) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"requests.cpu": "1m"}},
    }
    builds.kubectl("apply", "-f", "-", stdin=quota)
    try:
        time.sleep(2)
        builds.apply("rejected", BUILT)
        status = builds.wait_for_reason("rejected", "QuotaExceeded")
        assert "none" in status["message"]
    finally:
        builds.kubectl("delete", "quota", "none")
    builds.wait_for_phase("rejected", "Succeeded", seconds=60)


STOPS = "trap 'exit 143' TERM; sleep 60 & wait\n"


def test_suspension_ends_a_build_and_its_end_begins_it_anew(builds: Builds) -> None:
    builds.apply("resting", STOPS)
    pod = builds.wait_for_phase("resting", "Building")["run"]["pod"]
    builds.apply("resting", STOPS, suspend=True)
    builds.wait_for_reason("resting", "Suspended")
    builds.kubectl("wait", "--for=delete", f"pod/{pod}", "--timeout=30s")
    wait_until(lambda: builds.config_maps("resting") == [])
    builds.apply("resting", STOPS, suspend=False)
    again = builds.wait("resting", lambda s: s["phase"] == "Building" and s["run"]["pod"] != pod)
    assert (again["run"]["number"], again["run"]["attempt"]) == (1, 2)
    builds.kubectl("delete", "ib", "resting")


def test_a_change_waits_for_the_build_before_it_where_the_spec_says_so(builds: Builds) -> None:
    builds.apply("queued", f"sleep 4\n{BUILT}", concurrencyPolicy="Queue")
    builds.wait_for_phase("queued", "Building")
    builds.apply("queued", BUILT, concurrencyPolicy="Queue")
    status = builds.wait("queued", lambda s: s["phase"] == "Succeeded" and s["run"]["number"] == 2)
    assert [(run["number"], run["result"]) for run in status["history"]] == [
        (2, "Succeeded"),
        (1, "Succeeded"),
    ]


def test_a_change_that_is_forbidden_is_built_when_it_is_asked_for(builds: Builds) -> None:
    builds.apply("forbidden", f"sleep 3\n{BUILT}", concurrencyPolicy="Forbid")
    builds.wait_for_phase("forbidden", "Building")
    builds.apply("forbidden", BUILT, concurrencyPolicy="Forbid")
    builds.wait_for_reason("forbidden", "ChangeForbidden")
    builds.kubectl("annotate", "ib/forbidden", "yadokari.dev/rebuild-requested-at=now")
    status = builds.wait("forbidden", lambda s: s["phase"] == "Succeeded" and s["run"]["number"] == 2)
    assert status["run"]["reason"] == "Requested"


@pytest.mark.parametrize(
    ("name", "spec", "reason"),
    [
        ("no-secret", {"pullSecretRefs": [{"name": "nowhere"}]}, "SecretNotFound"),
        ("no-node", {"executor": {"nodeSelector": {"no": "such-node"}}}, "Unschedulable"),
        ("no-image", {"executor": {"image": "registry.invalid/no/such:1"}}, "ImagePullFailed"),
    ],
)
def test_an_executor_that_does_not_start_in_time_fails_by_what_keeps_it(
    builds: Builds, name: str, spec: dict[str, Any], reason: str
) -> None:
    executor = {"image": builds.image} | spec.get("executor", {})
    builds.apply(name, BUILT, **(spec | {"executor": executor}), pendingTimeout="1h")
    builds.wait_for_reason(name, reason)
    builds.apply(name, BUILT, **(spec | {"executor": executor}), pendingTimeout="1s")
    status = builds.wait_for_phase(name, "Failed")
    assert (status["failure"]["reason"], builds.reason(name)) == (reason, reason)
    assert "pendingTimeout of 1s" in status["message"]
    wait_until(lambda: builds.pods(name) == [])


def test_secrets_arguments_and_files_of_several_places_reach_the_executor(builds: Builds) -> None:
    builds.kubectl("create", "secret", "generic", "tokens", "--from-literal=npm=s3cret")
    builds.kubectl("create", "configmap", "args", "--from-literal=A=one")
    builds.kubectl("create", "configmap", "sources", "--from-literal=a=alpha", "--from-literal=b=beta")
    checks = [
        '[ "$YADOKARI_SECRET_1" = s3cret ]',
        '[ "$(cat /yadokari/input/context/src/a)" = alpha ]',
        "[ ! -e /yadokari/input/context/src/b ]",
        '[ "$(cat /yadokari/input/context/b)" = beta ]',
        "[ -d /cache ]",
        '[ "$GREETING" = hello ]',
    ]
    executor = {
        "image": builds.image,
        "env": [{"name": "GREETING", "value": "hello"}],
        "volumes": [{"name": "cache", "emptyDir": {}}],
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
    }
    builds.apply(
        "gathered",
        f"{' && '.join(checks)} || exit 14\n{BUILT}",
        secrets=[{"id": "npm", "secretRef": {"name": "tokens", "key": "npm"}}],
        buildArgsFrom=[{"configMapRef": {"name": "args"}}],
        context={
            "configMaps": [
                {"name": "sources", "path": "src", "items": [{"key": "a", "path": "a"}]},
                {"name": "sources", "items": [{"key": "b", "path": "b"}]},
            ]
        },
        executor=executor,
    )
    pod = builds.wait_for_phase("gathered", "Succeeded")["run"]["pod"]
    assert "--build-arg=A=one" in builds.kubectl.get("pod", pod)["spec"]["containers"][0]["args"]


def test_what_a_build_owns_goes_with_it(builds: Builds) -> None:
    builds.apply("gone", f"trap 'exit 143' TERM; sleep 60 & wait\n{BUILT}")
    pod = builds.wait_for_phase("gone", "Building")["run"]["pod"]
    builds.kubectl("delete", "ib", "gone")
    builds.kubectl("wait", "--for=delete", f"pod/{pod}", "--timeout=30s")
    builds.kubectl("wait", "--for=delete", f"configmap/{pod.removesuffix('-1')}", "--timeout=30s")


def test_an_image_build_holds_nothing_but_what_was_applied_and_its_status(builds: Builds) -> None:
    builds.apply("clean", BUILT)
    builds.wait_for_phase("clean", "Succeeded")
    metadata = builds.kubectl.get("imagebuild", "clean")["metadata"]
    assert "finalizers" not in metadata
    assert set(metadata["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}


def test_the_operators_own_rights_were_enough(builds: Builds, operator: OperatorProcess) -> None:
    complaints = [line for line in operator.log.splitlines() if "cannot" in line and "eventless" not in line]
    assert complaints == []
    assert "error of the operator itself" not in operator.log


@pytest.mark.skipif(os.environ.get("CLUSTER") == "current", reason="its API server cannot ask a webhook here")
def test_a_build_with_a_queue_waits_to_be_let_go_and_comes_again_when_it_was_sent_away(
    builds: Builds, tmp_path: Path
) -> None:
    kubectl = builds.kubectl
    first_runs_on = "case $(hostname) in *-1) trap 'exit 143' TERM; sleep 60 & wait ;; esac"
    script = f"{first_runs_on}\n{BUILT}"
    builds.apply("sent-away", script, suspend=True)
    kubectl("label", "ib/sent-away", f"{QUEUE}=builds")
    with queueing(kubectl, make_certificate(tmp_path)):
        builds.apply("sent-away", script)
        held_back = builds.wait_for_reason("sent-away", "Queued")
        assert f"waits for {GATE} to let it go" in held_back["message"]
        let_go(kubectl, held_back["run"]["pod"])
        builds.wait_for_phase("sent-away", "Building")
        send_away(kubectl, held_back["run"]["pod"])
        again = builds.wait(
            "sent-away", lambda s: s["run"]["attempt"] == 2 and s["conditions"][0]["reason"] == "Queued"
        )
        assert again["failure"]["reason"] == "Evicted"
        assert again["failure"]["message"] == f"WorkloadEvicted: {PREEMPTED}"
    let_go(kubectl, again["run"]["pod"])
    forget(kubectl, again["run"]["pod"])
    done = builds.wait_for_phase("sent-away", "Succeeded")
    assert (done["run"]["attempt"], done["run"]["retries"], done["run"]["number"]) == (2, 0, 1)


def test_an_image_that_a_node_cannot_mount_as_a_volume_is_copied_by_an_init_container(
    builds: Builds, operator: OperatorProcess
) -> None:
    # The stand-in has no folder that could be mounted, and nobody who could tell it from an old runtime.
    operator.stop()
    operator.start(YADOKARI_EXECUTOR_RUNTIME="Auto")
    try:
        builds.apply("falls-back", BUILT)
        status = builds.wait_for_phase("falls-back", "Succeeded")
        wait_until(lambda: builds.pods("falls-back") == [status["run"]["pod"]])
        if "the cluster has image volumes: no" in operator.log:
            pytest.skip("the cluster has no image volumes")
        assert status["run"]["pod"].endswith("-2")
        assert "could not mount an image volume for pod falls-back-" in operator.log
    finally:
        operator.stop()
        operator.start()


def test_an_image_volume_that_is_asked_for_and_cannot_be_had_is_told_of_until_the_spec_is_mended(
    builds: Builds,
) -> None:
    builds.apply("insists", BUILT, executor={"image": builds.image, "runtime": "ImageVolume"})
    told = builds.wait("insists", lambda status: "InitContainer" in status.get("message", ""))
    assert "image volume" in told["message"]
    builds.apply("insists", BUILT, executor={"image": builds.image, "runtime": "InitContainer"})
    assert builds.wait_for_phase("insists", "Succeeded")["run"]["pod"].endswith("-2")
