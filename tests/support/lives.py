"""Lives of builds, for what tells of them."""

import itertools
from dataclasses import replace
from datetime import timedelta

from support.resources import DIGEST, IMAGE, NOW, image_build
from yadokari_api.keys import Key
from yadokari_api.reasons import StateReason
from yadokari_api.status import BuildFailure, Status
from yadokari_contract.results.build import BuildResult, Phase
from yadokari_operator import reports
from yadokari_operator.metrics import Metrics

KEY = Key("team", "app")
RESULT = BuildResult(
    digest=DIGEST,
    steps=9,
    total_steps=9,
    cached=3,
    performed=4,
    missed=2,
    saved=2.5,
    phases=(Phase("build", 7.0), Phase("forged by a step", 1.0)),
)


def begun() -> Status:
    """A run that was asked for 40 s ago."""
    return reports.begun(image_build(), "hash", reports.Cause("Created"), NOW - timedelta(seconds=40))


def started() -> Status:
    """Its first pod, made 30 s ago."""
    run = begun()
    run = replace(
        run, run=replace(run.run, attempt=1, started_at=reports.format_time(NOW - timedelta(seconds=30)))
    )
    return reports.waiting(image_build(), run, NOW, StateReason.SCHEDULING, "soon")


def built(status: Status, result: BuildResult = RESULT) -> Status:
    """The image is pushed."""
    return reports.succeeded(image_build(), status, NOW, [IMAGE], result, NOW)


def live(metrics: Metrics, key: Key = KEY, end: Status | None = None) -> None:
    """Let a build begin and end."""
    building = reports.building(image_build(), started(), NOW)
    steps = [Status(), started(), building, end or built(building)]
    for before, now in itertools.pairwise(steps):
        metrics.seen(key, before, now, NOW)


def failed(reason: str) -> Status:
    """It has failed for good."""
    failure = BuildFailure(reason=reason, message="it failed")
    return reports.failed(image_build(), reports.building(image_build(), started(), NOW), NOW, failure, NOW)
