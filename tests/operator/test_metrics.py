from dataclasses import replace

import pytest

from support.lives import KEY, RESULT, built, failed, live, started
from support.resources import NOW, image_build
from yadokari_api.keys import Key
from yadokari_api.status import BuildFailure, Steps
from yadokari_contract.reasons import Reason
from yadokari_operator import reports
from yadokari_operator.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"yadokari_{name}", labels)


def test_a_build_is_counted_once_with_all_its_parts() -> None:
    metrics = Metrics()
    live(metrics)
    metrics.seen(KEY, built(started()), reports.kept(image_build(generation=2), built(started()), NOW), NOW)
    assert value(metrics, "builds_total", namespace="team", result="Succeeded", reason="Succeeded") == 1
    assert value(metrics, "build_seconds_sum", result="Succeeded") == 30
    assert value(metrics, "build_part_seconds_sum", part="build") == 7
    assert value(metrics, "pod_start_seconds_sum") == 30
    assert value(metrics, "turn_seconds_sum") == 40
    assert value(metrics, "steps_total", cache="hit") == 3
    assert value(metrics, "steps_total", cache="miss") == 2, "two others were not looked for"
    assert value(metrics, "saved_seconds_total") == 2.5
    assert value(metrics, "builds_in_phase", phase="Succeeded", reason="UpToDate") == 1
    assert value(metrics, "builds_in_phase", phase="Building", reason="Building") == 0
    assert value(metrics, "builds_in_phase", phase="Succeeded", reason="Succeeded") == 0


def test_a_build_without_a_cache_lowers_no_share_of_hits() -> None:
    metrics = Metrics()
    live(metrics)
    before = value(metrics, "steps_total", cache="miss")
    uncached = replace(RESULT, cached=0, performed=7, missed=0)
    live(metrics, end=built(started(), uncached))
    assert value(metrics, "steps_total", cache="miss") == before


def test_progress_alone_counts_nothing() -> None:
    metrics = Metrics()
    building = reports.building(image_build(), started(), NOW)
    metrics.seen(KEY, building, building, NOW)
    assert value(metrics, "pod_start_seconds_count") == 0
    assert value(metrics, "builds_in_phase", phase="Building", reason="Building") == 1


def test_an_attempt_that_is_followed_by_another_one_is_no_build_that_ended() -> None:
    metrics = Metrics()
    failure = BuildFailure(reason=Reason.PUSH_FAILED, message="gone")
    retrying = reports.retrying(image_build(), started(), NOW, failure)
    metrics.seen(KEY, started(), retrying, NOW)
    assert value(metrics, "failed_attempts_total", reason="PushFailed") == 1
    assert value(metrics, "builds_total", namespace="team", result="Failed", reason="PushFailed") is None


def test_labels_have_few_values_whatever_people_and_pods_write() -> None:
    metrics = Metrics()
    live(metrics, end=failed("NoSuchReason"))
    assert value(metrics, "builds_total", namespace="team", result="Failed", reason="other") == 1
    for number in range(600):
        live(metrics, Key(f"team-{number}", "app"))
    series = [
        sample
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "yadokari_builds_total"
    ]
    assert len(series) <= 502
    assert value(metrics, "builds_total", namespace="other", result="Succeeded", reason="Succeeded") == 101
    assert value(metrics, "build_part_seconds_count", part="forged by a step") is None


def test_numbers_that_somebody_else_wrote_into_a_status_take_nothing_away() -> None:
    metrics = Metrics()
    forged = Steps(current=1, total=1, cached=-3, missed=-4, saved_seconds=-5)
    live(metrics, end=replace(failed("StepFailed"), steps=forged))
    assert value(metrics, "builds_total", namespace="team", result="Failed", reason="StepFailed") == 1
    assert value(metrics, "steps_total", cache="hit") == value(metrics, "steps_total", cache="miss") == 0
    assert value(metrics, "saved_seconds_total") == 0


def test_what_is_gone_is_in_no_phase() -> None:
    metrics = Metrics()
    live(metrics)
    metrics.gone(KEY)
    metrics.gone(KEY)
    assert value(metrics, "builds_in_phase", phase="Succeeded", reason="Succeeded") == 0


def test_looks_are_timed_by_what_comes_of_them() -> None:
    ticks = iter([1.0, 1.5, 2.0, 4.0])
    metrics = Metrics(clock=lambda: next(ticks))
    with metrics.reconciling():
        pass
    with pytest.raises(ValueError, match="no"), metrics.reconciling():
        raise ValueError("no")
    assert value(metrics, "reconcile_seconds_sum", result="done") == 0.5
    assert value(metrics, "reconcile_seconds_sum", result="error") == 2


def test_the_age_of_a_watch_grows_until_the_server_is_heard() -> None:
    now = [0.0]
    metrics = Metrics(clock=lambda: now[0])
    metrics.heard("ImageBuilds")
    now[0] = 60
    assert value(metrics, "watch_age_seconds", kind="ImageBuilds") == 60
    metrics.heard("ImageBuilds")
    assert value(metrics, "watch_age_seconds", kind="ImageBuilds") == 0
