from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support import resources
from support.resources import NOW, SPEC, ended, image_build, pod_resource, taken_away, time, waiting
from yadokari_api.imagebuild import belongs_to
from yadokari_api.reasons import Retry
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.exitcodes import ExitCode
from yadokari_contract.result import BuildResult, Failure, format_result
from yadokari_operator.pods import render
from yadokari_operator.pods.observed import (
    Built,
    Failed,
    Outcome,
    Pod,
    Running,
    Waiting,
    parse_pod,
)
from yadokari_operator.settings import Settings


def manifest(**changes: Any) -> dict[str, Any]:
    inputs = render.Inputs(ImageBuildSpec.model_validate(SPEC | changes), "FROM busybox\n", None, "0" * 64)
    return render.pod(image_build(), inputs, Settings(), attempt=2, retries=1)


def observed(status: dict[str, Any], **changes: Any) -> Pod:
    return parse_pod(pod_resource(manifest(**changes), status))


def outcome(status: dict[str, Any], **changes: Any) -> Outcome:
    return observed(status, **changes).outcome


def failure(status: dict[str, Any], **changes: Any) -> tuple[Failure, Retry]:
    found = outcome(status, **changes)
    assert isinstance(found, Failed)
    return found.failure, found.retry


def test_a_pod_is_read_as_it_was_written() -> None:
    pod = observed(resources.RUNNING)
    assert (pod.name, pod.inputs, pod.attempt, pod.retries) == ("app-0000000000-2", "0" * 10, 2, 1)
    assert (pod.outcome, pod.deleted, pod.finished) == (Running(), None, False)


def test_a_pod_belongs_to_the_image_build_of_its_owners_uid() -> None:
    resource = pod_resource(manifest(), resources.RUNNING)
    assert belongs_to(resource, image_build())
    resource["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert not belongs_to(resource, image_build())


def test_a_pod_that_starts_waits_without_a_problem() -> None:
    assert outcome({}) == Waiting()
    assert outcome(waiting("ContainerCreating")) == Waiting()


def test_a_missing_secret_is_a_problem() -> None:
    status = waiting("CreateContainerConfigError", 'secret "push" not found')
    assert outcome(status) == Waiting('CreateContainerConfigError: secret "push" not found')


def test_no_room_on_any_node_is_a_problem() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert outcome({"phase": "Pending", "conditions": [condition]}) == Waiting("Unschedulable: 0/1 nodes")


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


def test_the_executors_failure_is_passed_on() -> None:
    found, retry = failure(resources.failed(ExitCode.RUN_FAILED, "RunFailed", "Dockerfile:3: exit code 7", 3))
    assert found == Failure("RunFailed", "Dockerfile:3: exit code 7", 3, "the log's end")
    assert retry is Retry.NEVER


@pytest.mark.parametrize("code", [code for code in ExitCode if code not in (ExitCode.OK, ExitCode.CANCELLED)])
def test_failures_of_network_and_push_alone_are_retried_and_counted(code: ExitCode) -> None:
    _, retry = failure(resources.failed(code, "Reason"))
    assert (retry is Retry.COUNTED) == (code in (ExitCode.NETWORK, ExitCode.PUSH))


def test_an_executor_that_was_told_to_stop_is_followed_by_another_uncounted() -> None:
    assert failure(resources.failed(ExitCode.CANCELLED, "Cancelled"))[1] is Retry.UNCOUNTED
    assert failure(ended(ExitCode.CANCELLED, ""))[0].reason == "Cancelled"


def test_without_a_result_the_exit_code_decides() -> None:
    found, retry = failure(ended(ExitCode.NETWORK, "the log's end"))
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


def test_a_program_that_cannot_be_started_is_told_of() -> None:
    found, retry = failure(ended(128, "exec: no such file", reason="StartError"))
    assert (found.message, retry) == ("StartError: exec: no such file", Retry.NEVER)


def test_too_little_memory_is_not_tried_again_and_names_the_limit() -> None:
    limited = {"resources": {"limits": {"memory": "64Mi"}}}
    found, retry = failure(ended(137, "", reason="OOMKilled"), executor=limited)
    assert (found.reason, retry) == ("OOMKilled", Retry.NEVER)
    assert "64Mi" in found.message
    assert "requests.memory" in failure(ended(137, "", reason="OOMKilled"))[0].message


def test_too_long_a_build_is_a_timeout() -> None:
    status = ended(143, "", reason="Error") | {"phase": "Failed", "reason": "DeadlineExceeded"}
    found, retry = failure(status, timeout="90s")
    assert (found.reason, retry) == ("Timeout", Retry.NEVER)
    assert "90 s" in found.message


@pytest.mark.parametrize("reason", ["Evicted", "Preempting", "Terminated", ""])
def test_a_pod_that_the_cluster_took_away_is_followed_by_another_uncounted(reason: str) -> None:
    found, retry = failure(taken_away(reason))
    assert (found.reason, retry) == (reason or "PodLost", Retry.UNCOUNTED)


def test_a_pod_that_no_node_admitted_is_followed_by_another_uncounted() -> None:
    assert (
        failure({"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough"})[1]
        is Retry.UNCOUNTED
    )


def test_a_pod_evicted_for_its_own_use_of_disk_is_not_tried_again() -> None:
    message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."
    status = ended(137, "", reason="Error") | {"phase": "Failed", "reason": "Evicted", "message": message}
    assert failure(status) == (Failure("Evicted", message), Retry.NEVER)


def test_containers_that_the_cluster_puts_beside_the_executor_do_not_matter() -> None:
    status = resources.built()
    status["containerStatuses"].insert(0, {"name": "proxy", "state": {"terminated": {"exitCode": 1}}})
    assert isinstance(outcome(status), Built)


def test_the_time_of_the_end_is_known_without_a_container() -> None:
    found = outcome(taken_away("Evicted", before=7))
    assert isinstance(found, Failed)
    assert (NOW - found.finished).total_seconds() == 7
