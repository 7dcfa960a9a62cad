"""Statuses that somebody else has written than the operator: it goes on, and does nothing for them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.resources import DIGEST, NOW, SPEC, image_build
from support.statuses import statuses
from yadokari_api.former import modernised
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Base, Lodging, Status, format_status, parse_status
from yadokari_operator import journal
from yadokari_operator.metrics import Metrics
from yadokari_operator.notices.notice import due, mark_of
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.reconcile.decide import reconcile
from yadokari_operator.reconcile.decision import Create, Decision, Observed
from yadokari_operator.reports import Reconciled
from yadokari_operator.settings import Settings
from yadokari_operator.traces.run import ended

SCHEDULE = {"cron": "* * * * *", "timeZone": "America/New_York"}
SPECS: list[dict[str, Any]] = [
    SPEC,
    SPEC | {"platforms": ["linux/amd64", "linux/arm64"], "concurrencyPolicy": "Queue"},
    SPEC | {"rebuild": {"schedule": SCHEDULE, "onBaseImageChange": {"interval": "1m"}}},
    SPEC | {"suspend": True},
]
EAGER = Settings(executor_lodging="Always")


def inputs_hash() -> str:
    found = gather(ImageBuildSpec.model_validate(SPEC), {})
    assert isinstance(found, Inputs)
    return found.hash


HASHES = st.sampled_from(["", inputs_hash(), "x"])


def decide(status: Status, spec: dict[str, Any]) -> Decision:
    return reconcile(Observed(build=image_build(spec, status), pods=(), sources={}), EAGER, NOW)


def images(decision: Decision) -> set[str]:
    """The images of the pods that are made."""
    made = [it.manifest for it in decision.actions if isinstance(it, Create) and it.manifest["kind"] == "Pod"]
    return {container["image"] for pod in made for container in pod["spec"]["containers"]}


@given(statuses(inputs_hash=HASHES, refused_hash=HASHES))
def test_whatever_a_status_holds_is_read_as_it_was_written(status: Status) -> None:
    again = replace(status, pod_uids=status.pod_uids or None)
    written = format_status(again)
    # One may look as an operator of a version before wrote it, which is read as that meant it.
    assume(modernised(written) == written)
    assert parse_status(written) == again


@given(statuses(inputs_hash=HASHES, refused_hash=HASHES), st.sampled_from(SPECS))
def test_whatever_a_status_holds_a_decision_is_made_and_can_be_told(
    status: Status, spec: dict[str, Any]
) -> None:
    build = image_build(spec, status)
    decision = decide(status, spec)
    now = parse_status(format_status(decision.status))
    assert now.observed_generation == build.generation
    Metrics().seen(build.key, build.status, now, NOW)
    journal.tell(build.key, build.status, now)
    assert len(mark_of(build.status, now, "") or "") < 1000
    assert len(list(due(build, now))) < 10
    assert len(list(ended(build, (), Reconciled(now, NOW, NOW)))) < 100
    assert all(image == EAGER.executor_image for image in images(decision))


def test_a_status_that_has_ended_without_conditions_is_kept() -> None:
    status = Status(phase="Succeeded", inputs_hash=inputs_hash(), observed_generation=0)
    assert decide(status, SPEC).status.phase == "Succeeded"


@pytest.mark.parametrize("image", ["evil.test/app:1", f"--privileged@{DIGEST}", f"evil.test/APP@{DIGEST}"])
def test_no_pod_is_of_a_base_that_is_not_named_by_its_digest(image: str) -> None:
    status = Status(lodging=(Lodging(image=image),))
    assert images(decide(status, SPEC)) == {EAGER.executor_image}


def test_nothing_is_asked_for_that_could_be_taken_for_a_flag() -> None:
    names = ("--registry-map=docker.io=evil.test", "busybox:1", "busybox with", f"busybox@{DIGEST}")
    bases = tuple(Base(reference=name, digest=DIGEST) for name in names)
    status = Status(phase="Succeeded", inputs_hash=inputs_hash(), observed_generation=1, bases=bases)
    rebuild = SPEC | {"rebuild": {"onBaseImageChange": {"interval": "1m"}}}
    assert [want.name for want in decide(status, rebuild).wants] == ["busybox:1"]
