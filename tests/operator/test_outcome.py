import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support import resources
from support.resources import NOW, SPEC, ended, image_build, pod_resource, taken_away, time, waiting
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.reasons import Reason, Retry
from yadokari_contract.results.build import BuildResult, Failure, format_result
from yadokari_operator.pods import render
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.outcome import Built, Failed, Outcome, Running, Waiting, outcome_of, why_deleted
from yadokari_operator.settings import Settings


def resource(status: dict[str, Any], *, deleted: str = "", **changes: Any) -> dict[str, Any]:
    inputs = gather(ImageBuildSpec.model_validate(SPEC | changes), {})
    assert isinstance(inputs, Inputs)
    attempt = render.Attempt(run="0" * 10, number=2, retries=1)
    return pod_resource(render.pod(image_build(), inputs, Settings(), attempt), status, deleted=deleted)


def outcome(status: dict[str, Any], **changes: Any) -> Outcome:
    return outcome_of(resource(status, **changes))


def failure(status: dict[str, Any], **changes: Any) -> tuple[Failure, Retry]:
    found = outcome(status, **changes)
    assert isinstance(found, Failed)
    return found.failure, found.retry


SIDECAR: dict[str, Any] = {"name": "proxy", "state": {"running": {}}}


def beside(status: dict[str, Any], sidecar: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The status of a pod in which another container comes first."""
    return status | {"containerStatuses": [sidecar, *status["containerStatuses"]]} | changes


def test_an_executor_that_runs_is_running() -> None:
    assert outcome(resources.RUNNING) == Running()


def test_a_pod_that_starts_waits_without_a_problem() -> None:
    assert outcome({}) == Waiting(StateReason.SCHEDULING)
    taken = waiting("ContainerCreating") | {"startTime": time(5)}
    assert outcome(taken) == Waiting(StateReason.PULLING)


def test_a_login_that_is_no_good_is_told_by_its_secret() -> None:
    said = (
        "a.test/app: unauthorized (DOCKER_AUTH_CONFIG_PUSH_1 holds no credentials; DOCKER_AUTH_CONFIG_PUSH_2)"
    )
    result = BuildResult(failure=Failure(Reason.UNAUTHORIZED, said))
    to = [{"image": "a.test/app:1", "pushSecretRef": {"name": "registry-login"}}]
    found, _ = failure(ended(Reason.UNAUTHORIZED.exit_code, format_result(result)), destinations=to)
    assert found.message == (
        "a.test/app: unauthorized (Secret registry-login holds no credentials; DOCKER_AUTH_CONFIG_PUSH_2)"
    )


def test_a_missing_secret_is_a_problem() -> None:
    status = waiting("CreateContainerConfigError", 'secret "push" not found')
    problem = 'CreateContainerConfigError: secret "push" not found'
    assert outcome(status) == Waiting(StateReason.SECRET_NOT_FOUND, problem)


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        (
            "CreateContainerConfigError",
            "couldn't find key .dockerconfigjson in Secret team/x",
            "SecretNotFound",
        ),
        ("CreateContainerConfigError", 'configmap "args" not found', "ConfigMapNotFound"),
        ("CreateContainerConfigError", "couldn't find key a in ConfigMap team/args", "ConfigMapNotFound"),
        ("ErrImagePull", "not found", "ImagePullFailed"),
        ("ImagePullBackOff", "Back-off pulling image", "ImagePullFailed"),
        ("InvalidImageName", "", "ImagePullFailed"),
        ("CreateContainerError", "context deadline exceeded", "PodPending"),
    ],
)
def test_what_keeps_the_executor_from_starting_is_told_by_its_kind(
    reason: str, message: str, told: str
) -> None:
    found = outcome(waiting(reason, message))
    assert isinstance(found, Waiting)
    assert found.reason == told


def test_no_room_on_any_node_is_a_problem() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert outcome({"phase": "Pending", "conditions": [condition]}) == Waiting(
        StateReason.UNSCHEDULABLE, "Unschedulable: 0/1 nodes"
    )


def test_a_container_that_keeps_the_executor_from_starting_is_a_problem_by_its_name() -> None:
    trouble = {
        "name": "proxy-init",
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no image"}},
    }
    status = waiting("PodInitializing") | {"initContainerStatuses": [trouble]}
    assert outcome(status) == Waiting(
        StateReason.IMAGE_PULL_FAILED, "container proxy-init: ImagePullBackOff: no image"
    )


def test_an_executor_that_cannot_start_waits_though_another_container_runs() -> None:
    status = beside(waiting("CreateContainerConfigError", "no secret"), SIDECAR, phase="Running")
    assert outcome(status) == Waiting(StateReason.POD_PENDING, "CreateContainerConfigError: no secret")


def test_a_build_is_done_when_the_executor_is_though_another_container_runs_on() -> None:
    assert isinstance(outcome(beside(resources.built(), SIDECAR, phase="Running")), Built)


def test_a_build_has_failed_when_the_executor_has_though_another_container_runs_on() -> None:
    status = beside(resources.failed(Reason.RUN_FAILED), SIDECAR, phase="Running")
    assert failure(status)[0].reason == "StepFailed"


def test_a_failed_step_is_no_timeout_though_another_container_ran_until_then() -> None:
    status = resources.failed(Reason.RUN_FAILED) | {"reason": "DeadlineExceeded"}
    assert failure(beside(status, SIDECAR))[0].reason == "StepFailed"


def test_a_result_without_failure_is_success() -> None:
    found = outcome(resources.built())
    assert isinstance(found, Built)
    assert found.result.digest == resources.DIGEST
    assert found.finished.isoformat() == time(5).replace("Z", "+00:00")


def test_a_result_is_trusted_before_the_reason_that_a_step_ran_out_of_memory() -> None:
    status = ended(0, format_result(BuildResult(digest=resources.DIGEST)), reason="OOMKilled")
    assert isinstance(outcome(status), Built)


def test_success_without_a_result_is_none() -> None:
    found, retry = failure(ended(0, ""))
    assert (found.reason, retry) == ("ExecutorFailed", Retry.NEVER)


@pytest.mark.parametrize(
    "digest", ["", "sha256:abc", "sha256:" + "A" * 64, "md5:" + "0" * 32, resources.DIGEST + "\n", "<b>"]
)
def test_success_with_a_result_that_names_no_digest_is_none(digest: str) -> None:
    found, retry = failure(ended(0, format_result(BuildResult(digest=digest))))
    assert (found.reason, retry) == ("ExecutorFailed", Retry.NEVER)
    assert "digest" in found.message


def test_the_executors_failure_is_passed_on() -> None:
    found, retry = failure(resources.failed(Reason.RUN_FAILED, "Dockerfile:3: exit code 7", 3))
    assert found == Failure("StepFailed", "Dockerfile:3: exit code 7", 3, "the log's end")
    assert retry is Retry.NEVER


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.CANCELLED])
def test_a_failure_that_the_executor_tells_of_is_retried_as_the_table_says(reason: Reason) -> None:
    found, retry = failure(resources.failed(reason))
    assert (found.reason, retry) == (reason, reason.retry)


@pytest.mark.parametrize(
    "status",
    [
        resources.failed(Reason.CANCELLED),
        ended(Reason.CANCELLED.exit_code, ""),
        ended(137, "", reason="Error"),
    ],
)
def test_an_executor_whose_pod_was_deleted_is_followed_by_another_uncounted(status: dict[str, Any]) -> None:
    found, retry = failure(status, deleted=time(0))
    assert (found.reason, retry) == ("Cancelled", Retry.UNCOUNTED)


def test_an_executor_stopped_on_a_drained_node_is_followed_by_another_uncounted() -> None:
    status = resources.failed(Reason.CANCELLED) | {"conditions": taken_away()["conditions"]}
    assert failure(status)[1] is Retry.UNCOUNTED


def test_a_step_that_stops_the_executor_does_not_get_another_one() -> None:
    found, retry = failure(resources.failed(Reason.CANCELLED))
    assert (found.reason, retry) == ("ExecutorFailed", Retry.NEVER)
    assert "kill" in found.message


def test_without_a_result_the_exit_code_decides() -> None:
    found, retry = failure(ended(Reason.REGISTRY_ERROR.exit_code, "the log's end"))
    assert (retry, found.log_tail) == (Retry.COUNTED, "the log's end")
    assert "exit code 20" in found.message


@given(st.text(max_size=4096))
@example("[" * 4096)
@example('{"failure":{"reason":"A","message":"B","line":Infinity}}')
@example('{"failure":1}')
@example('{"phases":[{"name":"a","seconds":{}}]}')
def test_whatever_a_step_wrote_in_place_of_the_result_is_a_failure(message: str) -> None:
    found, retry = failure(ended(137, message))
    assert retry is Retry.NEVER
    assert found.reason


@pytest.mark.parametrize(
    ("said", "shown"),
    [("a\ud800b", "a\ufffdb"), ("a\x1b[2Jb", "a\ufffd[2Jb"), ("a\u202eb", "a\ufffdb"), ("a\n\tb", "a\n\tb")],
)
def test_what_is_no_text_to_show_is_replaced(said: str, shown: str) -> None:
    message = '{"failure": {"reason": "StepFailed", "message": MESSAGE, "log_tail": MESSAGE}}'
    found, _ = failure(ended(11, message.replace("MESSAGE", json.dumps(said))))
    assert (found.message, found.log_tail) == (shown, shown)


@pytest.mark.parametrize("reason", ["", "Succeeded", "A" * 200, "StepFailed\n", "runFailed"])
def test_a_reason_that_is_none_of_the_executors_is_replaced(reason: str) -> None:
    status = ended(11, format_result(BuildResult(failure=Failure(reason, "it failed"))))
    assert failure(status)[0].reason == "ExecutorFailed"


@pytest.mark.parametrize("code", [None, -1, 10**9, 255])
def test_an_exit_code_that_is_not_the_executors_is_a_failure(code: int | None) -> None:
    assert failure(ended(1, "") | executor_ended({"exitCode": code}))[1] is Retry.NEVER


def executor_ended(terminated: dict[str, Any]) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "executor", "state": {"terminated": terminated}}]}


def test_an_end_of_which_nothing_is_known_is_a_loss() -> None:
    found, retry = failure({"phase": "Failed", "conditions": [{}]} | executor_ended({}))
    assert (found.reason, retry) == ("NodeLost", Retry.UNCOUNTED)


def test_a_program_that_cannot_be_started_is_told_of() -> None:
    found, retry = failure(ended(128, "exec: no such file", reason="StartError"))
    assert (found.message, retry) == ("StartError: exec: no such file", Retry.NEVER)


def test_too_little_memory_is_not_tried_again_and_names_the_limit() -> None:
    limited = {"resources": {"limits": {"memory": "64Mi"}}}
    found, retry = failure(ended(137, "", reason="OOMKilled"), executor=limited)
    assert (found.reason, retry) == ("OOMKilled", Retry.NEVER)
    assert "64Mi" in found.message
    assert "requests.memory" in failure(ended(137, "", reason="OOMKilled"))[0].message


def test_too_little_memory_to_start_at_all_names_the_limit() -> None:
    limited = {"resources": {"limits": {"memory": "4Mi"}}}
    why = "failed to create containerd task: container init was OOM-killed (memory limit too low?)"
    found, retry = failure(ended(128, why, reason="StartError"), executor=limited)
    assert (found.reason, retry) == ("OOMKilled", Retry.NEVER)
    assert "4Mi" in found.message


def test_too_long_a_build_is_a_timeout() -> None:
    status = ended(143, "", reason="Error") | {"phase": "Failed", "reason": "DeadlineExceeded"}
    found, retry = failure(status, timeout="90s")
    assert (found.reason, retry) == ("Timeout", Retry.NEVER)
    assert "90 s" in found.message


def test_an_executor_that_did_not_start_in_time_says_what_kept_it() -> None:
    status = waiting("CreateContainerConfigError", 'secret "push" not found')
    found, _ = failure(status | {"phase": "Failed", "reason": "DeadlineExceeded"}, timeout="90s")
    assert found.reason == "SecretNotFound"
    assert "did not start" in found.message
    assert 'secret "push" not found' in found.message


def test_too_little_memory_is_told_of_a_pod_whose_containers_are_not_known() -> None:
    bare = resource(ended(137, "", reason="OOMKilled"))
    del bare["spec"]
    found = outcome_of(bare)
    assert isinstance(found, Failed)
    assert found.failure.reason == "OOMKilled"


@pytest.mark.parametrize("reason", ["Evicted", "Preempting", "Terminated", ""])
def test_a_pod_that_the_cluster_took_away_is_followed_by_another_uncounted(reason: str) -> None:
    found, retry = failure(taken_away(reason))
    assert (found.reason, retry) == ("Evicted", Retry.UNCOUNTED)
    assert reason in found.message


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("EvictionByEvictionAPI", "Evicted"),
        ("PreemptionByScheduler", "Evicted"),
        ("DeletionByTaintManager", "NodeLost"),
        ("WorkloadEvicted", "Evicted"),
        (None, "Cancelled"),
    ],
)
def test_a_pod_that_was_told_to_go_says_why_before_it_has_ended(kind: str | None, reason: str) -> None:
    of = "TerminationTarget" if kind == "WorkloadEvicted" else "DisruptionTarget"
    target = {"type": of, "status": "True", "reason": kind, "message": "by\x1b somebody"}
    pod = resource(resources.RUNNING | ({"conditions": [target]} if kind else {}))
    assert why_deleted(pod) is None
    pod["metadata"]["deletionTimestamp"] = time(-30)
    why = why_deleted(pod)
    assert why
    assert (why.reason, outcome_of(pod)) == (reason, Running())
    assert why.message == (f"{kind}: by\N{REPLACEMENT CHARACTER} somebody" if kind else "the pod was deleted")


STEP = Failure(Reason.RUN_FAILED, "Dockerfile:3: exit code: 2\n  3 | RUN make", 3, "cc1plus: Killed", "build")


def test_a_step_that_lost_a_process_for_want_of_memory_is_told_apart_from_an_executor_that_was_killed() -> (
    None
):
    limited = {"resources": {"limits": {"memory": "64Mi"}}}
    said = format_result(BuildResult(failure=STEP))
    found, retry = failure(ended(11, said, reason="OOMKilled"), executor=limited)
    assert (found.reason, found.line, found.log_tail, found.stage) == (
        "OOMKilled",
        3,
        "cc1plus: Killed",
        "build",
    )
    assert found.message == (
        "Dockerfile:3: exit code: 2; a process of the step was killed, since the build needed more memory"
        " than its limit of 64Mi: raise spec.executor.resources.limits.memory\n  3 | RUN make"
    )
    assert retry is Retry.NEVER
    killed, _ = failure(ended(137, said, reason="OOMKilled"), executor=limited)
    assert (killed.reason, killed.line) == ("OOMKilled", 0)


def test_what_failed_after_a_step_had_lost_a_process_for_want_of_memory_is_not_for_want_of_it() -> None:
    said = format_result(BuildResult(failure=Failure(Reason.PUSH_FAILED, "503")))
    found, retry = failure(ended(21, said, reason="OOMKilled"))
    assert (found.reason, retry) == ("PushFailed", Retry.COUNTED)


@pytest.mark.parametrize("why", ["DeletionByPodGC", "DeletionByTaintManager"])
def test_a_pod_whose_node_went_is_followed_by_another_uncounted(why: str) -> None:
    status = taken_away("Terminated")
    status["conditions"][0]["reason"] = why
    found, retry = failure(status)
    assert (found.reason, retry) == ("NodeLost", Retry.UNCOUNTED)


def test_a_pod_that_no_node_admitted_is_followed_by_another_uncounted() -> None:
    assert (
        failure({"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough"})[1]
        is Retry.UNCOUNTED
    )


def test_a_pod_evicted_for_its_own_use_of_disk_is_not_tried_again() -> None:
    message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."
    status = ended(137, "", reason="Error") | {"phase": "Failed", "reason": "Evicted", "message": message}
    assert failure(status) == (Failure("DiskLimitExceeded", message), Retry.NEVER)


def test_containers_that_the_cluster_puts_beside_the_executor_do_not_matter() -> None:
    status = resources.built()
    status["containerStatuses"].insert(0, {"name": "proxy", "state": {"terminated": {"exitCode": 1}}})
    assert isinstance(outcome(status), Built)


def test_the_time_of_the_end_is_known_without_a_container() -> None:
    found = outcome(taken_away("Evicted", before=7))
    assert isinstance(found, Failed)
    assert (NOW - found.finished).total_seconds() == 7


def unprepared(**terminated: Any) -> dict[str, Any]:
    """The status of a pod whose init container failed."""
    waits = {"name": "executor", "state": {"waiting": {"reason": "PodInitializing"}}}
    preparing = {"name": "runtime", "state": {"terminated": terminated}}
    return {"phase": "Failed", "containerStatuses": [waits], "initContainerStatuses": [preparing]}


def test_too_little_memory_for_copying_the_runtime_names_the_limit_too() -> None:
    limits = {"executor": {"resources": {"limits": {"memory": "8Mi"}}}}
    found, retry = failure(unprepared(exitCode=137, reason="OOMKilled"), **limits)
    assert (found.reason, retry) == ("OOMKilled", Retry.NEVER)
    assert "its limit of 8Mi" in found.message


def test_an_executor_whose_runtime_could_not_be_copied_is_not_waited_for() -> None:
    status = unprepared(exitCode=2, message="copy-runtime is\x1b[2J no flag\n")
    found = outcome_of(resource(status))
    assert isinstance(found, Failed)
    assert (found.failure.reason, found.retry) == ("ExecutorFailed", Retry.NEVER)
    assert found.failure.message == (
        "container runtime ended with exit code 2: copy-runtime is\N{REPLACEMENT CHARACTER}[2J no flag"
    )


HOSTILE = "\x1b]0;title\x07\u202egnirts\u2066\x00" + "x" * 10_000


@pytest.mark.parametrize(
    "status",
    [
        waiting(HOSTILE, HOSTILE),
        taken_away(HOSTILE) | {"message": HOSTILE},
        ended(137, HOSTILE, reason=HOSTILE),
        ended(11, format_result(BuildResult(failure=Failure("RunFailed", HOSTILE, 1, HOSTILE)))),
        ended(11, json.dumps({"failure": {"reason": HOSTILE, "message": HOSTILE, "log_tail": HOSTILE}})),
        {"phase": "Failed", "reason": "Evicted", "message": HOSTILE} | {"containerStatuses": []},
    ],
)
def test_what_a_pod_says_is_short_and_moves_no_terminal(status: dict[str, Any]) -> None:
    found = outcome(status)
    assert isinstance(found, Failed | Waiting)
    failure = found.failure if isinstance(found, Failed) else Failure("None", found.problem)
    assert re.fullmatch("[A-Za-z]+", failure.reason)
    for text in (failure.message, failure.log_tail):
        assert len(text) <= 4096
        assert not set(text) & set("\x1b\x07\x00\u202e\u2066")


NO_FOLDER = (
    "failed to mount image volume: ImageVolumeMountFailed: failed to ensure image subpath"
    ' "yadokari" in "/run/x": openat yadokari: no such file or directory'
)
NOTHING = (
    'failed to generate container "1" spec: failed to generate spec: failed to mkdir "": mkdir : no such file'
    " or directory"
)
WHOLE_IMAGE = (
    "runc create failed: unable to start container process: error during container init: error mounting"
    ' "/var/lib/kubelet/1" to rootfs at "/yadokari/work": create mountpoint for /yadokari/work mount: make'
    ' mountpoint "/yadokari/work": mkdirat /run/x/rootfs/yadokari/work: read-only file system'
)
NO_PROGRAM = 'exec: "/yadokari/bin/executor": stat /yadokari/bin/executor: no such file or directory'
UNMOUNTED = [
    waiting("CreateContainerError", NO_FOLDER),
    waiting("CreateContainerError", NOTHING),
    ended(128, WHOLE_IMAGE, reason="StartError"),
    ended(128, NO_PROGRAM, reason="StartError"),
]


def said(status: dict[str, Any]) -> str:
    found = outcome_of({**resource(status), "spec": {"initContainers": []}})
    assert isinstance(found, Failed | Waiting)
    return found.problem if isinstance(found, Waiting) else found.failure.message


@pytest.mark.parametrize("status", UNMOUNTED)
def test_an_image_volume_that_the_node_cannot_mount_is_told_of_with_what_helps(
    status: dict[str, Any],
) -> None:
    state = status["containerStatuses"][0]["state"]
    message = next(iter(state.values()))["message"]
    assert said(status).endswith(message)
    assert "set executor.runtime: InitContainer" in said(status)


@pytest.mark.parametrize(
    "status",
    [
        waiting("CreateContainerError", 'cannot load seccomp profile "/seccomp/yadokari/namespaces.json"'),
        ended(128, "container init was OOM-killed (memory limit too low?)", reason="StartError"),
        ended(1, f"a step says {NO_FOLDER}"),
    ],
)
def test_what_else_keeps_a_container_from_starting_is_not_put_down_to_an_image_volume(
    status: dict[str, Any],
) -> None:
    assert "InitContainer" not in said(status)


@pytest.mark.parametrize("status", UNMOUNTED)
def test_a_pod_with_an_init_container_has_no_image_volume_that_could_fail(status: dict[str, Any]) -> None:
    assert "InitContainer" not in repr(outcome(status))
